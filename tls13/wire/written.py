"""The Python that a declaration stands for.

A declaration (codec.py) could be interpreted: ask the codec of each field, one after the other. That is right but slow,
two or three calls for each field of each message. So when a struct is read, made or written for the first time, the
function that a person would have written for it is put down as text and compiled, as `dataclasses` does it.
`KeyShareEntry.python()` shows them all. The first:

    as_HH = Layout(">HH")

    def decode_at(data, at, end):
        first = at
        try:
            if at + 4 > end:
                raise DecodeError
            group, length = as_HH.unpack_from(data, at)
            at += 4
            key_exchange_end = at + length
            if length < 1 or key_exchange_end > end:
                raise DecodeError
            key_exchange = data[at:key_exchange_end]
            at = key_exchange_end
        except DecodeError:
            raise KeyShareEntry.refusal(data, first, end) from None
        self = new(KeyShareEntry)
        fill(self, {"group": NamedGroup(group), "key_exchange": key_exchange})
        return self, at

* Fields of a fixed size that stand side by side, and the length of the vector behind them, are one `unpack_from`.
* Nothing is read before it is known to lie inside its scope.
* Here it is only found *that* something is wrong. *What*, is found by interpreting (`Struct.refusal`): that may take
  its time, and so the words have one home.
* `decode(data, at=0)` is the same for a struct that must be all that there is, as a message and an extension must. Its
  scope ends where `data` does, and nobody can read beyond that: so it compares less. What sticks out is an error of
  `unpack_from` or of an index or, where a slice was cut short, ends beyond `end`, which is found at the last.
* `to_handshake()` is `encode()` with the header of a message before it: one join, and no body that is copied again.
* A text is made of declarations alone: nothing that a peer sends is ever compiled.

Nothing is compiled at import, and of each struct only what is used: where it is only ever read, `encode` is not.
"""

from __future__ import annotations

from struct import Struct as Layout
from struct import error, pack
from typing import TYPE_CHECKING, Any

from ..errors import ConfigurationError, DecodeError
from .codec import CodePointVector, Enumerated, Fixed, Nested, Opaque, Rest, Struct, UInt, Vector
from .extensions import ExtensionBlock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .codec import Codec

LETTERS = {1: "B", 2: "H", 4: "I", 8: "Q"}
"""Of the integers that the module struct knows, by their size in bytes."""

NAMES: dict[str, Any] = {
    "ConfigurationError": ConfigurationError,
    "DecodeError": DecodeError,
    "Layout": Layout,
    "error": error,
    "fill": vars(Struct)["__dict__"].__set__,
    "new": object.__new__,
    "pack": pack,
}
"""What every text may use. `fill` gives an instance all its fields at once, and no other field ever."""

SUFFIXES = ("_", "_codec", "_end", "_high", "_read", "_written")
"""Of the names that are made up for a field."""

LOCALS = frozenset({"at", "data", "end", "first", "high", "item", "length", "self"})


def write(struct: type[Struct], name: str) -> None:
    """Give it its own `decode` or the like: one of TEXTS. Two threads that both come first write the same."""
    text = TEXTS[name](struct)
    names = NAMES | text.names
    exec(compile(text.text, f"<{struct.__name__}.{name}>", "exec"), names)  # noqa: S102  # of declarations alone
    setattr(struct, name, staticmethod(names[name]) if name.startswith("decode") else names[name])


class _Text:
    """A function, line by line, and what its names mean."""

    def __init__(self, struct: type[Struct]) -> None:
        self.names: dict[str, object] = {}
        self.locals = {_local(name) for name, _ in struct.fields}
        self.kind = self.mean(struct.__name__, struct)
        self.layouts: dict[str, str] = {}
        self.lines: list[str] = []
        self.indent = ""
        self.letters = ""
        self.row: list[str] = []
        """What stands side by side and has a fixed size; `letters` says the same in the language of struct."""

    def mean(self, name: str, value: object) -> str:
        if name in NAMES or name in self.locals or self.names.setdefault(name, value) != value:
            raise TypeError(f"two things called {name}")
        return name

    def say(self, *lines: str) -> None:
        self.lines += [self.indent + line for line in lines]

    def refuse_if(self, offence: str, conditions: Iterable[str]) -> None:
        if wrong := " or ".join(conditions):
            self.say(f"if {wrong}:", f"    raise {offence}")

    def take(self, letters: str, *row: str) -> None:
        self.letters += letters
        self.row += row

    def layout(self) -> str:
        """The name of the layout of the row."""
        name = f"as_{self.letters}"
        self.layouts[name] = f'{name} = Layout(">{self.letters}")'
        return name

    def finish(self, head: str, *last: str) -> str:
        """The whole text; `last`: what follows upon the lines that have been said."""
        layouts = [*self.layouts.values(), ""] if self.layouts else []
        return "\n".join([*layouts, head, *self.lines, *last, ""])


