"""When a failed run is tried again.

Here: `Retry`, in tenacity's vocabulary, its plain form in a row, and `RetryLater`. Not here: making the next attempt
(`_scheduling.retrying`). Exception classes are compared by name: a row imports nothing to say which failures it means.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

from rapscheduler._instants import SECOND_US, us_of
from rapscheduler.errors import RapschedulerError

WAITS = ("fixed", "incrementing", "exponential", "random_exponential")
_LONGEST_S = 3650 * 86400.0


class RetryLater(RapschedulerError):
    """Raised by a job that wants another attempt later; it is no failure, and no error event is told.

    :param after: seconds or a timedelta from now, or an aware datetime
    """

    asks_for_retry = True

    def __init__(self, after: float | timedelta | datetime, message: str = "") -> None:
        if isinstance(after, datetime):
            if after.tzinfo is None:
                raise ValueError(
                    f"RetryLater({after!r}) has no time zone; give an aware datetime, or seconds"
                )
        else:
            after = _seconds("after", after, 0)
        super().__init__(after, message)
        self.after = after

    def at_us(self, now_us: int) -> int:
        if isinstance(self.after, datetime):
            return max(now_us, us_of(self.after))
        return now_us + round(float(self.after) * SECOND_US)

    def __str__(self) -> str:
        return str(self.args[1]) or f"another attempt after {self.after}"


def _seconds(name: str, value: Any, least: float) -> float | int:
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if type(value) not in (int, float) or not least <= value <= _LONGEST_S:
        raise TypeError(
            f"{name} must be a number of seconds, at least {least:g}, or a timedelta; got {value!r}"
        )
    seconds: float | int = value
    return seconds


def _names(name: str, value: Any) -> tuple[str, ...]:
    """Exception classes as ``module:name``."""
    if isinstance(value, (type, str)):
        value = (value,)
    if not isinstance(value, Iterable):
        raise TypeError(
            f"{name} must be exception classes, or texts such as 'requests:Timeout'; got {value!r}"
        )
    names = []
    for one in value:
        if isinstance(one, type) and issubclass(one, BaseException):
            one = f"{one.__module__}:{one.__qualname__}"
        elif not isinstance(one, str) or ":" not in one:
            raise TypeError(
                f"{name} must be exception classes, or texts such as 'requests:Timeout'; got {one!r}"
            )
        names.append(one)
    return tuple(names)


class Retry:
    """How often, and after how long, a failed run is tried again.

    :param attempts: of the call, the first one included
    :param wait: ``"fixed"`` (``first`` each time), ``"incrementing"`` (``first``, twice, three times that…),
        ``"exponential"`` (doubled each time), ``"random_exponential"`` (between 0 and that)
    :param first: seconds (or a timedelta) to wait after the first failure
    :param most: the longest wait
    :param jitter: up to so many seconds more, by chance
    :param on: exception classes, or texts ``"module:Class"``, of failures that are tried again; subclasses count
    :param give_up_on: those that are not
    """

    __slots__ = ("attempts", "first", "give_up_on", "jitter", "most", "on", "wait")

    def __init__(
        self,
        attempts: int = 3,
        *,
        wait: Literal["fixed", "incrementing", "exponential", "random_exponential"] = "exponential",
        first: float | timedelta = 1,
        most: float | timedelta = 300,
        jitter: float | timedelta = 0,
        on: Any = (Exception,),
        give_up_on: Any = (),
    ) -> None:
        if type(attempts) is not int or attempts < 1:
            raise TypeError(f"attempts must be a positive integer, got {attempts!r}")
        if wait not in WAITS:
            raise ValueError(f"wait={wait!r} is not understood: give one of {', '.join(map(repr, WAITS))}")
        self.attempts, self.wait = attempts, wait
        self.first = _seconds("first", first, 0)
        self.most = _seconds("most", most, 0)
        self.jitter = _seconds("jitter", jitter, 0)
        self.on, self.give_up_on = _names("on", on), _names("give_up_on", give_up_on)

    @classmethod
    def of(cls, value: Any) -> Retry:
        """From a `Retry`, a number of attempts, or the plain form."""
        if isinstance(value, Retry):
            return value
        if type(value) is int:
            return cls(value)
        if not isinstance(value, Mapping):
            raise TypeError(
                f"retry must be a Retry, such as Retry(attempts=3), or a number of attempts; got {value!r}"
            )
        return cls(**value)

    def plain(self) -> dict[str, Any]:
        """What JSON can say of it."""
        kept = {name: getattr(self, name) for name in self.__slots__}
        return {**kept, "on": list(self.on), "give_up_on": list(self.give_up_on)}

    def wants(self, exc: BaseException) -> bool:
        """Whether a run that raised this is to be tried again."""
        names = {f"{cls.__module__}:{cls.__qualname__}" for cls in type(exc).__mro__}
        return not names.isdisjoint(self.on) and names.isdisjoint(self.give_up_on)

    def wait_s(self, attempt: int) -> float:
        """Seconds to wait after this attempt (1 is the first) has failed."""
        if self.wait == "fixed":
            wait_s = float(self.first)
        elif self.wait == "incrementing":
            wait_s = float(self.first) * attempt
        else:
            wait_s = float(self.first) * 2.0 ** min(attempt - 1, 64)
        wait_s = min(wait_s, float(self.most))
        if self.wait == "random_exponential":
            wait_s *= random.random()
        return wait_s + random.random() * self.jitter

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Retry) and self.plain() == other.plain()

    def __hash__(self) -> int:
        return hash((self.attempts, self.wait, self.first, self.most, self.jitter, self.on, self.give_up_on))

    def __repr__(self) -> str:
        default = Retry()
        given = [f"attempts={self.attempts}"]
        given += [
            f"{name}={getattr(self, name)!r}"
            for name in ("wait", "first", "most", "jitter", "on", "give_up_on")
            if getattr(self, name) != getattr(default, name)
        ]
        return f"Retry({', '.join(given)})"
