"""Raw public keys by themselves: RFC 7250's example, and bytes that are no key.

tests/test_other_credentials.py has them in handshakes.
"""

from __future__ import annotations

import random
import re
from contextlib import suppress

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, mldsa, rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

import tls13
from certs.bench import as_rsa_pss
from tests.vectors_reader import SHARED, SHARED_IS_ABSENT
from tls13.crypto.public_keys import PublicKeyInfo
from tls13.crypto.signatures import check_suitable
from tls13.errors import (
    AlertDescription,
    BadPublicKey,
    CertificateError,
    ConfigurationError,
    SignatureSchemeUnsuitable,
    UnknownPublicKey,
)
from tls13.trust.raw_keys import RawPublicKey, trusted_key
from tls13.wire.registry import CertificateType, SignatureScheme

RFC = SHARED / "reference" / "rfc" / "rfc7250.txt"
RSA = rsa.generate_private_key(65537, 2048)
KEYS = {
    "ecdsa_secp256r1_sha256": ec.generate_private_key(ec.SECP256R1()),
    "ecdsa_secp384r1_sha384": ec.generate_private_key(ec.SECP384R1()),
    "ecdsa_secp521r1_sha512": ec.generate_private_key(ec.SECP521R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate(),
    "ed448": ed448.Ed448PrivateKey.generate(),
    "mldsa44": mldsa.MLDSA44PrivateKey.generate(),
    "rsa_pss_rsae_sha256": RSA,
}


def spki(key: object) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]


@pytest.mark.skipif(not RFC.is_file(), reason=SHARED_IS_ABSENT)
def test_the_rfcs_example_is_read() -> None:
    """Appendix A: rsaEncryption, 1024 bits, exponent 65537; figure 10 says so."""
    text = RFC.read_text()
    text = text[text.index("Appendix A.  Example Encoding\n\n   For") : text.index("Figure 9: Example Subj")]
    der = bytes(int(one, 16) for one in re.findall("0x([0-9a-f]{2})", text))
    assert len(der) == 3 + 159
    key = trusted_key(der, {der})
    public = key.public_key()
    assert isinstance(public, rsa.RSAPublicKey)
    assert (public.key_size, public.public_numbers().e) == (1024, 65537)
    assert key.public_key_algorithm_oid.dotted_string == "1.2.840.113549.1.1.1"


@pytest.mark.parametrize("name", KEYS)
def test_a_raw_key_shows_its_subject_public_key_info_and_signs(name) -> None:
    identity = RawPublicKey(KEYS[name])
    assert identity.der_chain == (identity.spki,) == (spki(KEYS[name]),)
    assert identity.certificate_type == CertificateType.RawPublicKey
    assert identity.signature_schemes[0].name == name
    assert trusted_key(identity.spki, [identity.spki]).der == identity.spki
    assert isinstance(identity.sign(identity.signature_schemes[0], b"content"), bytes)


def test_the_repr_shows_no_key() -> None:
    assert repr(RawPublicKey(KEYS["ed25519"])) == "<RawPublicKey for ed25519>"


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        (ec.generate_private_key(ec.SECP256K1()), "no signature scheme"),
        (dsa.generate_private_key(1024), "no signature scheme"),
        (rsa.generate_private_key(65537, 1024), "1024 bits"),
    ],
)
def test_a_key_that_nobody_would_accept_is_refused(key, sentence) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        RawPublicKey(key)


@pytest.mark.parametrize(
    ("bits", "exponent", "says"),
    [(8200, 65537, "an RSA key of 8200 bits"), (2048, 2**64 + 1, "a public exponent of 65 bits")],
)
def test_a_key_that_is_expensive_to_verify_with_is_not_trusted(bits, exponent, says) -> None:
    """The limits are those of a certificate's key, and the one who trusts it hears of them before any handshake."""
    public_key = rsa.RSAPublicNumbers(exponent, (1 << bits) - 159).public_key()
    der = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(ConfigurationError, match=says):
        tls13.ClientConfig(server_raw_keys=[der])


def test_only_the_very_bytes_that_are_trusted_are_believed() -> None:
    """The same modulus under another identifier is another key, for other schemes; and so is one with a byte more."""
    known = spki(RSA)
    for other in (as_rsa_pss(known), known + b"\0", known[:-1], b"", spki(KEYS["ed25519"])):
        with pytest.raises(UnknownPublicKey) as caught:
            trusted_key(other, {known})
        assert caught.value.alert == AlertDescription.certificate_unknown
        assert isinstance(caught.value, CertificateError)
    with pytest.raises(UnknownPublicKey):
        trusted_key(known, ())


def test_an_rsa_key_keeps_to_the_schemes_of_its_identifier() -> None:
    """RFC 9846, section 4.3.3: rsae and pss are told apart by the OID, here without a certificate."""
    rsae, pss = PublicKeyInfo(spki(RSA)), PublicKeyInfo(as_rsa_pss(spki(RSA)))
    check_suitable(SignatureScheme.rsa_pss_rsae_sha256, rsae)
    check_suitable(SignatureScheme.rsa_pss_pss_sha256, pss)
    for scheme, holder in ((SignatureScheme.rsa_pss_rsae_sha256, pss), (SignatureScheme.rsa_pss_pss_sha256, rsae)):
        with pytest.raises(SignatureSchemeUnsuitable):
            check_suitable(scheme, holder)


def test_a_key_that_cannot_sign_fits_no_scheme() -> None:
    der = spki(x25519.X25519PrivateKey.generate())
    for scheme in SignatureScheme:
        with pytest.raises(SignatureSchemeUnsuitable):
            check_suitable(scheme, trusted_key(der, {der}))


def test_any_bytes_are_a_key_or_an_offence() -> None:
    """A delegated credential brings bytes of the peer's here; nothing but BadPublicKey may come of them."""
    chance = random.Random(7250)
    wholes = [spki(key) for key in KEYS.values()] + [as_rsa_pss(spki(RSA))]
    for whole in wholes:
        for _ in range(300):
            changed = bytearray(whole)
            for _ in range(chance.randrange(1, 4)):
                changed[chance.randrange(min(len(changed), 40))] = chance.randrange(256)
            with suppress(BadPublicKey):
                PublicKeyInfo(bytes(changed)).public_key()
        for length in range(0, len(whole), 7):
            with pytest.raises(BadPublicKey) as caught:
                PublicKeyInfo(whole[:length])
        assert caught.value.alert == AlertDescription.bad_certificate
        with pytest.raises(BadPublicKey):
            PublicKeyInfo(whole + b"\0")