def _local(name: str) -> str:
    """The variable for a field, unlike all that are made up here."""
    taken = name in LOCALS or name in NAMES or name.startswith("as_") or name.endswith(SUFFIXES)
    return f"{name}_" if taken else name


def _listed(before: str, items: list[str], after: str) -> list[str]:
    """On one line or, where that would be long, on a line each."""
    if sum(map(len, items)) < 70:
        return [f"{before}{', '.join(items)}{after}"]
    return [before, *[f"    {item}," for item in items], after]


def _may_be_wrong(struct: type[Struct]) -> bool:
    """Whether there are bytes that it cannot be read from, or values that cannot be written."""
    return any(not isinstance(codec, Rest) for _, codec in struct.fields)


def _is_deep(codec: Opaque) -> bool:
    """Whether it is a vector of vectors of more than bytes. No RFC has one; it is interpreted."""
    return isinstance(codec, Vector) and isinstance(codec.element, Vector)


def _out_of_bounds(codec: Opaque, length: str) -> Iterable[str]:
    """What the size of the length does not rule out."""
    if codec.lowest:
        yield f"{length} < {codec.lowest}"
    if codec.ceiling < 256**codec.size - 1:
        yield f"{length} > {codec.ceiling}"


class _Reading(_Text):
    """decode_at(data, at, end): the struct that starts at `at`, and where it ends."""

    head = "def decode_at(data, at, end):"
    wrong = "DecodeError"
    """What says that something cannot be read."""
    result = "self, at"

    def __init__(self, struct: type[Struct]) -> None:
        super().__init__(struct)
        self.indent = (8 if self.may_be_wrong(struct) else 4) * " "
        values = [f'"{name}": {self.field(_local(name), codec, "end")}' for name, codec in struct.fields]
        self.unpack("end")
        self.conclude(struct)
        self.indent = "    "
        if self.may_be_wrong(struct):
            self.lines = ["    first = at", "    try:", *self.lines]
            self.say(f"except {self.wrong}:", f"    raise {self.kind}.refusal(data, first, end) from None")
        self.say(f"self = new({self.kind})", *_listed("fill(self, {", values, "})"))
        self.text = self.finish(self.head, f"    return {self.result}")

    def may_be_wrong(self, struct: type[Struct]) -> bool:
        return _may_be_wrong(struct)

    def conclude(self, struct: type[Struct]) -> None:
        """Whatever follows it is another's."""

    def inside(self, stop: str, end: str) -> list[str]:
        """What is wrong where `stop` is not inside the scope."""
        return [f"{stop} > {end}"]

    def sticks_out(self) -> list[str]:
        """What is wrong where something that was read does not lie inside the scope: nothing does."""
        return []

    def field(self, name: str, codec: Codec, end: str) -> str:
        """Read it into the variable `name`; what its value is, once the row that it stands in is unpacked."""
        match codec:
            case Fixed():
                self.take(f"{codec.size}s", name)
            case Enumerated():
                self.take(LETTERS[codec.size], name)
                return f"{self.mean(codec.type_name, codec.member)}({name})"
            case UInt(size=3):
                self.take("BH", f"{name}_high", name)
                return f"({name}_high << 16 | {name})"
            case UInt(size=1 | 2 | 4 | 8):
                self.take(LETTERS[codec.size], name)
            case Nested(struct=kind):
                self.unpack(end)
                self.say(f"{name}, at = {self.mean(kind.__name__, kind)}.decode_at(data, at, {end})")
            case Rest():
                self.unpack(end)
                self.refuse_if("DecodeError", self.sticks_out())
                self.say(f"{name} = data[at:{end}]", f"at = {end}")
            case Opaque() if not isinstance(codec, ExtensionBlock) and not _is_deep(codec):
                self.vector(name, codec, end)
            case _:
                self.unpack(end)
                self.say(f"{name}, at = {self.mean(f'{name}_codec', codec)}.decode(data, at, {end})")
        return name

    def unpack(self, end: str) -> None:
        """Read what stands side by side here."""
        if self.row:
            size, names = Layout(">" + self.letters).size, ", ".join(self.row)
            self.refuse_if("DecodeError", self.inside(f"at + {size}", end))
            if self.letters == "B":
                self.say(f"{names} = data[at]", "at += 1")
            else:
                targets = names if len(self.row) > 1 else f"({names},)"
                self.say(f"{targets} = {self.layout()}.unpack_from(data, at)", f"at += {size}")
            self.letters, self.row = "", []

    def vector(self, name: str, codec: Opaque, end: str) -> None:
        stop = self.scope(name, codec, end)
        match codec:
            case CodePointVector():
                self.refuse_if("DecodeError", ["length % 2"])
                self.say(f"{name} = {self.mean(f'{name}_read', codec.read)}[data[at:{stop}]]")
            case Vector(element=Enumerated(size=1, type_name=kind, member=member)):
                self.say(f"{name} = tuple(map({self.mean(kind, member)}, data[at:{stop}]))")
            case Vector():
                self.elements(name, codec.element, stop)
                return
            case _:
                self.say(f"{name} = data[at:{stop}]")
        self.say(f"at = {stop}")

    def scope(self, name: str, codec: Opaque, end: str) -> str:
        """Where the vector ends."""
        stop = f"{name}_end"
        if codec.size == 3:
            self.take("BH", "high", "length")
        else:
            self.take(LETTERS[codec.size], "length")
        self.unpack(end)
        if codec.size == 3:
            self.say("length += high << 16")
        self.say(f"{stop} = at + length")
        self.refuse_if("DecodeError", [*_out_of_bounds(codec, "length"), *self.inside(stop, end)])
        return stop

    def elements(self, name: str, element: Codec, stop: str) -> None:
        self.say(f"{name} = []", f"while at < {stop}:")
        outside, self.indent = self.indent, self.indent + "    "
        value = self.field("item", element, stop)
        self.unpack(stop)
        self.say(f"{name}.append({value})")
        self.indent = outside
        self.say(f"{name} = tuple({name})")


