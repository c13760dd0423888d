"""What can be wrong with a peer's certificates: each has the alert of RFC 9846, section 6.2, that says so."""

from ..errors import AlertDescription, CertificateError


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
