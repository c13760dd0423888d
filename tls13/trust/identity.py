"""Who we are: a certificate chain and its private key, checked and taken apart once, when a config is made.

Everything that a handshake needs of it is ready before the first ClientHello arrives: the DER of each certificate,
the signature schemes of the key, the names that an SNI is compared with. Loading an RSA key takes 41 ms, as long as
dozens of handshakes; presenting an Identity takes none of that. It never changes, so threads may share it.

A mistake in the files is found here and said in one sentence, not by the first client that fails to connect.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, mldsa, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509.oid import PublicKeyAlgorithmOID

from ..crypto.signatures import schemes_for, sign, signed_with
from ..errors import ConfigurationError, MalformedCertificate
from ..wire.companions import DelegatedCredential
from ..wire.extensions import ExtensionBody
from ..wire.registry import CertificateType
from .names import check_readable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence
    from os import PathLike
    from typing import Self, TypeAlias

    from cryptography.hazmat.primitives.asymmetric.types import (
        CertificateIssuerPrivateKeyTypes,
        CertificatePublicKeyTypes,
        PrivateKeyTypes,
    )

    from ..wire.extensions import OIDFilter
    from ..wire.registry import SignatureScheme

    Signer: TypeAlias = Callable[[SignatureScheme, bytes], bytes | Awaitable[bytes]]
    """Signs `content` (not hashed yet) with a key that lives elsewhere: an HSM, an agent, another process."""

    Password: TypeAlias = bytes | Callable[[], bytes] | None
    """The key file's password, or what to call for it: only if the key is encrypted, and only once."""


if TYPE_CHECKING:  # a protocol is for the type checker alone, and takes a while to make

    class Presentable(Protocol):
        """What a handshake needs of an identity. Identity is the careful one; a test may show something else."""

        @property
        def der_chain(self) -> tuple[bytes, ...]: ...

        @property
        def signature_schemes(self) -> tuple[SignatureScheme, ...]: ...

        @property
        def leaf_extensions(self) -> tuple[ExtensionBody, ...]:
            """What may go with the end-entity certificate, to who asks for it: OCSP response, SCTs (4.5.1.1)."""

        def sign(self, scheme: SignatureScheme, content: bytes) -> bytes | Awaitable[bytes]:
            """The signature of a CertificateVerify over `content`, which is not hashed yet."""

        def matches(self, server_name: str) -> bool: ...

        @property
        def chain_signatures(self) -> tuple[frozenset[SignatureScheme], ...]:
            """What each certificate of the chain is signed with, which may have two names; not self-signed ones."""

        @property
        def certificate_type(self) -> CertificateType:
            """X509, or RawPublicKey: then der_chain is one SubjectPublicKeyInfo (RFC 7250)."""

        @property
        def delegated_credential(self) -> DelegatedCredential | None:
            """One of `leaf_extensions`, whose key signs in place of the certificate's (RFC 9345)."""

        def issued_by(self, authorities: Collection[bytes]) -> bool:
            """Whether one of these (DER distinguished names) has issued a certificate of the chain (4.3.4)."""

        def satisfies(self, filters: Sequence[OIDFilter]) -> bool:
            """Whether the leaf has the extension values that a CertificateRequest asks for (4.3.5)."""


SMALLEST_RSA_KEY: Final = 2048
"""Bits. Below it every current peer refuses the certificate, so it is better refused here."""

_SIGNING_KEYS = (
    rsa.RSAPrivateKey,
    dsa.DSAPrivateKey,
    ec.EllipticCurvePrivateKey,
    ed25519.Ed25519PrivateKey,
    ed448.Ed448PrivateKey,
    mldsa.MLDSA44PrivateKey,
    mldsa.MLDSA65PrivateKey,
    mldsa.MLDSA87PrivateKey,
)


