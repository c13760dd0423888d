"""The presentation language of RFC 9846, section 3, as Python annotations.

A struct of the RFC is declared once:

    class KeyShareEntry(Struct, kw_only=False):             struct {
        group: NamedGroup                                       NamedGroup group;
        key_exchange: Annotated[bytes, Opaque(1, 2**16 - 1)]    opaque key_exchange<1..2^16-1>;
                                                            } KeyShareEntry;

and everything else follows from the declaration: decoding and encoding (written.py makes plain Python of it), the types
that a type checker sees, and the text on the right (`KeyShareEntry.rfc()`), which the tests compare with the RFC's.

Decoding is *scoped*. Every decoder is told where its scope ends and must end exactly there: a vector whose last
element sticks out, or that leaves bytes over, is a decode_error (section 6.2), and no reader can look past it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, cached_property
from struct import pack, unpack_from
from typing import Annotated, Any, ClassVar, NoReturn, Self, dataclass_transform, get_origin

from ..errors import ConfigurationError, DecodeError
from .registry import CodePoint


class Codec:
    """How one type travels. Subclasses: integers, opaque bytes, code points, vectors, structs."""

    type_name = "opaque"

    def decode(self, data: bytes, at: int, end: int) -> tuple[Any, int]:
        """The value that starts at `at`, and where it ends. Never reads at or beyond `end`; raises DecodeError."""
        raise TypeError(f"{type(self).__name__} does not decode")

    def encode(self, value: Any, out: bytearray) -> None:
        raise TypeError(f"{type(self).__name__} does not encode")

    def encoded(self, value: Any) -> bytes:
        """The same, by itself."""
        out = bytearray()
        self.encode(value, out)
        return bytes(out)

    def declaration(self, name: str) -> str:
        """This field in the RFC's presentation language, without the semicolon."""
        return f"{self.type_name} {name}"


def _too_short(what: str, needed: int, left: int) -> NoReturn:
    raise DecodeError(f"{what} needs {needed} bytes where {left} are left")


class UInt(Codec):
    """uint8, uint16, uint24, uint32."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.type_name = f"uint{8 * size}"

    def decode(self, data: bytes, at: int, end: int) -> tuple[int, int]:
        stop = at + self.size
        if stop > end:
            _too_short(self.type_name, self.size, end - at)
        return int.from_bytes(data[at:stop], "big"), stop

    def encode(self, value: int, out: bytearray) -> None:
        if not 0 <= value < 256**self.size:
            raise ConfigurationError(f"{value} for a {self.type_name}")
        out += value.to_bytes(self.size, "big")


uint8 = Annotated[int, UInt(1)]
uint16 = Annotated[int, UInt(2)]
uint24 = Annotated[int, UInt(3)]
uint32 = Annotated[int, UInt(4)]
uint64 = Annotated[int, UInt(8)]
"""Section 3.3, by their names in the RFC. `typing` takes 9 us to make one of these: they are made once."""


MOST_KEPT = 1024
"""Of each enum. Every hello of OpenSSL's has the same 15 numbers that TLS 1.3 does not know, and to make them takes
30 us; but a peer that thinks of thousands shall not fill our memory."""


class _Members(dict[int, CodePoint]):
    """An enum's members by their numbers, and unknown ones that somebody has sent."""

    def __init__(self, kind: type[CodePoint]) -> None:
        super().__init__((int(member), member) for member in kind)
        self.kind = kind

    def __missing__(self, number: int) -> CodePoint:
        member = self.kind.unknown(number)
        if len(self) < MOST_KEPT:
            self[number] = member
        return member


@cache
def _members(kind: type[CodePoint]) -> _Members:
    return _Members(kind)


class Enumerated(UInt):
    """A code point: an enum of the RFC. Unknown numbers survive."""

    def __init__(self, kind: type[CodePoint]) -> None:
        super().__init__(kind.size)
        self.kind = kind
        self.type_name = kind.__name__

    @cached_property
    def member(self) -> Callable[[int], CodePoint]:
        """Makes a code point of a number."""
        return _members(self.kind).__getitem__

    def decode(self, data: bytes, at: int, end: int) -> tuple[CodePoint, int]:
        number, stop = super().decode(data, at, end)
        return self.member(number), stop


