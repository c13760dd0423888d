"""The values of ASN.1's types in words; for show, so nothing here fails for what a certificate holds."""

from __future__ import annotations

from ipaddress import ip_address

from cryptography import x509

USAGES = (
    "digitalSignature", "nonRepudiation", "keyEncipherment", "dataEncipherment", "keyAgreement", "keyCertSign",
    "cRLSign", "encipherOnly", "decipherOnly",
)  # fmt: skip
"""RFC 5280, section 4.2.1.3, bit by bit."""


def oid(content: bytes) -> tuple[str, str]:
    """Dotted, and with its name if it has one."""
    numbers, number = [], 0
    for byte in content:
        number = number << 7 | byte & 0x7F
        if not byte & 0x80:
            numbers.append(number)
            number = 0
    if not numbers:
        return "", "no object identifier"
    first = min(numbers[0] // 40, 2)
    dotted = ".".join(map(str, (first, numbers[0] - 40 * first, *numbers[1:])))
    try:
        name: str = x509.ObjectIdentifier(dotted)._name
    except ValueError:
        name = "Unknown OID"
    name = MORE_NAMES.get(dotted, name)
    return dotted, dotted if name == "Unknown OID" else name


MORE_NAMES = {
    "1.2.840.10045.2.1": "id-ecPublicKey",
    "1.2.840.10045.3.1.7": "secp256r1",
    "1.3.132.0.34": "secp384r1",
    "1.3.132.0.35": "secp521r1",
    "1.2.840.113549.1.1.1": "rsaEncryption",
}
"""Of keys and curves, which `cryptography` does not name."""


def integer(content: bytes) -> str:
    number = int.from_bytes(content, "big", signed=True)
    return str(number) if len(content) <= 4 else f"{content.hex()[:40]}{'...' if len(content) > 20 else ''}"


def time(content: bytes) -> str:
    """UTCTime (YYMMDDHHMMSSZ, where YY from 50 on is 19YY) and GeneralizedTime (YYYYMMDDHHMMSSZ)."""
    digits = content.decode("ascii", "backslashreplace")
    if len(digits) == 13 and digits[:12].isdigit():
        digits = ("19" if digits[:2] >= "50" else "20") + digits
    if len(digits) != 15 or not digits[:14].isdigit():
        return text(content)
    return f"{digits[:4]}-{digits[4:6]}-{digits[6:8]} {digits[8:10]}:{digits[10:12]}:{digits[12:14]} UTC"


def text(content: bytes) -> str:
    """Of somebody else's choice: nothing in it may steer a terminal."""
    shown = content.decode("utf-8", "backslashreplace")
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in shown)


def address(content: bytes) -> str:
    """An IP address, in a GeneralName."""
    return str(ip_address(content)) if len(content) in (4, 16) else content.hex()


def bit_string(content: bytes) -> str:
    return f"{8 * (len(content) - 1) - content[0]} bits" if content and content[0] < 8 else f"{len(content)} bytes"


def usages(content: bytes) -> str:
    """A BIT STRING of key usages."""
    bits = "".join(f"{byte:08b}" for byte in content[1:])
    return ", ".join(name for name, bit in zip(USAGES, bits, strict=False) if bit == "1") or "none"
