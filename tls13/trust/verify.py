"""Is this chain good, today, for this name? RFC 5280 on `cryptography.x509.verification`; RFC 9846, section 4.5.1.2.

The path building and the rules of the web PKI are the library's. Its interface is marked unstable, so it is used in
this module only; tested with cryptography 50.0. Around it stand the checks that it leaves to its caller: what kind of
key the leaf has, whether that key may sign, and the name.

A verifier of the library freezes its time, so one is built for each chain (4 microseconds); what it is built of, with
the parsed store, is kept, and so are facts about single certificates (facts.py), but no verdict.
The success path is one call. Why a chain failed is found out in diagnosis.py, on failure only.

Profiles:

    DEFAULT  the web PKI's rules, but subjectAltName and extendedKeyUsage may be marked critical or not, as private
             CAs and trustme do; a client's certificate needs no subjectAltName; and an end-entity certificate that is
             itself in the store is believed.
    WEBPKI   the CA/Browser Forum's rules: the library's, and those of webpki.py that it leaves out.
    PRIVATE  RFC 5280's essentials: CAs must be CAs, keys must be meant for what they do; key identifiers and a CA's
             keyUsage may be missing.
"""

from __future__ import annotations

import hashlib
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Protocol

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509 import verification
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import Criticality, ExtensionPolicy, PolicyBuilder, VerificationError

from .. import errors
from ..errors import CertificateError, ConfigurationError
from ..wire.registry import SignatureScheme
from .checks import Question, check_dates, check_keys, check_usage
from .facts import COMMON_SIZE, MAX_KEPT
from .names import UNREADABLE, certificate_names, describe, is_self_issued

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence
    from datetime import datetime

    from .crl import CrlSet
    from .names import ServerName
    from .store import TrustStore

MAX_CHAIN_DEPTH: Final = 8
"""Intermediates between leaf and anchor."""
MAX_CHAIN_LENGTH: Final = 40
"""Certificates; BetterTLS has chains of 36. How many signatures are verified on the way is limited by the library."""
MAX_CHAIN_BYTES: Final = 2**17

CHAIN_SIGNATURE_SCHEMES: Final = (
    SignatureScheme.ecdsa_secp256r1_sha256,
    SignatureScheme.ecdsa_secp384r1_sha384,
    SignatureScheme.ecdsa_secp521r1_sha512,
    SignatureScheme.rsa_pss_rsae_sha256,
    SignatureScheme.rsa_pss_rsae_sha384,
    SignatureScheme.rsa_pss_rsae_sha512,
    SignatureScheme.rsa_pkcs1_sha256,
    SignatureScheme.rsa_pkcs1_sha384,
    SignatureScheme.rsa_pkcs1_sha512,
    SignatureScheme.mldsa44,
    SignatureScheme.mldsa65,
    SignatureScheme.mldsa87,
)
"""What the library's verifier accepts as a CA's signature. Not EdDSA."""

UNNAMED = x509.DNSName("name.checked.elsewhere.invalid")


class Profile(Enum):
    """Which rules a chain must keep to; see the module's text."""

    DEFAULT = "default"
    WEBPKI = "webpki"
    PRIVATE = "private"


class VerifiedChain(tuple[x509.Certificate, ...]):
    """The certificates of a path that was verified: the end-entity's first, the trust anchor last."""

    __slots__ = ()

    @property
    def leaf(self) -> x509.Certificate:
        return self[0]

    @property
    def root(self) -> x509.Certificate:
        """The trust anchor. For a certificate that is believed for itself it is the leaf."""
        return self[-1]


class Verifier(Protocol):
    """Whoever judges a peer's chain. ChainVerifier is ours; another may ask another machine, and promise the answer.

    What it raises ends the connection: a CertificateError with its own alert, anything else with internal_error.
    """

    @property
    def signature_schemes(self) -> tuple[SignatureScheme, ...]:
        """What the certificates of a chain may be signed with: for signature_algorithms_cert (4.3.3)."""

    @property
    def fingerprint(self) -> bytes:
        """Up to 32 bytes, the same only for verifiers that judge alike: what it verified, a session may rely on."""

    def verify_server(
        self, chain: Sequence[x509.Certificate], server_name: ServerName | None, now: datetime
    ) -> Sequence[x509.Certificate] | Awaitable[Sequence[x509.Certificate]]:
        """The chain that is believed, leaf first and trust anchor last."""

    def verify_client(
        self, chain: Sequence[x509.Certificate], now: datetime
    ) -> Sequence[x509.Certificate] | Awaitable[Sequence[x509.Certificate]]:
        """The same for a client's chain, which is not tied to a name."""


