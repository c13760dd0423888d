"""A certificate authority small enough to read: what `tls13 demo` and a server without a certificate use.

All that a CA does is fill in a form and sign it. Here the form is a `Draft`: `Authority.draft` fills one in the
way RFC 5280's profile wants it, `Authority.sign` puts a signature under whatever the draft says by then. Between
the two anybody may alter it; the workshop in certs/ makes each of its broken certificates that way, by changing
one line of a correct draft.

The current time is an argument, never read from a clock. Serial numbers are 159 random bits, so that nobody who
can choose the rest of a certificate can predict what is going to be signed (the attack on MD5 in 2008).
Keys of the kind rsa_pss_pss are missing on purpose: `cryptography` writes every RSA key with the rsaEncryption
identifier. certs/ makes such certificates, by altering the DER.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mldsa, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tls13.errors import ConfigurationError
from tls13.trust.identity import Identity

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Self

    from cryptography.hazmat.primitives.asymmetric.types import (
        CertificateIssuerPrivateKeyTypes,
        CertificatePublicKeyTypes,
    )

CLOCK_SKEW: Final = timedelta(hours=1)
"""A new certificate is valid from a little before now: not every peer's clock is right."""

ORGANIZATION: Final = "tls13 laboratory"
"""In the names of CAs: by it a verifier guesses that an unknown issuer is an intermediate of one that it knows."""

SERVER_AUTH: Final = ExtendedKeyUsageOID.SERVER_AUTH
CLIENT_AUTH: Final = ExtendedKeyUsageOID.CLIENT_AUTH

_LONGEST_COMMON_NAME = 64  # ub-common-name, RFC 5280, appendix A.1
_DIGEST_BY_CURVE: dict[str, hashes.SHA256 | hashes.SHA384 | hashes.SHA512] = {
    "secp256r1": hashes.SHA256(),
    "secp384r1": hashes.SHA384(),
    "secp521r1": hashes.SHA512(),
}


class KeyType(Enum):
    """The kinds of key that can sign a TLS 1.3 CertificateVerify (RFC 9846, section 4.3.3)."""

    ECDSA_P256 = "ecdsa-p256"
    ECDSA_P384 = "ecdsa-p384"
    ECDSA_P521 = "ecdsa-p521"
    RSA_2048 = "rsa-2048"
    RSA_3072 = "rsa-3072"
    ED25519 = "ed25519"
    ED448 = "ed448"
    ML_DSA_44 = "ml-dsa-44"
    ML_DSA_65 = "ml-dsa-65"
    ML_DSA_87 = "ml-dsa-87"

    def generate(self) -> CertificateIssuerPrivateKeyTypes:
        """A new private key of this kind."""
        return _GENERATORS[self]()


_GENERATORS: dict[KeyType, Callable[[], CertificateIssuerPrivateKeyTypes]] = {
    KeyType.ECDSA_P256: lambda: ec.generate_private_key(ec.SECP256R1()),
    KeyType.ECDSA_P384: lambda: ec.generate_private_key(ec.SECP384R1()),
    KeyType.ECDSA_P521: lambda: ec.generate_private_key(ec.SECP521R1()),
    KeyType.RSA_2048: lambda: rsa.generate_private_key(65537, 2048),
    KeyType.RSA_3072: lambda: rsa.generate_private_key(65537, 3072),
    KeyType.ED25519: ed25519.Ed25519PrivateKey.generate,
    KeyType.ED448: ed448.Ed448PrivateKey.generate,
    KeyType.ML_DSA_44: mldsa.MLDSA44PrivateKey.generate,
    KeyType.ML_DSA_65: mldsa.MLDSA65PrivateKey.generate,
    KeyType.ML_DSA_87: mldsa.MLDSA87PrivateKey.generate,
}


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A certificate before it is signed. Times are aware datetimes; `issuer` is filled in by whoever signs."""

    subject: x509.Name
    public_key: CertificatePublicKeyTypes
    not_before: datetime
    not_after: datetime
    serial_number: int
    extensions: tuple[tuple[x509.ExtensionType, bool], ...]
    """Each extension with whether it is critical, in the order in which they are written."""

    def with_extension(self, value: x509.ExtensionType, *, critical: bool = False) -> Draft:
        """The same draft with this extension: in the place of one of its kind, or else at the end."""
        kept = [(old, flag) for old, flag in self.extensions if old.oid != value.oid]
        kinds = [old.oid for old, _ in self.extensions]
        kept.insert(kinds.index(value.oid) if value.oid in kinds else len(kept), (value, critical))
        return replace(self, extensions=tuple(kept))

    def without_extension(self, kind: type[x509.ExtensionType]) -> Draft:
        """The same draft without the extension of this kind, such as x509.BasicConstraints."""
        return replace(self, extensions=tuple(pair for pair in self.extensions if pair[0].oid != kind.oid))


@dataclass(frozen=True, repr=False)
class Issued:
    """A certificate, its private key, and the chain to present: end-entity first, without the root."""

    certificate: x509.Certificate
    private_key: CertificateIssuerPrivateKeyTypes
    chain: tuple[x509.Certificate, ...]

    @property
    def identity(self) -> Identity:
        """What a config takes to present this certificate."""
        return Identity(self.chain, self.private_key)

    @property
    def pem_chain(self) -> bytes:
        """The chain as a PEM file."""
        return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in self.chain)

    @property
    def pem_key(self) -> bytes:
        """The private key as an unencrypted PKCS #8 PEM file. Whoever can read it can be this server."""
        return self.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def __repr__(self) -> str:
        return f"<Issued {self.certificate.subject.rfc4514_string() or '(no subject)'}>"


