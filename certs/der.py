"""Surgery on DER, for certificates that no honest library agrees to write.

A certificate is a sequence of three: what is signed (TBSCertificate), the algorithm, the signature. `Surgery` opens
one, lets a field be exchanged, and closes it with a new signature, so that only the intended defect is in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes

BOOLEAN: Final = 0x01
INTEGER: Final = 0x02
BIT_STRING: Final = 0x03
OCTET_STRING: Final = 0x04
NULL: Final = 0x05
OBJECT_IDENTIFIER: Final = 0x06
IA5_STRING: Final = 0x16
UTC_TIME: Final = 0x17
GENERALIZED_TIME: Final = 0x18
SEQUENCE: Final = 0x30
EXTENSIONS: Final = 0xA3  # [3] EXPLICIT, RFC 5280, section 4.1

# Where a field stands in a version 3 TBSCertificate (RFC 5280, section 4.1).
VERSION, SERIAL, SIGNATURE, ISSUER, VALIDITY, SUBJECT, PUBLIC_KEY, EXTENSION_LIST = range(8)


def encode(tag: int, *parts: bytes) -> bytes:
    """One DER element around the concatenated parts."""
    content = b"".join(parts)
    length = len(content)
    if length < 0x80:
        return bytes([tag, length]) + content
    size = (length.bit_length() + 7) // 8
    return bytes([tag, 0x80 | size]) + length.to_bytes(size) + content


def content(element: bytes) -> bytes:
    """What is inside the first element of these bytes."""
    start, end = _bounds(element)
    return element[start:end]


def children(element: bytes) -> list[bytes]:
    """The elements inside a constructed element, each with its header."""
    inside, found = content(element), []
    while inside:
        _, end = _bounds(inside)
        found.append(inside[:end])
        inside = inside[end:]
    return found


def integer(value: int) -> bytes:
    """INTEGER in the shortest two's complement form."""
    return encode(INTEGER, value.to_bytes((value + (value < 0)).bit_length() // 8 + 1, signed=True))


def bits(data: bytes) -> bytes:
    """BIT STRING of whole octets."""
    return encode(BIT_STRING, b"\0", data)


def _base128(number: int) -> bytes:
    groups = [number & 0x7F]
    while number := number >> 7:
        groups.append(number & 0x7F | 0x80)
    return bytes(reversed(groups))


def oid(dotted: str) -> bytes:
    """OBJECT IDENTIFIER."""
    first, second, *rest = (int(arc) for arc in dotted.split("."))
    return encode(OBJECT_IDENTIFIER, *(_base128(arc) for arc in (40 * first + second, *rest)))


def algorithm(dotted: str, *parameters: bytes) -> bytes:
    """AlgorithmIdentifier."""
    return encode(SEQUENCE, oid(dotted), *parameters)


ECDSA_SHA256: Final = algorithm("1.2.840.10045.4.3.2")
ECDSA_SHA384: Final = algorithm("1.2.840.10045.4.3.3")
ECDSA_SHA1: Final = algorithm("1.2.840.10045.4.1")
RSA_SHA256: Final = algorithm("1.2.840.113549.1.1.11", encode(NULL))
RSA_SHA1: Final = algorithm("1.2.840.113549.1.1.5", encode(NULL))
RSA_MD5: Final = algorithm("1.2.840.113549.1.1.4", encode(NULL))

_HASH_BY_ALGORITHM: dict[bytes, hashes.HashAlgorithm] = {
    ECDSA_SHA1: hashes.SHA1(),
    ECDSA_SHA384: hashes.SHA384(),
    RSA_SHA1: hashes.SHA1(),
    RSA_MD5: hashes.MD5(),
}


class Surgery:
    """An open certificate: `fields` are the DER elements of its TBSCertificate."""

    def __init__(self, certificate: x509.Certificate) -> None:
        to_be_signed, self.algorithm, self.signature = children(certificate.public_bytes(Encoding.DER))
        self.fields = children(to_be_signed)

    def edit_extensions(self, edit: Callable[[list[bytes]], list[bytes]]) -> None:
        """Exchange the list of Extension elements."""
        extensions = children(children(self.fields[EXTENSION_LIST])[0])
        self.fields[EXTENSION_LIST] = encode(EXTENSIONS, encode(SEQUENCE, *edit(extensions)))

    def close(self) -> bytes:
        """The certificate with its old signature, which no longer fits if a field was exchanged."""
        return encode(SEQUENCE, encode(SEQUENCE, *self.fields), self.algorithm, self.signature)

    def sign(self, key: CertificateIssuerPrivateKeyTypes, identifier: bytes = ECDSA_SHA256) -> bytes:
        """The certificate signed anew by an EC or RSA key, with this AlgorithmIdentifier in both places."""
        self.fields[SIGNATURE if self._has_version() else SIGNATURE - 1] = identifier
        self.algorithm = identifier
        self.signature = bits(sign_bytes(encode(SEQUENCE, *self.fields), key, identifier))
        return self.close()

    def _has_version(self) -> bool:
        return self.fields[0][0] == 0xA0


def sign_bytes(data: bytes, key: CertificateIssuerPrivateKeyTypes, identifier: bytes) -> bytes:
    """A signature by an EC or RSA key (PKCS #1 v1.5); the hash follows from the AlgorithmIdentifier."""
    digest = _HASH_BY_ALGORITHM.get(identifier, hashes.SHA256())
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, padding.PKCS1v15(), digest)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(data, ec.ECDSA(digest))
    raise ValueError("the workshop signs by hand with EC and RSA keys alone")


def public_key_info(certificate_key: CertificateIssuerPrivateKeyTypes) -> bytes:
    """SubjectPublicKeyInfo of this private key."""
    return certificate_key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def extension(dotted: str, value: bytes, *, critical: bool = False) -> bytes:
    """Extension, around a value that is already DER (or is not, on purpose)."""
    flag = encode(BOOLEAN, b"\xff") if critical else b""
    return encode(SEQUENCE, oid(dotted), flag, encode(OCTET_STRING, value))


def _bounds(data: bytes) -> tuple[int, int]:
    """Where the content of the first element starts and ends."""
    if data[1] < 0x80:
        return 2, 2 + data[1]
    start = 2 + (data[1] & 0x7F)
    return start, start + int.from_bytes(data[2:start])
