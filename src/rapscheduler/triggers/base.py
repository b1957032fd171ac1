"""The contract of every trigger, and what each one gets for free.

Here: `BaseTrigger`, APScheduler's abstract class plus methods that need nothing but `get_next_fire_time`.
Not here: arithmetic of any schedule (the cellar), time zones by name (`_zones`).

A trigger is asked `get_next_fire_time(previous, now)`; everything else follows from it. A trigger that is a
kernel (`TriggerCore`) and keeps its `get_next_fire_time` answers in bulk; any other one, third-party classes
included, is walked call by call. Instants are compared, never wall times: two datetimes of one zone compare
by their clock faces in Python, which is wrong around a fold.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

from rapscheduler._engine.datetimes import from_us
from rapscheduler._engine.trigger import TriggerCore

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)
_MIN_US = -62135596800_000000
_MAX_US = 253402300799_999999
_FIRST_LOOK_BACK_US = 60_000_000
_FIRST_BATCH, _LARGEST_BATCH = 16, 1024


def _instant_us(moment: datetime) -> int:
    """The instant of an aware datetime, in µs since the epoch."""
    offset = moment.utcoffset()
    if offset is None:
        raise ValueError(
            f"{moment!r} has no time zone; give an aware datetime, such as "
            "datetime(2026, 1, 31, tzinfo=ZoneInfo('Europe/Berlin'))"
        )
    return (moment.replace(tzinfo=timezone.utc) - _EPOCH - offset) // _MICROSECOND


def _moment(instant_us: int, like: datetime) -> datetime:
    """The instant as a datetime in the zone of `like`; in UTC when that zone cannot express it."""
    moment = _EPOCH + instant_us * _MICROSECOND
    try:
        return moment.astimezone(like.tzinfo)
    except OverflowError:
        return moment


def answers_by_kernel(cls: Any) -> bool:
    """Whether `get_next_fire_time` of a trigger class is the kernel's own."""
    answers: bool = cls.get_next_fire_time is TriggerCore.get_next_fire_time
    return answers


def kernel_of(trigger: Any) -> TriggerCore | None:
    """The trigger as a kernel; `None` when it is none, or a subclass of one that answers for itself."""
    return trigger if answers_by_kernel(type(trigger)) else None


def _in_bulk(kernel: TriggerCore, start_us: int, end_us: int | None, limit: int | None) -> Iterator[datetime]:
    """From the kernel, in growing batches: a caller who stops early has not paid for many."""
    size = _FIRST_BATCH
    while limit is None or limit > 0:
        size = size if limit is None else min(size, limit)
        batch = kernel.list_fire_times(start_us, end_us, size)
        yield from batch
        if len(batch) < size:
            return
        start_us = _instant_us(batch[-1]) + 1
        limit = None if limit is None else limit - size
        size = min(2 * size, _LARGEST_BATCH)


def previous_by_bisection(
    ask: Callable[[datetime | None, datetime], datetime | None], before: datetime
) -> datetime | None:
    """The last fire time strictly before an instant, found by asking for next ones; some sixty questions."""
    before_us = _instant_us(before)

    def first_from(low_us: int) -> datetime | None:
        moment = ask(None, _moment(low_us, before))
        return moment if moment is not None and low_us <= _instant_us(moment) < before_us else None

    low_us, width_us = before_us, _FIRST_LOOK_BACK_US
    found: datetime | None = None
    while found is None and low_us > _MIN_US:
        low_us = max(_MIN_US, before_us - width_us)
        width_us *= 16
        found = first_from(low_us)
    if found is None:
        return None
    # Invariant: a fire time is in [low_us, before_us), none in [high_us, before_us); `found` is at low_us.
    low_us, high_us = _instant_us(found), before_us
    while high_us - low_us > 1:
        middle_us = (low_us + high_us) // 2
        later = first_from(middle_us)
        if later is None:
            high_us = middle_us
        else:
            found, low_us = later, _instant_us(later)
    return found


class BaseTrigger(ABC):
    """Abstract base class of all triggers."""

    __slots__ = ()

    @abstractmethod
    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        """Return the next time to fire on, or `None` when there is none.

        :param previous_fire_time: the fire time before this one, `None` at the first call
        :param now: the current time (aware)
        """

    def _apply_jitter(
        self, next_fire_time: datetime | None, jitter: float | None, now: datetime
    ) -> datetime | None:
        """Delay a fire time by a random 0 to `jitter` seconds of real (elapsed) time."""
        if next_fire_time is None or not jitter:
            return next_fire_time
        delay_us = int(random.uniform(0, jitter) * 1_000_000)
        return _moment(_instant_us(next_fire_time) + delay_us, next_fire_time)

    def fire_times(
        self, start: datetime, end: datetime | None = None, limit: int | None = None
    ) -> Iterator[datetime]:
        """Yield the fire times from `start` on, in order, as aware datetimes and without jitter.

        :param start: first instant looked at (inclusive, aware)
        :param end: last instant looked at (inclusive, aware); without it and without `limit` the iterator
            may be endless
        :param limit: the most fire times wanted
        :raises ValueError: if a datetime is naive, or `limit` is negative
        """
        if limit is not None and limit < 0:
            raise ValueError(f"limit={limit} makes no sense; give 0 or more, or None for no limit")
        start_us = _instant_us(start)
        end_us = None if end is None else _instant_us(end)
        kernel = kernel_of(self)
        if kernel is not None:
            return _in_bulk(kernel, start_us, end_us, limit)
        return self._one_by_one(start, start_us, end_us, limit)

    def _one_by_one(
        self, start: datetime, start_us: int, end_us: int | None, limit: int | None
    ) -> Iterator[datetime]:
        """Call by call, from any trigger that keeps the contract."""
        previous: datetime | None = None
        previous_us = _MIN_US - 1
        now = start
        while limit is None or limit > 0:
            moment = self._next_nominal(previous, now)
            if moment is None:
                return
            moment_us = _instant_us(moment)
            if moment_us <= previous_us:
                raise ValueError(
                    f"{self!r} answered {moment} after {previous}: get_next_fire_time(previous, now) must "
                    "return a later time than previous, or None"
                )
            if end_us is not None and moment_us > end_us:
                return
            previous, previous_us, now = moment, moment_us, max(moment, now, key=_instant_us)
            if moment_us < start_us:  # a date trigger answers its date even when that is past
                continue
            yield moment
            if limit is not None:
                limit -= 1

    def get_previous_fire_time(self, before: datetime) -> datetime | None:
        """Return the last fire time strictly before an instant, without jitter; `None` when there is none.

        Works for every trigger whose answer to `get_next_fire_time(None, now)` depends on `now` alone: some
        sixty questions at most, by bisection.

        :param before: an aware datetime
        """
        before_us = _instant_us(before)
        kernel = kernel_of(self)
        if kernel is not None:
            previous_us = kernel.previous_fire_us(before_us)
            return None if previous_us is None else from_us(previous_us, kernel.zone)
        return previous_by_bisection(self._next_nominal, before)

    def _next_nominal(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        """`get_next_fire_time` without jitter, for classes that know the difference."""
        return self.get_next_fire_time(previous_fire_time, now)

    def _dispatch_time(self, nominal: datetime, now: datetime) -> datetime:
        """The time to run at for a nominal fire time: some random time later when the trigger has a jitter."""
        late = self._apply_jitter(nominal, getattr(self, "jitter", None), now)
        return nominal if late is None else late

    def explain(self, start: datetime | None = None) -> str:
        """Say in plain words when this trigger fires.

        :param start: notes about skipped and repeated hours look from here on (default: now)
        """
        return f"when {self} says so"
