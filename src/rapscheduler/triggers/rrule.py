"""`RRuleTrigger`: recurrence rules of RFC 5545, by python-dateutil (`pip install 'rapscheduler[rrule]'`).

Here: wall times of a rule as instants of a zone, looked for a hundred years ahead at most. Not here: the grammar and
its arithmetic, which are dateutil's, but for three rules that it reads otherwise than RFC 5545 (`_day_of_start`,
`_any_weekday`, `_whole_weeks`).

A wall time that the clocks skip fires as RFC 5545 has it: with the offset from before the gap, so an hour later by the
clock. One that comes twice fires the first time, or the second where only that is not before the start. UNTIL, EXDATE
and RDATE are compared with these instants, never as wall times: one that ends with Z may be the second pass.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from copy import copy
from datetime import datetime, timedelta, timezone, tzinfo
from heapq import heappop, heappush, merge
from typing import Any

from rapscheduler._engine.datetimes import from_us, to_us
from rapscheduler._engine.timezone import ZoneTable
from rapscheduler._instants import SECOND_US
from rapscheduler._zones import get_localzone
from rapscheduler.triggers._kernel import jitter_to_us, zone_for
from rapscheduler.triggers._words import jitter_text
from rapscheduler.triggers.base import BaseTrigger, _instant_us
from rapscheduler.util import convert_to_datetime, datetime_repr

try:
    from dateutil import rrule as _rrule
except ImportError as exc:  # pragma: no cover
    raise ImportError("RRuleTrigger needs python-dateutil: pip install 'rapscheduler[rrule]'") from exc

_STEPS = {
    _rrule.WEEKLY: 604_800,
    _rrule.DAILY: 86_400,
    _rrule.HOURLY: 3600,
    _rrule.MINUTELY: 60,
    _rrule.SECONDLY: 1,
}
_HORIZON = timedelta(days=100 * 366)
_DAYS_BACK = timedelta(days=3)  # more than two offsets can differ
_DAYS_BACK_S = 3 * 86_400
_ZONED_UNTIL = re.compile(r"(UNTIL=[^;\s]*)Z(?=[;\s]|$)", re.IGNORECASE)


class RRuleTrigger(BaseTrigger):
    """Fires as a recurrence rule of RFC 5545 says.

    Plugin alias: ``rrule``

    :param rule: such as ``"FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1"``; several lines with ``RRULE:``, ``RDATE:``,
        ``EXDATE:`` and ``EXRULE:`` are one schedule. Dates in it are wall times of the zone, or end with Z: UTC
    :param start_date: the first wall time of the rule (DTSTART, in whole seconds), from which intervals count; only an
        RDATE may be before it
    :param timezone: tzinfo or name of a zone (default: that of the start date, else the system's)
    :param jitter: delay each fire time by a random 0 to ``jitter`` seconds
    :raises ValueError: if dateutil can't read the rule, or the start date or zone makes no sense
    :raises TypeError: if an argument has the wrong type
    """

    __slots__ = (
        "_exdates",
        "_exrules",
        "_rdates",
        "_rules",
        "_start_us",
        "_zone",
        "jitter",
        "rule",
        "start_date",
    )

    def __init__(
        self, rule: str, start_date: Any, timezone: tzinfo | str | None = None, jitter: float | None = None
    ) -> None:
        if not isinstance(rule, str):
            raise TypeError(f"rule={rule!r} is not a text; give one such as 'FREQ=WEEKLY;BYDAY=MO'")
        if start_date is None:
            raise TypeError(
                "start_date=None: a recurrence rule counts from its DTSTART; give the first wall time"
            )
        jitter_to_us(jitter)
        zone = zone_for(timezone, start_date, local=get_localzone)
        start = convert_to_datetime(start_date, zone.tzinfo, "start_date")
        assert start is not None
        self._zone: ZoneTable = zone
        self.start_date: datetime = from_us(to_us(start, zone), zone)
        self._start_us = to_us(start, zone) // SECOND_US * SECOND_US
        self.rule, self.jitter = rule, jitter
        text, zoned = _without_zones(rule)
        try:
            made = _rrule.rrulestr(text, dtstart=self.start_date.replace(tzinfo=None, fold=0), forceset=True)
        except (ValueError, TypeError, KeyError, AttributeError) as exc:
            raise ValueError(f"rule={rule!r} can't be read: {exc}") from None
        self._rules = [*map(self._with_end, made._rrule, zoned["RRULE"])]
        self._exrules = [*map(self._with_end, made._exrule, zoned["EXRULE"])]
        self._rdates = sorted({*map(self._instant, made._rdate)})
        self._exdates = sorted({*map(self._instant, made._exdate)})
        for one, _ in (*self._rules, *self._exrules):
            if not _has_days(one):
                raise ValueError(f"rule={rule!r} has no day in any year")
            if not _has_times(one):
                raise ValueError(
                    f"rule={rule!r} has no time of day: its interval passes over all that it names"
                )

    @property
    def timezone(self) -> tzinfo:
        """The zone of the trigger."""
        return self._zone.tzinfo

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        """Return the next time of the rule after the previous one, or from now on."""
        nominal = self._next_nominal(previous_fire_time, now)
        return None if nominal is None else self._dispatch_time(nominal, now)

    def _next_nominal(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        from_us_ = _instant_us(now)
        if previous_fire_time is not None and _instant_us(previous_fire_time) <= from_us_:
            from_us_ = _instant_us(previous_fire_time) + 1
        at_us = next(self._instants_from(from_us_), None)
        return None if at_us is None else from_us(at_us, self._zone)

    def _instant(self, moment: datetime) -> int:
        """Of a wall time, in a gap by the offset from before it, in a fold the first; of one with a zone, its own.

        From a start in the second pass of a fold on, the wall times of that fold are of the second pass.
        """
        if moment.tzinfo is not None:
            return to_us(moment, self._zone)
        at = moment.replace(tzinfo=self._zone.tzinfo, fold=0)
        at_us = to_us(at, self._zone)
        if self.start_date.fold and at_us < self._start_us and moment >= self._first:
            return to_us(at.replace(fold=1), self._zone)
        return at_us

    @property
    def _first(self) -> datetime:
        """The start as a wall time, which has whole seconds in RFC 5545."""
        return self.start_date.replace(tzinfo=None, fold=0, microsecond=0)

    def _with_end(self, rule: Any, zoned: bool) -> tuple[Any, int | None]:
        """A rule as RFC 5545 reads it, and the last instant that it may have.

        :param zoned: its UNTIL is a time of UTC
        """
        until = rule._until
        made = _whole_weeks(_any_weekday(_day_of_start(rule)))
        if until is None:
            return made, None
        until_us = self._instant(until.replace(tzinfo=timezone.utc) if zoned else until)
        made._until = _shifted(until, _DAYS_BACK)  # the instants are looked at
        return made, until_us

    def _instants_from(self, low_us: int) -> Iterator[int]:
        """The fire times from an instant on, in order."""
        try:
            begin = from_us(low_us, self._zone).replace(tzinfo=None, fold=0)
        except OverflowError:  # an instant of the calendar's first or last day, which the zone can't tell
            if low_us > 0:
                return
            begin = datetime.min
        begin = _shifted(begin, timedelta(seconds=-self._disorder_s(low_us)))
        first = self._first
        fires = merge(
            self._rdates[bisect_left(self._rdates, low_us) :],
            *(self._in_order(*rule, begin, first) for rule in self._rules),
        )
        left_out = merge(
            self._exdates[bisect_left(self._exdates, low_us) :],
            *(self._in_order(*rule, begin, datetime.min) for rule in self._exrules),
        )
        out_us = next(left_out, None)
        for at_us in fires:
            while out_us is not None and out_us < at_us:
                out_us = next(left_out, None)
            if at_us >= low_us and at_us != out_us:
                yield at_us

    def _in_order(self, rule: Any, until_us: int | None, begin: datetime, first: datetime) -> Iterator[int]:
        """The instants of a rule's wall times from two on, in order: of a wall time in a gap it comes after others."""
        last = begin + _HORIZON if begin.year < 9000 else datetime.max.replace(microsecond=0)
        waiting: list[int] = []
        for wall in _bounded(rule, begin, last):
            if wall < begin or wall < first:
                continue
            at_us = self._instant(wall)
            if until_us is None or at_us <= until_us:
                heappush(waiting, at_us)
            settled_us = at_us - self._disorder_s(at_us) * SECOND_US
            while waiting and waiting[0] <= settled_us:
                yield heappop(waiting)
        yield from sorted(waiting)

    def _disorder_s(self, at_us: int) -> int:
        """How far the order of wall times and of instants differ around an instant: by the changes of the clocks."""
        at_s = at_us // SECOND_US
        begin_s, end_s, _ = self._zone.range_at(at_s)
        if begin_s <= at_s - _DAYS_BACK_S and at_s + _DAYS_BACK_S < end_s:
            return 0
        changes = self._zone.transitions(at_s - _DAYS_BACK_S, at_s + _DAYS_BACK_S)
        return sum(abs(after_s - before_s) for _, before_s, after_s in changes)

    def explain(self, start: datetime | None = None) -> str:
        """Say when this trigger fires: the rule, its start and zone."""
        rule = " ".join(self.rule.split())
        return (
            f"by the rule {rule}, from {datetime_repr(self.start_date)} on, {self.timezone}"
            f"{jitter_text(self.jitter)}"
        )

    def __getstate__(self) -> dict[str, Any]:
        return {
            "version": 1,
            "rule": self.rule,
            "start_date": self.start_date,
            "timezone": self.timezone,
            "jitter": self.jitter,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["rule"], state["start_date"], state["timezone"], state["jitter"])  # type: ignore[misc]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RRuleTrigger):
            return NotImplemented
        return self.__getstate__() == other.__getstate__() and self._start_us == other._start_us

    def __hash__(self) -> int:
        return hash((self.rule, self.jitter))

    def __str__(self) -> str:
        return f"rrule[{' '.join(self.rule.split())}]"

    def __repr__(self) -> str:
        jitter = f", jitter={self.jitter}" if self.jitter else ""
        return (
            f"<RRuleTrigger ({self.rule!r}, start_date={datetime_repr(self.start_date)!r}{jitter}, "
            f"timezone='{self.timezone}')>"
        )


def _day_of_start(rule: Any) -> Any:
    """The rule with the weekday of its start where weeks are all that it names: dateutil takes all seven days."""
    given = rule._original_rule
    days = ("byweekday", "bymonthday", "byyearday", "byeaster")
    if rule._freq not in (_rrule.YEARLY, _rrule.WEEKLY) or not given.get("byweekno"):
        return rule
    if any(given.get(name) is not None for name in days):
        return rule
    return rule.replace(byweekday=rule._dtstart.weekday())


def _any_weekday(rule: Any) -> Any:
    """The rule with weekdays of one kind: dateutil wants a day that meets both `FR` and `1MO`, RFC 5545 either."""
    days = rule._original_rule.get("byweekday") or ()
    numbered = [day for day in days if day.n]
    plain = [day for day in days if not day.n]
    if not numbered or not plain:
        return rule
    highest = 53 if rule._freq == _rrule.YEARLY and not rule._bymonth else 5
    return rule.replace(byweekday=[*numbered, *(day(n) for day in plain for n in range(1, highest + 1))])


def _whole_weeks(rule: Any) -> Any:
    """The rule from the first day of its first week on, in which dateutil counts BYSETPOS from its start.

    What it has before its start is for the caller to leave out; a COUNT has it added.
    """
    start = rule._dtstart
    back = timedelta(days=(start.weekday() - rule._wkst) % 7)
    if rule._freq != _rrule.WEEKLY or not rule._bysetpos or not back or start - datetime.min < back:
        return rule
    made = rule.replace(dtstart=start - back, byweekday=rule._byweekday, count=None)
    if rule._count is not None:
        early = made.replace(until=start - timedelta(seconds=1))
        made = made.replace(count=rule._count + sum(1 for _ in early))
    return made


def _has_days(rule: Any) -> bool:
    """Whether any day fits; dateutil would go through all days until the year 9999 to see that none does."""
    original = rule._original_rule
    names = ("bymonth", "bymonthday", "byyearday", "byweekno", "byeaster", "byweekday")
    filters = {name: value for name in names if (value := original.get(name)) is not None}
    if rule._freq < _rrule.DAILY or not filters.keys() - {"byweekday"}:
        return True
    first = datetime(min(rule._dtstart.year, 9900), 1, 1)
    return next(iter(_rrule.rrule(_rrule.YEARLY, dtstart=first, **filters)), None) is not None


def _has_times(rule: Any) -> bool:
    """Whether the steps of a rule meet a time of day that it names; dateutil finds some of these out as it walks."""
    names = ("byhour", "byminute", "bysecond")
    times = {name: value for name in names if (value := rule._original_rule.get(name)) is not None}
    if rule._freq < _rrule.HOURLY or not times:
        return True
    start = rule._dtstart.replace(year=2000)  # far from the end of the calendar
    try:
        return (
            next(iter(_rrule.rrule(rule._freq, dtstart=start, interval=rule._interval, **times)), None)
            is not None
        )
    except ValueError:
        return False


def _bounded(rule: Any, begin: datetime, last: datetime) -> Any:
    """The rule as far as it matters between two wall times: dateutil walks from its start, to the year 9999.

    Its start is moved near to the first of them, where its steps are all of one length and nothing counts them.
    """
    made = copy(rule)
    step_s = _STEPS.get(rule._freq)
    if step_s is not None and rule._count is None:
        step_s *= rule._interval
        away_s = (begin - rule._dtstart) // timedelta(seconds=1) - step_s
        if away_s >= step_s:
            made = rule.replace(dtstart=rule._dtstart + timedelta(seconds=away_s // step_s * step_s))
    if made._until is None or made._until > last:
        made._until = last  # not by replace(): beside a COUNT it warns
    return made


def _shifted(wall: datetime, by: timedelta) -> datetime:
    """A wall time earlier or later, within the calendar."""
    try:
        return wall + by
    except OverflowError:
        return datetime.min if by < timedelta() else datetime.max.replace(microsecond=0)


def _without_zones(rule: str) -> tuple[str, dict[str, list[bool]]]:
    """The rule with each UNTIL as dateutil wants it beside a start without a zone: without its Z.

    Also, of the rules of each name in their order, whether they had one.
    """
    if "DTSTART" in rule.upper():
        raise ValueError(f"rule={rule!r} has a DTSTART; give it as start_date")
    zoned: dict[str, list[bool]] = {"RRULE": [], "EXRULE": []}
    for line in rule.upper().split():
        name, colon, _ = line.partition(":")
        zoned.setdefault(name if colon else "RRULE", []).append(_ZONED_UNTIL.search(line) is not None)
    return _ZONED_UNTIL.sub(r"\1", rule), zoned
