"""Facts from outside: RFC 8448's traces and others. Each file in vectors/ says where its values come from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def load(name: str) -> Any:
    return json.loads((Path(__file__).parent / "vectors" / f"{name}.json").read_text())


RFC8448: dict[str, Any] = load("rfc8448")["traces"]
SHARED = Path(__file__).parents[2] / "shared"
SHARED_IS_ABSENT = "../shared is not there: this clone stands alone"


def unhex(text: str) -> bytes:
    return bytes.fromhex(text)
