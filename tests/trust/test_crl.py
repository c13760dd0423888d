"""CRLs that the caller supplies: which are believed, for which certificates, and what they refuse (RFC 5280, 6.3)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from tls13.errors import AlertDescription, CertificateRevoked, ConfigurationError, RevocationUnknown
from tls13.lab.authority import Authority, KeyType, key_usage, sign
from tls13.trust.crl import CrlSet
from tls13.trust.names import ServerName
from tls13.trust.store import TrustStore
from tls13.trust.verify import ChainVerifier

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
POINT = "http://ca.example/7.crl"
HOST = ServerName.parse("server.example")


class Pki:
    """A root, an intermediate and a leaf that says that it would stand in the list at POINT."""

    def __init__(self) -> None:
        self.root = Authority.create(now=NOW - DAY)
        self.intermediate = self.root.intermediate()
        draft = self.intermediate.draft(["server.example"], KeyType.ECDSA_P256.generate().public_key())
        where = x509.DistributionPoint([x509.UniformResourceIdentifier(POINT)], None, None, None)
        self.leaf = self.intermediate.sign(draft.with_extension(x509.CRLDistributionPoints([where])))

    def verify(self, crls: CrlSet, now: datetime = NOW) -> tuple[x509.Certificate, ...]:
        verifier = ChainVerifier(TrustStore.from_certificates([self.root.certificate]), crls=crls)
        return verifier.verify_server([self.leaf, self.intermediate.certificate], HOST, now)


@pytest.fixture(scope="module")
def pki() -> Pki:
    return Pki()


def crl(
    issuer: Authority,
    *revoked: x509.Certificate,
    issued: timedelta = -DAY,
    until: timedelta = DAY,
    number: bool = True,
    extension: x509.ExtensionType | None = None,
    entry: x509.ExtensionType | None = None,
) -> x509.CertificateRevocationList:
    builder = x509.CertificateRevocationListBuilder().issuer_name(issuer.certificate.subject)
    builder = builder.last_update(NOW + issued).next_update(NOW + until)
    if number:
        builder = builder.add_extension(x509.CRLNumber(1), critical=False)
    if extension is not None:
        builder = builder.add_extension(extension, critical=True)
    for one in revoked:
        line = x509.RevokedCertificateBuilder().serial_number(one.serial_number).revocation_date(NOW - DAY)
        builder = builder.add_revoked_certificate((line.add_extension(entry, critical=True) if entry else line).build())
    return builder.sign(issuer.private_key, hashes.SHA256())


def scope(
    *,
    full_name: list[x509.GeneralName] | None = None,
    user: bool = False,
    ca: bool = False,
    reasons: frozenset[x509.ReasonFlags] | None = None,
    indirect: bool = False,
    attribute: bool = False,
) -> x509.IssuingDistributionPoint:
    return x509.IssuingDistributionPoint(full_name, None, user, ca, reasons, indirect, attribute)


# --- Revoked --------------------------------------------------------------------------------------------------------


def test_a_revoked_leaf_is_refused_with_its_serial_number_and_date(pki: Pki) -> None:
    with pytest.raises(CertificateRevoked) as caught:
        pki.verify(CrlSet([crl(pki.intermediate, pki.leaf)]))
    assert f"{pki.leaf.serial_number:x}, on 2026-05-31" in str(caught.value)
    assert caught.value.alert is AlertDescription.certificate_revoked
    assert caught.value.certificate == pki.leaf
    assert caught.value.chain == (pki.leaf, pki.intermediate.certificate)


def test_a_revoked_intermediate_is_refused_whatever_is_required(pki: Pki) -> None:
    with pytest.raises(CertificateRevoked) as caught:
        pki.verify(CrlSet([crl(pki.root, pki.intermediate.certificate)]))
    assert caught.value.certificate == pki.intermediate.certificate


@pytest.mark.parametrize(
    "deficiency",
    [
        {"issued": -9 * DAY, "until": -DAY},
        {"number": False},
        {"extension": scope(reasons=frozenset([x509.ReasonFlags.key_compromise]))},
        {"extension": scope(full_name=[x509.UniformResourceIdentifier("http://ca.example/8.crl")])},
        {"entry": x509.CRLReason(x509.ReasonFlags.key_compromise)},
    ],
    ids=["expired", "no cRLNumber", "some reasons only", "another shard", "critical reason"],
)
def test_a_list_that_proves_nothing_good_still_revokes(pki: Pki, deficiency: dict) -> None:
    """Otherwise an expired list would turn a revoked certificate into a good one."""
    with pytest.raises(CertificateRevoked):
        pki.verify(CrlSet([crl(pki.intermediate, pki.leaf, **deficiency)]))


def test_a_current_list_for_some_reasons_revokes_beside_one_that_covers(pki: Pki) -> None:
    partial = scope(reasons=frozenset([x509.ReasonFlags.key_compromise]))
    lists = [crl(pki.intermediate), crl(pki.intermediate, pki.leaf, extension=partial)]
    with pytest.raises(CertificateRevoked):
        pki.verify(CrlSet(lists))


def test_a_hold_that_the_current_list_has_released_is_over(pki: Pki) -> None:
    old = crl(pki.intermediate, pki.leaf, issued=-9 * DAY, until=-DAY)
    assert pki.verify(CrlSet([old, crl(pki.intermediate)], require="leaf"))


# --- Covered --------------------------------------------------------------------------------------------------------


def test_each_certificate_below_the_anchor_is_covered(pki: Pki) -> None:
    lists = [crl(pki.intermediate), crl(pki.root)]
    assert pki.verify(CrlSet(lists, require="chain"))[-1] == pki.root.certificate


def test_requiring_the_chain_is_more_than_requiring_the_leaf(pki: Pki) -> None:
    assert pki.verify(CrlSet([crl(pki.intermediate)], require="leaf"))
    with pytest.raises(RevocationUnknown) as caught:
        pki.verify(CrlSet([crl(pki.intermediate)], require="chain"))
    assert caught.value.certificate == pki.intermediate.certificate
    assert caught.value.alert is AlertDescription.certificate_unknown


def test_nothing_is_required_unless_asked_for(pki: Pki) -> None:
    assert pki.verify(CrlSet([]))
    with pytest.raises(RevocationUnknown, match=r"server\.example"):
        pki.verify(CrlSet([], require="leaf"))


@pytest.mark.parametrize(
    "extension",
    [scope(user=True), scope(full_name=[x509.UniformResourceIdentifier(POINT)])],
    ids=["user certificates", "the certificate's own shard"],
)
def test_a_list_of_the_right_scope_covers(pki: Pki, extension: x509.IssuingDistributionPoint) -> None:
    assert pki.verify(CrlSet([crl(pki.intermediate, extension=extension)], require="leaf"))


@pytest.mark.parametrize(
    "deficiency",
    [
        {"issued": -9 * DAY, "until": -timedelta(seconds=1)},
        {"issued": timedelta(seconds=1)},
        {"number": False},
        {"extension": scope(ca=True)},
        {"extension": scope(attribute=True)},
        {"extension": scope(indirect=True)},
        {"extension": scope(reasons=frozenset([x509.ReasonFlags.key_compromise]))},
        {"extension": scope(full_name=[x509.UniformResourceIdentifier("http://ca.example/8.crl")])},
        {"extension": x509.DeltaCRLIndicator(1)},
        {"extension": x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")},
    ],
    ids=[
        "expired",
        "from the future",
        "no cRLNumber",
        "CAs only",
        "attribute certificates",
        "indirect",
        "some reasons",
        "another shard",
        "delta",
        "unknown critical extension",
    ],
)
def test_a_list_that_is_not_about_the_leaf_now_does_not_cover_it(pki: Pki, deficiency: dict) -> None:
    with pytest.raises(RevocationUnknown):
        pki.verify(CrlSet([crl(pki.intermediate, **deficiency)], require="leaf"))


def test_a_critical_extension_in_any_entry_spoils_the_list(pki: Pki) -> None:
    """RFC 5280, section 5.3: it might say that the entry is another issuer's certificate."""
    other = pki.intermediate.issue(["other.example"]).certificate
    theirs = x509.CertificateIssuer([x509.DirectoryName(pki.root.certificate.subject)])
    assert pki.verify(CrlSet([crl(pki.intermediate, pki.leaf, entry=theirs)]))
    with pytest.raises(RevocationUnknown):
        pki.verify(CrlSet([crl(pki.intermediate, other, entry=theirs)], require="leaf"))