class _ReadingAll(_Reading):
    """decode(data, at=0): the struct that starts at `at`, which is all that there is."""

    head = "def decode(data, at=0):\n    end = len(data)"
    wrong = "(DecodeError, IndexError, error)"
    result = "self"

    def inside(self, stop: str, end: str) -> list[str]:
        return [] if end == "end" else super().inside(stop, end)

    def sticks_out(self) -> list[str]:
        return ["at > end"] if self.lines else []

    def may_be_wrong(self, struct: type[Struct]) -> bool:
        return _may_be_wrong(struct) or not struct.fields

    def conclude(self, struct: type[Struct]) -> None:
        if not struct.fields or not isinstance(struct.fields[-1][1], Rest):
            self.refuse_if("DecodeError", ["at != end"])


class _Making(_Text):
    """__init__(self, ...): the fields, by name or in their order. None stands for one that is not given: no field of
    any struct can be None."""

    def __init__(self, struct: type[Struct]) -> None:
        super().__init__(struct)
        names = [name for name, _ in struct.fields]
        given = [f"{name}={self.default(struct, name)}" for name in names]
        self.indent = "    "
        if missing := [f"{name} is None" for name in names if name not in struct.defaults]:
            self.say(f"if {' or '.join(missing)}:")
            self.say(f"    raise {self.kind}.incomplete(locals())")
        self.say(*_listed("fill(self, {", [f'"{name}": {name}' for name in names], "})"))
        self.text = self.finish("\n".join(_listed("def __init__(", ["self", *given], "):")))

    def default(self, struct: type[Struct], name: str) -> str:
        return self.mean(f"{name}_default", struct.defaults[name]) if name in struct.defaults else "None"


