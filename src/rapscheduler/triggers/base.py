"""The contract of every trigger, and what each one gets for free.

Here: `BaseTrigger`, APScheduler's abstract class plus methods that need nothing but `get_next_fire_time`.
Not here: arithmetic of any schedule (the cellar), time zones by name (`_zones`).

A trigger is asked `get_next_fire_time(previous, now)`; everything else follows from it. A trigger that is a
kernel (`TriggerCore`) and keeps its `get_next_fire_time` answers in bulk; any other one, third-party classes
included, is walked call by call. Instants are compared, never wall times: two datetimes of one zone compare
by their clock faces in Python, which is wrong around a fold.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from datetime import datetime

from rapscheduler import _clock
from rapscheduler._engine.datetimes import from_us
from rapscheduler._engine.trigger import TriggerCore
from rapscheduler._hints import TYPE_CHECKING, Any
from rapscheduler._instants import EPOCH, MICROSECOND, MIN_US, SECOND_US, us_of
from rapscheduler.util import elsewhere

_FIRST_LOOK_BACK_US = 60_000_000
_FIRST_BATCH, _LARGEST_BATCH = 16, 1024


if not TYPE_CHECKING:
    __getattr__ = elsewhere(__name__)


def checked_moment(name: str, moment: Any) -> datetime:
    """An argument that must be an aware datetime. TypeError, ValueError: it is none; the message names it."""
    if not isinstance(moment, datetime):
        raise TypeError(
            f"{name}={moment!r} is not a datetime; give an aware one, such as "
            "datetime(2026, 1, 31, tzinfo=ZoneInfo('Europe/Berlin'))"
        )
    _instant_us(moment)
    return moment


def _check_limit(limit: Any) -> None:
    if limit is None:
        return
    if not isinstance(limit, int):
        raise TypeError(f"limit={limit!r} is not a whole number; give 0 or more, or None for no limit")
    if limit < 0:
        raise ValueError(f"limit={limit} makes no sense; give 0 or more, or None for no limit")


def _instant_us(moment: datetime) -> int:
    """The instant of an aware datetime, in µs since the epoch."""
    if moment.utcoffset() is None:
        raise ValueError(
            f"{moment!r} has no time zone; give an aware datetime, such as "
            "datetime(2026, 1, 31, tzinfo=ZoneInfo('Europe/Berlin'))"
        )
    return us_of(moment)


def _moment(instant_us: int, like: datetime) -> datetime:
    """The instant as a datetime in the zone of `like`; in UTC when that zone cannot express it."""
    moment = EPOCH + instant_us * MICROSECOND
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
    while found is None and low_us > MIN_US:
        low_us = max(MIN_US, before_us - width_us)
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


def or_never(trigger: BaseTrigger, text: str, start: datetime | None) -> str:
    """What `explain` says: the sentence, with the reason in front when there is no fire time from `start` on."""
    reason = trigger._why_never(_clock.SYSTEM.now_us() if start is None else _instant_us(start))
    return f"never, as {reason}: {text}" if reason else text


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
        import random  # few have a jitter

        delay_us = int(random.uniform(0, jitter) * SECOND_US)
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
        :raises TypeError: if one is no datetime, or `limit` no whole number
        """
        _check_limit(limit)
        start_us = _instant_us(checked_moment("start", start))
        end_us = None if end is None else _instant_us(checked_moment("end", end))
        kernel = kernel_of(self)
        if kernel is not None:
            return _in_bulk(kernel, start_us, end_us, limit)
        return self._one_by_one(start, start_us, end_us, limit)

    def _one_by_one(
        self, start: datetime, start_us: int, end_us: int | None, limit: int | None
    ) -> Iterator[datetime]:
        """Call by call, from any trigger that keeps the contract."""
        previous: datetime | None = None
        previous_us = MIN_US - 1
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
        before_us = _instant_us(checked_moment("before", before))
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

    def _why_never(self, now_us: int) -> str:
        """Why there is no fire time from an instant on, naming the arguments; empty: there is one, or nobody knows."""
        return ""

    def plot(self, year: int | None = None) -> str:
        """Draw a year of this trigger: an SVG text, a square for each day, darker where it fires more often.

        Days on which the clock changes have a frame.

        :param year: which one, from 1970 to 9998 (default: this one)
        """
        from rapscheduler.triggers._plot import plot_year

        return plot_year(self, datetime.now().year if year is None else year)

    def explain(self, start: datetime | None = None) -> str:
        """Say in plain words when this trigger fires, or that it never does and why.

        :param start: notes about skipped and repeated hours look from here on, and so does "never" (default: now)
        """
        return f"when {self} says so"
