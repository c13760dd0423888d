"""Signatures in the chain that are wrong, or made with a hash that no longer holds (RFC 9846, section 4.5.1.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography import x509

from certs.catalogue import BAD_CERTIFICATE_SIGNATURE, WEAK_SIGNATURE, case
from certs.der import (
    BIT_STRING,
    ECDSA_SHA1,
    ECDSA_SHA256,
    ECDSA_SHA384,
    RSA_MD5,
    RSA_SHA1,
    RSA_SHA256,
    SERIAL,
    Surgery,
    algorithm,
    bits,
    content,
    encode,
    integer,
)
from tls13.lab.authority import KeyType

if TYPE_CHECKING:
    from certs.bench import Bench, Exhibit

_RULE = "RFC 5280, section 6.1.3"
_WEAK = "RFC 9846, section 4.5.1.3"


def _flipped(certificate: x509.Certificate) -> bytes:
    """The same certificate with one bit of its signature changed."""
    surgery = Surgery(certificate)
    signature = bytearray(content(surgery.signature))
    signature[-1] ^= 1
    surgery.signature = encode(BIT_STRING, bytes(signature))
    return surgery.close()


@case(BAD_CERTIFICATE_SIGNATURE, _RULE)
def bad_leaf_signature(bench: Bench) -> Exhibit:
    """One bit of the leaf's signature is wrong."""
    return bench.show(_flipped(bench.leaf()))


@case(BAD_CERTIFICATE_SIGNATURE, _RULE)
def bad_intermediate_signature(bench: Bench) -> Exhibit:
    """One bit of the intermediate's signature is wrong."""
    return bench.show(bench.leaf(), [_flipped(bench.intermediate.certificate)])


@case(BAD_CERTIFICATE_SIGNATURE, _RULE)
def changed_after_signing(bench: Bench) -> Exhibit:
    """Another serial number than the one that was signed."""
    surgery = Surgery(bench.leaf())
    surgery.fields[SERIAL] = integer(4711)
    return bench.show(surgery.close())


@case(BAD_CERTIFICATE_SIGNATURE, _RULE)
def empty_signature(bench: Bench) -> Exhibit:
    """A signature of no octets."""
    surgery = Surgery(bench.leaf())
    surgery.signature = bits(b"")
    return bench.show(surgery.close())


@case(BAD_CERTIFICATE_SIGNATURE, _RULE)
def signed_by_a_namesake(bench: Bench) -> Exhibit:
    """The issuer's name is the intermediate's, the signature is by another key."""
    surgery = Surgery(bench.leaf())
    return bench.show(surgery.sign(KeyType.ECDSA_P256.generate()))


@case(BAD_CERTIFICATE_SIGNATURE, "CVE-2022-21449")
def zero_signature(bench: Bench) -> Exhibit:
    """An ECDSA signature of r = s = 0, which Java once took as valid for everything."""
    surgery = Surgery(bench.leaf())
    surgery.signature = bits(encode(0x30, integer(0), integer(0)))
    return bench.show(surgery.close())


@case(WEAK_SIGNATURE, _WEAK, says="is signed with SHA-1")
def sha1_leaf(bench: Bench) -> Exhibit:
    """The leaf is signed with ECDSA and SHA-1."""
    return bench.show(Surgery(bench.leaf()).sign(bench.intermediate.private_key, ECDSA_SHA1))


@case(WEAK_SIGNATURE, _WEAK, says="is signed with SHA-1")
def sha1_intermediate(bench: Bench) -> Exhibit:
    """The intermediate is signed with ECDSA and SHA-1."""
    weak = Surgery(bench.intermediate.certificate).sign(bench.root.private_key, ECDSA_SHA1)
    return bench.show(bench.leaf(), [weak])


def _by_rsa(bench: Bench, identifier: bytes) -> Exhibit:
    root = bench.own_root(key_type=KeyType.RSA_2048)
    leaf = Surgery(bench.leaf(issuer=root)).sign(root.private_key, identifier)
    return bench.show(leaf, (), roots=[root.certificate])


@case(WEAK_SIGNATURE, _WEAK, says="is signed with SHA-1")
def sha1_rsa_leaf(bench: Bench) -> Exhibit:
    """The leaf is signed with RSA and SHA-1."""
    return _by_rsa(bench, RSA_SHA1)


@case(WEAK_SIGNATURE, _WEAK, says="is signed with MD5")
def md5_leaf(bench: Bench) -> Exhibit:
    """The leaf is signed with RSA and MD5: in 2008 that was enough to make a CA out of a server's certificate."""
    return _by_rsa(bench, RSA_MD5)


@case(BAD_CERTIFICATE_SIGNATURE, "RFC 5280, section 4.1.1.2")
def mismatched_algorithms(bench: Bench) -> Exhibit:
    """The algorithm outside is not the one inside that was signed."""
    surgery = Surgery(bench.leaf())
    surgery.sign(bench.intermediate.private_key, ECDSA_SHA256)
    surgery.algorithm = ECDSA_SHA384
    return bench.show(surgery.close())


@case(BAD_CERTIFICATE_SIGNATURE, "RFC 5280, section 4.1.1.2")
def algorithm_of_another_key(bench: Bench) -> Exhibit:
    """The algorithm says RSA in both places, and the issuer's key is an EC key."""
    surgery = Surgery(bench.leaf())
    surgery.sign(bench.intermediate.private_key, RSA_SHA256)
    return bench.show(surgery.close())


@case(BAD_CERTIFICATE_SIGNATURE, "RFC 5280, section 4.1.1.2")
def unknown_signature_algorithm(bench: Bench) -> Exhibit:
    """A signature algorithm that nobody knows."""
    return bench.show(Surgery(bench.leaf()).sign(bench.intermediate.private_key, algorithm("1.3.6.1.4.1.55555.4")))
