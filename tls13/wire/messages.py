# No "from __future__ import annotations" here: the annotations are the declarations that codec.py reads.
"""The handshake messages of RFC 9846, section 4, in the RFC's order and words.

`Message.decode(body)` reads the syntax; `message.judge()` then applies the rules that hold wherever the message
comes from: first the version (section 4.3.1: "prior to processing the rest"), then the extensions.
"""

from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self, cast

from .. import errors
from ..errors import DecodeError
from .codec import Fixed, Opaque, Rest, Struct, Vector, uint8, uint24, uint32
from .extensions import (
    CH,
    CR,
    CT,
    EE,
    HRR,
    MAX_EXTENSIONS,
    NO_EXTENSIONS,
    NST,
    SH,
    ClientVersions,
    ExtensionBlock,
    Extensions,
    OfferedPsks,
    SelectedVersion,
    ServerNameList,
    SignatureSchemeList,
)
from .registry import (
    PRE_SHARED_KEY,
    SUPPORTED_VERSIONS,
    TLS1_3,
    CertificateCompressionAlgorithm,
    CipherSuite,
    HandshakeType,
    KeyUpdateRequest,
    ProtocolVersion,
    SignatureScheme,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol, TypeVar

    M = TypeVar("M", bound="HandshakeMessage")

    class _Decode(Protocol):
        def __call__(self, kind: "type[M]", raw: bytes, /) -> M: ...


RETRY_RANDOM = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
"""SHA-256("HelloRetryRequest"): the Random that makes a ServerHello a HelloRetryRequest (section 4.2.3)."""

DOWNGRADE_SENTINELS = (b"DOWNGRD\x01", b"DOWNGRD\x00")
"""Last 8 bytes of the Random of a TLS 1.3 server that negotiates TLS 1.2, or older (section 4.2.3)."""

MAX_TICKET_LIFETIME = 604800
"""Seconds: 7 days (section 4.7.1)."""


class HandshakeMessage(Struct):
    """The body of `Handshake`: what follows msg_type and length."""

    msg_type: ClassVar[HandshakeType]
    header: ClassVar[int]
    """`struct Handshake` begins with msg_type and a uint24 length: as one number, where the length is 0."""
    repeats: ClassVar[int]
    """Up to so many bytes, another connection's is likely to be the same; 0: they never are."""

    def __init_subclass__(cls, *, msg_type: HandshakeType | None = None, repeats: int = 0, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.repeats = repeats
        if msg_type is not None:
            cls.msg_type, cls.header = msg_type, int(msg_type) << 24

    def to_handshake(self) -> bytes:
        """The whole `struct Handshake`: msg_type, uint24 length, body. Raises ConfigurationError if it is too long."""
        from .written import write

        write(type(self), "to_handshake")  # in the place of this
        return self.to_handshake()

    unwritten: ClassVar[dict[str, Any]] = {**Struct.unwritten, "to_handshake": to_handshake}

    def judge(self, max_extensions: int = MAX_EXTENSIONS) -> None:
        """Raise the Abort for what this message must not say, whoever sent it, and TooManyExtensions."""


class EncodedOnce(HandshakeMessage):
    """One that keeps its encoding: a server shows it to everybody alike, or `ClientHello.bound` has made it."""

    __slots__ = ("_encoded",)

    if TYPE_CHECKING:
        _encoded: ClassVar[bytes]  # a slot of the instance; ClassVar says that it is no field

    def to_handshake(self) -> bytes:
        encoded: bytes | None = getattr(self, "_encoded", None)
        return self.keep(self.put_together()) if encoded is None else encoded

    def put_together(self) -> bytes:
        """What is kept."""
        from .written import write

        write(type(self), "put_together")  # in the place of this
        return self.put_together()

    unwritten: ClassVar[dict[str, Any]] = {**Struct.unwritten, "put_together": put_together}

    def keep(self, encoded: bytes) -> bytes:
        _keep(self, encoded)
        return encoded


_keep: "Callable[[EncodedOnce, bytes], None]" = vars(EncodedOnce)["_encoded"].__set__


class ClientHello(EncodedOnce, msg_type=HandshakeType.client_hello):
    """Section 4.2.2."""

    legacy_version: ProtocolVersion = ProtocolVersion.TLS1_2
    random: Annotated[bytes, Fixed(32, "Random")]
    legacy_session_id: Annotated[bytes, Opaque(0, 32)]
    cipher_suites: Annotated[tuple[CipherSuite, ...], Vector(2, 2**16 - 2)]
    legacy_compression_methods: Annotated[bytes, Opaque(1, 2**8 - 1)] = b"\0"
    extensions: Annotated[Extensions, ExtensionBlock(CH, 7)]

    @property
    def server_name(self) -> str | None:
        """The host_name that it asks for, if it names one (RFC 6066, section 3)."""
        names = self.extensions.get(ServerNameList)
        hosts = [one.host_name for one in names.server_name_list if one.name_type == 0] if names is not None else []
        return hosts[0].decode("ascii", "backslashreplace") if hosts else None

    def bound(self, binders: "Callable[[bytes], tuple[bytes, ...]]") -> Self:
        """This hello with other binders, as long as the ones that it has (section 4.3.11.2).

        `binders` makes them of the whole message but its end: the list of binders is its last part. So all but that
        list is encoded once, and what was bound is what is sent.
        """
        offered, data = self.extensions.get(OfferedPsks), self.extensions.find(PRE_SHARED_KEY)
        if offered is None or data is None:
            return self
        truncated = self.put_together()[: -offered.binders_length]
        proven = offered.replace(binders=binders(truncated))
        listed = proven.listed_binders()
        extensions = self.extensions.replacing(proven, data[: -len(listed)] + listed)
        bound = self.replace(extensions=extensions)
        bound.keep(truncated + listed)
        return bound

    def judge(self, max_extensions: int = MAX_EXTENSIONS) -> None:
        """Section 4.3.1: supported_versions, if present, is all that counts; without it this is an older hello."""
        offered = self.extensions.find(SUPPORTED_VERSIONS)
        if offered is None:
            raise errors.ProtocolVersionError(f"a ClientHello without supported_versions, up to {self.legacy_version}")
        if TLS1_3 not in ClientVersions.repeated[offered].versions:
            raise errors.ProtocolVersionError("the client's supported_versions does not contain TLS 1.3")
        self.extensions.judge(max_extensions)


class ServerHello(HandshakeMessage, msg_type=HandshakeType.server_hello):
    """Section 4.2.3."""

    legacy_version: ProtocolVersion = ProtocolVersion.TLS1_2
    random: Annotated[bytes, Fixed(32, "Random")]
    legacy_session_id_echo: Annotated[bytes, Opaque(0, 32)]
    cipher_suite: CipherSuite
    legacy_compression_method: uint8 = 0
    extensions: Annotated[Extensions, ExtensionBlock(SH, 6)]

    def judge(self, max_extensions: int = MAX_EXTENSIONS) -> None:
        self._judge_version()
        self.extensions.judge(max_extensions)

    def _judge_version(self) -> None:
        selected = self.extensions.find(SUPPORTED_VERSIONS)
        if selected is None:
            if self.random[24:] in DOWNGRADE_SENTINELS:
                raise errors.Downgrade(f"the server answers with {self.legacy_version}")
            raise errors.ProtocolVersionError(f"the server chose {self.legacy_version}")
        version = SelectedVersion.repeated[selected].selected_version
        if version != TLS1_3:
            raise errors.VersionNotOffered(version)


class HelloRetryRequest(ServerHello, rfc_name="ServerHello"):
    """Section 4.2.4: a ServerHello with one fixed Random."""

    random: Annotated[bytes, Fixed(32, "Random")] = RETRY_RANDOM
    extensions: Annotated[Extensions, ExtensionBlock(HRR, 6)]

    def judge(self, max_extensions: int = MAX_EXTENSIONS) -> None:
        if SUPPORTED_VERSIONS not in self.extensions:
            raise errors.NoVersionInRetry
        super().judge(max_extensions)


class EncryptedExtensions(EncodedOnce, msg_type=HandshakeType.encrypted_extensions, repeats=2**8):
    """Section 4.4.1."""

    extensions: Annotated[Extensions, ExtensionBlock(EE)]

    def judge(self, max_extensions: int = MAX_EXTENSIONS) -> None:
        self.extensions.judge(max_extensions)


class CertificateRequest(HandshakeMessage, msg_type=HandshakeType.certificate_request):
    """Section 4.4.2."""

    certificate_request_context: Annotated[bytes, Opaque(0, 2**8 - 1)]
    extensions: Annotated[Extensions, ExtensionBlock(CR)]

    def judge(self, max_extensions: int = MAX_EXTENSIONS) -> None:
        self.extensions.judge(max_extensions)
        if self.extensions.get(SignatureSchemeList) is None:
            raise errors.MissingExtension("CertificateRequest without signature_algorithms")


class CertificateEntry(Struct):
    """Section 4.5.1, the X509 arm."""

    cert_data: Annotated[bytes, Opaque(1, 2**24 - 1)]
    extensions: Annotated[Extensions, ExtensionBlock(CT)] = NO_EXTENSIONS[CT]


class Certificate(EncodedOnce, msg_type=HandshakeType.certificate, repeats=2**13):
    """Section 4.5.1."""

    certificate_request_context: Annotated[bytes, Opaque(0, 2**8 - 1)] = b""
    certificate_list: Annotated[tuple[CertificateEntry, ...], Vector(0, 2**24 - 1)]

    def judge(self, max_extensions: int = MAX_EXTENSIONS) -> None:
        for entry in self.certificate_list:
            entry.extensions.judge(max_extensions)


class CompressedCertificate(HandshakeMessage, msg_type=HandshakeType.compressed_certificate):
    """RFC 8879, section 4: a Certificate in fewer bytes. It takes the Certificate's place, in the transcript too."""

    algorithm: CertificateCompressionAlgorithm
    uncompressed_length: uint24
    compressed_certificate_message: Annotated[bytes, Opaque(1, 2**24 - 1)]


class CertificateVerify(HandshakeMessage, msg_type=HandshakeType.certificate_verify, kw_only=False):
    """Section 4.5.2."""

    algorithm: SignatureScheme
    signature: Annotated[bytes, Opaque(0, 2**16 - 1)]


class Finished(HandshakeMessage, msg_type=HandshakeType.finished, kw_only=False):
    """Section 4.5.3."""

    verify_data: Annotated[bytes, Rest("Hash.length")]


class EndOfEarlyData(HandshakeMessage, msg_type=HandshakeType.end_of_early_data):
    """Section 4.6."""


class NewSessionTicket(HandshakeMessage, msg_type=HandshakeType.new_session_ticket, kw_only=False):
    """Section 4.7.1. ticket_lifetime in seconds; ticket_age_add in milliseconds."""

    ticket_lifetime: uint32
    ticket_age_add: uint32
    ticket_nonce: Annotated[bytes, Opaque(0, 255)]
    ticket: Annotated[bytes, Opaque(1, 2**16 - 1)]
    extensions: Annotated[Extensions, ExtensionBlock(NST)] = NO_EXTENSIONS[NST]

    def judge(self, max_extensions: int = MAX_EXTENSIONS) -> None:
        self.extensions.judge(max_extensions)


class KeyUpdate(HandshakeMessage, msg_type=HandshakeType.key_update):
    """Section 4.7.3."""

    request_update: KeyUpdateRequest


MESSAGES: dict[int, type[HandshakeMessage]] = {
    message.msg_type: message
    for message in (
        ClientHello,
        ServerHello,
        EncryptedExtensions,
        CertificateRequest,
        Certificate,
        CompressedCertificate,
        CertificateVerify,
        Finished,
        EndOfEarlyData,
        NewSessionTicket,
        KeyUpdate,
    )
}


def message_class(raw: bytes) -> type[HandshakeMessage] | None:
    """Which message a whole `struct Handshake` holds; None for a msg_type that we do not know.

    Section 4.2.3: a server_hello is told from a HelloRetryRequest by its Random, before anything else in it.
    """
    kind = MESSAGES.get(raw[0])
    if kind is ServerHello and raw[6:38] == RETRY_RANDOM:
        return HelloRetryRequest
    return kind


read_again = cast("_Decode", lru_cache(64)(lambda kind, raw: kind.decode(raw, 4)))
"""`kind.decode(raw, 4)`, for a message of `kind.repeats` bytes at most: a client that comes back is shown what it has
read before. Half a MiB is kept."""


def decode_handshake(raw: bytes) -> HandshakeMessage:
    """The message in a whole `struct Handshake`, not yet judged. Raises DecodeError."""
    kind = message_class(raw) if len(raw) >= 4 else None
    if kind is None or int.from_bytes(raw[1:4], "big") != len(raw) - 4:
        raise DecodeError(f"not a handshake message of TLS 1.3: {raw[:4].hex()}")
    return kind.decode(raw, 4)
