"""The shapes of `add_job` and its kin, for type checkers: an overload for each way to say when. Never run.

A shape is a method ``call``, which `like` puts in the place of the method that is decorated: so a subclass may override
it by one that takes anything, as programs do.

A trigger's alias that is no literal, or a plugin's, is taken without fields of its own: ``**fields`` of a ``dict[str,
Any]`` pass. What follows ``name`` is given by keyword.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, overload

from rapscheduler._fields import (
    Args,
    CalendarInterval,
    CalendarIntervalJob,
    Combined,
    CombinedJob,
    Cron,
    CronJob,
    Date,
    DateJob,
    Func,
    Interval,
    IntervalJob,
    JobOptions,
    Kwargs,
    Replace,
    RRule,
    RRuleJob,
)
from rapscheduler.triggers.base import BaseTrigger

if TYPE_CHECKING:
    from typing_extensions import Unpack

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")
R_co = TypeVar("R_co", covariant=True)


def like(shape: T) -> Callable[[Callable[..., Any]], T]:
    """A decorator after which a method is seen as this one."""
    raise NotImplementedError


class AddJob(Generic[R_co]):
    """`add_job`, and `add_job_async`."""

    @overload
    def call(
        self: Any,
        func: Func,
        trigger: Literal["cron"],
        args: Args = ...,
        kwargs: Kwargs = ...,
        id: str | None = ...,
        name: str | None = ...,
        *,
        replace_existing: Replace = ...,
        **options: Unpack[CronJob],
    ) -> R_co: ...
    @overload
    def call(
        self: Any,
        func: Func,
        trigger: Literal["interval"],
        args: Args = ...,
        kwargs: Kwargs = ...,
        id: str | None = ...,
        name: str | None = ...,
        *,
        replace_existing: Replace = ...,
        **options: Unpack[IntervalJob],
    ) -> R_co: ...
    @overload
    def call(
        self: Any,
        func: Func,
        trigger: Literal["calendarinterval"],
        args: Args = ...,
        kwargs: Kwargs = ...,
        id: str | None = ...,
        name: str | None = ...,
        *,
        replace_existing: Replace = ...,
        **options: Unpack[CalendarIntervalJob],
    ) -> R_co: ...
    @overload
    def call(
        self: Any,
        func: Func,
        trigger: Literal["rrule"],
        args: Args = ...,
        kwargs: Kwargs = ...,
        id: str | None = ...,
        name: str | None = ...,
        *,
        replace_existing: Replace = ...,
        **options: Unpack[RRuleJob],
    ) -> R_co: ...
    @overload
    def call(
        self: Any,
        func: Func,
        trigger: Literal["and", "or"],
        args: Args = ...,
        kwargs: Kwargs = ...,
        id: str | None = ...,
        name: str | None = ...,
        *,
        replace_existing: Replace = ...,
        **options: Unpack[CombinedJob],
    ) -> R_co: ...
    @overload
    def call(
        self: Any,
        func: Func,
        trigger: Literal["date"] | None = ...,
        args: Args = ...,
        kwargs: Kwargs = ...,
        id: str | None = ...,
        name: str | None = ...,
        *,
        replace_existing: Replace = ...,
        **options: Unpack[DateJob],
    ) -> R_co: ...
    @overload
    def call(
        self: Any,
        func: Func,
        trigger: BaseTrigger | str,
        args: Args = ...,
        kwargs: Kwargs = ...,
        id: str | None = ...,
        name: str | None = ...,
        *,
        replace_existing: Replace = ...,
        **options: Unpack[JobOptions],
    ) -> R_co: ...

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError


class ScheduledJob:
    """`scheduled_job`: the decorated function stays what it is."""

    @overload
    def call(
        self: Any,
        trigger: Literal["cron"],
        args: Args = ...,
        kwargs: Kwargs = ...,
        id: str | None = ...,
        name: str | None = ...,
        **options: Unpack[CronJob],
    ) -> Callable[[F], F]: ...
    @overload
    def call(
        self: Any,
        trigger: Literal["interval"],
        args: Args = ...,
        kwargs: Kwargs = ...,
        id: str | None = ...,
        name: str | None = ...,
        **options: Unpack[IntervalJob],
    ) -> Callable[[F], F]: ...
    @overload
    def call(
        self: Any,
        trigger: Literal["calendarinterval"],
        args: Args = ...,
        kwargs: Kwargs = ...,
        id: str | None = ...,
        name: str | None = ...,
        **options: Unpack[CalendarIntervalJob],
    ) -> Callable[[F], F]: ...
    @overload
    def call(
        self: Any,
        trigger: Literal["rrule"],
        args: Args = ...,
        kwargs: Kwargs = ...,
        id: str | None = ...,
        name: str | None = ...,
        **options: Unpack[RRuleJob],
    ) -> Callable[[F], F]: ...
    @overload
    def call(
        self: Any,
        trigger: Literal["and", "or"],
        args: Args = ...,
        kwargs: Kwargs = ...,
        id: str | None = ...,
        name: str | None = ...,
        **options: Unpack[CombinedJob],
    ) -> Callable[[F], F]: ...
    @overload
    def call(
        self: Any,
        trigger: Literal["date"] | None,
        args: Args = ...,
        kwargs: Kwargs = ...,
        id: str | None = ...,
        name: str | None = ...,
        **options: Unpack[DateJob],
    ) -> Callable[[F], F]: ...
    @overload
    def call(
        self: Any,
        trigger: BaseTrigger | str,
        args: Args = ...,
        kwargs: Kwargs = ...,
        id: str | None = ...,
        name: str | None = ...,
        **options: Unpack[JobOptions],
    ) -> Callable[[F], F]: ...

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError


class Reschedule(Generic[R_co]):
    """`Job.reschedule`."""

    @overload
    def call(self: Any, trigger: Literal["cron"], **fields: Unpack[Cron]) -> R_co: ...
    @overload
    def call(self: Any, trigger: Literal["interval"], **fields: Unpack[Interval]) -> R_co: ...
    @overload
    def call(self: Any, trigger: Literal["calendarinterval"], **fields: Unpack[CalendarInterval]) -> R_co: ...
    @overload
    def call(self: Any, trigger: Literal["rrule"], **fields: Unpack[RRule]) -> R_co: ...
    @overload
    def call(self: Any, trigger: Literal["and", "or"], **fields: Unpack[Combined]) -> R_co: ...
    @overload
    def call(self: Any, trigger: Literal["date"] | None, **fields: Unpack[Date]) -> R_co: ...
    @overload
    def call(self: Any, trigger: BaseTrigger | str) -> R_co: ...

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError


class RescheduleJob(Generic[R_co]):
    """`reschedule_job`, and `reschedule_job_async`."""

    @overload
    def call(
        self: Any,
        job_id: str,
        jobstore: str | None = ...,
        *,
        trigger: Literal["cron"],
        **fields: Unpack[Cron],
    ) -> R_co: ...
    @overload
    def call(
        self: Any, job_id: str, jobstore: str | None, trigger: Literal["cron"], **fields: Unpack[Cron]
    ) -> R_co: ...
    @overload
    def call(
        self: Any,
        job_id: str,
        jobstore: str | None = ...,
        *,
        trigger: Literal["interval"],
        **fields: Unpack[Interval],
    ) -> R_co: ...
    @overload
    def call(
        self: Any, job_id: str, jobstore: str | None, trigger: Literal["interval"], **fields: Unpack[Interval]
    ) -> R_co: ...
    @overload
    def call(
        self: Any,
        job_id: str,
        jobstore: str | None = ...,
        *,
        trigger: Literal["calendarinterval"],
        **fields: Unpack[CalendarInterval],
    ) -> R_co: ...
    @overload
    def call(
        self: Any,
        job_id: str,
        jobstore: str | None,
        trigger: Literal["calendarinterval"],
        **fields: Unpack[CalendarInterval],
    ) -> R_co: ...
    @overload
    def call(
        self: Any,
        job_id: str,
        jobstore: str | None = ...,
        *,
        trigger: Literal["rrule"],
        **fields: Unpack[RRule],
    ) -> R_co: ...
    @overload
    def call(
        self: Any, job_id: str, jobstore: str | None, trigger: Literal["rrule"], **fields: Unpack[RRule]
    ) -> R_co: ...
    @overload
    def call(
        self: Any,
        job_id: str,
        jobstore: str | None = ...,
        *,
        trigger: Literal["and", "or"],
        **fields: Unpack[Combined],
    ) -> R_co: ...
    @overload
    def call(
        self: Any,
        job_id: str,
        jobstore: str | None,
        trigger: Literal["and", "or"],
        **fields: Unpack[Combined],
    ) -> R_co: ...
    @overload
    def call(
        self: Any,
        job_id: str,
        jobstore: str | None = ...,
        trigger: Literal["date"] | None = ...,
        **fields: Unpack[Date],
    ) -> R_co: ...
    @overload
    def call(self: Any, job_id: str, jobstore: str | None = ..., *, trigger: BaseTrigger | str) -> R_co: ...
    @overload
    def call(self: Any, job_id: str, jobstore: str | None, trigger: BaseTrigger | str) -> R_co: ...

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError
