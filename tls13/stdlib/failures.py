"""Our exceptions as `ssl`'s own: whoever catches ssl.SSLError today goes on catching it.

Programs look at the type, at `reason` and `library`, and of a failed verification at `verify_code` and
`verify_message`: those are OpenSSL's numbers and words (X509_V_ERR_*, SSL_R_*). What is ours stays reachable: the
exception that was raised here is the `__cause__`, and a failed verification carries the peer's chain.
"""

from __future__ import annotations

import re
import ssl
from typing import TYPE_CHECKING, TypeVar

from .. import errors
from ..errors import AlertDescription

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cryptography.x509 import Certificate

VERIFY: dict[type[errors.CertificateError], tuple[int, str]] = {
    errors.RevocationUnknown: (3, "unable to get certificate CRL"),
    errors.BadCertificateSignature: (7, "certificate signature failure"),
    errors.CertificateNotYetValid: (9, "certificate is not yet valid"),
    errors.CertificateExpired: (10, "certificate has expired"),
    errors.SelfSigned: (18, "self-signed certificate"),
    errors.UnknownIssuer: (20, "unable to get local issuer certificate"),
    errors.MissingIntermediate: (20, "unable to get local issuer certificate"),
    errors.EmptyTrustStore: (20, "unable to get local issuer certificate"),
    errors.CertificateRevoked: (23, "certificate revoked"),
    errors.WrongUsage: (26, "unsuitable certificate purpose"),
    errors.NameConstraintViolation: (47, "permitted subtree violation"),
    errors.WrongHost: (62, "Hostname mismatch"),
    errors.WeakKey: (66, "EE certificate key too weak"),
    errors.WeakSignature: (68, "CA signature digest algorithm too weak"),
}
UNSPECIFIED = (1, "unspecified certificate verification error")
IP_ADDRESS_MISMATCH = 64

ALERT_REASONS = {
    AlertDescription.unexpected_message: "SSLV3_ALERT_UNEXPECTED_MESSAGE",
    AlertDescription.bad_record_mac: "SSLV3_ALERT_BAD_RECORD_MAC",
    AlertDescription.record_overflow: "TLSV1_ALERT_RECORD_OVERFLOW",
    AlertDescription.handshake_failure: "SSLV3_ALERT_HANDSHAKE_FAILURE",
    AlertDescription.bad_certificate: "SSLV3_ALERT_BAD_CERTIFICATE",
    AlertDescription.unsupported_certificate: "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
    AlertDescription.certificate_revoked: "SSLV3_ALERT_CERTIFICATE_REVOKED",
    AlertDescription.certificate_expired: "SSLV3_ALERT_CERTIFICATE_EXPIRED",
    AlertDescription.certificate_unknown: "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
    AlertDescription.illegal_parameter: "SSLV3_ALERT_ILLEGAL_PARAMETER",
    AlertDescription.unknown_ca: "TLSV1_ALERT_UNKNOWN_CA",
    AlertDescription.access_denied: "TLSV1_ALERT_ACCESS_DENIED",
    AlertDescription.decode_error: "TLSV1_ALERT_DECODE_ERROR",
    AlertDescription.decrypt_error: "TLSV1_ALERT_DECRYPT_ERROR",
    AlertDescription.protocol_version: "TLSV1_ALERT_PROTOCOL_VERSION",
    AlertDescription.insufficient_security: "TLSV1_ALERT_INSUFFICIENT_SECURITY",
    AlertDescription.internal_error: "TLSV1_ALERT_INTERNAL_ERROR",
    AlertDescription.inappropriate_fallback: "TLSV1_ALERT_INAPPROPRIATE_FALLBACK",
    AlertDescription.user_canceled: "TLSV1_ALERT_USER_CANCELLED",
    AlertDescription.missing_extension: "TLSV13_ALERT_MISSING_EXTENSION",
    AlertDescription.unsupported_extension: "TLSV1_UNSUPPORTED_EXTENSION",
    AlertDescription.unrecognized_name: "TLSV1_UNRECOGNIZED_NAME",
    AlertDescription.bad_certificate_status_response: "TLSV1_BAD_CERTIFICATE_STATUS_RESPONSE",
    AlertDescription.certificate_required: "TLSV13_ALERT_CERTIFICATE_REQUIRED",
    AlertDescription.no_application_protocol: "TLSV1_ALERT_NO_APPLICATION_PROTOCOL",
}

REASONS: dict[type[errors.TLSError], str] = {
    errors.NoCommonCipherSuite: "NO_SHARED_CIPHER",
    errors.NoCommonGroup: "NO_SUITABLE_GROUPS",
    errors.NoCommonSignatureScheme: "NO_SUITABLE_SIGNATURE_ALGORITHM",
    errors.ProtocolVersionError: "UNSUPPORTED_PROTOCOL",
    errors.NoApplicationProtocol: "NO_APPLICATION_PROTOCOL",
    errors.CertificateRequired: "PEER_DID_NOT_RETURN_A_CERTIFICATE",
    errors.UnexpectedRecordType: "WRONG_VERSION_NUMBER",
    errors.BadRecordMac: "DECRYPTION_FAILED_OR_BAD_RECORD_MAC",
    errors.RecordOverflow: "DATA_LENGTH_TOO_LONG",
    errors.DecodeError: "LENGTH_MISMATCH",
    errors.BadSignature: "BAD_SIGNATURE",
    errors.BadFinished: "DIGEST_CHECK_FAILED",
    errors.UnexpectedMessage: "UNEXPECTED_MESSAGE",
    errors.ConnectionFailed: "UNINITIALIZED",
}
"""Where OpenSSL has a name for it; for the others ours is written in its way."""