class ChainVerifier:
    """Judges chains by one store, one profile and one set of CRLs. Immutable, and shared between threads."""

    def __init__(
        self,
        trust: TrustStore,
        *,
        profile: Profile = Profile.DEFAULT,
        crls: CrlSet | None = None,
        max_depth: int = MAX_CHAIN_DEPTH,
    ) -> None:
        self.trust = trust
        self.profile = profile
        self.crls = crls
        self.max_depth = max_depth
        """How many intermediates may stand between the leaf and the anchor."""
        self._server_policies, self._client_policies = POLICIES[profile, True], POLICIES[profile, False]
        self._store: verification.Store | None = None
        self._builder: PolicyBuilder | None = None
        """For every chain that is no longer than usual: it says all but the time."""
        self._fingerprint = b""

    @property
    def fingerprint(self) -> bytes:
        """32 bytes: the anchors, the profile, the limit and the CRLs."""
        if not self._fingerprint:
            digest = hashlib.sha256(f"{self.profile.value} {self.max_depth} {self.trust.is_pinned}".encode())
            for anchor in sorted(one.fingerprint(hashes.SHA256()) for one in self.trust.certificates):
                digest.update(anchor)
            if self.crls is not None:
                digest.update(self.crls.fingerprint)
            self._fingerprint = digest.digest()
        return self._fingerprint

    @property
    def signature_schemes(self) -> tuple[SignatureScheme, ...]:
        """What the certificates of a chain may be signed with: for signature_algorithms_cert (4.3.3)."""
        return CHAIN_SIGNATURE_SCHEMES

    def verify_server(
        self, chain: Sequence[x509.Certificate], server_name: ServerName | None, now: datetime
    ) -> VerifiedChain:
        """The verified chain, leaf first and trust anchor last. Raises a CertificateError.

        `chain` is as the server sent it: after the leaf, order, duplicates and extras do not matter (4.5.1.2).
        `now` is an aware datetime. Raises ConfigurationError without a name: a good certificate of anybody proves
        nothing.
        """
        if server_name is None:
            raise ConfigurationError("a server is verified for a name, and there is none")
        return self._verify(chain, Question(server_name, now, server=True))

    def verify_client(self, chain: Sequence[x509.Certificate], now: datetime) -> VerifiedChain:
        """As verify_server, for a client's chain, which is not tied to a name."""
        return self._verify(chain, Question(None, now, server=False))

    def _verify(self, chain: Sequence[x509.Certificate], question: Question) -> VerifiedChain:
        if not chain:
            raise errors.UnsuitableChain("it is empty")
        if question.now.tzinfo is None:
            raise ConfigurationError("`now` must be an aware datetime: certificates are dated in UTC")
        try:
            check_keys(chain)
            if self.trust.is_pinned:
                verified = self._verify_pinned(chain[0], question)
            else:
                verified = self._verify_chain(chain, question)
            if self.crls is not None and not self.trust.is_pinned:
                self.crls.check(verified, question.now, anchors=self.trust.certificates, sent=chain)
        except CertificateError as error:
            error.chain, error.judged_at = tuple(chain), question.now
            raise
        return verified

    def _verify_chain(self, chain: Sequence[x509.Certificate], question: Question) -> VerifiedChain:
        if not self.trust.certificates:
            raise errors.EmptyTrustStore(repr(self.trust))
        for policies in self._server_policies if question.server else self._client_policies:
            try:
                verified = self._build(chain, question, policies)
            except (VerificationError, *UNREADABLE) as error:  # it parses names late, and these are a peer's bytes
                failure = error
                continue
            question.check_name(chain[0])
            self._check_depth(verified)
            if self.profile is Profile.WEBPKI:
                from .webpki import check_web_pki  # few ask for it

                check_web_pki(verified, server=question.server)
            return verified
        if self.profile is not Profile.WEBPKI and chain[0] in self.trust:
            check_usage(chain[0], question)
            return self._verify_pinned(chain[0], question)
        from .diagnosis import diagnose

        raise diagnose(chain, question, self.trust.certificates, str(failure))

    def _check_depth(self, verified: Sequence[x509.Certificate]) -> None:
        if len(verified) - 2 <= self.max_depth:
            return
        counted = [one for one in verified[1:-1] if not is_self_issued(one)]
        if len(counted) > self.max_depth:
            raise errors.UnsuitableChain(f"{len(counted)} intermediates, and {self.max_depth} are allowed")

    def _build(
        self,
        chain: Sequence[x509.Certificate],
        question: Question,
        policies: Policies,
    ) -> VerifiedChain:
        builder = self._builder if len(chain) <= self.max_depth else None
        builder = (builder or self._make_builder(chain)).time(question.now)
        if policies is not None:
            builder = builder.extension_policies(ca_policy=policies[0], ee_policy=policies[1])
        leaf, *intermediates = chain
        if question.server:
            return VerifiedChain(_server_verifier(builder, question.name, leaf).verify(leaf, intermediates))
        return VerifiedChain(builder.build_client_verifier().verify(leaf, intermediates).chain)

    def _make_builder(self, chain: Sequence[x509.Certificate]) -> PolicyBuilder:
        """Not sooner than for the first chain: making a verifier reads no files. Two threads may both make one."""
        if self._store is None:
            self._store = verification.Store(list(self.trust.certificates))
        builder = PolicyBuilder().store(self._store).max_chain_depth(self._depth(chain))
        if len(chain) <= self.max_depth:
            self._builder = builder
        return builder

    def _depth(self, chain: Sequence[x509.Certificate]) -> int:
        """For the library, which counts self-issued certificates as well (RFC 5280, section 4.2.1.9, does not)."""
        depth = self.max_depth
        return depth if len(chain) <= depth else depth + sum(map(is_self_issued, chain[1:]))

    def _verify_pinned(self, leaf: x509.Certificate, question: Question) -> VerifiedChain:
        """The certificate is believed for itself: only its dates and its name are left to check."""
        if leaf not in self.trust:
            raise errors.NotPinned(describe(leaf), certificate=leaf)
        check_dates(leaf, question.now)
        question.check_name(leaf)
        return VerifiedChain((leaf,))


