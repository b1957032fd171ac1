"""What the codec's tests share: registered types, a third-party trigger, a job state to vary.

Nothing here asserts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, IntFlag
from typing import Any, NamedTuple

import pytest

from rapscheduler._serialization import registry
from rapscheduler.triggers.base import BaseTrigger


class Colour(Enum):
    RED = 1
    GREEN = "green"


class Access(IntFlag):
    READ = 1
    WRITE = 2


@dataclass(frozen=True)
class Address:
    street: str
    lines: tuple[Any, ...] = ()


@dataclass
class Customer:
    name: str
    address: Address | None = None
    tags: list[Any] = field(default_factory=list)


class Point(NamedTuple):
    x: Any
    y: Any


class Fraction:
    """A class of the program's own, written by functions."""

    def __init__(self, over: int, under: int) -> None:
        self.pair = (over, under)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Fraction) and other.pair == self.pair

    __hash__ = None  # type: ignore[assignment]


class Every(BaseTrigger):
    """A third-party trigger in APScheduler's manner."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        return (previous_fire_time or now) + timedelta(seconds=self.seconds)

    def __getstate__(self) -> dict[str, Any]:
        return {"seconds": self.seconds}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.seconds = state["seconds"]

    def __repr__(self) -> str:
        return f"Every({self.seconds})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Every) and other.seconds == self.seconds

    __hash__ = None  # type: ignore[assignment]


def register_samples() -> None:
    for cls in (Colour, Access, Address, Customer, Point, Every):
        registry.register_type(cls, name=cls.__name__)
    registry.register_type(
        Fraction, name="Fraction", encode=lambda value: value.pair, decode=lambda pair: Fraction(*pair)
    )


@pytest.fixture
def own_registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A registry that forgets what the test registers."""
    monkeypatch.setattr(registry, "_BY_CLASS", dict(registry._BY_CLASS))
    monkeypatch.setattr(registry, "_BY_NAME", dict(registry._BY_NAME))
    yield


register_samples()


def sample_state(**changes: Any) -> dict[str, Any]:
    """A job state as the codec takes it."""
    return {
        "func": "builtins:print",
        "trigger": Every(5),
        "args": (1, "two"),
        "kwargs": {"to": None},
        "name": "print",
        "executor": "default",
        "misfire_grace_time": 1,
        "coalesce": True,
        "max_instances": 1,
    } | changes
