"""The dict of ssl.SSLSocket.getpeercert."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography import x509


def peercert(certificate: x509.Certificate) -> dict[str, object]:
    return {"serialNumber": f"{certificate.serial_number:X}"}
