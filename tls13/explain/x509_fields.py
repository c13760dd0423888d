"""A certificate opened to its bytes."""

from __future__ import annotations

from .spans import Field


def certificate_fields(der: bytes) -> Field:
    """The DER of a certificate."""
    meaning = "A certificate, in DER."
    return Field("Certificate", 0, len(der), "SEQUENCE", f"{len(der)} bytes", meaning, "RFC 5280, 4.1")
