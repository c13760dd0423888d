"""Most are unexpected_message: what comes at the wrong time, or too often (RFC 9846, section 6.2)."""

from .alerts import HandshakeFailure, UnexpectedMessage


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
