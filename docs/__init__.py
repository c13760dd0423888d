"""The guide, and the pages that are made from the code: `python -m docs` makes them again."""