class Fixed(Codec):
    """opaque name[size]."""

    def __init__(self, size: int, type_name: str = "") -> None:
        self.size = size
        self.alias = type_name

    def decode(self, data: bytes, at: int, end: int) -> tuple[bytes, int]:
        stop = at + self.size
        if stop > end:
            _too_short(f"opaque[{self.size}]", self.size, end - at)
        return data[at:stop], stop

    def encode(self, value: bytes, out: bytearray) -> None:
        if len(value) != self.size:
            raise ConfigurationError(f"{len(value)} bytes for a field of exactly {self.size}")
        out += value

    def declaration(self, name: str) -> str:
        return f"{self.alias} {name}" if self.alias else f"opaque {name}[{self.size}]"


class Rest(Codec):
    """Everything up to the end of the scope: Finished.verify_data[Hash.length], and the zeros of padding."""

    def __init__(self, length_name: str = "") -> None:
        self.length_name = length_name

    def decode(self, data: bytes, at: int, end: int) -> tuple[bytes, int]:
        return data[at:end], end

    def encode(self, value: bytes, out: bytearray) -> None:
        out += value

    def declaration(self, name: str) -> str:
        return f"opaque {name}[{self.length_name}]"


MOST_REPEATED = 64
"""Of what is read or written again: of each kind as many, and none that is longer. A peer may fill it with 32 code
points that nobody knows in each: that is half a MiB."""


class Repeated(dict[Any, Any]):
    """What was read or written before, and is likely to come again: most clients say the same each time.

    A dict that knows what to do where it does not know is asked without a call; an lru_cache takes twice as long.
    When it is full it begins anew: a peer that thinks of hundreds costs the others one more reading.
    """

    def __init__(self, make: Callable[[Any], Any]) -> None:
        super().__init__()
        self.make = make

    def __missing__(self, key: Any) -> Any:
        made = self.make(key)
        if len(key) <= MOST_REPEATED:
            if len(self) >= MOST_REPEATED:
                self.clear()
            self[key] = made
        return made


def _size_of(ceiling: int) -> int:
    """How many bytes the length of a vector takes (section 3.4: as many as the ceiling needs)."""
    return (ceiling.bit_length() + 7) // 8


def _bound(value: int) -> str:
    """2^16-1 and the like, as the RFC writes its ceilings."""
    for power in (16, 24):
        if 0 <= 2**power - value <= 2:
            return f"2^{power}" + (f"-{2**power - value}" if value != 2**power else "")
    return str(value)


class Opaque(Codec):
    """opaque name<floor..ceiling>. The length in front takes as many bytes as the ceiling needs.

    `type_name`: what the RFC calls it, where it has a name: `opaque HostName<1..2^16-1>; ... HostName name;`.
    """

    def __init__(self, floor: int, ceiling: int, type_name: str = "") -> None:
        self.floor, self.ceiling = floor, ceiling
        self.lowest = floor
        self.size = _size_of(ceiling)
        self.alias = type_name

    def __eq__(self, other: object) -> bool:
        """By value: `typing` takes 6 us to make an Annotated, and makes one of all whose parts are equal."""
        alike = type(self) is type(other) is Opaque and isinstance(other, Opaque)
        return self is other or (alike and vars(self) == vars(other))

    def __hash__(self) -> int:
        return hash((self.floor, self.ceiling, self.alias))

    def scope(self, data: bytes, at: int, end: int) -> tuple[int, int]:
        """Where the vector's content starts and ends."""
        start = at + self.size
        if start > end:
            _too_short("the length of a vector", self.size, end - at)
        length = int.from_bytes(data[at:start], "big")
        if not self.lowest <= length <= self.ceiling:
            raise DecodeError(f"a vector of {length} bytes where <{self.floor}..{_bound(self.ceiling)}> is allowed")
        if start + length > end:
            _too_short("a vector", length, end - start)
        return start, start + length

    def decode(self, data: bytes, at: int, end: int) -> tuple[bytes, int]:
        start, stop = self.scope(data, at, end)
        return data[start:stop], stop

    def encode(self, value: bytes, out: bytearray) -> None:
        length = len(value)
        if not self.lowest <= length <= self.ceiling:
            self.check(length)
        out += length.to_bytes(self.size, "big")
        out += value

    def check(self, length: int) -> None:
        if not self.lowest <= length <= self.ceiling:
            raise ConfigurationError(f"{length} bytes for a vector of <{self.floor}..{_bound(self.ceiling)}>")

    def declaration(self, name: str) -> str:
        if self.alias:
            return f"{self.alias} {name}"
        return f"{self.type_name} {name}<{self.floor}..{_bound(self.ceiling)}>"


