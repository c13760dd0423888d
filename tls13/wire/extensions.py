# No "from __future__ import annotations" here: the annotations are the declarations that codec.py reads.
"""The extensions of RFC 9846, section 4.3: one struct for each body, and the block that carries them.

Which extension may stand in which message is data (the table of section 4.3): an extension class says where it is
allowed, and the three mistakes that every TLS stack must look for are found here, once, for all of them: the same
extension twice, a known extension in a message that must not carry it, and an answer to what was never asked.
"""

from collections import Counter
from enum import Enum
from struct import Struct as Layout
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Protocol, TypeVar

from .. import errors
from ..errors import DecodeError
from .codec import Opaque, Repeated, Rest, Struct, Vector, uint16, uint32
from .registry import (
    ExtensionType,
    NamedGroup,
    NameType,
    ProtocolVersion,
    PskKeyExchangeMode,
    SignatureScheme,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

_HEADER = Layout(">HH")
"""extension_type, and the length of extension_data."""


class Place(Enum):
    """The messages that carry extensions: the columns of the table in section 4.3."""

    CH = "ClientHello"
    SH = "ServerHello"
    HRR = "HelloRetryRequest"
    EE = "EncryptedExtensions"
    CR = "CertificateRequest"
    CT = "Certificate"
    NST = "NewSessionTicket"

    __hash__ = object.__hash__  # Enum's own hashes the name, in Python, and every extension is looked up by its place


CH, SH, HRR, EE, CR, CT, NST = Place

ALLOWED: "dict[int, frozenset[Place]]" = {
    number: frozenset(places)
    for number, places in {
        ExtensionType.server_name: (CH, EE, CR),  # CR: RFC 9261's, between handshakes; here it says nothing
        ExtensionType.max_fragment_length: (CH, EE),
        ExtensionType.status_request: (CH, CR, CT),
        ExtensionType.supported_groups: (CH, EE),
        ExtensionType.ec_point_formats: (CH,),
        ExtensionType.signature_algorithms: (CH, CR),
        ExtensionType.use_srtp: (CH, EE),
        ExtensionType.heartbeat: (CH, EE),
        ExtensionType.application_layer_protocol_negotiation: (CH, EE),
        ExtensionType.status_request_v2: (CH,),
        ExtensionType.signed_certificate_timestamp: (CH, CR, CT),
        ExtensionType.client_certificate_type: (CH, EE),
        ExtensionType.server_certificate_type: (CH, EE),
        ExtensionType.padding: (CH,),
        ExtensionType.encrypt_then_mac: (CH,),
        ExtensionType.extended_main_secret: (CH,),
        ExtensionType.compress_certificate: (CH, CR),
        ExtensionType.record_size_limit: (CH, EE),
        ExtensionType.tls_cert_with_extern_psk: (CH, SH),
        ExtensionType.delegated_credential: (CH, CR, CT),
        ExtensionType.session_ticket: (CH,),
        ExtensionType.pre_shared_key: (CH, SH),
        ExtensionType.early_data: (CH, EE, NST),
        ExtensionType.supported_versions: (CH, SH, HRR),
        ExtensionType.cookie: (CH, HRR),
        ExtensionType.psk_key_exchange_modes: (CH,),
        ExtensionType.certificate_authorities: (CH, CR),
        ExtensionType.oid_filters: (CR,),
        ExtensionType.post_handshake_auth: (CH,),
        ExtensionType.signature_algorithms_cert: (CH, CR),
        ExtensionType.key_share: (CH, SH, HRR),
        ExtensionType.transparency_info: (CH, CR, CT),
        ExtensionType.quic_transport_parameters: (CH, EE),
        ExtensionType.ticket_request: (CH, EE),
        ExtensionType.ech_outer_extensions: (),
        ExtensionType.encrypted_client_hello: (CH, HRR, EE),
        ExtensionType.renegotiation_info: (CH,),
    }.items()
}

BODIES: "dict[tuple[Place, int], type[ExtensionBody]]" = {}
_KNOWN: "dict[Place, dict[int, tuple[type[ExtensionBody], Repeated | None]]]" = {place: {} for place in Place}
"""The same, by place: what a message's extensions are looked up in; and those read before, of a body that repeats."""


class ExtensionBody(Struct):
    """The extension_data of one extension, in the messages named by `places`.

    `repeats`: whether another connection's is likely to be the same, byte for byte.
    """

    extension_type: ClassVar[ExtensionType]
    number: ClassVar[int]
    """The same, as `Extensions.raw` has it."""
    repeated: ClassVar[Repeated]
    """Those read before, by their extension_data."""

    def __init_subclass__(
        cls,
        *,
        type: ExtensionType | None = None,
        places: "Iterable[Place]" = (),
        repeats: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init_subclass__(**kwargs)
        if type is not None:
            cls.extension_type, cls.number = type, int(type)
            cls.repeated = Repeated(lambda data: cls.decode(data))  # not yet the written one (written.py)
            for place in places:
                BODIES[place, type] = cls
                _KNOWN[place][type] = cls, cls.repeated if repeats else None


T = TypeVar("T", bound=ExtensionBody)
"""Behind the class: the bound as a string would be compiled, for 50 us."""

if TYPE_CHECKING:

    class _Get(Protocol):
        def __call__(self, kind: type[T], /) -> T | None: ...


Pairs = tuple[tuple[int, bytes], ...]
"""extension_type and extension_data of each."""

_Bodies = dict[type[ExtensionBody], Any]
"""By their own types. Any: each is an instance of its key, which is more than a type checker can be told."""

MAX_EXTENSIONS = 2**14
"""No block has room for more."""

_NO_BODIES: _Bodies = {}
_GET_NONE = _NO_BODIES.get


class Extensions:
    """The extension block of one message: `Extension extensions<..>`, in the order of the wire.

    `block.get(KeyShareClientHello)` is the decoded body or None; what we do not know stays as bytes in `raw`.
    """

    __slots__ = ("_bodies", "_data", "_encoded", "_raw", "count", "get", "place")

    count: int
    """How many extensions it holds."""
    get: "_Get"
    """The dict's own, of `_bodies`: a handshake asks 40 times, and another frame each time would cost as much again."""

    def __init__(self, raw: "Pairs | dict[int, bytes]", place: Place) -> None:
        self.place = place
        self._raw = raw
        self._data = raw if isinstance(raw, dict) else dict(raw)
        self.count = len(raw)
        self._bodies = _NO_BODIES
        self.get = _GET_NONE
        self._encoded: bytes | None = None

    @property
    def raw(self) -> "Pairs":
        """The type and the extension_data of each, in the order of the wire."""
        raw = self._raw
        if isinstance(raw, dict):
            raw = self._raw = tuple(raw.items())
        return raw

    def _know(self, bodies: _Bodies) -> "Extensions":
        self.get = bodies.get
        self._bodies = bodies  # last: another thread that sees it does not judge the block again
        return self

    @classmethod
    def of(cls, place: Place, *bodies: ExtensionBody) -> "Extensions":
        """A block to send, in this order."""
        return NO_EXTENSIONS[place].followed_by(bodies)

    def followed_by(self, bodies: "Iterable[ExtensionBody]") -> "Extensions":
        """A block to send: the extensions of this one, and then these, which are of other types."""
        known, found, encoded = self._bodies.copy(), self._data.copy(), self.encoded()
        for body in bodies:
            number, data = body.number, body.encode()
            known[type(body)] = body
            found[number] = data
            encoded += _HEADER.pack(number, len(data)) + data
        longer = Extensions(found, self.place)._know(known)
        longer._encoded = encoded
        return longer

    def encoded(self) -> bytes:
        """The extensions one after the other, as on the wire; made once, for a block may be sent many times."""
        encoded = self._encoded
        if encoded is None:
            encoded = self._encoded = b"".join([_HEADER.pack(number, len(data)) + data for number, data in self.raw])
        return encoded

    def ordered(self, key: "Callable[[int], bytes]") -> "Extensions":
        """The same block to send, in the order of what `key` makes of each extension's number."""
        raw = tuple(sorted(self.raw, key=lambda one: key(one[0])))
        return Extensions(raw, self.place)._know(self._bodies)

    def replacing(self, body: ExtensionBody, data: bytes) -> "Extensions":
        """A block to send with another body, which is encoded as `data`, in the place of the one of its type."""
        found = {**self._data, body.number: data}
        return Extensions(found, self.place)._know({**self._bodies, type(body): body})

    def extended(self, *raw: tuple[int, bytes], first: bool = False) -> "Extensions":
        """A block to send with more extensions, as bytes, at the end or at the beginning."""
        longer = (*raw, *self.raw) if first else (*self.raw, *raw)
        return Extensions(longer, self.place)._know(self._bodies)

    def judge(self, max_extensions: int = MAX_EXTENSIONS) -> None:
        """Decode every body that we know and refuse duplicates and misplaced extensions.

        Raises TooManyExtensions, DuplicateExtension, MisplacedExtension or DecodeError (section 4.3). Separate from
        decoding the message, because the version is looked at first (section 4.3.1).
        """
        place, found = self.place, self._data
        if self.count > max_extensions:
            raise errors.TooManyExtensions(f"{self.count} in {place.value}; our limit is {max_extensions}")
        if not found or self._bodies is not _NO_BODIES:
            return  # a message that comes again (messages.py) was judged the first time
        if len(found) != self.count:
            counts = Counter(number for number, _ in self.raw)
            twice = next(number for number, times in counts.items() if times > 1)
            raise errors.DuplicateExtension(f"{ExtensionType(twice)} in {place.value}")
        known = _KNOWN[place]
        bodies: _Bodies = {}
        for number, data in found.items():
            entry = known.get(number)
            if entry is not None:
                body, repeated = entry
                bodies[body] = repeated[data] if repeated is not None else body.decode(data)
            elif number in ALLOWED and place not in ALLOWED[number]:
                raise errors.MisplacedExtension(f"{ExtensionType(number)} in {place.value}")
        self._know(bodies)

    def refuse_unasked(self, asked: "Collection[int]") -> None:
        """Every extension of a response must answer one that was sent (section 4.3); raises UnsupportedExtension."""
        for number in self._data:
            if number not in asked:
                raise errors.UnsupportedExtension(f"{ExtensionType(number)} in {self.place.value}")

    def find(self, number: int) -> bytes | None:
        """extension_data of the extension of this type, undecoded."""
        return self._data.get(number)

    def types(self) -> tuple[int, ...]:
        return tuple(self._data)

    def bodies(self) -> "Mapping[int, ExtensionBody]":
        return {body.number: body for body in self._bodies.values()}

    def __contains__(self, number: int) -> bool:
        return number in self._data

    def __iter__(self) -> "Iterator[tuple[int, bytes]]":
        return iter(self.raw)

    def __len__(self) -> int:
        return self.count

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Extensions) and (self.raw, self.place) == (other.raw, other.place)

    def __hash__(self) -> int:
        return hash((self.raw, self.place))

    def __repr__(self) -> str:
        bodies = self.bodies()
        shown = (str(bodies.get(number, f"{ExtensionType(number)}: {data.hex()}")) for number, data in self.raw)
        return f"Extensions({', '.join(shown)})"


NO_EXTENSIONS = {place: Extensions((), place) for place in Place}


def _each(data: bytes, at: int, stop: int) -> Pairs:
    """All extensions of a block in which one comes twice: what is wrong with it is said later, by `judge`."""
    pairs = []
    while at < stop:
        number, length = _HEADER.unpack_from(data, at)
        at += 4 + length
        pairs.append((number, data[at - length : at]))
    return tuple(pairs)


class ExtensionBlock(Opaque):
    """Extension extensions<floor..2^16-1>: type, length and bytes of each; the bodies are judged afterwards."""

    type_name = "Extension"

    def __init__(self, place: Place, floor: int = 0) -> None:
        super().__init__(floor, 2**16 - 1)
        self.place = place
        # The floors of the hellos (7 and 6) are the size of supported_versions. A block without it is an older
        # version's, whose floor is 0: it is judged by the version rule (section 4.3.1), not by its length.
        self.lowest = 0
        self.may_be_missing = floor > 0
        """Such a hello may even end before its extensions: it, too, reaches the version rule."""
        self.empty = NO_EXTENSIONS[place]

    def decode(self, data: bytes, at: int, end: int) -> "tuple[Any, int]":
        if at == end and self.may_be_missing:
            return self.empty, end
        start = at + 2
        stop = start + (data[at] << 8 | data[at + 1]) if start <= end else -1
        if not start <= stop <= end:
            self.scope(data, at, end)  # says what is wrong
        if start == stop:
            return self.empty, stop
        found: dict[int, bytes] = {}
        count, at, last, header = 0, start, stop - 4, _HEADER.unpack_from
        while at <= last:
            number, length = header(data, at)
            body = at + 4
            at = body + length
            found[number] = data[body:at]
            count += 1
        # An extension that sticks out ends the loop, and is refused here: one comparison for each is enough.
        if at > stop:
            raise DecodeError(f"extension_data of {length} bytes where {stop - body} are left")
        if at < stop:
            raise DecodeError(f"an extension needs at least 4 bytes where {stop - at} are left")
        return Extensions(found if len(found) == count else _each(data, start, stop), self.place), stop

    def encode(self, value: Any, out: bytearray) -> None:
        super().encode(value.encoded(), out)


# --- RFC 9846, section 4.3, in its order; then its companions -------------------------------------------------


class ClientVersions(ExtensionBody, type=ExtensionType.supported_versions, places=[CH], rfc_name="SupportedVersions"):
    """Section 4.3.1, the client's arm."""

    versions: Annotated[tuple[ProtocolVersion, ...], Vector(2, 254)]


class SelectedVersion(
    ExtensionBody, type=ExtensionType.supported_versions, places=[SH, HRR], rfc_name="SupportedVersions"
):
    """Section 4.3.1, the server's arm."""

    selected_version: ProtocolVersion


class Cookie(ExtensionBody, type=ExtensionType.cookie, places=[CH, HRR], repeats=False):
    """Section 4.3.2."""

    cookie: Annotated[bytes, Opaque(1, 2**16 - 1)]


class SignatureSchemeList(ExtensionBody, type=ExtensionType.signature_algorithms, places=[CH, CR]):
    """Section 4.3.3."""

    supported_signature_algorithms: Annotated[tuple[SignatureScheme, ...], Vector(2, 2**16 - 2)]


class SignatureSchemeListCert(
    ExtensionBody, type=ExtensionType.signature_algorithms_cert, places=[CH, CR], rfc_name="SignatureSchemeList"
):
    """Section 4.3.3: the same struct, for the signatures inside certificates."""

    supported_signature_algorithms: Annotated[tuple[SignatureScheme, ...], Vector(2, 2**16 - 2)]


class CertificateAuthoritiesExtension(ExtensionBody, type=ExtensionType.certificate_authorities, places=[CH, CR]):
    """Section 4.3.4. Each authority is a DER-encoded distinguished name."""

    authorities: Annotated[tuple[bytes, ...], Vector(3, 2**16 - 1, Opaque(1, 2**16 - 1, "DistinguishedName"))]


class OIDFilter(Struct):
    """Section 4.3.5."""

    certificate_extension_oid: Annotated[bytes, Opaque(1, 2**8 - 1)]
    certificate_extension_values: Annotated[bytes, Opaque(0, 2**16 - 1)]


class OIDFilterExtension(ExtensionBody, type=ExtensionType.oid_filters, places=[CR]):
    """Section 4.3.5."""

    filters: Annotated[tuple[OIDFilter, ...], Vector(0, 2**16 - 1)]


class PostHandshakeAuth(ExtensionBody, type=ExtensionType.post_handshake_auth, places=[CH]):
    """Section 4.3.6."""


class NamedGroupList(ExtensionBody, type=ExtensionType.supported_groups, places=[CH, EE]):
    """Section 4.3.7."""

    named_group_list: Annotated[tuple[NamedGroup, ...], Vector(2, 2**16 - 1)]


class KeyShareEntry(Struct, kw_only=False):
    """Section 4.3.8."""

    group: NamedGroup
    key_exchange: Annotated[bytes, Opaque(1, 2**16 - 1)]


class KeyShareClientHello(ExtensionBody, type=ExtensionType.key_share, places=[CH], repeats=False, kw_only=False):
    """Section 4.3.8. An empty list asks the server to choose a group."""

    client_shares: Annotated[tuple[KeyShareEntry, ...], Vector(0, 2**16 - 1)]


class KeyShareHelloRetryRequest(ExtensionBody, type=ExtensionType.key_share, places=[HRR]):
    """Section 4.3.8."""

    selected_group: NamedGroup


class KeyShareServerHello(ExtensionBody, type=ExtensionType.key_share, places=[SH], repeats=False, kw_only=False):
    """Section 4.3.8."""

    server_share: KeyShareEntry


class PskKeyExchangeModes(ExtensionBody, type=ExtensionType.psk_key_exchange_modes, places=[CH]):
    """Section 4.3.9."""

    ke_modes: Annotated[tuple[PskKeyExchangeMode, ...], Vector(1, 255)]


class EarlyDataIndication(ExtensionBody, type=ExtensionType.early_data, places=[CH, EE]):
    """Section 4.3.10: empty, the offer and its acceptance."""


class EarlyDataTicket(ExtensionBody, type=ExtensionType.early_data, places=[NST], rfc_name="EarlyDataIndication"):
    """Section 4.3.10, in a NewSessionTicket: how much early data this ticket allows, in bytes."""

    max_early_data_size: uint32


class PskIdentity(Struct, kw_only=False):
    """Section 4.3.11. obfuscated_ticket_age in milliseconds, plus ticket_age_add, modulo 2^32."""

    identity: Annotated[bytes, Opaque(1, 2**16 - 1)]
    obfuscated_ticket_age: uint32


class OfferedPsks(ExtensionBody, type=ExtensionType.pre_shared_key, places=[CH], repeats=False, kw_only=False):
    """Section 4.3.11, the client's arm of PreSharedKeyExtension."""

    identities: Annotated[tuple[PskIdentity, ...], Vector(7, 2**16 - 1)]
    binders: Annotated[tuple[bytes, ...], Vector(33, 2**16 - 1, Opaque(32, 255, "PskBinderEntry"))]

    @property
    def binders_length(self) -> int:
        """Of the list of binders on the wire, in bytes: what no binder is over (section 4.3.11.2)."""
        return 2 + len(self.binders) + sum(map(len, self.binders))

    def listed_binders(self) -> bytes:
        """That list."""
        entries = b"".join([bytes((len(binder),)) + binder for binder in self.binders])
        return len(entries).to_bytes(2, "big") + entries


class SelectedPsk(ExtensionBody, type=ExtensionType.pre_shared_key, places=[SH], rfc_name="PreSharedKeyExtension"):
    """Section 4.3.11, the server's arm."""

    selected_identity: uint16


class HostNameEntry(Struct, rfc_name="ServerName"):
    """RFC 6066, section 3. Only host_name was ever defined, so its arm of the select is written out."""

    name_type: NameType
    host_name: Annotated[bytes, Opaque(1, 2**16 - 1, "HostName")]


class ServerNameList(ExtensionBody, type=ExtensionType.server_name, places=[CH]):
    """RFC 6066, section 3."""

    server_name_list: Annotated[tuple[HostNameEntry, ...], Vector(1, 2**16 - 1)]


class ServerNameAcknowledged(ExtensionBody, type=ExtensionType.server_name, places=[EE]):
    """RFC 6066, section 3: the server used the name; "extension_data" is empty."""


class ProtocolNameList(ExtensionBody, type=ExtensionType.application_layer_protocol_negotiation, places=[CH, EE]):
    """RFC 7301, section 3.1."""

    protocol_name_list: Annotated[tuple[bytes, ...], Vector(2, 2**16 - 1, Opaque(1, 2**8 - 1, "ProtocolName"))]


class Padding(ExtensionBody, type=ExtensionType.padding, places=[CH]):
    """RFC 7685."""

    zeros: Annotated[bytes, Rest()]
