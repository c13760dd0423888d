"""An identity: a chain and a key that belong together, or one sentence that says why they do not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa, x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

import certs
from certs import KeyType
from certs.bench import as_rsa_pss, pss_parameters
from certs.der import ISSUER, PUBLIC_KEY, SUBJECT, Surgery
from tests.trust.chains import UNREADABLE_NAMES, with_name
from tls13.crypto.signatures import verify
from tls13.errors import ConfigurationError
from tls13.trust.identity import Identity
from tls13.wire.registry import SignatureScheme

if TYPE_CHECKING:
    from pathlib import Path

GOOD = certs.good()


def pem_key(key: object, password: bytes | None = None, form: PrivateFormat = PrivateFormat.PKCS8) -> bytes:
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, form, encryption)  # type: ignore[attr-defined] # any kind of key


def pem(*chain: x509.Certificate) -> bytes:
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in chain)


def leaf_for(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | dsa.DSAPrivateKey) -> x509.Certificate:
    ca = certs.workshop().intermediate
    return ca.sign(ca.draft(["server.example"], key.public_key()))


def test_an_identity_from_pem_presents_the_certificates_of_the_file_in_der() -> None:
    identity = Identity.from_pem(GOOD.pem_chain, GOOD.pem_key)
    assert identity.chain == GOOD.chain
    assert identity.der_chain == tuple(certificate.public_bytes(Encoding.DER) for certificate in GOOD.chain)
    scheme = identity.signature_schemes[0]
    verify(GOOD.certificate.public_key(), scheme, identity.sign(scheme, b"content"), b"content")
    assert not identity.reordered


def test_an_identity_comes_from_files_by_path(tmp_path: Path) -> None:
    (tmp_path / "chain.pem").write_bytes(GOOD.pem_chain)
    (tmp_path / "key.pem").write_bytes(GOOD.pem_key)
    assert Identity.from_files(tmp_path / "chain.pem", str(tmp_path / "key.pem")).chain == GOOD.chain


def test_a_certificate_may_have_the_older_label() -> None:
    """X509 CERTIFICATE (RFC 7468, section 5.1), which OpenSSL and our trust stores read as well."""
    identity = Identity.from_pem(GOOD.pem_chain.replace(b" CERTIFICATE", b" X509 CERTIFICATE"), GOOD.pem_key)
    assert identity.chain == GOOD.chain


@pytest.mark.parametrize("count", [1, 9], ids=["the leaf", "all"])
def test_a_certificate_with_openssls_trust_settings_is_named(count: int) -> None:
    """`openssl x509 -trustout`: behind the certificate stand settings that are nobody else's."""
    trusted = GOOD.pem_chain.replace(b" CERTIFICATE", b" TRUSTED CERTIFICATE", 2 * count)
    with pytest.raises(ConfigurationError, match=r"TRUSTED CERTIFICATE.* openssl x509 -in"):
        Identity.from_pem(trusted, GOOD.pem_key)


@pytest.mark.parametrize("key_first", [True, False])
def test_one_file_may_hold_both(key_first: bool) -> None:
    both = GOOD.pem_key + GOOD.pem_chain if key_first else GOOD.pem_chain + GOOD.pem_key
    assert Identity.from_pem(both).chain == GOOD.chain


@pytest.mark.parametrize(
    ("key_type", "first"),
    [
        (KeyType.ECDSA_P256, SignatureScheme.ecdsa_secp256r1_sha256),
        (KeyType.ECDSA_P384, SignatureScheme.ecdsa_secp384r1_sha384),
        (KeyType.ECDSA_P521, SignatureScheme.ecdsa_secp521r1_sha512),
        (KeyType.ED25519, SignatureScheme.ed25519),
        (KeyType.ED448, SignatureScheme.ed448),
        (KeyType.ML_DSA_44, SignatureScheme.mldsa44),
        (KeyType.ML_DSA_65, SignatureScheme.mldsa65),
        (KeyType.ML_DSA_87, SignatureScheme.mldsa87),
    ],
)
def test_a_key_of_each_kind_has_the_one_scheme_that_the_rfc_binds_it_to(
    key_type: KeyType, first: SignatureScheme
) -> None:
    issued = certs.good(key_type)
    assert Identity.from_pem(issued.pem_chain, issued.pem_key).signature_schemes == (first,)


def test_an_rsa_key_signs_with_pss_under_the_identifier_of_its_certificate() -> None:
    plain, pss = certs.good(KeyType.RSA_2048).identity, certs.good_rsa_pss().identity
    assert {scheme.name for scheme in plain.signature_schemes} >= {"rsa_pss_rsae_sha256", "rsa_pss_rsae_sha512"}
    assert {scheme.name for scheme in pss.signature_schemes} >= {"rsa_pss_pss_sha256", "rsa_pss_pss_sha512"}
    assert not set(plain.signature_schemes) & set(pss.signature_schemes)


