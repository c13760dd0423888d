"""NamedTuple, Enum and IntEnum as the standard library has them, but for the time that it takes to make such a class.

Twenty rows and sixteen enums of 200 members are made while the package is imported, and the standard library prepares
for more than is needed here:

* `typing.NamedTuple` compiles source for each class, and again for each field's annotation: 30 to 100 us, where a plain
  class takes 5. Here it is compiled once for each *number* of fields; the next class with as many only gives the
  parameters its own names. A class takes 9 us.
* `enum` looks for what a class with members may inherit or redefine, 20 us, and turns each name into a member by
  itself, ready for values of any kind, aliases and properties: 5 us each. Here an enum inherits from one without
  members, which `enum` has made, and its values come into its tables together: 5 us, and 0.7 us each.

What comes out is what the standard library makes: a tuple with named fields and a constructor that runs at full speed;
a real `enum.IntEnum`. A type checker sees the standard library's. (tests/test_lean.py compares them, on every Python.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from enum import Enum as Enum
    from enum import IntEnum as IntEnum
    from typing import NamedTuple as NamedTuple
else:
    import enum
    from collections import namedtuple
    from types import CodeType, FunctionType

    _field = type(namedtuple("_One", "field").field)
    """The descriptor of one item of a tuple, in C: _field(number, docstring)."""

    _codes: dict[int, CodeType] = {}

    def _constructor(name: str, fields: tuple[str, ...], defaults: tuple[Any, ...]) -> FunctionType:
        """def __new__(cls, <fields>): return tuple.__new__(cls, (<fields>,))"""
        code = _codes.get(len(fields))
        if code is None:
            values = "".join(f"_{number}, " for number in range(len(fields)))
            code = _codes[len(fields)] = eval(f"lambda cls, {values}: make(cls, ({values}))").__code__
        code = code.replace(co_varnames=("cls", *fields), co_name="__new__", co_qualname=f"{name}.__new__")
        return FunctionType(code, {"make": tuple.__new__, "__builtins__": {}}, "__new__", defaults)

    class _NamedTupleType(type):
        def __new__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> type:
            if bases[0] not in (tuple, globals().get("NamedTuple")):
                return type.__new__(cls, name, bases, body)  # of a class that has its fields
            fields = tuple(body.get("__annotations__", ()))
            defaults = {field: body[field] for field in fields if field in body}
            if tuple(defaults) != fields[len(fields) - len(defaults) :]:
                raise TypeError(f"{name}: a field without a default follows one that has one")
            body["__new__"] = _constructor(name, fields, tuple(defaults.values()))
            for number, field in enumerate(fields):
                body[field] = _field(number, f"Item {number}.")
            body.update(__slots__=(), __match_args__=fields, _fields=fields, _field_defaults=defaults)
            return type.__new__(cls, name, bases, body)

    class NamedTuple(tuple, metaclass=_NamedTupleType):
        @classmethod
        def _make(cls, values: Any) -> Any:
            return cls(*values)

        def _replace(self, **changes: Any) -> Any:
            changed = tuple.__new__(type(self), map(changes.pop, self._fields, self))
            if changes:
                raise TypeError(f"{type(self).__name__} has no {', '.join(changes)}")
            return changed

        def _asdict(self) -> dict[str, Any]:
            return dict(zip(self._fields, self, strict=True))

        def __getnewargs__(self) -> tuple[Any, ...]:
            return tuple(self)

        def __repr__(self) -> str:
            return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self._asdict().items())})"

    class _EnumType(enum.EnumType):
        @classmethod
        def __prepare__(cls, name: str, bases: tuple[type, ...], /, **kwargs: Any) -> dict[str, Any]:
            return {}

        def __new__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any], /, **kwargs: Any) -> Any:
            values = {key: value for key, value in body.items() if key[0] != "_" and not hasattr(value, "__get__")}
            if getattr(bases[0], "_member_names_", None):
                raise TypeError(f"{name} cannot extend {bases[0]!r}")
            if not values:  # what has no members is made by `enum`; those below it inherit what it sets
                usual = super().__prepare__(name, bases)
                for key, value in body.items():
                    usual[key] = value
                return super().__new__(cls, name, bases, usual, **kwargs)
            tables = {"_member_names_": list(values), "_member_map_": {}, "_value2member_map_": {}}
            made = type.__new__(cls, name, bases, body | tables, **kwargs)
            new = made._member_type_.__new__
            for place, (key, value) in enumerate(values.items()):
                member = new(made) if new is object.__new__ else new(made, value)
                member._name_, member._value_, member.__objclass__, member._sort_order_ = key, value, made, place
                made._member_map_[key] = made._value2member_map_[value] = member
                type.__setattr__(made, key, member)
            if len(made._value2member_map_) < len(values):
                raise TypeError(f"{name}: two names for one value")
            return made

    class IntEnum(enum.IntEnum, metaclass=_EnumType):
        pass

    class Enum(enum.Enum, metaclass=_EnumType):
        pass
