"""Keys that are too weak, too large, or of a kind that TLS 1.3 cannot use (RFC 9846, section 4.5.1.2)."""

from __future__ import annotations

from hashlib import shake_256
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import ec, rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from certs.catalogue import ACCEPTED, WEAK_KEY, case
from certs.der import NULL, PUBLIC_KEY, SEQUENCE, Surgery, algorithm, bits, children, encode, integer
from tls13.lab.authority import KeyType

if TYPE_CHECKING:
    from certs.bench import Bench, Exhibit

_RULE = "RFC 9846, section 4.5.1.2"
_RSA = algorithm("1.2.840.113549.1.1.1", encode(NULL))
_DSA = "1.2.840.10040.4.1"


def _number(size: int, seed: bytes) -> int:
    """An odd number of exactly `size` bits, always the same: a public key that nobody has the private key of."""
    return int.from_bytes(shake_256(seed).digest(size // 8)) | 1 << (size - 1) | 1


def _rsa_info(modulus: int, exponent: int = 65537) -> bytes:
    return encode(SEQUENCE, _RSA, bits(encode(SEQUENCE, integer(modulus), integer(exponent))))


def _with_key_info(bench: Bench, info: bytes) -> Exhibit:
    """A leaf with this SubjectPublicKeyInfo, correctly signed."""
    surgery = Surgery(bench.leaf())
    surgery.fields[PUBLIC_KEY] = info
    return bench.show(surgery.sign(bench.intermediate.private_key))


@case(WEAK_KEY, _RULE, says="an RSA key of 1024 bits")
def rsa_1024_leaf(bench: Bench) -> Exhibit:
    """An RSA key of 1024 bits."""
    key = rsa.generate_private_key(65537, 1024)
    return bench.show(bench.leaf(key=key), key=key)


@case(WEAK_KEY, _RULE, says="an RSA key of 512 bits")
def rsa_512_leaf(bench: Bench) -> Exhibit:
    """An RSA key of 512 bits: factored in an afternoon."""
    return _with_key_info(bench, _rsa_info(_number(512, b"512")))


@case(WEAK_KEY, _RULE, says="has an RSA key of 1024 bits")
def rsa_1024_intermediate(bench: Bench) -> Exhibit:
    """The leaf's key is good, its issuer's an RSA key of 1024 bits."""
    issuer = bench.ca(key=rsa.generate_private_key(65537, 1024))
    return bench.show(bench.leaf(issuer=issuer), issuer.chain)


@case(WEAK_KEY, _RULE, says="an RSA key of 16384 bits")
def rsa_16384_leaf(bench: Bench) -> Exhibit:
    """An RSA key of 16384 bits: one signature check takes as long as some thousand others."""
    return _with_key_info(bench, _rsa_info(_number(16384, b"16384")))


@case(WEAK_KEY, _RULE, says="a key that cannot be used")
def rsa_exponent_one(bench: Bench) -> Exhibit:
    """An RSA key with the exponent 1: every message is its own signature."""
    return _with_key_info(bench, _rsa_info(_number(2048, b"exponent"), exponent=1))


@case(ACCEPTED, _RULE)
def rsa_8192_leaf(bench: Bench) -> Exhibit:
    """An RSA key of 8192 bits: as large as we take."""
    return _with_key_info(bench, _rsa_info(_number(8192, b"8192")))


@case(WEAK_KEY, _RULE, says="is of no use in TLS 1.3")
def dsa_leaf(bench: Bench) -> Exhibit:
    """A DSA key: TLS 1.3 has no signature scheme for it."""
    parameters = encode(SEQUENCE, *(integer(_number(size, b"dsa")) for size in (2048, 256)), integer(2))
    info = encode(SEQUENCE, algorithm(_DSA, parameters), bits(integer(_number(2040, b"dsa y"))))
    return _with_key_info(bench, info)


def _on_curve(bench: Bench, curve: ec.EllipticCurve) -> Exhibit:
    key = ec.generate_private_key(curve)
    return bench.show(bench.leaf(key=key), key=key)


@case(WEAK_KEY, _RULE, says="is of no use in TLS 1.3")
def secp256k1_leaf(bench: Bench) -> Exhibit:
    """A key on Bitcoin's curve: good for signatures, but no scheme of TLS 1.3 names it."""
    return _on_curve(bench, ec.SECP256K1())


@case(WEAK_KEY, _RULE, says="is of no use in TLS 1.3")
def brainpool_leaf(bench: Bench) -> Exhibit:
    """A key on brainpoolP256r1 (RFC 8734), which we do not offer."""
    return _on_curve(bench, ec.BrainpoolP256R1())


@case(WEAK_KEY, _RULE, says="is of no use in TLS 1.3")
def secp192r1_leaf(bench: Bench) -> Exhibit:
    """A key on a curve of 192 bits."""
    return _on_curve(bench, ec.SECP192R1())


@case(WEAK_KEY, _RULE, says="is of no use in TLS 1.3")
def x25519_leaf(bench: Bench) -> Exhibit:
    """A key that can agree on secrets and not sign."""
    public = x25519.X25519PrivateKey.generate().public_key()
    return _with_key_info(bench, public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


@case(WEAK_KEY, "RFC 5480, section 2.2", says="a key that cannot be used")
def point_not_on_the_curve(bench: Bench) -> Exhibit:
    """The leaf's EC point does not satisfy the curve's equation."""
    surgery = Surgery(bench.leaf())
    identifier, _ = children(surgery.fields[PUBLIC_KEY])
    point = b"\x04" + b"\x01" * 64
    return _with_key_info(bench, encode(SEQUENCE, identifier, bits(point)))


@case(WEAK_KEY, "RFC 5280, section 4.1.2.7", says="a key that cannot be used")
def unknown_key_algorithm(bench: Bench) -> Exhibit:
    """A key with an algorithm identifier that nobody knows."""
    return _with_key_info(bench, encode(SEQUENCE, algorithm("1.3.6.1.4.1.55555.3"), bits(b"key")))


@case(WEAK_KEY, "RFC 8410, section 3", says="signs with a kind of key that is not accepted")
def ed25519_issuer(bench: Bench) -> Exhibit:
    """An Ed25519 CA: nothing is wrong with it, but our verifier does not take it, and never offers to."""
    issuer = bench.ca(key=KeyType.ED25519.generate())
    return bench.show(bench.leaf(issuer=issuer), issuer.chain)


@case(ACCEPTED, "RFC 9881, section 2")
def ml_dsa_issuer(bench: Bench) -> Exhibit:
    """An ML-DSA-65 CA, between an ECDSA root and an ECDSA leaf."""
    issuer = bench.ca(key=KeyType.ML_DSA_65.generate())
    return bench.show(bench.leaf(issuer=issuer), issuer.chain)