@pytest.mark.parametrize("mask", [hashes.SHA384(), hashes.SHA1()], ids=lambda hash: hash.name)
def test_a_pss_key_signs_with_the_hash_that_it_is_restricted_to_or_not_at_all(mask: hashes.HashAlgorithm) -> None:
    """With the mask's hash left out, as `openssl genpkey` does unless it is told, the key is for no TLS scheme."""
    issued = certs.good_rsa_pss()
    surgery = Surgery(issued.certificate)
    parameters = pss_parameters(hashes.SHA384(), mask, 48)
    surgery.fields[PUBLIC_KEY] = as_rsa_pss(surgery.fields[PUBLIC_KEY], parameters)
    leaf = x509.load_der_x509_certificate(surgery.sign(certs.workshop().intermediate.private_key))
    if mask.name == "sha384":
        assert Identity([leaf], issued.private_key).signature_schemes == (SignatureScheme.rsa_pss_pss_sha384,)
    else:
        with pytest.raises(ConfigurationError, match="restricted to other RSASSA-PSS parameters"):
            Identity([leaf], issued.private_key)


# --- names ---------------------------------------------------------------------------------------------------


def test_a_server_name_is_matched_exactly_or_by_a_wildcard_for_one_label() -> None:
    identity = certs.workshop().root.issue(["Example.org", "*.example.net", "192.0.2.1"]).identity
    assert identity.names == ("example.org", "*.example.net")
    for name in ("example.org", "EXAMPLE.ORG", "www.example.net", "xn--bcher-kva.example.net"):
        assert identity.matches(name)
    for name in ("www.example.org", "example.net", "a.b.example.net", ".example.net", "192.0.2.1", "net", ""):
        assert not identity.matches(name)


def test_a_certificate_without_names_matches_nothing() -> None:
    identity = certs.workshop().root.issue([], common_name="server.example").identity
    assert identity.names == ()
    assert not identity.matches("server.example")


# --- order ---------------------------------------------------------------------------------------------------


def test_a_chain_in_the_wrong_order_is_put_right_and_says_so() -> None:
    ca = certs.workshop().root.intermediate(common_name="upper", path_length=1).intermediate(common_name="lower")
    issued = ca.issue(["server.example"])
    identity = Identity(tuple(reversed(issued.chain)), issued.private_key)
    assert identity.chain == issued.chain
    assert identity.reordered
    assert (
        repr(identity)
        == "<Identity CN=server.example <- CN=lower,O=tls13 laboratory <- CN=upper,O=tls13 laboratory (reordered)>"
    )


def test_a_key_that_fits_two_certificates_below_the_first_is_ambiguous() -> None:
    ca = certs.workshop().intermediate
    key = KeyType.ECDSA_P256.generate()
    old, new = (ca.sign(ca.draft(["server.example"], key.public_key())) for _ in range(2))
    with pytest.raises(ConfigurationError, match="fits 2 certificates of the chain"):
        Identity((ca.certificate, old, new), key)
    assert Identity((new, ca.certificate, old), key).chain == (new, ca.certificate, old)


# --- mistakes ------------------------------------------------------------------------------------------------


def test_a_key_of_another_certificate_is_refused() -> None:
    other = KeyType.RSA_2048.generate()
    with pytest.raises(
        ConfigurationError,
        match=r"does not belong to the certificate of CN=localhost.*the key given is an RSA key of 2048 bits",
    ):
        Identity.from_pem(GOOD.pem_chain, pem_key(other))


@pytest.mark.parametrize(
    ("certificate", "key", "sentence"),
    [
        (b"", GOOD.pem_key, "there is no certificate in the file"),
        (GOOD.pem_key, GOOD.pem_key, "there is no certificate in the file"),
        (GOOD.certificate.public_bytes(Encoding.DER), GOOD.pem_key, "no line says -----BEGIN CERTIFICATE-----"),
        (GOOD.pem_chain.replace(b"MI", b"ZZ", 1), GOOD.pem_key, "a certificate in the file cannot be read"),
        (GOOD.pem_chain, GOOD.pem_chain, "there is no private key in the file"),
        (GOOD.pem_chain, None, "there is no private key in the file"),
        (GOOD.pem_chain, GOOD.pem_key.replace(b"MI", b"ZZ", 1), "the private key cannot be read"),
    ],
)
def test_files_that_do_not_hold_what_they_should_are_named(
    certificate: bytes, key: bytes | None, sentence: str
) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        Identity.from_pem(certificate, key)