class Identity:
    """A certificate chain and its private key: what a server, or a client that is asked, presents.

    The first certificate is the one that the key belongs to. If the chain comes in another order and its issuers
    leave only one way to put it right, it is put right and `reordered` says so (RFC 9846, section 4.5.1: the
    end-entity certificate MUST come first, and each following one SHOULD certify the one before it).

    `delegated_credential`: the private key is the credential's, not the certificate's (tls13.trust.delegated); only
    peers that ask for one are shown it. `leaf_extensions`: what to show beside the end-entity certificate to whoever
    asks: CertificateStatus, SignedCertificateTimestampList (tls13.wire.companions).

    Raises ConfigurationError when there is no certificate, the key belongs to none of them, it is of a kind that
    TLS 1.3 cannot sign with, or it is an RSA key of less than 2048 bits.
    """

    __slots__ = (
        "_exact",
        "_signer",
        "_wildcards",
        "certificate_type",
        "chain",
        "chain_signatures",
        "delegated_credential",
        "der_chain",
        "leaf_extensions",
        "names",
        "reordered",
        "signature_schemes",
    )

    chain: Final[tuple[x509.Certificate, ...]]
    certificate_type: Final[CertificateType]
    chain_signatures: Final[tuple[frozenset[SignatureScheme], ...]]
    delegated_credential: Final[DelegatedCredential | None]
    der_chain: Final[tuple[bytes, ...]]
    """What the Certificate message carries, end-entity first."""
    signature_schemes: Final[tuple[SignatureScheme, ...]]
    """What the key can sign a CertificateVerify with, the preferred one first."""
    names: Final[tuple[str, ...]]
    """The DNS names of the leaf, in lower case, wildcards included."""
    reordered: Final[bool]
    """Whether the certificates came in another order than `chain` has them."""

    leaf_extensions: Final[tuple[ExtensionBody, ...]]

    def __init__(
        self,
        chain: Sequence[x509.Certificate],
        private_key: CertificateIssuerPrivateKeyTypes | None = None,
        *,
        signer: Signer | None = None,
        delegated_credential: DelegatedCredential | None = None,
        leaf_extensions: Sequence[ExtensionBody] = (),
    ) -> None:
        if (private_key is None) == (signer is None):
            raise ConfigurationError("an identity needs either a private key or a signer that has it elsewhere")
        if not chain:
            raise ConfigurationError("an identity needs at least one certificate")
        _check_names(chain)
        self.certificate_type = CertificateType.X509
        self.delegated_credential = delegated_credential
        leaf = chain[0]
        if delegated_credential is not None:
            schemes = _credential_schemes(delegated_credential, private_key)
            leaf_extensions = (*leaf_extensions, delegated_credential)
        else:
            leaf = _leaf(chain, private_key) if private_key is not None else leaf
            schemes = _usable_schemes(private_key or leaf.public_key(), leaf)
        self.signature_schemes = schemes
        self._signer: Signer = partial(sign, private_key) if signer is None else signer
        self.chain = _in_order(chain, leaf)
        self.reordered = self.chain != tuple(chain)
        self.chain_signatures = tuple(signed_with(one) for one in self.chain if one.issuer != one.subject)
        self.leaf_extensions = tuple(leaf_extensions)
        self.der_chain = tuple(certificate.public_bytes(Encoding.DER) for certificate in self.chain)
        self.names = _dns_names(leaf)
        self._exact = frozenset(name for name in self.names if not name.startswith("*."))
        self._wildcards = frozenset(name[1:] for name in self.names if name.startswith("*."))

    @classmethod
    def from_pem(cls, certificate_pem: bytes, key_pem: bytes | None = None, password: Password = None) -> Self:
        """Read an identity from PEM: the certificates, end-entity first, and the key (None: it is in the same file).

        Raises ConfigurationError, besides the reasons above, for a file that holds no certificate or no key, and for
        an encrypted key with a wrong password or none.
        """
        chain = _load_certificates(certificate_pem)
        return cls(chain, _load_key(certificate_pem if key_pem is None else key_pem, password))

    @classmethod
    def from_files(
        cls,
        certificate: str | PathLike[str],
        key: str | PathLike[str] | None = None,
        password: Password = None,
    ) -> Self:
        """`from_pem` with the content of these files. Raises OSError when one cannot be read."""
        key_pem = None if key is None else Path(key).read_bytes()
        return cls.from_pem(Path(certificate).read_bytes(), key_pem, password)

    def sign(self, scheme: SignatureScheme, content: bytes) -> bytes | Awaitable[bytes]:
        """A signature with the leaf's key, wherever that is."""
        return self._signer(scheme, content)

    def issued_by(self, authorities: Collection[bytes]) -> bool:
        """Whether one of these distinguished names (DER) has issued a certificate of the chain."""
        return any(certificate.issuer.public_bytes() in authorities for certificate in self.chain)

    def satisfies(self, filters: Sequence[OIDFilter]) -> bool:
        """Whether the leaf has what the filters of a CertificateRequest ask for (RFC 9846, section 4.3.5)."""
        if not filters:
            return True
        from .filters import satisfies

        return satisfies(self.chain[0], filters)

    def matches(self, server_name: str) -> bool:
        """Whether the leaf is for this host name: exactly, or by a "*" for its whole first label (RFC 9525, 6.3)."""
        name = server_name.lower()
        if name in self._exact:
            return True
        label, dot, rest = name.partition(".")
        return bool(label) and dot + rest in self._wildcards

    def __repr__(self) -> str:
        subjects = " <- ".join(_subject(certificate) for certificate in self.chain)
        return f"<Identity {subjects}{' (reordered)' if self.reordered else ''}>"


