"""The bench on which certificates are made, and broken.

A `Workshop` holds what all cases share at one point in time: a root that is trusted, an intermediate below it, a
root that nobody trusts, and keys that take long to make. A `Bench` is the workshop for one case, with that case's
host name. Both work on correct drafts (tls13.lab.authority); a case changes one thing in one draft.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from certs.der import INTEGER, NULL, PUBLIC_KEY, SEQUENCE, Surgery, algorithm, children, encode, oid
from tls13.lab.authority import (
    CLIENT_AUTH,
    ORGANIZATION,
    SERVER_AUTH,
    Authority,
    Draft,
    Issued,
    KeyType,
    ca_draft,
    sign,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes

    Edit = Callable[[Draft], Draft]

DAY: Final = timedelta(days=1)
GOOD_NAMES: Final = ("localhost", "server.example", "127.0.0.1", "::1")
"""What the leafs of `Workshop.good` are issued for."""

_RSASSA_PSS: Final = "1.2.840.113549.1.1.10"
_MGF1: Final = "1.2.840.113549.1.1.8"
HASH_OIDS: Final = {
    "sha256": "2.16.840.1.101.3.4.2.1",
    "sha384": "2.16.840.1.101.3.4.2.2",
    "sha512": "2.16.840.1.101.3.4.2.3",
}


@dataclass(frozen=True, repr=False)
class Exhibit:
    """What a case consists of, in DER: what the peer sends, what we trust, and the CRLs we were given.

    `private_key` is the leaf's, except where nobody has that (a modulus made up for its size) or where another key is
    the defect: those handshakes end at the chain, or at CertificateVerify.
    """

    chain: tuple[bytes, ...]
    private_key: CertificateIssuerPrivateKeyTypes
    roots: tuple[bytes, ...]
    crls: tuple[bytes, ...] = ()
    """If there are any, every certificate below the root has to be covered by one of them."""
    ocsp_response: bytes | None = None
    """What the server staples."""


def unchanged(draft: Draft) -> Draft:
    return draft


class Workshop:
    """Everything that the cases share. `now` is an aware datetime, at which the good certificates are valid."""

    def __init__(self, now: datetime) -> None:
        self.now = now.replace(microsecond=0)  # X.509 knows no fractions of a second
        self.root = Authority.create(now=self.now, common_name="Workshop root")
        self.intermediate = self.root.intermediate(common_name="Workshop intermediate", path_length=0)
        self.stranger = Authority.create(now=self.now, common_name="Stranger root", organization="Strangers")
        self._good: dict[tuple[KeyType, bool], Issued] = {}
        self._keys: dict[KeyType, CertificateIssuerPrivateKeyTypes] = {}

    def good(self, key_type: KeyType = KeyType.ECDSA_P256, *, client: bool = False) -> Issued:
        """A correct leaf for GOOD_NAMES, or for a client, below the intermediate. The same one each time."""
        wanted = (key_type, client)
        if wanted not in self._good:
            usages = (CLIENT_AUTH if client else SERVER_AUTH,)
            names = ("client.example",) if client else GOOD_NAMES
            key = self.key(key_type)
            leaf = self.intermediate.sign(self.intermediate.draft(names, key.public_key(), usages=usages))
            self._good[wanted] = Issued(leaf, key, (leaf, *self.intermediate.chain))
        return self._good[wanted]

    @cached_property
    def good_rsa_pss(self) -> Issued:
        """A correct leaf whose key has the id-RSASSA-PSS identifier: for the rsa_pss_pss_* schemes."""
        key = self.key(KeyType.RSA_2048)
        open_leaf = Surgery(self.good(KeyType.RSA_2048).certificate)
        open_leaf.fields[PUBLIC_KEY] = as_rsa_pss(open_leaf.fields[PUBLIC_KEY])
        leaf = x509.load_der_x509_certificate(open_leaf.sign(self.intermediate.private_key))
        return Issued(leaf, key, (leaf, *self.intermediate.chain))

    def key(self, key_type: KeyType) -> CertificateIssuerPrivateKeyTypes:
        """A private key of this kind, made once: an RSA key takes a tenth of a second or more."""
        if key_type not in self._keys:
            self._keys[key_type] = key_type.generate()
        return self._keys[key_type]


class Bench:
    """The workshop, while one case is being made. `host` is the name that the client of this case asks for."""

    def __init__(self, workshop: Workshop, host: str) -> None:
        self.workshop = workshop
        self.host = host
        self.now = workshop.now
        self.root = workshop.root
        self.intermediate = workshop.intermediate
        self.stranger = workshop.stranger
        self.key = workshop.key(KeyType.ECDSA_P256)

    def leaf(
        self,
        edit: Edit = unchanged,
        *,
        issuer: Authority | None = None,
        names: Sequence[str] | None = None,
        key: CertificateIssuerPrivateKeyTypes | None = None,
    ) -> x509.Certificate:
        """A leaf for the host of this case, or for other names, signed after `edit` has had the correct draft."""
        authority = issuer or self.intermediate
        draft = authority.draft((self.host,) if names is None else names, (key or self.key).public_key())
        return authority.sign(edit(draft))

    def ca(
        self,
        edit: Edit = unchanged,
        *,
        issuer: Authority | None = None,
        key: CertificateIssuerPrivateKeyTypes | None = None,
        name: str = "Workshop special CA",
        organization: str = ORGANIZATION,
        path_length: int | None = None,
    ) -> Authority:
        """An intermediate below `issuer` (the root, if not given), signed after `edit` has had the draft."""
        above = issuer or self.root
        own_key = key or KeyType.ECDSA_P256.generate()
        form = ca_draft(name, own_key.public_key(), now=self.now, organization=organization, path_length=path_length)
        certificate = above.sign(edit(form))
        return Authority(certificate, own_key, now=self.now, chain=(certificate, *above.chain))

    def own_root(self, edit: Edit = unchanged, *, key_type: KeyType = KeyType.ECDSA_P256) -> Authority:
        """A root for this case alone, self-signed after `edit` has had the draft."""
        key = self.workshop.key(key_type)
        form = edit(ca_draft("Workshop special root", key.public_key(), now=self.now))
        certificate = sign(form, issuer=form.subject, key=key, issuer_public_key=key.public_key())
        return Authority(certificate, key, now=self.now)

    def show(
        self,
        leaf: x509.Certificate | bytes,
        above: Sequence[x509.Certificate | bytes] | None = None,
        *,
        roots: Sequence[x509.Certificate | bytes] | None = None,
        crls: Sequence[x509.CertificateRevocationList] = (),
        key: CertificateIssuerPrivateKeyTypes | None = None,
        ocsp_response: bytes | None = None,
    ) -> Exhibit:
        """The finished case: by default the intermediate is sent above the leaf, and the root is trusted."""
        chain = (leaf, *(self.intermediate.chain if above is None else above))
        return Exhibit(
            chain=tuple(der(certificate) for certificate in chain),
            private_key=key or self.key,
            roots=tuple(der(root) for root in ((self.root.certificate,) if roots is None else roots)),
            crls=tuple(crl.public_bytes(Encoding.DER) for crl in crls),
            ocsp_response=ocsp_response,
        )

    def ocsp(self, leaf: x509.Certificate, issuer: Authority, *, revoked: bool = False) -> bytes:
        """An OCSP response by `issuer`, from an hour ago, for a week."""
        status = ocsp.OCSPCertStatus.REVOKED if revoked else ocsp.OCSPCertStatus.GOOD
        builder = ocsp.OCSPResponseBuilder().add_response(
            cert=leaf,
            issuer=issuer.certificate,
            algorithm=hashes.SHA256(),
            cert_status=status,
            this_update=self.now - timedelta(hours=1),
            next_update=self.now + 7 * DAY,
            revocation_time=self.now - DAY if revoked else None,
            revocation_reason=x509.ReasonFlags.key_compromise if revoked else None,
        )
        builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, issuer.certificate)
        return builder.sign(issuer.private_key, hashes.SHA256()).public_bytes(Encoding.DER)

    def form_of(self, certificate: x509.Certificate) -> Draft:
        """The form of a certificate that there is already, for another CA to sign."""
        extensions = (one for one in certificate.extensions if not isinstance(one.value, x509.AuthorityKeyIdentifier))
        return Draft(
            subject=certificate.subject,
            public_key=certificate.public_key(),
            not_before=certificate.not_valid_before_utc,
            not_after=certificate.not_valid_after_utc,
            serial_number=x509.random_serial_number(),
            extensions=tuple((one.value, one.critical) for one in extensions),
        )

    def without_issuer_identifier(self, certificate: x509.Certificate) -> bytes:
        """The certificate, signed anew by the intermediate, without its authorityKeyIdentifier."""
        surgery = Surgery(certificate)
        unwanted = oid(x509.AuthorityKeyIdentifier.oid.dotted_string)
        surgery.edit_extensions(lambda old: [one for one in old if unwanted not in one])
        return surgery.sign(self.intermediate.private_key)

    def crl(
        self,
        issuer: Authority,
        revoked: Sequence[x509.Certificate] = (),
        *,
        issued: timedelta = -DAY,
        next_update: timedelta = 6 * DAY,
    ) -> x509.CertificateRevocationList:
        """A CRL by `issuer`; the times are counted from now."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(issuer.certificate.subject)
            .last_update(self.now + issued)
            .next_update(self.now + next_update)
            .add_extension(x509.CRLNumber(1), critical=False)
            .add_extension(_key_identifier(issuer), critical=False)
        )
        for certificate in revoked:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder()
                .serial_number(certificate.serial_number)
                .revocation_date(self.now + issued)
                .add_extension(x509.CRLReason(x509.ReasonFlags.key_compromise), critical=False)
                .build()
            )
        return builder.sign(issuer.private_key, hashes.SHA256())