HTTP = re.compile(r"stream begins with b'(GET |POST |HEAD |PUT |CONNE)")
"""How OpenSSL knows HTTP that was sent to the wrong port."""

Failure = TypeVar("Failure", bound=ssl.SSLError)


class CertificateVerificationError(ssl.SSLCertVerificationError, errors.CertificateError):
    """What `ssl` raises when a chain is not believed, and what it does not say: the chain, and the one at fault.

    It is both modules' CertificateError: `except ssl.CertificateError` catches it, whichever of them is called ssl.
    """

    peer_certificates: Sequence[Certificate]
    """What the peer sent, end-entity certificate first."""
    certificate: Certificate | None
    """The one at fault, where that is known."""
    judged_at: datetime | None
    """The time that it was judged by (UTC): a wrong clock is a frequent reason."""


def translated(error: errors.TLSError) -> ssl.SSLError:
    """The exception of `ssl` for one of ours, which becomes its cause."""
    made = _made(error)
    made.__cause__ = error
    return made


def _made(error: errors.TLSError) -> ssl.SSLError:
    if isinstance(error, errors.CertificateError):
        return _verification(error)
    if isinstance(error, errors.TruncatedStream):
        return ragged_end()
    if isinstance(error, errors.CloseNotifyInHandshake):
        return both_closed()
    if isinstance(error, errors.AlertReceived):
        reason = ALERT_REASONS.get(error.code, f"ALERT_{error.code}")  # type: ignore[call-overload]  # any number
        return library_error(reason, str(error))
    if isinstance(error, errors.UnexpectedRecordType) and (found := HTTP.search(str(error))):
        return library_error("HTTPS_PROXY_REQUEST" if found[1] == "CONNE" else "HTTP_REQUEST", str(error))
    reason = next((REASONS[kind] for kind in type(error).__mro__ if kind in REASONS), "")
    return library_error(reason or _screaming(type(error).__name__), str(error))


def failure(
    kind: type[Failure], number: int, says: str, *, reason: str | None = None, library: str | None = None
) -> Failure:
    """Every exception of `ssl` is made here: C always sets `reason` and `library`, if only to None, and programs read
    them without asking whether they are there."""
    made = kind(number, says)
    made.reason, made.library = reason, library  # type: ignore[assignment]  # typeshed knows of no None
    return made


def wants_read() -> ssl.SSLWantReadError:
    return failure(ssl.SSLWantReadError, ssl.SSL_ERROR_WANT_READ, "The operation did not complete (read)")


def wants_write() -> ssl.SSLWantWriteError:
    return failure(ssl.SSLWantWriteError, ssl.SSL_ERROR_WANT_WRITE, "The operation did not complete (write)")


def ragged_end() -> ssl.SSLEOFError:
    says, reason = "EOF occurred in violation of protocol", "UNEXPECTED_EOF_WHILE_READING"
    return failure(ssl.SSLEOFError, ssl.SSL_ERROR_EOF, says, reason=reason, library="SSL")


def both_closed() -> ssl.SSLZeroReturnError:
    says = "TLS/SSL connection has been closed (EOF)"
    return failure(ssl.SSLZeroReturnError, ssl.SSL_ERROR_ZERO_RETURN, says)


def library_error(reason: str, says: str) -> ssl.SSLError:
    """As OpenSSL's library makes them: `reason` is its name for what went wrong."""
    text = f"[SSL: {reason}] {reason.lower().replace('_', ' ')} ({says})"
    return failure(ssl.SSLError, ssl.SSL_ERROR_SSL, text, reason=reason, library="SSL")


def bad_settings(says: object) -> ssl.SSLError:
    """For what makes no config, or cannot be loaded: OpenSSL has no name for it."""
    return failure(ssl.SSLError, ssl.SSL_ERROR_SSL, f"[SSL] {says}", library="SSL")


def nothing_to_trust() -> ssl.SSLError:
    reason = "NO_CERTIFICATE_OR_CRL_FOUND"
    text = f"[X509: {reason}] no certificate or crl found"
    return failure(ssl.SSLError, ssl.SSL_ERROR_SSL, text, reason=reason, library="X509")


def wrong_role(wanted: str, protocol: str) -> ssl.SSLError:
    return failure(ssl.SSLError, 0, f"Cannot create a {wanted} socket with a {protocol} context")


def _verification(error: errors.CertificateError) -> CertificateVerificationError:
    code, message = next((VERIFY[kind] for kind in type(error).__mro__ if kind in VERIFY), UNSPECIFIED)
    if isinstance(error, errors.WrongHost):
        code, message = _mismatch(error)
    elif isinstance(error, CertificateVerificationError):  # a callback's: another connection of ours has failed
        code, message = error.verify_code, error.verify_message
    reason = "CERTIFICATE_VERIFY_FAILED"
    says = f"[SSL: {reason}] certificate verify failed: {message} ({error})"
    made = failure(CertificateVerificationError, ssl.SSL_ERROR_SSL, says, reason=reason, library="SSL")
    made.verify_code, made.verify_message = code, message
    # As a CertificateError it says what ours says: chain, certificate, judged_at, and the rule that was broken.
    vars(made).update(vars(error), alert=error.alert, section=error.section, peer_certificates=error.chain)
    return made


def _mismatch(error: errors.WrongHost) -> tuple[int, str]:
    """OpenSSL's words, which programs compare: they end in the name that was wanted."""
    name = error.name
    if error.is_address:
        return IP_ADDRESS_MISMATCH, f"IP address mismatch, certificate is not valid for '{name}'."
    return VERIFY[errors.WrongHost][0], f"Hostname mismatch, certificate is not valid for '{name}'."


def _screaming(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).upper()