class Identities(tuple["Presentable", ...]):
    """A server's identities, in the order of its config; finds the ones for a name by looking it up, so that ten
    thousand certificates cost a handshake no more than one."""

    _named: dict[str, list[int]]
    _asked: list[int]
    defaults: tuple[Presentable, ...]
    """For a client that names nobody we know: of those that are alike but for their names, the first."""
    never_change: bool
    """Whether each is an Identity; of another kind of Presentable nobody knows."""

    def __new__(cls, identities: Sequence[Presentable]) -> Self:
        self = super().__new__(cls, identities)
        self._named, self._asked = {}, []
        alike: dict[object, Presentable] = {}
        for position, identity in enumerate(self):
            if isinstance(identity, Identity):
                for name in identity.names:
                    self._named.setdefault(name, []).append(position)
                issuers = tuple(one.issuer for one in identity.chain)
                kind: object = (identity.signature_schemes, identity.chain_signatures, issuers)
            else:
                self._asked.append(position)
                kind = position
            alike.setdefault(kind, identity)
        self.defaults = tuple(alike.values())
        self.never_change = not self._asked
        return self

    def matching(self, server_name: str) -> list[Presentable]:
        """Those that say they are for this host name, as Identity.matches does."""
        name = server_name.lower()
        label, dot, rest = name.partition(".")
        found = {*self._named.get(name, ()), *(self._named.get(f"*.{rest}", ()) if label and dot else ())}
        if self._asked:
            found.update(position for position in self._asked if self[position].matches(server_name))
        return [self[position] for position in sorted(found)]


# --- reading the files ---------------------------------------------------------------------------------------


def _load_certificates(pem: bytes) -> list[x509.Certificate]:
    if b"-----BEGIN TRUSTED CERTIFICATE-----" in pem:
        raise ConfigurationError(
            "the file has a TRUSTED CERTIFICATE, with OpenSSL's own settings behind it: write it without them, "
            "with openssl x509 -in FILE -out ANOTHER"
        )
    if not any(b"-----BEGIN %sCERTIFICATE-----" % older in pem for older in (b"", b"X509 ")):
        raise ConfigurationError("there is no certificate in the file: no line says -----BEGIN CERTIFICATE-----")
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise ConfigurationError(f"a certificate in the file cannot be read: {error}") from error


def _load_key(pem: bytes, password: Password) -> CertificateIssuerPrivateKeyTypes:
    if b"PRIVATE KEY-----" not in pem:
        raise ConfigurationError("there is no private key in the file: no line says -----BEGIN PRIVATE KEY-----")
    try:
        key = _decrypt_key(pem, password)
    except UnsupportedAlgorithm:
        raise ConfigurationError("the private key is of a kind that TLS 1.3 cannot sign with") from None
    if not isinstance(key, _SIGNING_KEYS):
        raise ConfigurationError(f"TLS 1.3 cannot sign with {_kind(key)}: it is for another use")
    return key


def _decrypt_key(pem: bytes, password: Password) -> PrivateKeyTypes:
    """Errors are raised `from None`: what the loader had in its hands when it failed is nobody's business."""
    try:
        return load_pem_private_key(pem, password=None)
    except TypeError:
        pass  # this is how `cryptography` says that the key is encrypted
    except ValueError:
        raise ConfigurationError("the private key cannot be read: the file is damaged, or not a PEM key") from None
    secret = password() if callable(password) else password
    if not secret:
        raise ConfigurationError("the private key is encrypted and no password was given")
    try:
        return load_pem_private_key(pem, secret)
    except TypeError:
        raise ConfigurationError(f"the password is bytes, not {type(secret).__name__}") from None
    except ValueError:
        raise ConfigurationError("the password does not decrypt the private key") from None


# --- does it fit together? -----------------------------------------------------------------------------------