class NamelessVerifier(ChainVerifier):
    """Believes a server's chain whatever name it is for: any certificate of anybody, as long as it is a good one.

    For those who compare the name themselves, or know the one CA that they trust to certify one server only.
    """

    def verify_server(
        self, chain: Sequence[x509.Certificate], server_name: ServerName | None, now: datetime
    ) -> VerifiedChain:
        return self._verify(chain, Question(None, now, server=True))

    @property
    def fingerprint(self) -> bytes:
        return hashlib.sha256(b"any name" + super().fingerprint).digest()


def parse_chain(
    certificates: Sequence[bytes], *, max_bytes: int = MAX_CHAIN_BYTES, max_length: int = MAX_CHAIN_LENGTH
) -> tuple[x509.Certificate, ...]:
    """The certificates of a Certificate message. Raises MalformedCertificate, or CertificateError for more than the
    limits (bytes in all, certificates) and for a leaf that is not X.509v3 (section 4.5.1.2)."""
    if len(certificates) > max_length:
        raise CertificateError(f"a chain of {len(certificates)} certificates; our limit is {max_length}")
    size = sum(map(len, certificates))
    if size > max_bytes:
        raise CertificateError(f"a chain of {size} bytes; our limit is {max_bytes}")
    return (_parse_all_again if size <= COMMON_SIZE else _parse_all)(tuple(certificates))


def _parse_all(ders: tuple[bytes, ...]) -> tuple[x509.Certificate, ...]:
    chain = []
    for number, der in enumerate(ders, 1):
        try:
            certificate = _parse_again(der) if len(der) <= COMMON_SIZE else _parse(der)
        except (ValueError, x509.InvalidVersion, CryptographyDeprecationWarning) as error:  # a warning, under -W error
            raise errors.MalformedCertificate(f"certificate number {number}: {error}") from None
        if number == 1 and certificate.version is not x509.Version.v3:
            raise CertificateError(f"certificate number {number} is X.509 {certificate.version.name}, not v3")
        chain.append(certificate)
    return tuple(chain)


def _parse(der: bytes) -> x509.Certificate:
    certificate = x509.load_der_x509_certificate(der)
    certificate.version  # noqa: B018  # reading it judges it
    return certificate


