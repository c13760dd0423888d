"""Stapled certificate status: RFC 9846, section 4.5.1.1; RFC 6066, section 8; RFC 6960; RFC 7633.

An OCSP response is a short-lived signed statement: "on this day, this certificate was not revoked". Whoever shows the
certificate fetches the response and shows it too, so that the other side need ask nobody. That also decides how it
must be read: the statement comes from the one party that has an interest in it, who may pick the best that there ever
was. So everything that ties it down counts:

* to whom: the CertID names the issuer, by hashes of its name and of its key, and the serial number. These hashes may
  be SHA-1, for what they identify is already known; a signature over SHA-1 may not (RFC 6960, section 4.3, of 2013,
  asks for it with a SHOULD; RFC 9846, section 4.5.1.3, calls it deprecated).
* by whom: the issuer itself, or a responder whose certificate the issuer signed, with the key that signed the
  certificate in question, for this very purpose (section 4.2.2.2). A responder that is itself a CA is refused, although
  the RFC would let it pass: an intermediate CA that was given id-kp-OCSPSigning by mistake could otherwise vouch for
  its siblings, and for itself. A good part of the web's CAs once had such certificates (found in 2020).
* when: not before thisUpdate, and before nextUpdate.

"Revoked" is believed on easier terms, as in crl.py: whatever its dates are.

Nothing is fetched. So a responder's certificate is not checked for revocation: id-pkix-ocsp-nocheck says that this is
meant to be so, and without it section 4.2.2.2.1 leaves it to local policy. Its own dates are what limits it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mldsa, padding, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, SignatureAlgorithmOID

from .. import errors
from ..crypto.signatures import SHA1_SCHEMES, signed_with
from ..errors import CertificateError, ConfigurationError
from .checks import check_cost, check_dates, check_keys, is_signed_by
from .der import RawExtension
from .facts import facts
from .names import UNREADABLE, check_readable, describe, is_self_issued, read_extension
from .ocsp_response import Entry, Response

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

MAX_SIGNERS: Final = 4
"""How many certificates that have the responder's name are tried: each costs two verifications."""
CLOCK_SKEW: Final = timedelta(minutes=5)
"""By how much the responder's clock may be ahead of ours."""
UNDATED_LIFETIME: Final = timedelta(days=1)
"""How long a response without nextUpdate counts. It says that there is newer information at any time, not for how long
it may itself be used."""

UNDERSTOOD: Final = frozenset(
    {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
        ExtensionOID.OCSP_NO_CHECK,
    }
)
"""What may be marked critical in a responder's certificate (RFC 5280, section 4.2): it is obeyed, or asks nothing."""


_Algorithm = tuple[Any, tuple[tuple[object, ...], ...]]
"""The kind of key, and the choices of what its `verify` takes beside signature and message."""


def _pkcs1(hash: hashes.HashAlgorithm) -> _Algorithm:
    return rsa.RSAPublicKey, ((padding.PKCS1v15(), hash),)


def _ecdsa(hash: hashes.HashAlgorithm) -> _Algorithm:
    return ec.EllipticCurvePublicKey, ((ec.ECDSA(hash),),)


def _pss(hash: hashes.HashAlgorithm) -> tuple[object, ...]:
    return padding.PSS(mgf=padding.MGF1(hash), salt_length=padding.PSS.AUTO), hash


_ALGORITHMS: Final[dict[x509.ObjectIdentifier, _Algorithm]] = {
    SignatureAlgorithmOID.RSA_WITH_SHA256: _pkcs1(hashes.SHA256()),
    SignatureAlgorithmOID.RSA_WITH_SHA384: _pkcs1(hashes.SHA384()),
    SignatureAlgorithmOID.RSA_WITH_SHA512: _pkcs1(hashes.SHA512()),
    SignatureAlgorithmOID.RSASSA_PSS: (
        rsa.RSAPublicKey,
        tuple(map(_pss, (hashes.SHA256(), hashes.SHA384(), hashes.SHA512()))),
    ),
    SignatureAlgorithmOID.ECDSA_WITH_SHA256: _ecdsa(hashes.SHA256()),
    SignatureAlgorithmOID.ECDSA_WITH_SHA384: _ecdsa(hashes.SHA384()),
    SignatureAlgorithmOID.ECDSA_WITH_SHA512: _ecdsa(hashes.SHA512()),
    SignatureAlgorithmOID.ED25519: (ed25519.Ed25519PublicKey, ((),)),
    SignatureAlgorithmOID.ED448: (ed448.Ed448PublicKey, ((),)),
    SignatureAlgorithmOID.ML_DSA_44: (mldsa.MLDSA44PublicKey, ((),)),
    SignatureAlgorithmOID.ML_DSA_65: (mldsa.MLDSA65PublicKey, ((),)),
    SignatureAlgorithmOID.ML_DSA_87: (mldsa.MLDSA87PublicKey, ((),)),
}
"""What a response may be signed with. No SHA-1. RSASSA-PSS has its hash in parameters that the library does not show:
each of the good ones is tried, with whatever salt (`openssl ocsp` writes the longest that fits)."""


