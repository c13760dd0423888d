"""Signature schemes: RFC 9846, sections 4.3.3 and 4.5.2; ML-DSA from draft-ietf-tls-mldsa.

In TLS 1.3 a scheme names everything: the algorithm, the hash, the curve, the padding. So a table says it all: each
scheme, the kind of key it goes with, and how to sign and verify. RSASSA-PKCS1-v1_5 and SHA-1 are not in it: they may
still stand inside certificates, never in a CertificateVerify.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mldsa, padding, rsa
from cryptography.x509.oid import PublicKeyAlgorithmOID, SignatureAlgorithmOID

from .. import errors
from ..wire.registry import SignatureScheme

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypeAlias

    from cryptography import x509

    from .public_keys import PublicKeyInfo

    KeyHolder: TypeAlias = x509.Certificate | PublicKeyInfo
    """What carries a public key."""


KEY_KINDS: tuple[tuple[Any, Any, str], ...] = (
    (ec.EllipticCurvePrivateKey, ec.EllipticCurvePublicKey, "EC"),
    (rsa.RSAPrivateKey, rsa.RSAPublicKey, "rsaEncryption"),
    (ed25519.Ed25519PrivateKey, ed25519.Ed25519PublicKey, "ed25519"),
    (ed448.Ed448PrivateKey, ed448.Ed448PublicKey, "ed448"),
    (mldsa.MLDSA44PrivateKey, mldsa.MLDSA44PublicKey, "mldsa44"),
    (mldsa.MLDSA65PrivateKey, mldsa.MLDSA65PublicKey, "mldsa65"),
    (mldsa.MLDSA87PrivateKey, mldsa.MLDSA87PublicKey, "mldsa87"),
)

RSA_KINDS = frozenset({"rsaEncryption", "RSASSA-PSS"})
"""In the words of `key_kind`."""


class Scheme:
    """One SignatureScheme: `kind` of key (see key_kind) and the arguments that `cryptography` wants."""

    __slots__ = ("arguments", "kind", "smallest_rsa")

    def __init__(self, kind: str, *arguments: Any, smallest_rsa: int = 0) -> None:
        self.kind = kind
        self.arguments = arguments
        self.smallest_rsa = smallest_rsa
        """Bytes: an RSA key must have room for two hashes and two bytes (RFC 8017, section 9.1.1)."""


def _pss(kind: str, hash: hashes.HashAlgorithm) -> Scheme:
    """RSASSA-PSS with MGF1; the salt is as long as the digest (section 4.3.3)."""
    pad = padding.PSS(mgf=padding.MGF1(hash), salt_length=hash.digest_size)
    return Scheme(kind, pad, hash, smallest_rsa=2 * hash.digest_size + 2)


SCHEMES: Mapping[int, Scheme] = {
    SignatureScheme.ecdsa_secp256r1_sha256: Scheme("secp256r1", ec.ECDSA(hashes.SHA256())),
    SignatureScheme.ed25519: Scheme("ed25519"),
    SignatureScheme.rsa_pss_rsae_sha256: _pss("rsaEncryption", hashes.SHA256()),
    SignatureScheme.ecdsa_secp384r1_sha384: Scheme("secp384r1", ec.ECDSA(hashes.SHA384())),
    SignatureScheme.rsa_pss_rsae_sha384: _pss("rsaEncryption", hashes.SHA384()),
    SignatureScheme.ecdsa_secp521r1_sha512: Scheme("secp521r1", ec.ECDSA(hashes.SHA512())),
    SignatureScheme.rsa_pss_rsae_sha512: _pss("rsaEncryption", hashes.SHA512()),
    SignatureScheme.rsa_pss_pss_sha256: _pss("RSASSA-PSS", hashes.SHA256()),
    SignatureScheme.rsa_pss_pss_sha384: _pss("RSASSA-PSS", hashes.SHA384()),
    SignatureScheme.rsa_pss_pss_sha512: _pss("RSASSA-PSS", hashes.SHA512()),
    SignatureScheme.ed448: Scheme("ed448"),
    SignatureScheme.mldsa44: Scheme("mldsa44"),
    SignatureScheme.mldsa65: Scheme("mldsa65"),
    SignatureScheme.mldsa87: Scheme("mldsa87"),
}

SHA1_SCHEMES = frozenset({SignatureScheme.rsa_pkcs1_sha1, SignatureScheme.ecdsa_sha1})
"""Deprecated: a chain with such a signature is shown only to who lists it (section 4.5.1.2)."""

CERTIFICATE_SIGNATURES = {
    SignatureAlgorithmOID.RSA_WITH_SHA1: "rsa_pkcs1_sha1",
    SignatureAlgorithmOID.RSA_WITH_SHA256: "rsa_pkcs1_sha256",
    SignatureAlgorithmOID.RSA_WITH_SHA384: "rsa_pkcs1_sha384",
    SignatureAlgorithmOID.RSA_WITH_SHA512: "rsa_pkcs1_sha512",
    SignatureAlgorithmOID.RSASSA_PSS: "rsa_pss_*",
    SignatureAlgorithmOID.ECDSA_WITH_SHA1: "ecdsa_sha1",
    SignatureAlgorithmOID.ECDSA_WITH_SHA256: "ecdsa_secp256r1_sha256",
    SignatureAlgorithmOID.ECDSA_WITH_SHA384: "ecdsa_secp384r1_sha384",
    SignatureAlgorithmOID.ECDSA_WITH_SHA512: "ecdsa_secp521r1_sha512",
    SignatureAlgorithmOID.ED25519: "ed25519",
    SignatureAlgorithmOID.ED448: "ed448",
    SignatureAlgorithmOID.ML_DSA_44: "mldsa44",
    SignatureAlgorithmOID.ML_DSA_65: "mldsa65",
    SignatureAlgorithmOID.ML_DSA_87: "mldsa87",
}
"""How a certificate is signed -> the scheme's name; of RSASSA-PSS the hash is in the parameters."""

