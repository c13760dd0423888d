"""illegal_parameter: a field that says what it must not say (RFC 9846, section 6.2)."""

from .alerts import IllegalParameter


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