@UNREADABLE_NAMES
@pytest.mark.parametrize("position", [SUBJECT, ISSUER], ids=["subject", "issuer"])
@pytest.mark.parametrize("number", [1, 2], ids=["the leaf", "its issuer"])
def test_names_that_cannot_be_read_are_found_when_it_is_made(spoil, position: int, number: int) -> None:
    """For they are compared with what a CertificateRequest names, in the handshake (RFC 9846, section 4.3.4)."""
    shop = certs.workshop()
    chain = [*GOOD.chain]
    ca = shop.intermediate if number == 1 else shop.root
    chain[number - 1] = x509.load_der_x509_certificate(with_name(chain[number - 1], ca, spoil, position))
    with pytest.raises(ConfigurationError, match=f"certificate number {number} of the chain: its names cannot be read"):
        Identity(chain, GOOD.private_key)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        Identity.from_pem(pem(*chain), GOOD.pem_key)


def test_an_identity_needs_a_certificate() -> None:
    with pytest.raises(ConfigurationError, match="at least one certificate"):
        Identity((), GOOD.private_key)


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_an_encrypted_key_needs_its_password(form: PrivateFormat) -> None:
    encrypted = pem_key(GOOD.private_key, b"open sesame", form)
    with pytest.raises(ConfigurationError, match="encrypted and no password was given"):
        Identity.from_pem(GOOD.pem_chain, encrypted)
    with pytest.raises(ConfigurationError, match="the password does not decrypt") as caught:
        Identity.from_pem(GOOD.pem_chain, encrypted, b"open barley")
    assert "barley" not in str(caught.value)
    assert caught.value.__suppress_context__
    assert Identity.from_pem(GOOD.pem_chain, encrypted, b"open sesame").chain == GOOD.chain


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
@pytest.mark.parametrize("password", [b"", bytearray(), "", lambda: b""], ids=["bytes", "bytearray", "str", "asked"])
def test_an_empty_password_is_none(form: PrivateFormat, password) -> None:
    """What a person gives who presses Enter at the prompt."""
    encrypted = pem_key(GOOD.private_key, b"open sesame", form)
    with pytest.raises(ConfigurationError, match="encrypted and no password was given"):
        Identity.from_pem(GOOD.pem_chain, encrypted, password)


@pytest.mark.parametrize("password", ["open sesame", lambda: "open sesame", 7])
def test_a_password_is_bytes(password) -> None:
    with pytest.raises(ConfigurationError, match=r"the password is bytes, not (str|int)") as caught:
        Identity.from_pem(GOOD.pem_chain, pem_key(GOOD.private_key, b"open sesame"), password)
    assert "sesame" not in str(caught.value)


def test_a_password_is_asked_for_once_and_only_when_the_key_is_encrypted() -> None:
    asked: list[str] = []

    def ask() -> bytes:
        asked.append("asked")
        return b"open sesame"

    Identity.from_pem(GOOD.pem_chain, GOOD.pem_key, ask)
    assert asked == []
    Identity.from_pem(GOOD.pem_chain, pem_key(GOOD.private_key, b"open sesame"), ask)
    assert asked == ["asked"]


def test_an_rsa_key_below_2048_bits_is_refused() -> None:
    key = rsa.generate_private_key(65537, 1024)
    with pytest.raises(ConfigurationError, match="the RSA key has 1024 bits"):
        Identity([leaf_for(key)], key)


def test_a_key_that_tls_has_no_scheme_for_is_refused() -> None:
    key = ec.generate_private_key(ec.SECP256K1())
    with pytest.raises(ConfigurationError, match="no signature scheme for an EC key on secp256k1"):
        Identity([leaf_for(key)], key)


def test_a_key_that_cannot_sign_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="cannot sign with a key of the type X25519"):
        Identity.from_pem(GOOD.pem_chain, pem_key(x25519.X25519PrivateKey.generate()))


def test_the_repr_shows_the_names_and_no_key() -> None:
    identity = GOOD.identity
    assert repr(identity) == "<Identity CN=localhost <- CN=Workshop intermediate,O=tls13 laboratory>"
    assert not any(line in repr(identity) for line in GOOD.pem_key.decode().splitlines())


def test_an_identity_with_an_unreadable_list_of_names_can_still_be_presented() -> None:
    exhibit = certs.catalogue()["malformed-subject-alt-name"].exhibit(certs.workshop())
    chain = [x509.load_der_x509_certificate(blob) for blob in exhibit.chain]
    assert Identity(chain, exhibit.private_key).names == ()
