"""One class for each alert of RFC 9846, section 6.2, that we send. Below it, here or beside, are its offences."""

from ..errors import Abort, AlertDescription, DecodeError


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


# --- decode_error ------------------------------------------------------------------------------------------


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