class Vector(Opaque):
    """T name<floor..ceiling>: the bounds count bytes. The element type is taken from the annotation."""

    def __init__(self, floor: int, ceiling: int, element: Codec | None = None) -> None:
        super().__init__(floor, ceiling)
        if element is not None:
            self.of(element)

    def of(self, element: Codec) -> Self:
        self.element = element
        if isinstance(element, Opaque):
            self.type_name = element.alias
        else:
            self.type_name = element.type_name
        return self

    def decode(self, data: bytes, at: int, end: int) -> tuple[Any, int]:
        at, stop = self.scope(data, at, end)
        values = []
        decode = self.element.decode
        while at < stop:
            value, at = decode(data, at, stop)
            values.append(value)
        return tuple(values), stop

    def encode(self, value: Any, out: bytearray) -> None:
        start = len(out)
        out += bytes(self.size)
        for item in value:
            self.element.encode(item, out)
        length = len(out) - start - self.size
        self.check(length)
        out[start : start + self.size] = length.to_bytes(self.size, "big")


class CodePointVector(Vector):
    """A vector of 16-bit code points, unpacked in one call: the lists of a ClientHello are made of them, and most
    clients have the same ones."""

    def __init__(self, vector: Vector, element: Enumerated) -> None:
        super().__init__(vector.floor, vector.ceiling, element)
        self.element: Enumerated = element

    @cached_property
    def read(self) -> Repeated:
        """The code points that an even number of bytes holds."""
        member = self.element.member
        return Repeated(lambda data: tuple(map(member, unpack_from(f">{len(data) // 2}H", data))))

    @cached_property
    def written(self) -> Repeated:
        """The bytes of a tuple of code points, or struct.error."""
        return Repeated(lambda codes: pack(f">{len(codes)}H", *codes))

    def decode(self, data: bytes, at: int, end: int) -> tuple[Any, int]:
        start, stop = self.scope(data, at, end)
        if (stop - start) % 2:
            raise DecodeError(f"a vector of {stop - start} bytes cannot hold {self.type_name} of 2 bytes each")
        return self.read[data[start:stop]], stop


class Nested(Codec):
    """A struct inside a struct."""

    def __init__(self, struct: type[Struct]) -> None:
        self.struct = struct
        self.type_name = struct.rfc_name

    def decode(self, data: bytes, at: int, end: int) -> tuple[Struct, int]:
        return self.struct.decode_at(data, at, end)

    def encode(self, value: Struct, out: bytearray) -> None:
        out += value.encode()


def codec_for(annotation: Any) -> Codec:
    """The codec that an annotation asks for: a code point, a struct, or what stands in Annotated[...]."""
    if isinstance(annotation, type):
        if issubclass(annotation, CodePoint):
            return Enumerated(annotation)
        if issubclass(annotation, Struct):
            return Nested(annotation)
    elif get_origin(annotation) is Annotated:
        codec = annotation.__metadata__[0]
        if isinstance(codec, Vector) and not hasattr(codec, "element"):
            element = codec_for(annotation.__origin__.__args__[0])
            if isinstance(element, Enumerated) and element.size == 2:
                return CodePointVector(codec, element)
            return codec.of(element)
        if isinstance(codec, Codec):
            return codec
    raise TypeError(f"no codec for {annotation!r}")


def _is_class_variable(annotation: Any) -> bool:
    origin: Any = get_origin(annotation)
    return origin is ClassVar


