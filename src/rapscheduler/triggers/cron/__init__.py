"""`CronTrigger`: the class people make, pickle, subclass and read.

Here: the public surface over the kernel. Not here: field syntax (`fields`, `expressions`, `_crontab`), bits
(`_compile`), the search for fire times (`_engine.cron`).

Data: a trigger is the kernel's numbers (zone, start, end, jitter, spec) and one reference to its `CronText`,
which all triggers written alike share. `fields` and the rest are read from there when somebody looks.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from datetime import datetime, timedelta, tzinfo
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from rapscheduler._engine.cron import CronCore
from rapscheduler._engine.cron_text import begin
from rapscheduler._engine.datetimes import from_us, to_us
from rapscheduler._engine.timezone import ZoneTable
from rapscheduler._zones import get_localzone
from rapscheduler.errors import CrontabWarning
from rapscheduler.triggers._kernel import (
    KernelTrigger,
    instant_us,
    jitter_to_us,
    state_of,
    zone_for,
)
from rapscheduler.triggers._left_out import left_out_options, left_out_state, take_left_out
from rapscheduler.triggers.base import BaseTrigger, answers_by_kernel, checked_moment, kernel_of, or_never
from rapscheduler.triggers.cron import _compile, _custom
from rapscheduler.triggers.cron._bounds import DEFAULT_VALUES, FIELD_NAMES, FieldValue
from rapscheduler.triggers.cron._compile import CronText, find_text, text_by_values
from rapscheduler.triggers.cron._crontab import other_dialect, translated
from rapscheduler.triggers.cron._draw import OPEN_DIALECTS, drawn, draws_of
from rapscheduler.triggers.cron.fields import (
    BaseField,
    DayOfMonthField,
    DayOfWeekField,
    MonthField,
    WeekField,
)
from rapscheduler.util import (
    UTC,
    astimezone,
    convert_to_datetime,
    datetime_ceil,
    datetime_repr,
    datetime_utc_add,
    elsewhere,
)

__all__ = (
    "DEFAULT_VALUES",
    "UTC",
    "BaseField",
    "BaseTrigger",
    "CronTrigger",
    "DayOfMonthField",
    "DayOfWeekField",
    "MonthField",
    "WeekField",
    "astimezone",
    "convert_to_datetime",
    "datetime",
    "datetime_ceil",
    "datetime_repr",
    "datetime_utc_add",
    "get_localzone",
    "timedelta",
)

STATE_VERSION = 3
_STANDARD_FIELDS = _compile.FIELDS_MAP
_MOST_WARNINGS = 1000
_warned: set[str] = set()


if not TYPE_CHECKING:
    __getattr__ = elsewhere(__name__)


class CronTrigger(CronCore, KernelTrigger):
    """Fires when the wall clock of a zone matches all the fields.

    A field takes `*`, `*/n`, `a`, `a-b`, `a-b/n`, `a/n` and lists of these; months and weekdays also names; the
    day also `2nd fri`, `last fri`, `last`, `last-3`, `15W` (the workday nearest to the 15th) and `LW` (the last
    workday). Unset fields below the lowest set one take their minimum, those above are `*`.

    :param year: 4-digit year
    :param month: month (1-12 or jan-dec)
    :param day: day of month (1-31)
    :param week: ISO week (1-53)
    :param day_of_week: weekday (0-6 or mon-sun; 0 is Monday)
    :param hour: hour (0-23)
    :param minute: minute (0-59)
    :param second: second (0-59)
    :param start_date: earliest instant to fire at (inclusive)
    :param end_date: latest instant to fire at (inclusive)
    :param timezone: tzinfo or name of a zone (default: that of the start or end date, else the system's)
    :param jitter: delay each fire time by a random 0 to `jitter` seconds
    :param dst: what happens at zone changes. `"once"`: a skipped time does not fire, a repeated time of day
        fires in its first pass only, schedules whose hour or minute begins with `*` keep their rhythm;
        `"both"`: repeated times fire in both passes, as APScheduler documents; `"shift"`: as `"once"`, and
        skipped times of day fire once, at the first instant after the gap
    :param day_or_weekday: a day fires when the day *or* the weekday matches, if neither begins with `*`
        (crontab's rule); by default both must match
    :param exclude: days that are left out, as `calendars.days()` takes them: `["sat", "sun", "2026-12-24"]`
    :param windows: the parts of a day in which it fires, such as `["08:00-18:00"]` (the end is not in it)
    :param spread: `"hash"`: each job is late within the jitter by an amount that follows from its id
    :param seed: what that amount follows from instead of the id
    :raises ValueError: if a field, date, jitter or rule makes no sense
    :raises TypeError: if a date or zone has the wrong type
    """

    __slots__: tuple[str, ...] = ()
    _delays_always = True

    FIELD_NAMES: ClassVar[tuple[str, ...]] = FIELD_NAMES
    FIELDS_MAP: ClassVar[dict[str, Any]] = _STANDARD_FIELDS
    _text: CronText  # in the kernel's memory

    def __init__(
        self,
        year: FieldValue = None,
        month: FieldValue = None,
        day: FieldValue = None,
        week: FieldValue = None,
        day_of_week: FieldValue = None,
        hour: FieldValue = None,
        minute: FieldValue = None,
        second: FieldValue = None,
        start_date: Any = None,
        end_date: Any = None,
        timezone: tzinfo | str | None = None,
        jitter: float | None = None,
        dst: Literal["once", "both", "shift"] = "once",
        *,
        day_or_weekday: bool = False,
        exclude: Any = None,
        windows: Any = None,
        spread: Literal["hash"] | None = None,
        seed: str | None = None,
    ) -> None:
        text: CronText | None = None
        if self.FIELDS_MAP is _STANDARD_FIELDS:
            text = find_text(year, month, day, week, day_of_week, hour, minute, second, day_or_weekday, dst)
        if text is None:
            values = (year, month, day, week, day_of_week, hour, minute, second)
            text = _custom.text_of(type(self), values, day_or_weekday, dst)
        zone = zone_for(timezone, start_date, end_date, local=get_localzone)
        if start_date is None and end_date is None and jitter is None:
            begin(self, text, zone)
        else:
            self._begin(text, zone, start_date, end_date, jitter)
        if not (exclude is None and windows is None and spread is None and seed is None):
            self._leave_out(exclude, windows, spread, seed)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        own_fields = cls.FIELDS_MAP is not _STANDARD_FIELDS
        if own_fields and answers_by_kernel(cls):
            setattr(cls, "get_next_fire_time", _custom.get_next_fire_time)  # noqa: B010 (the cellar is typed)
            setattr(cls, "_next_nominal", _custom.next_nominal)  # noqa: B010
        super().__init_subclass__(**kwargs)

    def _begin(
        self, text: CronText, zone: ZoneTable, start_date: Any, end_date: Any, jitter: float | None
    ) -> None:
        """Give the kernel its numbers."""
        start_us = instant_us(start_date, zone, "start_date")
        end_us = instant_us(end_date, zone, "end_date")
        CronCore.__init__(self, text.spec, zone, start_us, end_us, jitter_to_us(jitter))
        self._text = text

    def _change(self, **changes: Any) -> None:
        arguments = {
            "text": self._text,
            "zone": self.zone,
            "start_date": self.start_date,
            "end_date": self.end_date,
            "jitter": self.jitter,
        }
        self._begin(**{**arguments, **changes})

    @classmethod
    def from_crontab(
        cls,
        expr: str,
        timezone: tzinfo | str | None = None,
        dialect: Literal["apscheduler", "vixie", "cronie", "quartz", "jenkins"] = "apscheduler",
        *,
        start_date: Any = None,
        end_date: Any = None,
        jitter: float | None = None,
        dst: Literal["once", "both", "shift"] = "once",
        seed: str | None = None,
        exclude: Any = None,
        windows: Any = None,
        spread: Literal["hash"] | None = None,
    ) -> CronTrigger:
        """Make a trigger from a crontab line; `docs/cron.md` has the dialects side by side.

        `dialect="apscheduler"` (5 fields) is as APScheduler reads it: **0 is Monday**, day and weekday must both
        match. A line whose weekday numbers standard cron reads differently gives a `CrontabWeekdayWarning`, once.
        `dialect="vixie"` (5 fields or `@daily` etc.) is standard cron: 0 and 7 are Sunday, ranges wrap around
        (`fri-mon`, `22-2`), day *or* weekday when neither begins with `*`; it also takes `L`, `L-3`, `15W`, `LW`,
        `5#2` (second Friday) and `5L` (last Friday). `dialect="cronie"` is the same with `~`: `0~59` is a random
        minute, drawn now. `dialect="jenkins"` has `H`, a value that follows from the seed, and day *and* weekday must
        match. `dialect="quartz"` (6 or 7 fields, seconds first) numbers weekdays from 1 = Sunday.

        A line that is dead in standard cron and runs here (`22-2`) gives a `CrontabWarning`, once.

        :param expr: the line, without a command (`rapscheduler.crontab.read` takes files); may begin with
            `CRON_TZ=Zone`
        :param timezone: tzinfo or name of a zone (default: that of `CRON_TZ=`, else the system's)
        :param seed: what `H` is drawn from, such as the job's id; with it `~` is the same each time, too
        :param exclude, windows, spread: as the class takes them
        :raises ValueError: if the dialect has no such line
        :raises TypeError: if `expr` is not a text
        """
        line = expr
        if dialect in OPEN_DIALECTS and type(expr) is str:
            line = drawn(expr, dialect, draws_of(seed))
        text, zone_name, advice = _crontab_line(line, dialect, dst)
        if advice is not None:
            warn_once(expr, advice)
        if zone_name is not None:
            if timezone is not None:
                raise ValueError(
                    f"two time zones: {timezone!r} and the one in {expr!r}; leave one of them out"
                )
            timezone = zone_name
        if cls is not CronTrigger and not _is_plain(cls):
            trigger = cls(
                **_subclass_arguments(line, dialect, text, dst, timezone, start_date, end_date, jitter)
            )
            trigger._leave_out(exclude, windows, spread, None if spread is None else seed)
            return trigger
        trigger = cls.__new__(cls)
        zone = zone_for(timezone, start_date, end_date, local=get_localzone)
        if start_date is None and end_date is None and jitter is None:
            begin(trigger, text, zone)
        else:
            trigger._begin(text, zone, start_date, end_date, jitter)
        trigger._leave_out(exclude, windows, spread, None if spread is None else seed)
        return trigger

    @property
    def fields(self) -> list[BaseField]:
        """The eight fields, in the order of `FIELD_NAMES`. A list of the caller's: to change a field, assign a list."""
        return list(self._text.fields)

    @fields.setter
    def fields(self, value: Iterable[BaseField]) -> None:
        text = _custom.text_of_objects(type(self), list(value), self.day_or_weekday, self.dst)
        self._change(text=text)

    @property
    def start_date(self) -> datetime | None:
        """The earliest instant to fire at, in the zone of the trigger."""
        return None if self.start_us is None else from_us(self.start_us, self.zone)

    @start_date.setter
    def start_date(self, value: Any) -> None:
        self._change(start_date=value)

    @property
    def end_date(self) -> datetime | None:
        """The latest instant to fire at, in the zone of the trigger."""
        return None if self.end_us is None else from_us(self.end_us, self.zone)

    @end_date.setter
    def end_date(self, value: Any) -> None:
        self._change(end_date=value)

    @property
    def dst(self) -> str:
        """What happens at zone changes: `"once"`, `"both"` or `"shift"`."""
        return self._text.dst

    @property
    def day_or_weekday(self) -> bool:
        """Whether a day fires when the day *or* the weekday matches."""
        return self._text.day_or_weekday

    def _dispatch_time(self, nominal: datetime, now: datetime) -> datetime:
        late = super()._dispatch_time(nominal, now)
        return late if self.end_us is None else from_us(min(to_us(late, self.zone), self.end_us), self.zone)

    def _why_never(self, now_us: int) -> str:
        if kernel_of(self) is None or self.next_fire_us(None, now_us) is not None:
            return ""
        from rapscheduler.triggers.cron._never import reason

        return reason(self, now_us) or super()._why_never(now_us)

    def explain(self, start: datetime | None = None) -> str:
        from rapscheduler.triggers.cron._explain import explained

        start = None if start is None else checked_moment("start", start)
        return or_never(self, explained(self, start), start)

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = {
            "version": STATE_VERSION,
            "timezone": self.timezone,
            "start_date": self.start_date,
            "end_date": self.end_date,
            "fields": self._text.given(),
            "jitter": self.jitter,
        }
        if self.dst != "once":
            state["dst"] = self.dst
        if self.day_or_weekday:
            state["day_or_weekday"] = True
        return state if self.skips is None else {**state, **left_out_state(self)}

    def __setstate__(self, state: Any) -> None:
        """Take a state of ours, or one written by APScheduler 3.x (version 1 or 2).

        :raises ValueError: if the state is of a newer version, or a field can't be understood
        """
        state = state_of(self, state, STATE_VERSION)
        dst, either = state.get("dst", "once"), state.get("day_or_weekday", False)
        fields = state["fields"]
        if isinstance(fields, dict):
            text = _custom.text_of(type(self), tuple(map(fields.get, FIELD_NAMES)), either, dst)
        else:
            text = _custom.text_of_objects(type(self), fields, either, dst)
        start_date, end_date = state["start_date"], state["end_date"]
        zone = zone_for(state["timezone"], start_date, end_date)
        self._begin(text, zone, start_date, end_date, state.get("jitter"))
        take_left_out(self, state)

    def __str__(self) -> str:
        return f"cron[{_options_of(self._text)}]"

    def __repr__(self) -> str:
        texts = _options_of(self._text)
        options = [texts] if texts else []
        if self.start_us is not None:
            options.append(f"start_date={datetime_repr(self.start_date)!r}")
        if self.end_us is not None:
            options.append(f"end_date={datetime_repr(self.end_date)!r}")
        if self.jitter:
            options.append(f"jitter={self.jitter}")
        if self.dst != "once":
            options.append(f"dst={self.dst!r}")
        if self.day_or_weekday:
            options.append("day_or_weekday=True")
        options += left_out_options(self)
        return f"<{type(self).__name__} ({', '.join(options)}, timezone='{self.timezone}')>"


@lru_cache(1000)  # log lines ask again and again
def _options_of(text: CronText) -> str:
    return ", ".join(f"{name}={field!r}" for name, field in text.given().items())


@lru_cache(maxsize=16384)
def _crontab_line(expr: str, dialect: str, dst: str) -> tuple[CronText, str | None, CrontabWarning | None]:
    """(shared form, zone of `CRON_TZ=`, advice) of a line."""
    if not isinstance(expr, str):
        raise TypeError(f"a crontab line is a text such as '0 9 * * mon-fri', not {expr!r}")
    values, day_or_weekday, rhythm, zone_name, advice = translated(expr, dialect)
    try:
        text = text_by_values(*values, day_or_weekday, dst)
    except ValueError as exc:
        cure = other_dialect(expr) if dialect == "apscheduler" else ""
        if not cure or str(exc).startswith("dst="):
            raise
        raise ValueError(f"{exc}; {cure}") from None
    if rhythm:  # what that means when the clocks change
        text = text_by_values(*values, day_or_weekday, "both")
    return text, zone_name, advice


def _is_plain(cls: type[CronTrigger]) -> bool:
    """Whether the class is made as `CronTrigger` is."""
    return cls.__init__ is CronTrigger.__init__ and cls.FIELDS_MAP is _STANDARD_FIELDS


def _subclass_arguments(
    expr: str,
    dialect: str,
    text: CronText,
    dst: str,
    timezone: Any,
    start_date: Any,
    end_date: Any,
    jitter: float | None,
) -> dict[str, Any]:
    """Only what differs from the defaults: the subclass may know APScheduler's arguments only."""
    arguments: dict[str, Any] = {"timezone": timezone}
    values = translated(expr, dialect)[0]
    arguments.update(
        (name, value) for name, value in zip(FIELD_NAMES, values, strict=True) if value is not None
    )
    extras = {"start_date": start_date, "end_date": end_date, "jitter": jitter}
    arguments.update({name: value for name, value in extras.items() if value is not None})
    if dst != "once":
        arguments["dst"] = text.dst
    if text.day_or_weekday:
        arguments["day_or_weekday"] = True
    return arguments


def advice_of(expr: str, dialect: str) -> CrontabWarning | None:
    """What `from_crontab` would warn of, if it has not yet."""
    return None if expr in _warned else _crontab_line(expr, dialect, "once")[2]


def warn_once(expr: str, advice: CrontabWarning, stacklevel: int = 3) -> None:
    """Warn of a line, unless that was done."""
    if expr in _warned:
        return
    if len(_warned) >= _MOST_WARNINGS:
        _warned.clear()
    _warned.add(expr)
    warnings.warn(advice, stacklevel=stacklevel)


# What APScheduler's class has in slots, for programs that go through the list. The values are the engine's.
CronTrigger.__slots__ = ("end_date", "fields", "jitter", "start_date", "timezone")