class OcspStatus(NamedTuple):
    """A response that was checked, and says "good". Times are aware datetimes in UTC."""

    this_update: datetime
    next_update: datetime | None
    produced_at: datetime
    responder: x509.Certificate
    """Who signed it: the certificate's issuer, or the responder that it appointed."""


def check_stapled(response: bytes, verified: Sequence[x509.Certificate], now: datetime) -> OcspStatus:
    """Check the OCSP response (DER) that was stapled to verified[0]. `now` is an aware datetime.

    `verified` is the chain that was believed, leaf first; of a certificate further up, give the chain from there on.
    Raises CertificateRevoked, or a BadCertificateStatus: also where a certificate was believed for itself, without
    its issuer, for then nobody knows who may speak about it. Both carry the certificate and the chain.
    """
    if now.tzinfo is None:
        raise ConfigurationError("`now` must be an aware datetime: OCSP responses are dated in UTC")
    leaf = verified[0]
    try:
        issuer = _issuer_of(verified)
        parsed = Response.parse(response)
        entries = [one for one in parsed.entries if one.is_about(leaf, issuer)]
        if not entries:
            raise errors.OcspForAnotherCertificate(_subjects(parsed.entries))
        responder = _find_signer(parsed, issuer, now)
        newest = _check_status(entries, leaf)
        _check_understood((*parsed.extensions, *newest.extensions))
        _check_times(parsed, newest, now)
    except CertificateError as error:
        error.certificate, error.chain = leaf, tuple(verified)
        raise
    return OcspStatus(newest.this_update, newest.next_update, parsed.produced_at, responder)


def check_shown(
    response: bytes, verified: Sequence[x509.Certificate], sent: Sequence[x509.Certificate], now: datetime
) -> bool:
    """As check_stapled, for the chain that a peer sent. Whether anybody may speak about its certificate.

    One that was believed for itself (it is pinned) has no verified issuer. If the next that was sent directly certifies
    it (RFC 9846, section 4.5.1), that one may speak: what counts is that its key signed the certificate, not who trusts
    it. Otherwise the response says nothing, unless the certificate insists on one (RFC 7633).
    """
    leaf = verified[0]
    if len(verified) == 1 and len(sent) > 1:
        check_cost(sent[1], sent)
        if is_signed_by(leaf, sent[1]):
            verified = (leaf, sent[1])
    if len(verified) == 1 and not is_self_issued(leaf) and not facts(leaf).must_staple:
        return False
    check_stapled(response, verified, now)
    return True


def _subjects(entries: Sequence[Entry]) -> str:
    numbers = ", ".join(f"{one.serial_number:x}" for one in entries[:3])
    return f"it is about serial number {numbers}" if numbers else "it is about none"


def _issuer_of(verified: Sequence[x509.Certificate]) -> x509.Certificate:
    """Whoever believed the chain may not have read the names in it."""
    check_readable(verified[0])
    if len(verified) > 1:
        check_readable(verified[1])
        return verified[1]
    if not is_self_issued(verified[0]):
        raise errors.UnauthorizedResponder("the certificate was believed for itself, and its issuer is not known")
    return verified[0]


# --- who signed it ---------------------------------------------------------------------------------------------------


def _find_signer(response: Response, issuer: x509.Certificate, now: datetime) -> x509.Certificate:
    """The issuer or a responder that it appointed, whose signature was verified. Raises a BadCertificateStatus."""
    candidates = [one for one in (issuer, *response.certificates) if response.names(one)]
    if not candidates:
        raise errors.UnauthorizedResponder("it is neither the issuer, nor is its certificate in the response")
    failures: list[errors.BadCertificateStatus] = []
    for candidate in candidates[:MAX_SIGNERS]:
        try:
            if candidate != issuer:
                _check_appointed(candidate, issuer, now)
            _verify(response, candidate)
        except errors.BadCertificateStatus as error:
            failures.append(error)
        else:
            return candidate
    raise failures[0]


