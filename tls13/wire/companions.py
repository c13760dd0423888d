# No "from __future__ import annotations" here: the annotations are the declarations that codec.py reads.
"""The extensions that other documents add to RFC 9846: one struct for each body, as in extensions.py."""

from typing import Annotated

from .codec import Opaque, Struct, Vector, uint8, uint16, uint32
from .extensions import CH, CR, CT, EE, SH, ExtensionBody
from .registry import (
    CertificateCompressionAlgorithm,
    CertificateStatusType,
    CertificateType,
    ExtensionType,
    SignatureScheme,
)


class RecordSizeLimit(ExtensionBody, type=ExtensionType.record_size_limit, places=[CH, EE]):
    """RFC 8449, section 4: the largest TLSInnerPlaintext, in bytes, that its sender accepts."""

    record_size_limit: uint16


# --- Certificate status and transparency: RFC 6066, section 8; RFC 6962, section 3.3; RFC 9846, section 4.5.1.1 ------


class CertificateStatusRequest(ExtensionBody, type=ExtensionType.status_request, places=[CH]):
    """RFC 6066, section 8, with the one arm that was ever defined, OCSPStatusRequest, written out."""

    status_type: CertificateStatusType = CertificateStatusType.ocsp
    responder_id_list: Annotated[bytes, Opaque(0, 2**16 - 1)] = b""
    request_extensions: Annotated[bytes, Opaque(0, 2**16 - 1)] = b""


class CertificateStatusWanted(ExtensionBody, type=ExtensionType.status_request, places=[CR]):
    """RFC 9846, section 4.5.1.1: in a CertificateRequest the extension is empty."""


class CertificateStatus(ExtensionBody, type=ExtensionType.status_request, places=[CT]):
    """RFC 6066, section 8: the OCSP response (DER) for the certificate that it stands beside."""

    status_type: CertificateStatusType = CertificateStatusType.ocsp
    response: Annotated[bytes, Opaque(1, 2**24 - 1, "OCSPResponse")]


class TimestampsWanted(ExtensionBody, type=ExtensionType.signed_certificate_timestamp, places=[CH, CR]):
    """RFC 6962, section 3.3.1: the question is empty."""


class SignedCertificateTimestampList(ExtensionBody, type=ExtensionType.signed_certificate_timestamp, places=[CT]):
    """RFC 6962, section 3.3. tls13.trust.sct takes each apart."""

    sct_list: Annotated[tuple[bytes, ...], Vector(1, 2**16 - 1, Opaque(1, 2**16 - 1, "SerializedSCT"))]


# --- Certificates in other forms: RFC 8879, RFC 7250, RFC 9345, RFC 8773 ---------------------------------------------


class CertificateCompressionAlgorithms(ExtensionBody, type=ExtensionType.compress_certificate, places=[CH, CR]):
    """RFC 8879, section 3."""

    algorithms: Annotated[tuple[CertificateCompressionAlgorithm, ...], Vector(2, 2**8 - 2)]


class ClientCertTypes(
    ExtensionBody, type=ExtensionType.client_certificate_type, places=[CH], rfc_name="ClientCertTypeExtension"
):
    """RFC 7250, section 3, the client's arm."""

    client_certificate_types: Annotated[tuple[CertificateType, ...], Vector(1, 2**8 - 1)]


class ClientCertType(
    ExtensionBody, type=ExtensionType.client_certificate_type, places=[EE], rfc_name="ClientCertTypeExtension"
):
    """RFC 7250, section 3, the server's arm."""

    client_certificate_type: CertificateType


class ServerCertTypes(
    ExtensionBody, type=ExtensionType.server_certificate_type, places=[CH], rfc_name="ServerCertTypeExtension"
):
    """RFC 7250, section 3, the client's arm."""

    server_certificate_types: Annotated[tuple[CertificateType, ...], Vector(1, 2**8 - 1)]


class ServerCertType(
    ExtensionBody, type=ExtensionType.server_certificate_type, places=[EE], rfc_name="ServerCertTypeExtension"
):
    """RFC 7250, section 3, the server's arm."""

    server_certificate_type: CertificateType


class DelegatedCredentialSchemes(
    ExtensionBody, type=ExtensionType.delegated_credential, places=[CH, CR], rfc_name="SignatureSchemeList"
):
    """RFC 9345, section 4.1.1: what a delegated credential's key may sign a CertificateVerify with."""

    supported_signature_algorithms: Annotated[tuple[SignatureScheme, ...], Vector(2, 2**16 - 2)]


class Credential(Struct):
    """RFC 9345, section 4. valid_time: seconds after the delegating certificate's notBefore."""

    valid_time: uint32
    dc_cert_verify_algorithm: SignatureScheme
    ASN1_subjectPublicKeyInfo: Annotated[bytes, Opaque(1, 2**24 - 1)]


class DelegatedCredential(ExtensionBody, type=ExtensionType.delegated_credential, places=[CT]):
    """RFC 9345, section 4."""

    cred: Credential
    algorithm: SignatureScheme
    signature: Annotated[bytes, Opaque(0, 2**16 - 1)]


class CertWithExternPsk(
    ExtensionBody, type=ExtensionType.tls_cert_with_extern_psk, places=[CH, SH], rfc_name="CertWithExternPSK"
):
    """RFC 8773, section 4: empty; a certificate and an external PSK, both."""


# --- Tickets: RFC 9149 -----------------------------------------------------------------------------------------------


class ClientTicketRequest(ExtensionBody, type=ExtensionType.ticket_request, places=[CH]):
    """RFC 9149, section 2: how many tickets the client wants, of a new session and of a resumed one."""

    new_session_count: uint8
    resumption_count: uint8


class ServerTicketRequestHint(ExtensionBody, type=ExtensionType.ticket_request, places=[EE]):
    """RFC 9149, section 2: how many the server means to send."""

    expected_count: uint8