def _check_names(chain: Sequence[x509.Certificate]) -> None:
    """The library parses them late: in the middle of a handshake that compares them with a CertificateRequest's."""
    for number, certificate in enumerate(chain, 1):
        try:
            check_readable(certificate)
        except MalformedCertificate as error:
            raise ConfigurationError(f"certificate number {number} of the chain: {error.detail}") from None


def _leaf(chain: Sequence[x509.Certificate], key: CertificateIssuerPrivateKeyTypes) -> x509.Certificate:
    """The certificate that the key belongs to: the first, or the only one further down."""
    public_key = key.public_key()
    fitting = [certificate for certificate in dict.fromkeys(chain) if _holds(certificate, public_key)]
    if chain[0] in fitting or len(fitting) == 1:
        return chain[0] if chain[0] in fitting else fitting[0]
    if fitting:
        raise ConfigurationError(
            f"the private key fits {len(fitting)} certificates of the chain and the first is none of them: "
            "put the one to present first"
        )
    raise ConfigurationError(
        f"the private key does not belong to the certificate of {_subject(chain[0])}, nor to any other in the chain: "
        f"the certificate is for another key (the key given is {_kind(key)})"
    )


def _holds(certificate: x509.Certificate, public_key: CertificatePublicKeyTypes) -> bool:
    try:
        return certificate.public_key() == public_key
    except (UnsupportedAlgorithm, ValueError):
        return False  # a key of a kind that we cannot even read is not ours


def _in_order(chain: Sequence[x509.Certificate], leaf: x509.Certificate) -> tuple[x509.Certificate, ...]:
    """The chain from the leaf up. Certificates off the path, such as a second cross-signed way, keep their place."""
    ordered = [leaf]
    rest = [certificate for certificate in dict.fromkeys(chain) if certificate != leaf]
    while len(issuers := [one for one in rest if one.subject == ordered[-1].issuer]) == 1:
        ordered.append(issuers[0])
        rest.remove(issuers[0])
    return (*ordered, *rest)


def _usable_schemes(
    key: CertificateIssuerPrivateKeyTypes | CertificatePublicKeyTypes, leaf: x509.Certificate
) -> tuple[SignatureScheme, ...]:
    if isinstance(key, (rsa.RSAPrivateKey, rsa.RSAPublicKey)) and key.key_size < SMALLEST_RSA_KEY:
        raise ConfigurationError(
            f"the RSA key has {key.key_size} bits: peers refuse less than {SMALLEST_RSA_KEY}, so make a new one"
        )
    schemes = tuple(schemes_for(key, leaf))
    if not schemes:
        restricted = leaf.public_key_algorithm_oid == PublicKeyAlgorithmOID.RSASSA_PSS
        kind = f"{_kind(key)} that is restricted to other RSASSA-PSS parameters" if restricted else _kind(key)
        raise ConfigurationError(f"TLS 1.3 has no signature scheme for {kind} (RFC 9846, section 4.3.3)")
    return schemes


def _credential_schemes(
    credential: DelegatedCredential, key: CertificateIssuerPrivateKeyTypes | None
) -> tuple[SignatureScheme, ...]:
    """The one scheme that a credential is bound to (RFC 9345, section 4)."""
    if key is not None:
        public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        if public != credential.cred.ASN1_subjectPublicKeyInfo:
            raise ConfigurationError("the private key is not the one that the delegated credential is for")
    return (credential.cred.dc_cert_verify_algorithm,)


def _dns_names(leaf: x509.Certificate) -> tuple[str, ...]:
    """None for a certificate without them, or too odd to be read: choosing one by SNI is a help, not a check."""
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, ValueError):
        return ()
    return tuple(name.lower() for name in names.get_values_for_type(x509.DNSName))


def _subject(certificate: x509.Certificate) -> str:
    try:
        return certificate.subject.rfc4514_string() or ", ".join(_dns_names(certificate)) or "(no subject)"
    except ValueError:
        return "(unreadable subject)"


def _kind(key: PrivateKeyTypes | CertificatePublicKeyTypes) -> str:
    """For a sentence: what sort of key this is, and nothing else about it."""
    if isinstance(key, (rsa.RSAPrivateKey, rsa.RSAPublicKey)):
        return f"an RSA key of {key.key_size} bits"
    if isinstance(key, (ec.EllipticCurvePrivateKey, ec.EllipticCurvePublicKey)):
        return f"an EC key on {key.curve.name}"
    return f"a key of the type {type(key).__name__.removesuffix('PrivateKey').removesuffix('PublicKey')}"