def _check_appointed(responder: x509.Certificate, issuer: x509.Certificate, now: datetime) -> None:
    """Section 4.2.2.2: the issuer's own key signed this certificate, for signing OCSP responses."""
    schemes = signed_with(responder)
    if not schemes or schemes & SHA1_SCHEMES:
        raise _unauthorized(responder, "its certificate is signed with an algorithm that is not secure")
    try:
        responder.verify_directly_issued_by(issuer)
    except (*UNREADABLE, InvalidSignature, UnsupportedAlgorithm):
        raise _unauthorized(responder, "the certificate's issuer did not issue the responder's") from None
    try:
        check_keys([responder])
        check_dates(responder, now)
        usage = read_extension(responder, x509.ExtendedKeyUsage)
        constraints = read_extension(responder, x509.BasicConstraints)
    except CertificateError as error:
        raise _unauthorized(responder, f"{error.says}; {error.detail}") from None
    if usage is None or ExtendedKeyUsageOID.OCSP_SIGNING not in usage:
        raise _unauthorized(responder, "its extendedKeyUsage does not name id-kp-OCSPSigning")
    if constraints is not None and constraints.ca:
        raise _unauthorized(responder, "it is a CA, and could vouch for itself")
    for one in responder.extensions:
        if one.critical and one.oid not in UNDERSTOOD:
            raise _unauthorized(responder, f"its certificate has the critical extension {one.oid.dotted_string}")


def _unauthorized(responder: x509.Certificate, what: str) -> errors.UnauthorizedResponder:
    return errors.UnauthorizedResponder(f"{describe(responder)}: {what}")


def _verify(response: Response, signer: x509.Certificate) -> None:
    """Raises BadOcspSignature or WeakOcspSignature."""
    if response.algorithm not in _ALGORITHMS:
        raise errors.WeakOcspSignature(response.algorithm.dotted_string)
    kind, choices = _ALGORITHMS[response.algorithm]
    key: Any = facts(signer).public_key
    if not isinstance(key, kind):
        raise errors.BadOcspSignature(f"{describe(signer)} has a key of another kind")
    for arguments in choices:
        try:
            key.verify(response.signature, response.signed, *arguments)
        except (InvalidSignature, ValueError):
            continue
        return
    raise errors.BadOcspSignature(f"by the key of {describe(signer)}")


# --- what it means, today --------------------------------------------------------------------------------------------


def _check_status(entries: Sequence[Entry], leaf: x509.Certificate) -> Entry:
    """The newest of the entries about one certificate. Raises CertificateRevoked, whatever the dates are, or
    CertificateStatusUnknown."""
    for one in entries:
        if one.status is ocsp.OCSPCertStatus.REVOKED:
            when = f", on {one.revoked_at:%Y-%m-%d}" if one.revoked_at is not None else ""
            raise errors.CertificateRevoked(f"{describe(leaf)}{when}, says the OCSP response that is stapled to it")
    newest = max(entries, key=lambda one: one.this_update)
    if newest.status is not ocsp.OCSPCertStatus.GOOD:
        raise errors.CertificateStatusUnknown(f"{describe(leaf)}, serial number {leaf.serial_number:x}")
    return newest


def _check_understood(extensions: Sequence[RawExtension]) -> None:
    """Section 4.4: unknown extensions are ignored, unless they are critical. None changes what we read, so all are."""
    for one in extensions:
        if one.critical:
            raise errors.OcspExtensionNotUnderstood(one.oid.dotted_string)


def _check_times(response: Response, entry: Entry, now: datetime) -> None:
    """Sections 2.4, 3.2 (5 and 6) and 4.2.2.1."""
    for name, time in (("thisUpdate", entry.this_update), ("producedAt", response.produced_at)):
        if time > now + CLOCK_SKEW:
            raise errors.OcspNotYetValid(
                f"{name} is {time:%Y-%m-%d %H:%M} UTC; is this machine's clock right? It says {now:%Y-%m-%d %H:%M}"
            )
    if entry.next_update is None:
        if now >= entry.this_update + UNDATED_LIFETIME:
            raise errors.OcspOutOfDate(
                f"thisUpdate was {entry.this_update:%Y-%m-%d %H:%M} UTC, and it has no nextUpdate"
            )
    elif now >= entry.next_update:
        raise errors.OcspOutOfDate(f"nextUpdate was {entry.next_update:%Y-%m-%d %H:%M} UTC")