@cache
def _workshop_at(now: datetime) -> Workshop:
    return Workshop(now)


@cache
def _workshop_today() -> Workshop:
    return Workshop(datetime.now(UTC))


def workshop(now: datetime | None = None) -> Workshop:
    """The workshop at `now`, an aware datetime; None is the time of the first call. Made once per process."""
    return _workshop_today() if now is None else _workshop_at(now)


def der(certificate: x509.Certificate | bytes) -> bytes:
    return certificate if isinstance(certificate, bytes) else certificate.public_bytes(Encoding.DER)


def as_rsa_pss(public_key_info: bytes, *parameters: bytes) -> bytes:
    """An RSA SubjectPublicKeyInfo with the identifier id-RSASSA-PSS; its parameters, which say what the key is
    restricted to, may be absent (RFC 4055, section 3.1)."""
    return encode(SEQUENCE, algorithm(_RSASSA_PSS, *parameters), children(public_key_info)[1])


def pss_parameters(hash: hashes.HashAlgorithm, mask: hashes.HashAlgorithm, salt_length: int) -> bytes:
    """RSASSA-PSS-params (RFC 4055, section 3.1). What is the default, SHA-1 and 20 bytes, is left out: this is DER."""
    parts = []
    if hash.name != "sha1":
        parts.append(encode(0xA0, algorithm(HASH_OIDS[hash.name], encode(NULL))))
    if mask.name != "sha1":
        parts.append(encode(0xA1, algorithm(_MGF1, algorithm(HASH_OIDS[mask.name], encode(NULL)))))
    if salt_length != 20:
        parts.append(encode(0xA2, encode(INTEGER, salt_length.to_bytes(1))))
    return encode(SEQUENCE, *parts)


def shifted(*, not_before: timedelta | None = None, not_after: timedelta | None = None, now: datetime) -> Edit:
    """An edit that moves the validity: each bound counted from now, or left as it is."""

    def edit(draft: Draft) -> Draft:
        return replace(
            draft,
            not_before=draft.not_before if not_before is None else now + not_before,
            not_after=draft.not_after if not_after is None else now + not_after,
        )

    return edit


def _key_identifier(issuer: Authority) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.private_key.public_key())