DEFAULT_SIGNATURE_SCHEMES: tuple[SignatureScheme, ...] = tuple(SignatureScheme(code) for code in SCHEMES)
"""What may sign a CertificateVerify, in order of preference: small and fast first."""


def key_kind(key: Any, holder: KeyHolder | None = None) -> str | None:
    """What a key is, in the words of the table; None for kinds that TLS 1.3 does not sign with.

    An RSA key does not know whether it is restricted to PSS: `cryptography` shows both as plain RSA keys. Only the
    certificate's algorithm identifier says it (section 4.3.3: rsae and pss schemes by OID).
    """
    family = _family(type(key))
    if family == "EC":
        curve: str = key.curve.name
        return curve if curve in ("secp256r1", "secp384r1", "secp521r1") else None
    if family == "rsaEncryption" and holder is not None:
        pss = holder.public_key_algorithm_oid == PublicKeyAlgorithmOID.RSASSA_PSS
        return "RSASSA-PSS" if pss else family
    return family


_FAMILIES: dict[type, str | None] = {}


def _family(kind: type) -> str | None:
    """The library's abstract classes are slow to ask, and the answer is always the same."""
    if kind not in _FAMILIES:
        _FAMILIES[kind] = next((name for *classes, name in KEY_KINDS if issubclass(kind, tuple(classes))), None)
    return _FAMILIES[kind]


def schemes_for(key: Any, holder: KeyHolder | None = None) -> tuple[SignatureScheme, ...]:
    """What a private or public key can be used with in a CertificateVerify, in order of preference."""
    kind = key_kind(key, holder)
    # One bit less than the modulus (RFC 8017, section 9.1.1): 1033 bits have room for 129 bytes, not for 130.
    size = (key.key_size + 6) // 8 if kind in RSA_KINDS else 0
    fitting = _schemes(kind, size)
    if kind != "RSASSA-PSS" or holder is None:
        return fitting
    from .spki import allows_pss

    return tuple(scheme for scheme in fitting if allows_pss(holder, SCHEMES[scheme].arguments[1]))


@lru_cache(64)
def _schemes(kind: str | None, size: int) -> tuple[SignatureScheme, ...]:
    return tuple(
        SignatureScheme(code) for code, scheme in SCHEMES.items() if scheme.kind == kind and scheme.smallest_rsa <= size
    )


def signed_with(certificate: x509.Certificate) -> frozenset[SignatureScheme]:
    """What signature_algorithms_cert calls a certificate's signature (section 4.3.3): with RSASSA-PSS two names fit,
    and of ECDSA the hash alone counts, for the curve is the issuer's. Empty for what has no name there."""
    name = CERTIFICATE_SIGNATURES.get(certificate.signature_algorithm_oid, "")
    hash = ""
    if "*" in name:
        try:
            algorithm = certificate.signature_hash_algorithm
        except UnsupportedAlgorithm:
            return frozenset()
        hash = algorithm.name if algorithm is not None else ""
    return frozenset(scheme for scheme in SignatureScheme if fnmatchcase(scheme.name, name.replace("*", f"*{hash}")))


def check_suitable(scheme: SignatureScheme, holder: KeyHolder) -> None:
    """Section 4.5.2: the scheme MUST be compatible with the key. Raises SignatureSchemeUnsuitable."""
    try:
        key = holder.public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise errors.SignatureSchemeUnsuitable(f"{scheme} with a key that cannot be read") from None
    fitting = schemes_for(key, holder)
    if scheme not in fitting:
        names = ", ".join(one.name for one in fitting) or "none at all"
        kind = key_kind(key, holder) or "unknown"
        raise errors.SignatureSchemeUnsuitable(f"{scheme} with a key of kind {kind}, which goes with {names}")


def signed_content(context: bytes, transcript_hash: bytes) -> bytes:
    """Section 4.5.2: 64 spaces, the context string, a zero byte, the transcript hash.

    The spaces keep a TLS 1.2 signature from being taken for one of these (its first 64 bytes are the two randoms).
    """
    return b" " * 64 + context + b"\0" + transcript_hash


def sign(private_key: Any, scheme: int, content: bytes) -> bytes:
    """A signature by a key that `schemes_for` says the scheme fits."""
    signature: bytes = private_key.sign(content, *SCHEMES[scheme].arguments)
    return signature


def verify(public_key: Any, scheme: int, signature: bytes, content: bytes) -> None:
    """Raises BadSignature (decrypt_error, section 4.5.2). The key is one that `check_suitable` has passed."""
    try:
        public_key.verify(signature, content, *SCHEMES[scheme].arguments)
    except (InvalidSignature, ValueError):
        raise errors.BadSignature(SignatureScheme(scheme)) from None
