"""python -m docs: make every page and picture that is made from the code."""

from __future__ import annotations

from . import follow_one_byte, pictures, states


def main() -> None:
    for module in (states, follow_one_byte, pictures):
        module.main()


if __name__ == "__main__":
    main()
