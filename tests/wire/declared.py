"""Every struct that is declared in tls13/wire, and values for them."""

from __future__ import annotations

from hypothesis import strategies as st

from tls13.resumption.state import Origin, Shared
from tls13.wire import companions, messages  # noqa: F401  # they declare
from tls13.wire import extensions as e
from tls13.wire.codec import Codec, Enumerated, Fixed, Nested, Opaque, Rest, Struct, UInt, Vector


def structs() -> list[type[Struct]]:
    def below(kind: type[Struct]) -> list[type[Struct]]:
        return [one for direct in kind.__subclasses__() for one in (direct, *below(direct))]

    return sorted((one for one in below(Struct) if one.__module__.startswith("tls13.wire.")), key=lambda s: s.__name__)


def values(codec: Codec) -> st.SearchStrategy[object]:
    """Any value that a field can hold, small."""
    if isinstance(codec, e.ExtensionBlock):
        pairs = st.lists(st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=9)), max_size=4)
        return pairs.filter(lambda found: found or not codec.floor).map(lambda p: e.Extensions(tuple(p), codec.place))
    if isinstance(codec, Vector):
        return st.lists(values(codec.element), min_size=4 if codec.floor else 0, max_size=6).map(tuple)
    if isinstance(codec, Opaque):
        return st.binary(min_size=codec.floor, max_size=min(codec.ceiling, codec.floor + 40))
    if isinstance(codec, Nested | Shared):
        return instances(codec.struct if isinstance(codec, Nested) else Origin)
    if isinstance(codec, Enumerated):
        return st.integers(0, 2 ** (8 * codec.size) - 1).map(codec.kind)
    if isinstance(codec, UInt):
        return st.integers(0, 2 ** (8 * codec.size) - 1)
    if isinstance(codec, Fixed):
        return st.binary(min_size=codec.size, max_size=codec.size)
    assert isinstance(codec, Rest)
    return st.binary(max_size=50)


def instances(struct: type[Struct]) -> st.SearchStrategy[Struct]:
    return st.fixed_dictionaries({name: values(codec) for name, codec in struct.fields}).map(lambda kw: struct(**kw))
