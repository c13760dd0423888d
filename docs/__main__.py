"""python -m docs: make every page and picture that is made from the code."""

from __future__ import annotations

from . import states


def main() -> None:
    for path, text in states.made().items():
        path.write_text(text)


if __name__ == "__main__":
    main()
