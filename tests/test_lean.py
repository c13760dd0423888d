"""The lean NamedTuple and IntEnum are, for whoever uses them, the standard library's."""

from __future__ import annotations

import copy
import enum
import inspect
import pickle
import typing

import pytest

from tls13 import lean


class Lean(lean.NamedTuple):
    """A place on the map."""

    x: int
    y: int = 2
    name: str | None = None

    def across(self) -> int:
        return self.x + self.y


class Usual(typing.NamedTuple):
    """A place on the map."""

    x: int
    y: int = 2
    name: str | None = None

    def across(self) -> int:
        return self.x + self.y


class Below(Lean):
    pass


class Nothing(lean.NamedTuple):
    pass


class LeanNumber(lean.IntEnum):
    """Numbers."""

    one = 1
    four = 4
    two = 2

    @property
    def doubled(self) -> int:
        return 2 * self


class UsualNumber(enum.IntEnum):
    """Numbers."""

    one = 1
    four = 4
    two = 2

    @property
    def doubled(self) -> int:
        return 2 * self


class LeanWord(lean.Enum):
    yes = "y"
    no = "n"
    """Not."""

    def short(self) -> str:
        return self.value * 2


class UsualWord(enum.Enum):
    yes = "y"
    no = "n"

    def short(self) -> str:
        return self.value * 2


ROWS = [
    lambda kind: kind(1),
    lambda kind: kind(1, 3, "a"),
    lambda kind: kind(name="a", x=1),
    lambda kind: kind._make((1, 2, "b")),
    lambda kind: kind(1)._replace(y=9),
]


@pytest.mark.parametrize("make", ROWS)
def test_a_row_is_what_namedtuple_makes(make) -> None:
    one, other = make(Lean), make(Usual)
    assert isinstance(one, tuple)
    assert one == other
    assert (one.x, one.y, one.name, one.across()) == (other.x, other.y, other.name, other.across())
    assert (hash(one), tuple(one), one._asdict()) == (hash(other), tuple(other), other._asdict())
    assert repr(one) == repr(other).replace("Usual", "Lean")
    match one:
        case Lean(x, y, name):
            assert (x, y, name) == other


@pytest.mark.parametrize(("values", "named"), [((), {}), ((1, 2, "a", 4), {}), ((1,), {"x": 1}), ((1,), {"z": 1})])
def test_a_row_takes_its_own_arguments_only(values, named) -> None:
    for kind in (Lean, Usual):
        with pytest.raises(TypeError, match=rf"^{kind.__name__}\.__new__\(\) "):
            kind(*values, **named)


def test_only_fields_can_be_replaced() -> None:
    with pytest.raises(TypeError, match="Lean has no z"):
        Lean(1)._replace(z=1)


def test_a_row_is_immutable_and_has_nothing_beside_its_fields() -> None:
    for name in ("x", "other"):
        with pytest.raises(AttributeError):
            setattr(Lean(1), name, 5)
    assert not hasattr(Lean(1), "__dict__")


def test_a_row_shows_its_fields_to_tools() -> None:
    assert inspect.signature(Lean).parameters.keys() == inspect.signature(Usual).parameters.keys()
    assert (Lean._fields, Lean._field_defaults) == (Usual._fields, Usual._field_defaults)
    assert Lean.__match_args__ == Usual.__match_args__
    assert typing.get_type_hints(Lean) == typing.get_type_hints(Usual)
    assert (Lean.__name__, Lean.__module__, Lean.__doc__) == ("Lean", __name__, Usual.__doc__)


@pytest.mark.parametrize("value", [Lean(1), Below(1, 2), Nothing(), LeanNumber.four, LeanWord.no])
def test_what_is_lean_can_be_copied_and_pickled(value) -> None:
    for again in (copy.copy(value), copy.deepcopy(value), pickle.loads(pickle.dumps(value))):
        assert (again, type(again), repr(again)) == (value, type(value), repr(value))


def test_a_row_may_have_subclasses_and_no_fields() -> None:
    assert (Below(x=3).across(), Below._fields) == (5, Lean._fields)
    assert Nothing() == ()
    with pytest.raises(TypeError):
        Nothing(1)


def test_a_field_without_a_default_does_not_follow_one_that_has_one() -> None:
    with pytest.raises(TypeError, match="default"):

        class Wrong(lean.NamedTuple):
            x: int = 1
            y: int  # type: ignore[misc]  # the mistake that is looked for


@pytest.mark.parametrize("kind", [LeanNumber, UsualNumber])
def test_numbers_are_what_enum_makes(kind) -> None:
    assert isinstance(kind.one, enum.IntEnum)
    assert issubclass(kind, enum.IntEnum)
    assert [(one.name, one.value, int(one), one.doubled) for one in kind] == [
        ("one", 1, 1, 2),
        ("four", 4, 4, 8),
        ("two", 2, 2, 4),
    ]
    assert kind(4) is kind["four"] is kind.four
    assert (str(kind.one), f"{kind.one}", hash(kind.one), kind.one + 1) == ("1", "1", 1, 2)
    assert repr(kind.one) == f"<{kind.__name__}.one: 1>"
    assert kind.__doc__ == "Numbers."
    with pytest.raises(ValueError, match="3 is not a valid"):
        kind(3)


@pytest.mark.parametrize("kind", [LeanWord, UsualWord])
def test_words_are_what_enum_makes(kind) -> None:
    assert isinstance(kind.yes, enum.Enum)
    assert [(one.name, one.value, one.short()) for one in kind] == [("yes", "y", "yy"), ("no", "n", "nn")]
    assert kind("n") is kind["no"] is kind.no
    assert (str(kind.no), repr(kind.no)) == (f"{kind.__name__}.no", f"<{kind.__name__}.no: 'n'>")
    assert kind.no != "n"
    assert {kind.no: 1}[kind.no] == 1
    with pytest.raises(ValueError, match="'x' is not a valid"):
        kind("x")


@pytest.mark.parametrize("kind", [LeanNumber, UsualNumber, LeanWord, UsualWord])
def test_an_enum_is_closed_and_lists_its_members(kind) -> None:
    members = list(kind)
    assert len(kind) == len(members)
    assert list(reversed(kind)) == members[::-1]
    assert dict(kind.__members__) == {one.name: one for one in members}
    assert all(one in kind and getattr(kind, one.name) is one for one in members)
    assert set(kind.__members__) <= set(dir(kind))
    with pytest.raises(KeyError):
        kind["three"]
    with pytest.raises(AttributeError):
        setattr(kind, members[0].name, 5)
    with pytest.raises(AttributeError):
        delattr(kind, members[0].name)
    with pytest.raises(TypeError, match="cannot extend"):

        class More(kind):  # type: ignore[valid-type, misc]  # a variable, and it has members
            pass


def test_a_number_has_one_name() -> None:
    with pytest.raises(TypeError, match="two names"):

        class Wrong(lean.IntEnum):
            one = 1
            uno = 1
