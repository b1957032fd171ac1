"""`NamedTuple` of `_hints` makes what that of `typing` makes; type checkers see the one of `typing`."""

from __future__ import annotations

import pickle
import typing
from typing import Any

import pytest

from rapscheduler import _hints


class Ours(_hints.NamedTuple):
    """A text."""

    first: int
    second: str = "two"
    third: Any = None

    def doubled(self) -> int:
        """Twice the first."""
        return 2 * self.first


class Theirs(typing.NamedTuple):
    """A text."""

    first: int
    second: str = "two"
    third: Any = None

    def doubled(self) -> int:
        """Twice the first."""
        return 2 * self.first


def facts(cls: Any) -> list[Any]:
    one = cls(3, third=[])
    return [
        *(cls._fields, cls._field_defaults, cls.__doc__, cls.__module__, cls.__bases__),
        *(one, one.doubled(), one._replace(first=4), one._asdict(), repr(one).partition("(")[2], one == (3, "two", [])),
    ]  # fmt: skip


def test_a_named_tuple_is_that_of_typing() -> None:
    assert facts(Ours) == facts(Theirs)


def test_it_can_be_pickled() -> None:
    again = pickle.loads(pickle.dumps(Ours(1)))
    assert (again, type(again)) == (Ours(1), Ours)


def test_a_field_without_a_value_must_be_given() -> None:
    with pytest.raises(TypeError, match="first"):
        Ours()  # type: ignore[call-arg]


def test_words_of_annotations_change_nothing() -> None:
    assert _hints.cast("int", "text") == "text"
    assert _hints.final(Ours) is Ours
    assert not _hints.TYPE_CHECKING