class Authority:
    """A root or intermediate CA. Made by `create` and `intermediate`; `certificate` goes into trust stores."""

    def __init__(
        self,
        certificate: x509.Certificate,
        private_key: CertificateIssuerPrivateKeyTypes,
        *,
        now: datetime,
        chain: Sequence[x509.Certificate] = (),
    ) -> None:
        """`chain` is what a server sends after its own certificate: this CA and those above it, without the root."""
        self.certificate = certificate
        self.private_key = private_key
        self.now = now
        self.chain = tuple(chain)

    @classmethod
    def create(
        cls,
        *,
        now: datetime,
        common_name: str = "tls13 laboratory root",
        organization: str = ORGANIZATION,
        key_type: KeyType = KeyType.ECDSA_P256,
        days: int = 3650,
    ) -> Self:
        """A new root. `now` is an aware datetime; all that this CA issues is valid from an hour before it."""
        key = key_type.generate()
        draft = ca_draft(common_name, key.public_key(), now=now, organization=organization, days=days)
        certificate = sign(draft, issuer=draft.subject, key=key, issuer_public_key=key.public_key())
        return cls(certificate, key, now=now)

    @property
    def certificate_pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    def draft(
        self,
        names: Sequence[str],
        public_key: CertificatePublicKeyTypes,
        *,
        days: int = 30,
        common_name: str | None = None,
        usages: Sequence[x509.ObjectIdentifier] = (SERVER_AUTH,),
    ) -> Draft:
        """The form for an end-entity certificate, filled in correctly.

        `names` are DNS names (A-labels, perhaps with a leftmost "*") and IP addresses. The subject is `common_name`,
        else the first name if it is short enough, else empty, and only then is the subjectAltName critical (RFC 5280,
        section 4.2.1.6). Raises ConfigurationError for a name that is neither.
        """
        subject = _subject(common_name if common_name is not None else _first_short(names))
        public = x509.SubjectKeyIdentifier.from_public_key(public_key)
        extensions: list[tuple[x509.ExtensionType, bool]] = [
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (key_usage(digital_signature=True), True),
            (x509.ExtendedKeyUsage(usages), False),
            (public, False),
        ]
        if names:
            alternatives = x509.SubjectAlternativeName([general_name(name) for name in names])
            extensions.append((alternatives, not len(subject.rdns)))
        return Draft(
            subject=subject,
            public_key=public_key,
            not_before=self.now - CLOCK_SKEW,
            not_after=self.now + timedelta(days=days),
            serial_number=x509.random_serial_number(),
            extensions=tuple(extensions),
        )

    def sign(self, draft: Draft) -> x509.Certificate:
        """The certificate that the draft describes, signed by this CA. An authorityKeyIdentifier is added."""
        return sign(
            draft,
            issuer=self.certificate.subject,
            key=self.private_key,
            issuer_public_key=self.private_key.public_key(),
        )

    def issue(
        self,
        names: Sequence[str],
        *,
        key_type: KeyType = KeyType.ECDSA_P256,
        days: int = 30,
        common_name: str | None = None,
        usages: Sequence[x509.ObjectIdentifier] = (SERVER_AUTH,),
    ) -> Issued:
        """A new key and a certificate for it. The arguments are those of `draft`."""
        key = key_type.generate()
        draft = self.draft(names, key.public_key(), days=days, common_name=common_name, usages=usages)
        certificate = self.sign(draft)
        return Issued(certificate, key, (certificate, *self.chain))

    def intermediate(
        self,
        *,
        common_name: str = "tls13 laboratory intermediate",
        key_type: KeyType = KeyType.ECDSA_P256,
        days: int = 1825,
        path_length: int | None = 0,
    ) -> Authority:
        """A CA below this one, of the same organization. At most `path_length` CAs may stand below it (None: any)."""
        key = key_type.generate()
        organization = _organization(self.certificate.subject)
        draft = ca_draft(
            common_name,
            key.public_key(),
            now=self.now,
            organization=organization,
            days=days,
            path_length=path_length,
        )
        certificate = self.sign(draft)
        return Authority(certificate, key, now=self.now, chain=(certificate, *self.chain))


