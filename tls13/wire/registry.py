"""The numbers: every registry of TLS that this project names, one enum for each.

All of them are open: a number we do not know (an extension from next year, a GREASE value) is a member without
a name, so that it survives being read, shown and written again (RFC 9846, section 9.3: "MUST correctly ignore").
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, ClassVar, Final, Self

GREASE = frozenset(0x0A0A + 0x1010 * i for i in range(16))
"""RFC 8701: values reserved for making sure that peers ignore what they do not know."""

GREASE_PSK_MODES = frozenset(0x0B + 0x1F * i for i in range(8))
"""RFC 8701, section 2: the same for PskKeyExchangeMode, which has one byte."""


class CodePoint(IntEnum):
    """An open enum of `size` bytes on the wire. An unknown number is a member that is not kept: peers choose it."""

    size: ClassVar[int]
    grease: ClassVar[frozenset[int]]

    def __init_subclass__(cls, *, size: int = 1, grease: frozenset[int] = GREASE, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.size, cls.grease = size, grease

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        return cls.unknown(value) if isinstance(value, int) and 0 <= value < 256**cls.size else None

    @classmethod
    def unknown(cls, number: int) -> Self:
        """A member that the enum does not have: what cls(number) gives for one, without the search for it."""
        member = int.__new__(cls, number)
        digits = f"{number:04x}" if cls.size == 2 else f"{number:02x}"
        member._name_ = f"GREASE_0x{digits}" if number in cls.grease else f"unknown_0x{digits}"
        member._value_ = number
        return member

    def __str__(self) -> str:
        return self.name

    @property
    def known(self) -> bool:
        return self.value in type(self)._value2member_map_


class ContentType(CodePoint):
    """RFC 9846, section 5.1."""

    invalid = 0
    change_cipher_spec = 20
    alert = 21
    handshake = 22
    application_data = 23


class HandshakeType(CodePoint):
    """RFC 9846, section 4; 25 from RFC 8879."""

    client_hello = 1
    server_hello = 2
    new_session_ticket = 4
    end_of_early_data = 5
    encrypted_extensions = 8
    certificate = 11
    certificate_request = 13
    certificate_verify = 15
    finished = 20
    key_update = 24
    compressed_certificate = 25
    message_hash = 254


class ProtocolVersion(CodePoint, size=2):
    """RFC 9846, section 4.3.1."""

    SSL3 = 0x0300
    TLS1_0 = 0x0301
    TLS1_1 = 0x0302
    TLS1_2 = 0x0303
    TLS1_3 = 0x0304


class CipherSuite(CodePoint, size=2):
    """RFC 9846, appendix B.4."""

    TLS_AES_128_GCM_SHA256 = 0x1301
    TLS_AES_256_GCM_SHA384 = 0x1302
    TLS_CHACHA20_POLY1305_SHA256 = 0x1303
    TLS_AES_128_CCM_SHA256 = 0x1304
    TLS_AES_128_CCM_8_SHA256 = 0x1305


class NamedGroup(CodePoint, size=2):
    """RFC 9846, section 4.3.7; the hybrids from RFC 10024; the brainpool curves and pure ML-KEM are named for show."""

    secp256r1 = 0x0017
    secp384r1 = 0x0018
    secp521r1 = 0x0019
    x25519 = 0x001D
    x448 = 0x001E
    ffdhe2048 = 0x0100
    ffdhe3072 = 0x0101
    ffdhe4096 = 0x0102
    ffdhe6144 = 0x0103
    ffdhe8192 = 0x0104
    MLKEM512 = 0x0200
    MLKEM768 = 0x0201
    MLKEM1024 = 0x0202
    SecP256r1MLKEM768 = 0x11EB
    X25519MLKEM768 = 0x11EC
    SecP384r1MLKEM1024 = 0x11ED


class SignatureScheme(CodePoint, size=2):
    """RFC 9846, section 4.3.3; ML-DSA from draft-ietf-tls-mldsa; the _legacy ones from RFC 9963."""

    rsa_pkcs1_sha1 = 0x0201
    ecdsa_sha1 = 0x0203
    rsa_pkcs1_sha256 = 0x0401
    ecdsa_secp256r1_sha256 = 0x0403
    rsa_pkcs1_sha256_legacy = 0x0420
    rsa_pkcs1_sha384 = 0x0501
    ecdsa_secp384r1_sha384 = 0x0503
    rsa_pkcs1_sha384_legacy = 0x0520
    rsa_pkcs1_sha512 = 0x0601
    ecdsa_secp521r1_sha512 = 0x0603
    rsa_pkcs1_sha512_legacy = 0x0620
    rsa_pss_rsae_sha256 = 0x0804
    rsa_pss_rsae_sha384 = 0x0805
    rsa_pss_rsae_sha512 = 0x0806
    ed25519 = 0x0807
    ed448 = 0x0808
    rsa_pss_pss_sha256 = 0x0809
    rsa_pss_pss_sha384 = 0x080A
    rsa_pss_pss_sha512 = 0x080B
    mldsa44 = 0x0904
    mldsa65 = 0x0905
    mldsa87 = 0x0906


class ExtensionType(CodePoint, size=2):
    """RFC 9846, section 4.3, and the IANA registry."""

    server_name = 0
    max_fragment_length = 1
    status_request = 5
    supported_groups = 10
    ec_point_formats = 11
    signature_algorithms = 13
    use_srtp = 14
    heartbeat = 15
    application_layer_protocol_negotiation = 16
    status_request_v2 = 17
    signed_certificate_timestamp = 18
    client_certificate_type = 19
    server_certificate_type = 20
    padding = 21
    encrypt_then_mac = 22
    extended_main_secret = 23
    cached_info = 25
    compress_certificate = 27
    record_size_limit = 28
    tls_cert_with_extern_psk = 33
    delegated_credential = 34
    session_ticket = 35
    pre_shared_key = 41
    early_data = 42
    supported_versions = 43
    cookie = 44
    psk_key_exchange_modes = 45
    certificate_authorities = 47
    oid_filters = 48
    post_handshake_auth = 49
    signature_algorithms_cert = 50
    key_share = 51
    transparency_info = 52
    quic_transport_parameters = 57
    ticket_request = 58
    application_settings = 0x44CD
    trust_anchors = 0xCA34
    ech_outer_extensions = 0xFD00
    encrypted_client_hello = 0xFE0D
    renegotiation_info = 0xFF01


class NameType(CodePoint):
    """RFC 6066, section 3."""

    host_name = 0


class CertificateType(CodePoint):
    """RFC 9846, section 4.5.1; RFC 7250."""

    X509 = 0
    OpenPGP = 1
    RawPublicKey = 2


class PskKeyExchangeMode(CodePoint, grease=GREASE_PSK_MODES):
    """RFC 9846, section 4.3.9."""

    psk_ke = 0
    psk_dhe_ke = 1


class CertificateStatusType(CodePoint):
    """RFC 6066, section 8."""

    ocsp = 1


class CertificateCompressionAlgorithm(CodePoint, size=2):
    """RFC 8879, section 7.3."""

    zlib = 1
    brotli = 2
    zstd = 3


class KeyUpdateRequest(CodePoint):
    """RFC 9846, section 4.7.3."""

    update_not_requested = 0
    update_requested = 1


SUPPORTED_VERSIONS: Final = ExtensionType.supported_versions
PRE_SHARED_KEY: Final = ExtensionType.pre_shared_key
TLS1_2: Final = ProtocolVersion.TLS1_2
TLS1_3: Final = ProtocolVersion.TLS1_3
HOST_NAME: Final = NameType.host_name
X509: Final = CertificateType.X509
PSK_KE: Final = PskKeyExchangeMode.psk_ke
PSK_DHE_KE: Final = PskKeyExchangeMode.psk_dhe_ke
"""What every handshake asks for: Python 3.11 takes 54 ns for a member of an enum, 4 for a name."""
