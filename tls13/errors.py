"""What can go wrong, by name, and the alert that tells the peer.

Every exception of this package derives from TLSError. There are four kinds:

* ConfigurationError: *you* asked for something that cannot work; raised when a config is made.
* Abort and its subclasses: we end the connection because the peer broke a rule. The direct subclasses are
  the alerts of RFC 9846, section 6.2; below them is one class for each offence, so that a test, a log or a
  learner can tell a second HelloRetryRequest from a repeated Finished although both are "unexpected_message".
* AlertReceived: the peer ended the connection and said why.
* What the transport did: TruncatedStream, and in tls13.io the exceptions that keep an OSError underneath.

An exception carries its alert as the class attribute `alert`. Nobody but engine.py reads it: that is the one
place where an exception becomes bytes on the wire.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from .lean import IntEnum

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cryptography.x509 import Certificate

RFC = "RFC 9846"


class AlertDescription(IntEnum):
    """RFC 9846, section 6; 121 from RFC 9849."""

    close_notify = 0
    unexpected_message = 10
    bad_record_mac = 20
    record_overflow = 22
    handshake_failure = 40
    bad_certificate = 42
    unsupported_certificate = 43
    certificate_revoked = 44
    certificate_expired = 45
    certificate_unknown = 46
    illegal_parameter = 47
    unknown_ca = 48
    access_denied = 49
    decode_error = 50
    decrypt_error = 51
    protocol_version = 70
    insufficient_security = 71
    internal_error = 80
    inappropriate_fallback = 86
    user_canceled = 90
    missing_extension = 109
    unsupported_extension = 110
    unrecognized_name = 112
    bad_certificate_status_response = 113
    unknown_psk_identity = 115
    certificate_required = 116
    general_error = 117
    no_application_protocol = 120
    ech_required = 121


class TLSError(Exception):
    """The base of everything that tls13 raises on purpose."""


class ConfigurationError(TLSError, ValueError):
    """A config, a file or an argument that cannot work; the sentence says what to change."""


class UsageError(TLSError, RuntimeError):
    """A call that makes no sense now: data sent before the handshake is complete, or after close()."""


class StoreUnavailable(TLSError):
    """A store of the user's (tls13.resumption.stores) cannot answer. A handshake goes on without what it would have
    said: no resumption, no early data."""


class Abort(TLSError):
    """We end the connection. `alert` is what the peer is told, `section` is the rule it broke.

    A subclass states its sentence once, in `says`; `detail` adds the value that was found.
    """

    alert: ClassVar[AlertDescription]
    section: ClassVar[str] = ""
    says: ClassVar[str] = ""
    rfc: ClassVar[str] = RFC

    def __init__(self, detail: object = "") -> None:
        self.detail = str(detail)
        where = f" ({self.rfc}, section {self.section})" if self.section else ""
        super().__init__(": ".join(part for part in (self.says, self.detail) if part) + where)


# --- One class for each alert of section 6.2 that we send; the offences stand below them. ------------------


class UnexpectedMessage(Abort):
    alert = AlertDescription.unexpected_message
    section = "6.2"
    says = "unexpected message"


class BadRecordMac(Abort):
    alert = AlertDescription.bad_record_mac
    section = "5.2"
    says = "a record does not decrypt: it was altered, replayed, reordered, or protected with other keys"


class RecordOverflow(Abort):
    alert = AlertDescription.record_overflow
    section = "5.2"
    says = "a record is longer than the limit"


class HandshakeFailure(Abort):
    alert = AlertDescription.handshake_failure
    section = "4.2.1"
    says = "no acceptable set of parameters"


class IllegalParameter(Abort):
    alert = AlertDescription.illegal_parameter
    section = "6.2"
    says = "a field has a value that is not allowed here"


class DecodeError(Abort):
    alert = AlertDescription.decode_error
    section = "6.2"
    says = "a message does not follow its syntax"


class DecryptError(Abort):
    alert = AlertDescription.decrypt_error
    section = "6.2"
    says = "a cryptographic check of the handshake failed"


class ProtocolVersionError(Abort):
    alert = AlertDescription.protocol_version
    section = "4.3.1"
    says = "the peer does not speak TLS 1.3"


class InternalError(Abort):
    alert = AlertDescription.internal_error
    section = "6.2"
    says = "a failure on our side that has nothing to do with the peer"


class KeyLimitReached(InternalError):
    section = "5.5"
    says = "no more records may be protected with this key"


class MissingExtension(Abort):
    alert = AlertDescription.missing_extension
    section = "9.2"
    says = "a mandatory extension is missing"


class UnsupportedExtension(Abort):
    alert = AlertDescription.unsupported_extension
    section = "4.3"
    says = "the peer answers an extension that we did not send"


class CertificateRequired(Abort):
    alert = AlertDescription.certificate_required
    section = "4.5.1.3"
    says = "the client has no certificate to show, and must"


class UnrecognizedName(Abort):
    alert = AlertDescription.unrecognized_name
    section = "3"
    rfc = "RFC 6066"
    says = "no certificate for this server name"


class NoApplicationProtocol(Abort):
    alert = AlertDescription.no_application_protocol
    section = "3.2"
    rfc = "RFC 7301"
    says = "client and server have no application protocol in common"


# --- unexpected_message -------------------------------------------------------------------------------------


class MessageOutOfOrder(UnexpectedMessage):
    section = "4"
    says = "a handshake message arrived where the protocol does not allow it"


class SecondHelloRetryRequest(UnexpectedMessage):
    section = "4.2.4"
    says = "a second HelloRetryRequest in one connection"


class Renegotiation(UnexpectedMessage):
    section = "4.2.2"
    says = "a ClientHello after the handshake: TLS 1.3 has no renegotiation"


class InterleavedHandshake(UnexpectedMessage):
    section = "5.1"
    says = "another record type in the middle of a handshake message"


class DataAcrossKeyChange(UnexpectedMessage):
    section = "5.1"
    says = "handshake bytes follow the last message before a key change in the same record"


class UnexpectedRecordType(UnexpectedMessage):
    section = "5"
    says = "a record of a type that is not allowed here"


class BadChangeCipherSpec(UnexpectedMessage):
    section = "5"
    says = "a change_cipher_spec record that is not the single byte 0x01, or is not allowed now"


class EmptyFragment(UnexpectedMessage):
    section = "5.1"
    says = "a zero-length handshake or alert fragment"


class NoContentType(UnexpectedMessage):
    section = "5.4"
    says = "a protected record that is all padding: no non-zero octet in its cleartext"


class UnexpectedApplicationData(UnexpectedMessage):
    section = "2"
    says = "application data before the handshake allows it"


class UnrequestedCertificateRequest(UnexpectedMessage):
    section = "4.7.2"
    says = "a CertificateRequest after the handshake, although we did not offer post_handshake_auth"


class TooManyKeyUpdates(UnexpectedMessage):
    section = "4.7.3"
    says = "too many KeyUpdate messages without application data between them"


class TooManyEmptyRecords(UnexpectedMessage):
    section = "5.1"
    says = "too many empty or ignored records in a row"


class TooManyWarnings(UnexpectedMessage):
    section = "6.1"
    says = "too many user_canceled alerts in a row"


class TooMuchEarlyData(UnexpectedMessage):
    section = "4.3.10"
    says = "the peer sent more early data than we are willing to skip"


class EarlyDataLimitExceeded(UnexpectedMessage):
    section = "4.7.1"
    says = "the client sent more early data than its ticket's max_early_data_size"


class InterleavedAnswer(UnexpectedMessage):
    section = "4.7.2"
    says = "something else in the middle of an answer to a CertificateRequest"


class UnknownRequestContext(UnexpectedMessage):
    section = "4.7.2"
    says = "a Certificate after the handshake that answers no request of ours"


class TooManyRequests(UnexpectedMessage):
    section = "4.7.2"
    says = "too many CertificateRequests without an answer between them"


class CertificateRequestWithPsk(UnexpectedMessage):
    section = "4.4.2"
    says = "a CertificateRequest, although a PSK authenticates this connection"


class TooMuchBuffered(UnexpectedMessage):
    section = "4"
    says = "the peer sends more than we keep while we wait for somebody else's answer"


class HandshakeTooSlow(HandshakeFailure):
    section = "4"
    says = "the handshake takes longer than the config allows"


# --- illegal_parameter --------------------------------------------------------------------------------------


class MisplacedExtension(IllegalParameter):
    section = "4.3"
    says = "a known extension in a message that must not carry it"


class DuplicateExtension(IllegalParameter):
    section = "4.3"
    says = "the same extension twice in one block"


class SessionIdNotEchoed(IllegalParameter):
    section = "4.2.3"
    says = "legacy_session_id_echo is not what our ClientHello sent"


class CipherSuiteNotOffered(IllegalParameter):
    section = "4.2.3"
    says = "the server chose a cipher suite that we did not offer"


class CipherSuiteChanged(IllegalParameter):
    section = "4.2.4"
    says = "the ServerHello's cipher suite is not the HelloRetryRequest's"


class BadCompressionMethod(IllegalParameter):
    section = "4.2.3"
    says = "legacy_compression_method must be a single zero byte"


class Downgrade(IllegalParameter):
    section = "4.2.3"
    says = "the server's Random carries the downgrade sentinel: someone removed TLS 1.3 from our offer"


class VersionNotOffered(IllegalParameter):
    section = "4.3.1"
    says = "selected_version is not one that we offered"


class RetryChangesNothing(IllegalParameter):
    section = "4.2.4"
    says = "a HelloRetryRequest that would not change the ClientHello"


class GroupNotOffered(IllegalParameter):
    section = "4.3.8"
    says = "the server chose a group that we did not offer"


class GroupAlreadyShared(IllegalParameter):
    section = "4.3.8"
    says = "HelloRetryRequest selects a group for which we already sent a key share"


class GroupChanged(IllegalParameter):
    section = "4.3.8"
    says = "the key share is not of the group that the HelloRetryRequest selected"


class InvalidKeyShare(IllegalParameter):
    section = "4.3.8"
    says = "a key share that is not a valid public value of its group"


class PskNotOffered(IllegalParameter):
    section = "4.3.11"
    says = "selected_identity is not one of the PSKs that we offered"


class PskHashMismatch(IllegalParameter):
    section = "4.3.11"
    says = "the server chose a cipher suite whose hash is not the selected PSK's"


class PskModeNotOffered(IllegalParameter):
    section = "4.3.9"
    says = "the server uses the PSK in a mode that we did not offer"


class EarlyDataNotAcceptable(IllegalParameter):
    section = "4.3.10"
    says = "the server accepts early data under parameters that are not those of the first PSK"


class TooManyKeyShares(IllegalParameter):
    section = "4.3.8"
    says = "more key shares than we are willing to look at"


class TooManyExtensions(IllegalParameter):
    section = "4.3"
    says = "more extensions than we are willing to look at"


class CompressionNotOffered(IllegalParameter):
    rfc = "RFC 8879"
    section = "4"
    says = "a certificate compressed in a way that we did not offer"


class BadRecordSizeLimit(IllegalParameter):
    rfc = "RFC 8449"
    section = "4"
    says = "a record_size_limit below 64"


class BadCertificateWithPsk(IllegalParameter):
    rfc = "RFC 8773"
    section = "5.1"
    says = "tls_cert_with_extern_psk without what must go with it, or with what must not"


class BadDelegatedCredential(IllegalParameter):
    rfc = "RFC 9345"
    section = "4.1.3"
    says = "a delegated credential that is not valid"


class BadOidFilter(IllegalParameter):
    section = "4.3.5"
    says = "oid_filters asks for what it must not"


class KeyShareMismatch(IllegalParameter):
    section = "4.3.8"
    says = "key_share and supported_groups of a ClientHello contradict each other"


class DuplicateGroup(IllegalParameter):
    section = "4.3.7"
    says = "the same group twice"


class ClientHelloChanged(IllegalParameter):
    section = "4.2.2"
    says = "the second ClientHello differs from the first where it must not"


class BadCookie(IllegalParameter):
    section = "4.3.2"
    says = "the cookie is not one that this server issued for this ClientHello"


class EarlyDataWithoutPsk(IllegalParameter):
    section = "4.3.10"
    says = "early_data is offered without pre_shared_key"


class EarlyDataAfterRetry(IllegalParameter):
    section = "4.3.10"
    says = "early_data in the ClientHello that answers a HelloRetryRequest"


class PreSharedKeyNotLast(IllegalParameter):
    section = "4.3.11"
    says = "pre_shared_key is not the last extension of the ClientHello"


class BadRequestContext(IllegalParameter):
    section = "4.4.2"
    says = "certificate_request_context must be empty in the handshake"


class SignatureSchemeNotOffered(IllegalParameter):
    section = "4.5.2"
    says = "CertificateVerify uses a signature scheme that we did not offer"


class SignatureSchemeUnsuitable(IllegalParameter):
    section = "4.5.2"
    says = "CertificateVerify uses a signature scheme that does not fit the certificate's key"


class BadKeyUpdateRequest(IllegalParameter):
    section = "4.7.3"
    says = "request_update is neither update_not_requested nor update_requested"


class ProtocolNotOffered(IllegalParameter):
    section = "3.1"
    rfc = "RFC 7301"
    says = "the server selected an application protocol that we did not offer"


# --- decode_error -------------------------------------------------------------------------------------------


class EmptyCertificateList(DecodeError):
    section = "4.5.1.3"
    says = "the server's Certificate message is empty"


class BadAlert(DecodeError):
    section = "6"
    says = "an alert record must hold exactly one alert of two bytes"


class MessageTooLong(DecodeError):
    section = "4"
    says = "a handshake message is longer than our limit"


# --- decrypt_error, handshake_failure, protocol_version, missing_extension -----------------------------------


class BadFinished(DecryptError):
    section = "4.5.3"
    says = "Finished does not match the handshake that we saw"


class BadSignature(DecryptError):
    section = "4.5.2"
    says = "the CertificateVerify signature does not verify under the certificate's key"


class BadBinder(DecryptError):
    section = "4.3.11"
    says = "no PSK that we know has this binder"


class NoCommonCipherSuite(HandshakeFailure):
    says = "client and server have no cipher suite in common"


class NoCommonGroup(HandshakeFailure):
    says = "client and server have no key exchange group in common"


class NoPskSelected(HandshakeFailure):
    section = "4.3.11"
    says = "the server selects none of our PSKs, and nothing else may authenticate it"


class NoCertificateWithPsk(HandshakeFailure):
    rfc = "RFC 8773"
    section = "4"
    says = "the server authenticates with the PSK alone, and this config wants a certificate as well"


class NoCertificate(HandshakeFailure):
    section = "4.2.1"
    says = "this server knows PSKs only, and the client offers none of them"


class NoCommonSignatureScheme(HandshakeFailure):
    section = "4.3.3"
    says = "none of our certificates can be used with the client's signature_algorithms"


class LegacyVersion(ProtocolVersionError):
    section = "4.2.2"
    says = "legacy_version is not 0x0303"


class NoVersionInRetry(MissingExtension):
    section = "4.2.4"
    says = "HelloRetryRequest without supported_versions"


# --- certificates: alerts by RFC 9846, section 6.2 ------------------------------------------------------------


class CertificateError(Abort):
    """The peer's certificate, or the chain above it, is not acceptable.

    `chain` is what the peer sent, end-entity certificate first; `certificate` is the one at fault, where it is
    known. The default alert is section 4.5.1.2's.
    """

    alert = AlertDescription.unsupported_certificate
    section = "4.5.1.2"
    says = "the certificate is not acceptable"

    def __init__(
        self, detail: object = "", *, chain: Sequence[Certificate] = (), certificate: Certificate | None = None
    ) -> None:
        super().__init__(detail)
        self.chain = tuple(chain)
        self.certificate = certificate
        self.judged_at: datetime | None = None
        """The time that the certificates were judged by, where whoever judged them says so."""


class CertificateExpired(CertificateError):
    alert = AlertDescription.certificate_expired
    says = "the certificate has expired"


class CertificateNotYetValid(CertificateError):
    alert = AlertDescription.certificate_expired
    says = "the certificate is not valid yet"


class WrongHost(CertificateError):
    alert = AlertDescription.bad_certificate
    says = "the certificate is for another host"
    name = ""
    """The one that was wanted."""
    is_address = False


class UnknownIssuer(CertificateError):
    alert = AlertDescription.unknown_ca
    says = "the certificate's issuer is not in the trust store"


class SelfSigned(UnknownIssuer):
    says = "the certificate is self-signed and not in the trust store"


class MissingIntermediate(UnknownIssuer):
    says = "the peer did not send the intermediate certificate that its chain needs"


class EmptyTrustStore(UnknownIssuer):
    says = "the trust store is empty, so no certificate can be verified"


class BadCertificateSignature(CertificateError):
    alert = AlertDescription.bad_certificate
    says = "a signature in the certificate chain does not verify"


class WeakKey(CertificateError):
    says = "a key in the certificate chain is too weak, too large, or of a kind that is not used in TLS 1.3"


class WeakSignature(CertificateError):
    alert = AlertDescription.bad_certificate
    section = "4.5.1.3"
    says = "a certificate is signed with an algorithm that is no longer secure"


class WrongUsage(CertificateError):
    says = "the certificate is not meant for this use"


class NameConstraintViolation(CertificateError):
    alert = AlertDescription.certificate_unknown
    says = "a CA in the chain may not issue certificates for this name"


class CertificateRevoked(CertificateError):
    alert = AlertDescription.certificate_revoked
    says = "the certificate has been revoked"


class RevocationUnknown(CertificateError):
    alert = AlertDescription.certificate_unknown
    says = "no valid CRL covers the certificate"


class BadCertificateStatus(CertificateError):
    """A stapled OCSP response that must not be relied on. One that is not satisfactory MUST end the handshake."""

    alert = AlertDescription.bad_certificate_status_response
    rfc = "RFC 6066"
    section = "8"
    says = "the stapled OCSP response is not satisfactory"


class UnknownStatusType(BadCertificateStatus):
    says = "what is stapled is no OCSP response but another type of status, and we asked for none"


class MalformedOcspResponse(BadCertificateStatus):
    rfc = "RFC 6960"
    section = "4.2.1"
    says = "the stapled OCSP response cannot be parsed"


class OcspResponderFailed(BadCertificateStatus):
    rfc = "RFC 6960"
    section = "2.3"
    says = "what is stapled is an OCSP responder's error message"


class OcspForAnotherCertificate(BadCertificateStatus):
    rfc = "RFC 6960"
    section = "3.2"
    says = "the stapled OCSP response is not about this certificate"


class UnauthorizedResponder(BadCertificateStatus):
    rfc = "RFC 6960"
    section = "4.2.2.2"
    says = "whoever signed the stapled OCSP response may not speak for the certificate's issuer"


class BadOcspSignature(BadCertificateStatus):
    rfc = "RFC 6960"
    section = "3.2"
    says = "the signature of the stapled OCSP response does not verify"


class WeakOcspSignature(BadCertificateStatus):
    rfc = "RFC 6960"
    section = "4.3"
    says = "the stapled OCSP response is signed with an algorithm that is not secure, or that we do not know"


class OcspNotYetValid(BadCertificateStatus):
    rfc = "RFC 6960"
    section = "4.2.2.1"
    says = "the stapled OCSP response is not valid yet"


class OcspOutOfDate(BadCertificateStatus):
    rfc = "RFC 6960"
    section = "4.2.2.1"
    says = "the stapled OCSP response is out of date"


class OcspExtensionNotUnderstood(BadCertificateStatus):
    rfc = "RFC 6960"
    section = "4.4"
    says = "the stapled OCSP response has a critical extension that we do not know"


class CertificateStatusUnknown(BadCertificateStatus):
    rfc = "RFC 6960"
    section = "2.2"
    says = "the OCSP responder does not know the certificate"


class MissingStaple(CertificateError):
    alert = AlertDescription.certificate_unknown
    rfc = "RFC 7633"
    section = "4.3.3"
    says = "the certificate promises a stapled OCSP response, and there is none"


class BadPublicKey(CertificateError):
    alert = AlertDescription.bad_certificate
    rfc = "RFC 7250"
    section = "3"
    says = "no SubjectPublicKeyInfo of a key that we know"


class UnknownPublicKey(CertificateError):
    alert = AlertDescription.certificate_unknown
    rfc = "RFC 7250"
    section = "6"
    says = "a raw public key that is not among those that are trusted"


class CertificateTypeNotOffered(CertificateError):
    rfc = "RFC 7250"
    section = "4.2"
    says = "client and server have no type of certificate in common"


class BadCompressedCertificate(CertificateError):
    alert = AlertDescription.bad_certificate
    rfc = "RFC 8879"
    section = "4"
    says = "a CompressedCertificate that does not decompress to what it announces"


class MalformedCertificate(CertificateError):
    alert = AlertDescription.bad_certificate
    says = "a certificate cannot be parsed"


class UnsuitableChain(CertificateError):
    alert = AlertDescription.certificate_unknown
    says = "the certificate chain breaks a rule of its profile"


class NotPinned(CertificateError):
    alert = AlertDescription.certificate_unknown
    says = "the certificate is not one of the pinned ones"


# --- what the peer or the transport did -------------------------------------------------------------------------


class AlertReceived(TLSError):
    """The peer ended the connection with an error alert. `code` is its number, known to us or not."""

    def __init__(self, code: int) -> None:
        self.code = code
        try:
            name = AlertDescription(code).name
        except ValueError:
            name = "unknown alert"
        super().__init__(f"the peer ended the connection with alert {name} ({code}) ({RFC}, section 6.2)")


class TruncatedStream(TLSError, EOFError):
    """The byte stream ended without close_notify: what was received may be incomplete (RFC 9846, section 6.1)."""


class CloseNotifyInHandshake(TLSError):
    """The peer closed its side before the handshake was complete (RFC 9846, section 6.1)."""


class TransportError(TLSError):
    """Something beneath TLS failed. The OSError is the exception's `__cause__`, and its class is a base of ours."""


class NameNotFound(TransportError, OSError):
    """The host name has no address."""


class ConnectionRefused(TransportError, ConnectionRefusedError):
    """Nobody listens there."""


class ConnectFailed(TransportError, OSError):
    """The TCP connection could not be made, for a reason that has no class of its own."""


class ConnectTimeout(TransportError, TimeoutError):
    """The TCP connection was not made in time."""


class HandshakeTimeout(TransportError, TimeoutError):
    """The handshake was not complete in time."""


class OperationTimeout(TransportError, TimeoutError):
    """Nothing could be read or written within the socket's time-out. The connection is still good."""


class ConnectionReset(TransportError, ConnectionResetError):
    """The peer, or somebody in between, tore the TCP connection down."""


class WantRead(TransportError, BlockingIOError):
    """A non-blocking socket: call again when the descriptor is readable."""


class WantWrite(TransportError, BlockingIOError):
    """A non-blocking socket: call again, with the same data, when the descriptor is writable."""


class ConnectionFailed(TLSError):
    """An earlier fatal error ended this connection; `__cause__` is that error."""