def ca_draft(
    common_name: str,
    public_key: CertificatePublicKeyTypes,
    *,
    now: datetime,
    organization: str = ORGANIZATION,
    days: int = 1825,
    path_length: int | None = None,
) -> Draft:
    """The form for a CA: its basicConstraints and keyUsage are critical (RFC 5280, sections 4.2.1.9 and 4.2.1.3)."""
    return Draft(
        subject=_subject(common_name, organization),
        public_key=public_key,
        not_before=now - CLOCK_SKEW,
        not_after=now + timedelta(days=days),
        serial_number=x509.random_serial_number(),
        extensions=(
            (x509.BasicConstraints(ca=True, path_length=path_length), True),
            (key_usage(key_cert_sign=True, crl_sign=True), True),
            (x509.SubjectKeyIdentifier.from_public_key(public_key), False),
        ),
    )


def sign(
    draft: Draft,
    *,
    issuer: x509.Name,
    key: CertificateIssuerPrivateKeyTypes,
    issuer_public_key: CertificatePublicKeyTypes,
) -> x509.Certificate:
    """Sign a draft. Its authorityKeyIdentifier names `issuer_public_key`, unless the draft has one already."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(draft.subject)
        .issuer_name(issuer)
        .public_key(draft.public_key)
        .serial_number(draft.serial_number)
        .not_valid_before(draft.not_before)
        .not_valid_after(draft.not_after)
    )
    for value, critical in draft.extensions:
        builder = builder.add_extension(value, critical)
    if not any(isinstance(value, x509.AuthorityKeyIdentifier) for value, _ in draft.extensions):
        builder = builder.add_extension(_authority_key_identifier(issuer_public_key), critical=False)
    return builder.sign(key, digest_for(key))


def digest_for(key: CertificateIssuerPrivateKeyTypes) -> hashes.SHA256 | hashes.SHA384 | hashes.SHA512 | None:
    """The hash that a CA signs with: as strong as its curve; None for schemes that bring their own."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return _DIGEST_BY_CURVE.get(key.curve.name, hashes.SHA256())
    return hashes.SHA256() if isinstance(key, rsa.RSAPrivateKey) else None


def general_name(name: str) -> x509.GeneralName:
    """`name` as a subjectAltName entry: an IP address if it is one, else a DNS name."""
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        pass  # not an address: then it has to be a DNS name
    if not name or not name.isascii() or any(character.isspace() for character in name):
        raise ConfigurationError(
            f"{name!r} cannot stand in a certificate: give an IP address or an ASCII DNS name (an A-label, xn--..., "
            "for an internationalized one)"
        )
    return x509.DNSName(name)


def _authority_key_identifier(public_key: CertificatePublicKeyTypes) -> x509.AuthorityKeyIdentifier:
    identifier = x509.SubjectKeyIdentifier.from_public_key(public_key)
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)


def _subject(common_name: str, organization: str = "") -> x509.Name:
    """RFC 5280, section 4.1.2.6: an empty name is a sequence of no attributes, not an empty attribute."""
    attributes = ((NameOID.ORGANIZATION_NAME, organization), (NameOID.COMMON_NAME, common_name))
    return x509.Name([x509.NameAttribute(kind, value) for kind, value in attributes if value])


def _organization(name: x509.Name) -> str:
    return next((str(one.value) for one in name.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)), "")


def _first_short(names: Sequence[str]) -> str:
    return names[0] if names and len(names[0]) <= _LONGEST_COMMON_NAME else ""


def key_usage(*, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False) -> x509.KeyUsage:
    """The extension with these bits. TLS 1.3 only signs with a server's key, so its certificate claims no more."""
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