# --- What the store has besides the root ------------------------------------------------------------------------------


def in_store(pki: Pki, *anchors: x509.Certificate, crls: CrlSet, pinned: bool = False) -> tuple[x509.Certificate, ...]:
    trust = TrustStore.pinned(anchors) if pinned else TrustStore.from_certificates(anchors)
    return ChainVerifier(trust, crls=crls).verify_server([pki.leaf, pki.intermediate.certificate], HOST, NOW)


@pytest.mark.parametrize("require", [None, "leaf", "chain"])
def test_a_revoked_leaf_that_stands_in_the_store_is_refused(pki: Pki, require) -> None:
    """A file with the whole chain is often given as the trust store; OpenSSL says "certificate revoked" as well."""
    crls = CrlSet([crl(pki.intermediate, pki.leaf), crl(pki.root)], require=require)
    for anchors in ([pki.root.certificate, pki.leaf], [pki.leaf], [pki.leaf, pki.intermediate.certificate]):
        with pytest.raises(CertificateRevoked) as caught:
            in_store(pki, *anchors, crls=crls)
        assert caught.value.certificate == pki.leaf


def test_a_leaf_that_stands_in_the_store_must_be_covered_as_any_other(pki: Pki) -> None:
    both = [pki.root.certificate, pki.leaf]
    assert in_store(pki, *both, crls=CrlSet([]))
    assert in_store(pki, *both, crls=CrlSet([crl(pki.intermediate)], require="leaf"))
    with pytest.raises(RevocationUnknown):
        in_store(pki, *both, crls=CrlSet([crl(pki.root)], require="leaf"))
    with pytest.raises(RevocationUnknown) as caught:
        in_store(pki, *both, crls=CrlSet([crl(pki.intermediate)], require="chain"))
    assert caught.value.certificate == pki.intermediate.certificate