_parse_again = lru_cache(MAX_KEPT)(_parse)
_parse_all_again = lru_cache(MAX_KEPT)(_parse_all)
"""The same bytes, the same certificate: whoever connects again to a server is shown the chain that he knows, and what
the library has parsed of it (names, extensions, key) is parsed once. No verdict is kept: each chain is verified."""


def _server_verifier(
    builder: PolicyBuilder, name: ServerName | None, leaf: x509.Certificate
) -> verification.ServerVerifier:
    """With the library's own name check.

    It does not take every name that there is (an underscore). Then the library is asked for another name of the leaf,
    and the check that follows is ours alone. Name constraints are about all of the leaf's names anyway.
    """
    if name is not None:
        try:
            return builder.build_server_verifier(name.general_name)
        except ValueError:
            pass  # a name that the library does not take
    for other in certificate_names(leaf):
        try:
            return builder.build_server_verifier(x509.DNSName(other.replace("*", "any", 1)))
        except ValueError:
            continue
    return builder.build_server_verifier(UNNAMED)


# --- extension policies: (for CAs, for the leaf); None: the library's own for the web PKI -----------------------------


def _name_is_checked_elsewhere(
    policy: verification.Policy, certificate: x509.Certificate, names: x509.SubjectAlternativeName | None
) -> None:
    """In ChainVerifier, which says what the names are. A validator of None would drop the check just as silently."""


def _usage(policy: verification.Policy, certificate: x509.Certificate, usage: x509.ExtendedKeyUsage | None) -> None:
    allowed = (policy.extended_key_usage, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)
    if usage is not None and not any(one in usage for one in allowed):
        raise ValueError("extendedKeyUsage does not allow this use")


def _leaf_is_no_ca(
    policy: verification.Policy, certificate: x509.Certificate, constraints: x509.BasicConstraints | None
) -> None:
    if constraints is not None and constraints.ca:
        raise ValueError("the end-entity certificate is a CA's")


def _is_ca(policy: verification.Policy, certificate: x509.Certificate, constraints: x509.BasicConstraints) -> None:
    if not constraints.ca:
        raise ValueError("basicConstraints says that this is no CA")


def _signs_certificates(
    policy: verification.Policy, certificate: x509.Certificate, usage: x509.KeyUsage | None
) -> None:
    if usage is not None and not usage.key_cert_sign:
        raise ValueError("keyUsage does not allow keyCertSign")


def _lenient_leaf(base: ExtensionPolicy, *, server: bool) -> ExtensionPolicy:
    """Whoever has no name to check, a client, may have none to show."""
    usages = base.may_be_present(x509.ExtendedKeyUsage, Criticality.AGNOSTIC, _usage)
    if server:
        return usages.require_present(x509.SubjectAlternativeName, Criticality.AGNOSTIC, _name_is_checked_elsewhere)
    return usages.may_be_present(x509.SubjectAlternativeName, Criticality.AGNOSTIC, _name_is_checked_elsewhere)


def _lenient_policies(*, server: bool) -> tuple[ExtensionPolicy, ExtensionPolicy]:
    return ExtensionPolicy.webpki_defaults_ca(), _lenient_leaf(ExtensionPolicy.webpki_defaults_ee(), server=server)


def _private_policies(*, server: bool) -> tuple[ExtensionPolicy, ExtensionPolicy]:
    ca = (
        ExtensionPolicy.permit_all()
        .require_present(x509.BasicConstraints, Criticality.AGNOSTIC, _is_ca)
        .may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, _signs_certificates)
        .may_be_present(x509.ExtendedKeyUsage, Criticality.AGNOSTIC, _usage)
    )
    leaf = _lenient_leaf(ExtensionPolicy.permit_all(), server=server)
    return ca, leaf.may_be_present(x509.BasicConstraints, Criticality.AGNOSTIC, _leaf_is_no_ca)


Policies = tuple[ExtensionPolicy, ExtensionPolicy] | None

POLICIES: Final[dict[tuple[Profile, bool], tuple[Policies, ...]]] = {
    (profile, server): policies
    for server in (True, False)
    for profile, policies in (
        (Profile.WEBPKI, (None,)),
        (Profile.DEFAULT, (None, _lenient_policies(server=server))),
        (Profile.PRIVATE, (_private_policies(server=server),)),
    )
}
"""By profile, and whether a server is verified; tried in turn. The library's own are the fastest and fit almost every
chain, so DEFAULT begins with them."""
