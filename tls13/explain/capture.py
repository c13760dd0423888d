"""What was on the wire in both directions, with times, and the secrets that are known.

A live connection, a capture file, a trace of RFC 8448 and the demo are each put into this form first; one path leads
from there to everything that is shown.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Segment:
    """Bytes of one direction. `time`: seconds since the first segment."""

    to_server: bool
    time: float
    data: bytes


@dataclass(slots=True)
class Capture:
    """`secrets`: by the labels of RFC 9850, values in order; where the source knows more: "PSK", "ECDHE", "client
    private key", "server private key"."""

    segments: list[Segment]
    secrets: dict[str, list[bytes]] = field(repr=False)
    source: str
    client: str
    server: str
    verified_chain: list[bytes]
    network: dict[str, object] | None
    notes: list[str]
