"""python -m tls13, and the script `tls13`."""

from __future__ import annotations

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())

__all__ = ["main"]