def test_a_leaf_whose_issuer_nobody_has_is_not_covered(pki: Pki) -> None:
    verifier = ChainVerifier(
        TrustStore.from_certificates([pki.leaf]), crls=CrlSet([crl(pki.intermediate)], require="leaf")
    )
    with pytest.raises(RevocationUnknown):
        verifier.verify_server([pki.leaf], HOST, NOW)


def test_a_self_signed_leaf_is_covered_by_a_list_of_its_own_only(pki: Pki) -> None:
    key = KeyType.ECDSA_P256.generate()
    form = pki.root.draft(["server.example"], key.public_key(), common_name="alone")
    form = form.with_extension(key_usage(digital_signature=True, crl_sign=True), critical=True)
    certificate = sign(form, issuer=form.subject, key=key, issuer_public_key=key.public_key())
    alone = Authority(certificate, key, now=NOW - DAY)
    store = TrustStore.from_certificates([alone.certificate])
    for crls in (CrlSet([]), CrlSet([crl(alone)], require="leaf")):
        assert ChainVerifier(store, crls=crls).verify_server([alone.certificate], HOST, NOW)
    with pytest.raises(RevocationUnknown):
        ChainVerifier(store, crls=CrlSet([], require="leaf")).verify_server([alone.certificate], HOST, NOW)


