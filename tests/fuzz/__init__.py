"""Conversations whose messages and records are broken at random, for minutes or for hours.

`python -m tests.fuzz --seconds 600` runs new ones and prints the number of each that fails; test_fuzz.py runs some
thousand in CI's second suite. A conversation is made of its number alone, so that `python -m tests.fuzz --number N`
shows the same one again.
"""
