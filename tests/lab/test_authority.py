"""The little CA, judged by two verifiers that are not ours: OpenSSL in strict mode, and cryptography's web profile."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import mldsa
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.verification import DNSName, PolicyBuilder, Store
from OpenSSL import crypto

from tls13.errors import ConfigurationError
from tls13.lab.authority import CLIENT_AUTH, Authority, KeyType

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
HOST = "server.example"


@pytest.fixture(scope="module")
def root() -> Authority:
    return Authority.create(now=NOW)


def openssl_accepts(root: x509.Certificate, chain: tuple[x509.Certificate, ...]) -> None:
    store = crypto.X509Store()
    store.set_flags(crypto.X509StoreFlags.X509_STRICT | crypto.X509StoreFlags.CHECK_SS_SIGNATURE)
    store.set_time(NOW)
    store.add_cert(crypto.X509.from_cryptography(root))
    leaf, *above = (crypto.X509.from_cryptography(certificate) for certificate in chain)
    crypto.X509StoreContext(store, leaf, above).verify_certificate()


@pytest.mark.parametrize("key_type", list(KeyType))
def test_openssl_accepts_a_leaf_of_every_key_type_in_strict_mode(root: Authority, key_type: KeyType) -> None:
    issued = root.intermediate().issue([HOST], key_type=key_type)
    assert len(issued.chain) == 2
    openssl_accepts(root.certificate, issued.chain)


@pytest.mark.parametrize("key_type", list(KeyType))
def test_every_key_type_can_be_a_ca(key_type: KeyType) -> None:
    root = Authority.create(now=NOW, key_type=key_type)
    openssl_accepts(root.certificate, root.intermediate(key_type=key_type).issue([HOST]).chain)


@pytest.mark.parametrize("key_type", [KeyType.ECDSA_P256, KeyType.ECDSA_P384, KeyType.ECDSA_P521, KeyType.RSA_2048])
def test_the_profile_of_the_web_is_met_without_any_leniency(key_type: KeyType) -> None:
    root = Authority.create(now=NOW, key_type=key_type)
    issued = root.intermediate(key_type=key_type).issue([HOST, "127.0.0.1"])
    verifier = PolicyBuilder().store(Store([root.certificate])).time(NOW).build_server_verifier(DNSName(HOST))
    assert len(verifier.verify(issued.certificate, list(issued.chain[1:]))) == 3


def test_a_client_certificate_is_for_clients_only(root: Authority) -> None:
    issued = root.issue(["client.example"], usages=[CLIENT_AUTH])
    verifier = PolicyBuilder().store(Store([root.certificate])).time(NOW).build_client_verifier()
    assert verifier.verify(issued.certificate, []).chain[0] == issued.certificate
    usages = issued.certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usages) == [CLIENT_AUTH]


def test_serial_numbers_are_random_and_short_enough(root: Authority) -> None:
    serials = {root.issue([HOST]).certificate.serial_number for _ in range(20)}
    assert len(serials) == 20
    assert all(0 < serial < 1 << 159 for serial in serials)  # 20 octets, RFC 5280, section 4.1.2.2


def test_the_names_are_what_was_asked_for(root: Authority) -> None:
    issued = root.issue(["a.example", "*.b.example", "192.0.2.7", "2001:db8::7"])
    names = issued.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["a.example", "*.b.example"]
    assert names.get_values_for_type(x509.IPAddress) == [ip_address("192.0.2.7"), ip_address("2001:db8::7")]


@pytest.mark.parametrize("name", ["bücher.example", "", "two words"])
def test_a_name_that_cannot_stand_in_a_certificate_is_refused(root: Authority, name: str) -> None:
    with pytest.raises(ConfigurationError, match="ASCII DNS name"):
        root.issue([name])


def test_a_name_too_long_for_a_common_name_leaves_the_subject_empty_and_the_names_critical(root: Authority) -> None:
    issued = root.issue([f"{'x' * 60}.example"])
    assert not issued.certificate.subject.rdns
    assert issued.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).critical
    openssl_accepts(root.certificate, issued.chain)


def test_a_certificate_is_valid_from_an_hour_ago_for_as_many_days_as_asked(root: Authority) -> None:
    certificate = root.issue([HOST], days=3).certificate
    assert certificate.not_valid_before_utc == NOW - timedelta(hours=1)
    assert certificate.not_valid_after_utc == NOW + timedelta(days=3)


def test_the_pem_files_read_back_as_what_was_issued(root: Authority) -> None:
    issued = root.intermediate().issue([HOST], key_type=KeyType.ML_DSA_65)
    assert tuple(x509.load_pem_x509_certificates(issued.pem_chain)) == issued.chain
    key = load_pem_private_key(issued.pem_key, None)
    assert isinstance(key, mldsa.MLDSA65PrivateKey)
    assert key.public_key() == issued.certificate.public_key()
    assert root.certificate_pem == root.certificate.public_bytes(Encoding.PEM)


def test_what_was_issued_can_be_presented(root: Authority) -> None:
    issued = root.intermediate().issue([HOST])
    assert issued.identity.chain == issued.chain
    assert issued.identity.matches(HOST)


def test_a_draft_keeps_the_place_of_an_extension_that_is_exchanged(root: Authority) -> None:
    draft = root.draft([HOST], root.private_key.public_key())
    changed = draft.with_extension(x509.ExtendedKeyUsage([CLIENT_AUTH]), critical=True)
    assert [value.oid for value, _ in changed.extensions] == [value.oid for value, _ in draft.extensions]
    certificate = root.sign(changed.without_extension(x509.SubjectAlternativeName))
    assert certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).critical
    with pytest.raises(x509.ExtensionNotFound):
        certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)


def test_the_private_key_is_not_in_the_repr(root: Authority) -> None:
    assert repr(root.issue([HOST])) == "<Issued CN=server.example>"