class _Writing(_Text):
    """encode(self): the bytes."""

    head = "def encode(self):"

    def __init__(self, struct: type[Struct]) -> None:
        super().__init__(struct)
        self.parts: list[str] = []
        self.sizes: list[str] = []
        """How long each part is."""
        may_be_wrong = self.may_be_wrong(struct)
        self.indent = (8 if may_be_wrong else 4) * " "
        self.begin(struct)
        for name, codec in struct.fields:
            self.field(_local(name), codec, f"self.{name}")
        self.pack()
        self.conclude()
        if len(self.parts) > 2:
            self.say(*_listed('return b"".join((', self.parts, "))"))
        else:
            self.say(f"return {self.sum()}")
        self.indent = "    "
        if may_be_wrong:
            self.lines = ["    try:", *self.lines]
            self.say("except (ConfigurationError, error):", "    raise self.unwritable() from None")
        self.text = self.finish(self.head)

    def may_be_wrong(self, struct: type[Struct]) -> bool:
        return _may_be_wrong(struct)

    def begin(self, struct: type[Any]) -> None:
        """Nothing stands before it."""

    def conclude(self) -> None:
        """How long the whole is, the parts will say."""

    def pack(self) -> None:
        """Write what stands side by side here."""
        if self.row:
            self.parts.append(f"{self.layout()}.pack({', '.join(self.row)})")
            self.sizes.append(str(Layout(">" + self.letters).size))
            self.letters, self.row = "", []

    def sum(self) -> str:
        return " + ".join(self.parts) or 'b""'

    def add(self, name: str, part: str) -> None:
        self.pack()
        self.parts.append(part)
        self.sizes.append(f"len({name})")

    def field(self, name: str, codec: Codec, value: str) -> None:
        match codec:
            case Fixed():
                self.copy(name, value)
                self.refuse_if("ConfigurationError", [f"len({name}) != {codec.size}"])
                self.take(f"{codec.size}s", name)
            case UInt(size=3):
                self.take("BH", f"{value} >> 16", f"{value} & 0xFFFF")
            case UInt(size=1 | 2 | 4 | 8) | Enumerated():
                self.take(LETTERS[codec.size], value)
            case Nested():
                self.add(name, f"{value}.encode()")
            case Rest():
                self.add(name, value)
            case Opaque() if not _is_deep(codec):
                self.vector(name, codec, value)
            case _:
                self.say(f"{name} = {self.mean(f'{name}_codec', codec)}.encoded({value})")
                self.add(name, name)

    def vector(self, name: str, codec: Opaque, value: str) -> None:
        """The bytes of the vector into the variable `name`, then its length and these bytes into the whole."""
        match codec:
            case ExtensionBlock():
                self.say(f"{name} = {value}.encoded()")
            case CodePointVector():
                self.say(f"{name} = {self.mean(f'{name}_written', codec.written)}[tuple({value})]")
            case Vector(element=Enumerated(size=size)):
                self.copy(name, value)
                self.say(f'{name} = pack(f">{{len({name})}}{LETTERS[size]}", *{name})')
            case Vector(element=Nested()):
                self.say(f'{name} = b"".join([item.encode() for item in {value}])')
            case Vector():
                self.elements(name, codec.element, value)
            case _:
                self.copy(name, value)
        length = f"len({name})"
        self.refuse_if("ConfigurationError", _out_of_bounds(codec, length))
        if codec.size == 3:
            self.take("BH", f"{length} >> 16", f"{length} & 0xFFFF")
        else:
            self.take(LETTERS[codec.size], length)
        self.add(name, name)

    def copy(self, name: str, value: str) -> None:
        if name != value:
            self.say(f"{name} = {value}")

    def elements(self, name: str, element: Codec, value: str) -> None:
        self.say(f"{name} = []", f"for item in {value}:")
        outside = self.indent, self.parts, self.sizes, self.letters, self.row
        self.indent, self.parts, self.sizes, self.letters, self.row = self.indent + "    ", [], [], "", []
        self.field("item", element, "item")
        self.pack()
        self.say(f"{name}.append({self.sum()})")
        self.indent, self.parts, self.sizes, self.letters, self.row = outside
        self.say(f'{name} = b"".join({name})')


class _WritingWhole(_Writing):
    """to_handshake(self): the same behind the header of `struct Handshake`, which says how long it is."""

    head = "def to_handshake(self):"

    def may_be_wrong(self, struct: type[Struct]) -> bool:
        return True

    def begin(self, struct: type[Any]) -> None:
        self.take("I", f"{struct.header:#x} | length")

    def conclude(self) -> None:
        fixed = sum(int(size) for size in self.sizes if size.isdigit()) - 4
        lengths = [size for size in self.sizes if not size.isdigit()]
        self.say(f"length = {' + '.join([*([str(fixed)] if fixed else []), *lengths]) or '0'}")
        self.refuse_if("ConfigurationError", ["length > 0xFFFFFF"])

    def add(self, name: str, part: str) -> None:
        self.copy(name, part)
        super().add(name, name)


class _WritingOnce(_WritingWhole):
    """put_together(self): the same, for a message that keeps it."""

    head = "def put_together(self):"


TEXTS: dict[str, Callable[[type[Any]], _Reading | _Making | _Writing]] = {
    "decode_at": _Reading,
    "decode": _ReadingAll,
    "__init__": _Making,
    "encode": _Writing,
    "to_handshake": _WritingWhole,
    "put_together": _WritingOnce,
}