def test_an_intermediate_in_the_store_is_judged_by_the_root_beside_it(pki: Pki) -> None:
    both = [pki.root.certificate, pki.intermediate.certificate]
    lists = [crl(pki.intermediate), crl(pki.root)]
    assert in_store(pki, *both, crls=CrlSet(lists, require="chain"))
    with pytest.raises(CertificateRevoked):
        in_store(pki, *both, crls=CrlSet([crl(pki.root, pki.intermediate.certificate)]))
    with pytest.raises(RevocationUnknown):
        in_store(pki, *both, crls=CrlSet(lists[:1], require="chain"))
    assert in_store(pki, pki.intermediate.certificate, crls=CrlSet(lists[:1], require="chain"))


def test_lists_have_no_say_about_a_pinned_certificate(pki: Pki) -> None:
    crls = CrlSet([crl(pki.intermediate, pki.leaf)], require="leaf")
    assert in_store(pki, pki.leaf, crls=crls, pinned=True)


# --- By whom --------------------------------------------------------------------------------------------------------


def test_a_list_by_another_key_with_the_issuers_name_says_nothing(pki: Pki) -> None:
    namesake = Authority(pki.intermediate.certificate, KeyType.ECDSA_P256.generate(), now=NOW)
    other_kind = Authority(pki.intermediate.certificate, KeyType.RSA_2048.generate(), now=NOW)
    for forger in (namesake, other_kind):
        forged = CrlSet([crl(forger, pki.leaf)], require="leaf")
        for _ in range(2):  # nor when it is asked again
            with pytest.raises(RevocationUnknown):
                pki.verify(forged)
        assert pki.verify(CrlSet([crl(forger, pki.leaf)]))


def test_an_issuer_whose_key_may_not_sign_lists_says_nothing(pki: Pki) -> None:
    """RFC 5280, section 6.3.3 (f)."""
    key = KeyType.ECDSA_P256.generate()
    form = pki.root.draft([], key.public_key(), common_name="No CRLs")
    form = form.with_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    form = form.with_extension(key_usage(key_cert_sign=True), critical=True)
    mute = Authority(pki.root.sign(form.without_extension(x509.ExtendedKeyUsage)), key, now=NOW - DAY)
    leaf = mute.issue(["server.example"]).certificate
    verifier = ChainVerifier(TrustStore.from_certificates([pki.root.certificate]), crls=CrlSet([crl(mute, leaf)]))
    assert verifier.verify_server([leaf, mute.certificate], HOST, NOW)


def test_the_answer_does_not_depend_on_what_was_asked_before(pki: Pki) -> None:
    """A list's signature is verified once for each issuer: a forged chain must not profit from a good one."""
    crls = CrlSet([crl(pki.intermediate)], require="leaf")
    assert pki.verify(crls)
    assert pki.verify(crls)
    namesake = Authority.create(now=NOW - DAY).intermediate()
    with pytest.raises(RevocationUnknown):
        crls.check([namesake.issue(["server.example"]).certificate, namesake.certificate], NOW)
    with pytest.raises(RevocationUnknown):
        pki.verify(crls, NOW + 2 * DAY)


# --- Made from files ------------------------------------------------------------------------------------------------


def test_lists_are_read_from_pem_and_der(pki: Pki) -> None:
    lists = [crl(pki.root), crl(pki.intermediate, pki.leaf)]
    text = b"# two lists\n" + b"".join(one.public_bytes(Encoding.PEM) for one in lists)
    for crls in (CrlSet.from_pem(text), CrlSet.from_der(lists[1].public_bytes(Encoding.DER))):
        with pytest.raises(CertificateRevoked):
            pki.verify(crls)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda good: CrlSet.from_pem(b"nothing"), "holds no CRL"),
        (lambda good: CrlSet.from_pem(good.public_bytes(Encoding.PEM)[:-60]), "a CRL cannot be read"),
        (lambda good: CrlSet.from_der(b"\x30\x03"), "the CRL cannot be read"),
        (lambda good: CrlSet([good], require="everything"), "everything"),
    ],
)
def test_a_mistake_is_found_when_the_set_is_made(pki: Pki, make, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        make(crl(pki.root))
