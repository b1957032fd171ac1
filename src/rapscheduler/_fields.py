"""What type checkers are told of a job and of the arguments of triggers. Imported by nobody when a program runs.

Here: the typed values of a `Job`, and the fields that `add_job` and its kin take, by trigger. Not here: the shapes of
these methods (`_typed`), nor checks of what is really given (`_signatures`, `_scheduling/drafts`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta, tzinfo
from typing import Any, Literal, TypedDict

from rapscheduler._engine.job_core import JobCore
from rapscheduler._retries import Retry
from rapscheduler.triggers.base import BaseTrigger
from rapscheduler.triggers.cron._bounds import FieldValue

Func = Callable[..., Any] | str
Args = Iterable[Any] | None
Kwargs = Mapping[str, Any] | None
Moment = datetime | date | str | None
Zone = tzinfo | str | None
Dst = Literal["once", "both", "shift"]
OnLost = Literal["rerun", "skip"]
Overlap = Literal["skip", "queue_one", "queue_all", "cancel_other", "allow"]
Replace = bool | Literal["keep"]


class JobValues(JobCore):
    """What a `Job` has of the engine, and the options that few jobs have (`_extras`)."""

    func: Callable[..., Any]
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    trigger: BaseTrigger

    @property
    def group(self) -> str | None:
        raise NotImplementedError

    @property
    def max_runs(self) -> int | None:
        raise NotImplementedError

    @property
    def metadata(self) -> dict[str, Any]:
        raise NotImplementedError

    @property
    def on_lost(self) -> OnLost:
        raise NotImplementedError

    @property
    def overlap(self) -> Overlap:
        raise NotImplementedError

    @property
    def owner(self) -> str | None:
        raise NotImplementedError

    @property
    def retry(self) -> Retry | None:
        raise NotImplementedError

    @property
    def retry_of(self) -> dict[str, Any] | None:
        raise NotImplementedError

    @property
    def runs_begun(self) -> int:
        raise NotImplementedError

    @property
    def start_immediately(self) -> bool:
        raise NotImplementedError

    @property
    def tags(self) -> frozenset[str]:
        raise NotImplementedError

    @property
    def timeout(self) -> float | None:
        raise NotImplementedError


class _Options(TypedDict, total=False):
    executor: str
    next_run_time: Moment
    misfire_grace_time: int | None
    coalesce: bool
    max_instances: int
    group: str | None
    max_runs: int | None
    metadata: Mapping[str, Any] | None
    on_lost: OnLost | None
    overlap: Overlap | None
    owner: str | None
    retry: Retry | int | Mapping[str, Any] | None
    tags: Iterable[str] | None
    timeout: float | timedelta | None


class Changes(_Options, total=False):
    """What `modify_job` may change."""

    func: Func
    args: Iterable[Any]
    kwargs: Mapping[str, Any]
    name: str
    trigger: BaseTrigger


class JobOptions(_Options, total=False):
    """What any job may be given by keyword."""

    jobstore: str
    start_immediately: bool | None


class _Limits(TypedDict, total=False):
    timezone: Zone
    jitter: float | None


class _LeftOut(TypedDict, total=False):
    exclude: Any
    windows: Iterable[str] | str | None
    spread: Literal["hash"] | None
    seed: str | None


class _Skipping(_Limits, _LeftOut, total=False): ...


class Cron(_Skipping, total=False):
    """Of the trigger "cron"."""

    year: FieldValue
    month: FieldValue
    day: FieldValue
    week: FieldValue
    day_of_week: FieldValue
    hour: FieldValue
    minute: FieldValue
    second: FieldValue
    start_date: Moment
    end_date: Moment
    dst: Dst
    day_or_weekday: bool


class Interval(_Skipping, total=False):
    """Of the trigger "interval"."""

    weeks: float
    days: float
    hours: float
    minutes: float
    seconds: float
    after: Literal["end"] | None
    start_date: Moment
    end_date: Moment


class CalendarInterval(_Skipping, total=False):
    """Of the trigger "calendarinterval"."""

    years: int
    months: int
    weeks: int
    days: int
    hour: int
    minute: int
    second: int
    start_date: date | str | None
    end_date: date | str | None


class Date(TypedDict, total=False):
    """Of the trigger "date"."""

    run_date: Moment
    timezone: Zone


class RRule(_Limits, total=False):
    """Of the trigger "rrule"."""

    rule: str
    start_date: Moment


class Combined(_LeftOut, total=False):
    """Of the triggers "and" and "or"."""

    triggers: Iterable[BaseTrigger]
    jitter: float | None
    horizon: timedelta | None


class CronJob(JobOptions, Cron, total=False): ...


class IntervalJob(JobOptions, Interval, total=False): ...


class CalendarIntervalJob(JobOptions, CalendarInterval, total=False): ...


class DateJob(JobOptions, Date, total=False): ...


class RRuleJob(JobOptions, RRule, total=False): ...


class CombinedJob(JobOptions, Combined, total=False): ...


class Shared(CronJob, total=False):
    """What the jobs of `add_jobs` have in common, whatever their triggers are."""

    func: Func
    trigger: BaseTrigger | str | None
    args: Args
    kwargs: Kwargs
    id: str | None
    name: str | None
    replace_existing: Replace
    run_date: Moment
    rule: str
    triggers: Iterable[BaseTrigger]
    horizon: timedelta | None
    years: int
    months: int
    weeks: float
    days: float
    hours: float
    minutes: float
    seconds: float
    after: Literal["end"] | None