@dataclass_transform(kw_only_default=True, frozen_default=True)
class Struct:
    """A struct of the RFC. Subclasses only declare fields; instances are immutable and compare by value.

    The fields are given by name; of a short struct that says kw_only=False to the type checkers, in their order, which
    takes half the time: a class cannot be called by names without making a dict of them.
    """

    fields: ClassVar[tuple[tuple[str, Codec], ...]] = ()
    defaults: ClassVar[dict[str, Any]] = {}
    rfc_name: ClassVar[str] = ""
    unwritten: ClassVar[dict[str, Any]]
    """What stands, until it is first called, in the place of each function that written.py makes."""

    def __init_subclass__(cls, *, rfc_name: str = "", kw_only: bool = True, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        annotations: dict[str, Any] = cls.__annotations__
        cls.rfc_name = rfc_name or cls.__name__
        declared = {name: kind for name, kind in annotations.items() if not _is_class_variable(kind)}
        if declared:
            cls.fields = tuple({**dict(cls.fields), **{n: codec_for(kind) for n, kind in declared.items()}}.items())
            cls.defaults = {**cls.defaults, **{name: cls.__dict__[name] for name in declared if name in cls.__dict__}}
        # Not its parent's, which may have been written already (written.py).
        for name, unwritten in cls.unwritten.items():
            if name not in cls.__dict__:
                setattr(cls, name, unwritten)

    def __init__(self, *values: Any, **named: Any) -> None:
        from .written import write

        write(type(self), "__init__")  # in the place of this
        vars(type(self))["__init__"](self, *values, **named)

    @classmethod
    def incomplete(cls, given: dict[str, Any]) -> TypeError:
        """Which fields were not given, neither by name nor by a default."""
        wrong = sorted(name for name, value in given.items() if value is None)
        return TypeError(f"{cls.__name__}: missing or unknown: {', '.join(wrong)}")

    @classmethod
    def decode(cls, data: bytes, at: int = 0) -> Self:
        """The struct that `data` holds from `at` on, and nothing behind it. Raises DecodeError."""
        from .written import write

        write(cls, "decode")  # in the place of this
        return cls.decode(data, at)

    @classmethod
    def decode_at(cls, data: bytes, at: int, end: int) -> tuple[Self, int]:
        """The struct that starts at `at`, and where it ends. Reads nothing at or beyond `end`. Raises DecodeError."""
        from .written import write

        write(cls, "decode_at")  # in the place of this
        return cls.decode_at(data, at, end)

    @classmethod
    def refusal(cls, data: bytes, at: int, end: int) -> DecodeError:
        """Which field cannot be read, and why: found by reading them again, one by one."""
        for name, codec in cls.fields:
            try:
                _, at = codec.decode(data, at, end)
            except DecodeError as error:
                return DecodeError(f"{cls.__name__}.{name}: {error.detail}")
        return DecodeError(f"{end - at} bytes left over after {cls.__name__}")

    def encode(self) -> bytes:
        """Raises ConfigurationError if a value is out of its bounds."""
        from .written import write

        write(type(self), "encode")  # in the place of this
        return self.encode()

    def unwritable(self) -> ConfigurationError:
        """Which bound is not kept: found by writing the fields again, one by one."""
        out = bytearray()
        for name, codec in self.fields:
            try:
                codec.encode(getattr(self, name), out)
            except ConfigurationError as error:
                return error
        # Every field can be written: then it is the length of the whole, in `struct Handshake`.
        return ConfigurationError(f"a {type(self).__name__} of {len(out)} bytes; the limit is {2**24 - 1}")

    @classmethod
    def python(cls) -> str:
        """The text of the functions that read and write this struct (written.py)."""
        from .written import TEXTS

        return "\n\n".join([TEXTS[name](cls).text for name in cls.unwritten])

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed."""
        values = {**self.__dict__, **changes}
        if len(values) != len(self.__dict__):
            unknown = sorted(values.keys() - self.__dict__.keys())
            raise TypeError(f"{type(self).__name__}: unknown: {', '.join(unknown)}")
        copy = object.__new__(type(self))
        _fill(copy, values)
        return copy

    @classmethod
    def rfc(cls) -> str:
        """The declaration in the RFC's presentation language (section 3)."""
        lines = [f"    {codec.declaration(name)};" for name, codec in cls.fields]
        return "\n".join(["struct {", *lines, f"}} {cls.rfc_name};"]) if lines else f"struct {{}} {cls.rfc_name};"

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash((type(self), self.encode()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.__dict__.items())})"


_fill: Callable[[Struct, dict[str, Any]], None] = vars(Struct)["__dict__"].__set__
"""Gives a struct all its fields at once; there is no other way, for __setattr__ refuses."""

Struct.unwritten = {name: vars(Struct)[name] for name in ("decode_at", "decode", "__init__", "encode")}
