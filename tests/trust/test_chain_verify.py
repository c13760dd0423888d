"""Chains: what is accepted and what is said about the rest.

Every named failure of a server's or client's chain has its exhibit in certs/, and tests/certs/test_workshop.py holds
the verdicts. Here stand the rules around them: profiles, pinned certificates, and what is asked.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.x509.oid import ExtendedKeyUsageOID

import certs
from certs.bench import as_rsa_pss
from certs.der import PUBLIC_KEY, Surgery
from tests.trust.chains import EVERY_PROFILE, HOST, NOW, WORKSHOP, leaf_with, trusting_root, verifier
from tls13 import errors
from tls13.lab.authority import Authority, KeyType, ca_draft, key_usage, sign
from tls13.trust.names import ServerName
from tls13.trust.store import TrustStore
from tls13.trust.verify import ChainVerifier, Profile, VerifiedChain, parse_chain
from tls13.wire.registry import SignatureScheme

CLIENT_AUTH = ExtendedKeyUsageOID.CLIENT_AUTH


# --- Accepted -----------------------------------------------------------------------------------------------------


@EVERY_PROFILE
def test_the_verified_chain_goes_from_the_leaf_to_the_anchor(profile: Profile) -> None:
    good = WORKSHOP.good()
    verified = trusting_root(profile).verify_server(good.chain, HOST, NOW)
    assert isinstance(verified, VerifiedChain)
    assert verified == (*good.chain, WORKSHOP.root.certificate)
    assert verified.leaf == good.certificate
    assert verified.root == WORKSHOP.root.certificate


@EVERY_PROFILE
def test_a_clients_chain(profile: Profile) -> None:
    good = WORKSHOP.good(client=True)
    assert trusting_root(profile).verify_client(good.chain, NOW).leaf == good.certificate


@pytest.mark.parametrize("profile", [Profile.DEFAULT, Profile.PRIVATE])
@pytest.mark.parametrize("host", ["server.example", "127.0.0.1", "www.wild.example"])
def test_trustmes_certificates_are_good(profile: Profile, host: str) -> None:
    """They are what Python's programs are tested with, and their critical extensions are not the web PKI's."""
    ca = trustme.CA()
    pem = ca.issue_cert("server.example", "127.0.0.1", "*.wild.example").cert_chain_pems[0].bytes()
    anchor, leaf = x509.load_pem_x509_certificate(ca.cert_pem.bytes()), x509.load_pem_x509_certificate(pem)
    now = datetime.now(UTC)
    assert verifier(anchor, profile=profile).verify_server([leaf], ServerName.parse(host), now).root == anchor
    assert verifier(anchor, profile=profile).verify_client([leaf], now).root == anchor


@pytest.mark.parametrize("profile", [Profile.DEFAULT, Profile.PRIVATE])
def test_a_client_may_have_a_common_name_only(profile: Profile) -> None:
    """Nobody looks for its name in subjectAltName; for a server that is where the name must be."""
    key = KeyType.ECDSA_P256.generate().public_key()
    usages = [CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
    leaf = WORKSHOP.intermediate.sign(WORKSHOP.intermediate.draft([], key, common_name="alice", usages=usages))
    chain = [leaf, *WORKSHOP.intermediate.chain]
    assert trusting_root(profile).verify_client(chain, NOW).leaf == leaf
    with pytest.raises(errors.WrongHost, match="it names no host at all"):
        trusting_root(profile).verify_server(chain, HOST, NOW)


def test_an_underscore_in_a_name_is_no_obstacle() -> None:
    """`cryptography` refuses such a name with a ValueError; such hosts exist, below wildcards."""
    leaf = WORKSHOP.intermediate.issue(["*.server.example"])
    name = ServerName.parse("my_service.server.example")
    assert trusting_root().verify_server(leaf.chain, name, NOW)
    with pytest.raises(errors.WrongHost, match=r"my_service\.elsewhere\.example is wanted"):
        trusting_root().verify_server(leaf.chain, ServerName.parse("my_service.elsewhere.example"), NOW)


def test_the_time_is_a_moment_whatever_its_zone() -> None:
    leaf = WORKSHOP.intermediate.issue(["server.example"])
    last = leaf.certificate.not_valid_after_utc
    ahead, behind = timezone(timedelta(hours=14)), timezone(timedelta(hours=-12))
    for zone in (UTC, ahead, behind):
        assert trusting_root().verify_server(leaf.chain, HOST, last.astimezone(zone))
        with pytest.raises(errors.CertificateExpired, match=f"{last:%Y-%m-%d %H:%M} UTC"):
            trusting_root().verify_server(leaf.chain, HOST, (last + timedelta(seconds=1)).astimezone(zone))
    with pytest.raises(errors.ConfigurationError, match="aware"):
        trusting_root().verify_server(leaf.chain, HOST, NOW.replace(tzinfo=None))


# --- A validator of None drops its check silently, so each check is seen to be there, in every profile ------------


def chain_below(*extensions: tuple[x509.ExtensionType, bool]) -> list:
    """A good leaf below an intermediate with these extensions."""
    key = KeyType.ECDSA_P256.generate()
    draft = ca_draft("Special CA", key.public_key(), now=NOW)
    for value, critical in extensions:
        draft = draft.with_extension(value, critical=critical)
    ca = Authority(WORKSHOP.root.sign(draft), key, now=NOW)
    return [ca.issue(["server.example"]).certificate, ca.certificate]


def two_below_a_path_length_of_zero() -> list:
    upper = WORKSHOP.root.intermediate(common_name="Upper", path_length=0)
    return list(upper.intermediate(common_name="Lower").issue(["server.example"]).chain)


def unknown(critical: bool) -> tuple[x509.ExtensionType, bool]:
    return x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00"), critical


BROKEN: dict[str, tuple[Callable[[], list], type[errors.CertificateError]]] = {
    "a leaf for clients only": (lambda: leaf_with((x509.ExtendedKeyUsage([CLIENT_AUTH]), False)), errors.WrongUsage),
    "a CA for clients only": (lambda: chain_below((x509.ExtendedKeyUsage([CLIENT_AUTH]), False)), errors.WrongUsage),
    "a CA without keyCertSign": (lambda: chain_below((key_usage(crl_sign=True), True)), errors.WrongUsage),
    "a CA that is none": (lambda: chain_below((x509.BasicConstraints(False, None), True)), errors.WrongUsage),
    "a CA as leaf": (lambda: leaf_with((x509.BasicConstraints(True, None), True)), errors.WrongUsage),
    "a leaf that may not sign": (lambda: leaf_with((key_usage(crl_sign=True), True)), errors.WrongUsage),
    "a CA too many": (two_below_a_path_length_of_zero, errors.WrongUsage),
    "a leaf for another host": (lambda: leaf_with(names=("other.example",)), errors.WrongHost),
    "a name that is not permitted": (
        lambda: chain_below((x509.NameConstraints([x509.DNSName("other.example")], None), True)),
        errors.NameConstraintViolation,
    ),
    "a name that is excluded": (
        lambda: chain_below((x509.NameConstraints(None, [x509.DNSName("example")]), True)),
        errors.NameConstraintViolation,
    ),
    "an unknown critical extension": (lambda: leaf_with(unknown(critical=True)), errors.UnsuitableChain),
    "one in a CA": (lambda: chain_below(unknown(critical=True)), errors.UnsuitableChain),
}


@EVERY_PROFILE
@pytest.mark.parametrize("name", BROKEN)
def test_each_rule_holds_in_each_profile(name: str, profile: Profile) -> None:
    make, offence = BROKEN[name]
    chain = make()
    with pytest.raises(errors.CertificateError) as caught:
        trusting_root(profile).verify_server(chain, HOST, NOW)
    assert type(caught.value) is offence, caught.value
    assert caught.value.chain == tuple(chain)
    assert caught.value.certificate in chain


@EVERY_PROFILE
def test_the_chains_around_the_broken_ones_are_good(profile: Profile) -> None:
    for chain in (leaf_with(), chain_below(), leaf_with(unknown(critical=False))):
        assert trusting_root(profile).verify_server(chain, HOST, NOW)


@pytest.mark.filterwarnings("ignore:Parsed a serial number:cryptography.utils.CryptographyDeprecationWarning")
@EVERY_PROFILE
def test_no_profile_accepts_what_the_workshop_calls_bad(profile: Profile) -> None:
    """PRIVATE leaves out what must be there but need not be checked, and only that (RFC 5280, sections 4.2.1.1 and
    4.2.1.3)."""
    accepted = set()
    for case in certs.catalogue().values():
        if case.stage != "chain" or case.verdict.exception is None:
            continue
        exhibit = case.exhibit(WORKSHOP)
        judge = verifier(*map(x509.load_der_x509_certificate, exhibit.roots), profile=profile)
        try:
            chain = parse_chain(exhibit.chain)
            if case.role == "client":
                judge.verify_client(chain, NOW)
            elif not exhibit.crls:
                judge.verify_server(chain, ServerName.parse(case.host), NOW)
        except errors.TLSError:
            continue
        if not exhibit.crls:
            accepted.add(case.name)
    optional = {"missing-authority-key-identifier", "ca-without-key-usage"}
    assert accepted == (optional if profile is Profile.PRIVATE else set())


# --- signature_algorithms_cert (RFC 9846, section 4.3.3) ----------------------------------------------------------


def leaf_signed_with(scheme: SignatureScheme) -> tuple[x509.Certificate, x509.Certificate]:
    """A root, and a leaf that it signed with this scheme."""
    kinds = {
        "ecdsa_secp256r1_sha256": KeyType.ECDSA_P256,
        "ecdsa_secp384r1_sha384": KeyType.ECDSA_P384,
        "ecdsa_secp521r1_sha512": KeyType.ECDSA_P521,
        "ed25519": KeyType.ED25519,
        "ed448": KeyType.ED448,
        "mldsa44": KeyType.ML_DSA_44,
        "mldsa65": KeyType.ML_DSA_65,
        "mldsa87": KeyType.ML_DSA_87,
    }
    key = WORKSHOP.key(kinds.get(scheme.name, KeyType.RSA_2048))
    form = ca_draft("Signer", key.public_key(), now=NOW)
    root = sign(form, issuer=form.subject, key=key, issuer_public_key=key.public_key())
    if scheme.name.startswith("rsa_pss_pss"):
        surgery = Surgery(root)
        surgery.fields[PUBLIC_KEY] = as_rsa_pss(surgery.fields[PUBLIC_KEY])
        root = x509.load_der_x509_certificate(surgery.sign(key))
    draft = WORKSHOP.intermediate.draft(["server.example"], KeyType.ECDSA_P256.generate().public_key())
    builder = x509.CertificateBuilder(root.subject, draft.subject, draft.public_key, draft.serial_number)
    builder = builder.not_valid_before(draft.not_before).not_valid_after(draft.not_after)
    for value, critical in draft.extensions:
        builder = builder.add_extension(value, critical)
    builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), False)
    if not scheme.name.startswith("rsa"):
        hash_by_size = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
        return root, builder.sign(key, hash_by_size.get(scheme.name[-3:]) if "ecdsa" in scheme.name else None)
    digest = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}[scheme.name[-3:]]
    pss = padding.PSS(padding.MGF1(digest), digest.digest_size)
    return root, builder.sign(key, digest, rsa_padding=padding.PKCS1v15() if "pkcs1" in scheme.name else pss)


SIGNABLE = [one for one in SignatureScheme if "sha1" not in one.name and "legacy" not in one.name]


@pytest.mark.parametrize("scheme", SIGNABLE, ids=lambda scheme: scheme.name)
def test_we_name_exactly_the_schemes_that_our_chains_may_be_signed_with(scheme: SignatureScheme) -> None:
    """A server that is told too much sends a chain that we refuse; one that is told too little sends none."""
    root, leaf = leaf_signed_with(scheme)
    judge = verifier(root)
    try:
        judge.verify_server([leaf], HOST, NOW)
    except errors.CertificateError:
        accepted = False
    else:
        accepted = True
    assert accepted == (scheme in judge.signature_schemes)


def test_sha1_is_never_asked_for() -> None:
    assert not [one for one in trusting_root().signature_schemes if "sha1" in one.name or "legacy" in one.name]


# --- Certificates that are believed for themselves ----------------------------------------------------------------


def self_signed(*names: str, usages: tuple[x509.ObjectIdentifier, ...] = ()) -> x509.Certificate:
    key = KeyType.ECDSA_P256.generate()
    form = WORKSHOP.root.draft(names, key.public_key(), usages=usages or (ExtendedKeyUsageOID.SERVER_AUTH,))
    return sign(form, issuer=form.subject, key=key, issuer_public_key=key.public_key())


@pytest.mark.parametrize("profile", [Profile.DEFAULT, Profile.PRIVATE])
def test_a_self_signed_certificate_in_the_store_is_believed(profile: Profile) -> None:
    leaf = self_signed("server.example")
    assert verifier(leaf, profile=profile).verify_server([leaf], HOST, NOW) == (leaf,)
    with pytest.raises(errors.SelfSigned):
        trusting_root(profile).verify_server([leaf], HOST, NOW)


def test_a_leaf_in_the_store_is_believed_for_its_name_its_time_and_its_use() -> None:
    leaf, client = self_signed("server.example"), self_signed("server.example", usages=(CLIENT_AUTH,))
    judge = verifier(leaf, client)
    with pytest.raises(errors.WrongHost):
        judge.verify_server([leaf], ServerName.parse("other.example"), NOW)
    with pytest.raises(errors.CertificateExpired):
        judge.verify_server([leaf], HOST, NOW + timedelta(days=31))
    with pytest.raises(errors.WrongUsage):
        judge.verify_server([client], HOST, NOW)
    assert judge.verify_client([client], NOW) == (client,)


def test_the_web_pki_profile_believes_no_leaf_for_itself() -> None:
    leaf = self_signed("server.example")
    with pytest.raises(errors.CertificateError):
        verifier(leaf, profile=Profile.WEBPKI).verify_server([leaf], HOST, NOW)


def test_pinned_certificates_are_the_only_ones() -> None:
    good, other = WORKSHOP.good(), WORKSHOP.intermediate.issue(["server.example"])
    judge = ChainVerifier(TrustStore.pinned([good.certificate]))
    assert judge.verify_server(good.chain, HOST, NOW) == (good.certificate,)
    assert judge.verify_server(good.chain, HOST, good.certificate.not_valid_after_utc)
    with pytest.raises(errors.NotPinned) as caught:
        judge.verify_server(other.chain, HOST, NOW)
    assert caught.value.certificate == other.certificate
    with pytest.raises(errors.WrongHost):
        judge.verify_server(good.chain, ServerName.parse("other.example"), NOW)
    with pytest.raises(errors.CertificateExpired):
        judge.verify_server(good.chain, HOST, NOW + timedelta(days=31))


def test_a_pinned_ca_does_not_speak_for_its_children() -> None:
    judge = ChainVerifier(TrustStore.pinned([WORKSHOP.root.certificate, WORKSHOP.intermediate.certificate]))
    with pytest.raises(errors.NotPinned):
        judge.verify_server(WORKSHOP.good().chain, HOST, NOW)


# --- What was asked -----------------------------------------------------------------------------------------------


def test_a_server_is_verified_for_a_name_or_not_at_all() -> None:
    with pytest.raises(errors.ConfigurationError, match="for a name"):
        trusting_root().verify_server(WORKSHOP.good().chain, None, NOW)  # type: ignore[arg-type]  # the mistake
    with pytest.raises(errors.UnsuitableChain, match="empty"):
        trusting_root().verify_client([], NOW)


def test_an_empty_store_trusts_nobody() -> None:
    with pytest.raises(errors.EmptyTrustStore, match="empty"):
        verifier().verify_server(WORKSHOP.good().chain, HOST, NOW)
