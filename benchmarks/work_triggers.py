"""Operations on triggers: next fire time, many fire times, many triggers, parsing, backlog of a late job."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any, ClassVar

from benchmarks.workloads import (
    BEFORE_CHANGES_US,
    BY_NAME,
    US,
    Unsupported,
    Workload,
    at,
    distinct_crontabs,
    instants_us,
    zone_of,
)


def _us(moment: datetime) -> int:
    return int(moment.timestamp()) * US + moment.microsecond


def _walk_trigger(trigger: Any, start: datetime, steps: int) -> None:
    """The timed loop of APScheduler's API: each fire time is asked for with the one before it."""
    get = trigger.get_next_fire_time
    moment = start
    for _ in range(steps):
        moment = get(moment, moment)


def _chain_trigger(trigger: Any, start: datetime, steps: int) -> list[int]:
    moment, chain = start, []
    for _ in range(steps):
        moment = trigger.get_next_fire_time(moment, moment)
        if moment is None:
            break
        chain.append(_us(moment))
    return chain


class _Walk(Workload):
    """Chains of fire times of one trigger from many starts; subclasses make the trigger."""

    starts = 14

    def trigger(self) -> Any:
        raise NotImplementedError

    def open(self, *, zone: str = "UTC", steps: int = 50, **params: Any) -> None:
        self.zone = zone_of(zone)
        self.steps = steps
        self.moments = [at(us, self.zone) for us in (*instants_us(self.starts), *BEFORE_CHANGES_US)]
        self.subject = self.trigger()

    def answers(self) -> list[list[int]]:
        return [_chain_trigger(self.subject, moment, self.steps) for moment in self.moments]

    def run(self) -> int:
        for moment in self.moments:
            _walk_trigger(self.subject, moment, self.steps)
        return len(self.moments) * self.steps


class CronNext(_Walk):
    """Next cron fire through the Python API, aware datetime in and out. Iterators are made before the clock starts.

    ``aware``: croniter-rs, whose answers are naive wall times, pays for putting the zone on them, so that all libraries
    give the same answer; without it, it is timed as it comes.
    """

    name = "cron_next"
    libraries: ClassVar[tuple[str, ...]] = (
        "rapscheduler",
        "apscheduler",
        "croniter",
        "cronsim",
        "croniter_rs",
    )

    def trigger(self) -> Any:
        if self.library not in ("rapscheduler", "apscheduler"):
            return None
        expression = BY_NAME[self.params["expression"]]
        cron = self.module("triggers.cron")
        return cron.CronTrigger(**expression.cron_arguments(), timezone=self.zone)

    def _stepper(self, start: datetime) -> Callable[[], datetime]:
        expression = BY_NAME[self.params["expression"]]
        if self.library == "cronsim":
            from cronsim import CronSim

            text = (expression.crontab_seconds_first or expression.crontab).upper()
            return iter(CronSim(text, start)).__next__
        module = __import__(self.library)
        iterator = module.croniter(expression.crontab, start, ret_type=datetime)
        return iterator.__next__

    def answers(self) -> list[list[int]]:
        if self.subject is not None:
            return super().answers()
        return [self._chain(start) for start in self.moments]

    def _chain(self, start: datetime) -> list[int]:
        step = self._stepper(start)
        chain = []
        for _ in range(self.steps):
            moment = step()
            if moment.tzinfo is None:  # croniter-rs answers with naive wall times of the zone
                moment = moment.replace(tzinfo=self.zone)
            chain.append(_us(moment))
        return chain

    def prepare(self) -> None:
        if self.subject is None:
            self.steppers = [self._stepper(start) for start in self.moments]

    def run(self) -> int:
        if self.subject is not None:
            return super().run()
        if self.library == "croniter_rs" and self.params.get("aware"):
            zone = self.zone
            for step in self.steppers:
                for _ in range(self.steps):
                    step().replace(tzinfo=zone)
            return len(self.moments) * self.steps
        for step in self.steppers:
            for _ in range(self.steps):
                step()
        return len(self.moments) * self.steps


class IntervalNext(_Walk):
    """Next fire of an interval of 90 seconds with a start date years ago."""

    name = "interval_next"

    def trigger(self) -> Any:
        start = datetime(2020, 1, 1, tzinfo=self.zone)
        return self.module("triggers.interval").IntervalTrigger(
            seconds=90, start_date=start, timezone=self.zone
        )


class CalendarIntervalNext(_Walk):
    """Next fire of a calendar interval of one month at 09:00."""

    name = "calendar_interval_next"

    def trigger(self) -> Any:
        # Starts in the future of the instants would be another answer in APScheduler (it returns any old start date).
        module = self.module("triggers.calendarinterval")
        return module.CalendarIntervalTrigger(months=1, hour=9, start_date="2020-01-15", timezone=self.zone)


class ManyFireTimes(Workload):
    """Many fire times of one trigger in one call, as int64 in a buffer or as datetimes; APScheduler: its chain."""

    name = "many_fire_times"

    def open(self, *, expression: str, zone: str, form: str, count: int = 10_000) -> None:
        cron = self.module("triggers.cron")
        self.subject = cron.CronTrigger(**BY_NAME[expression].cron_arguments(), timezone=zone_of(zone))
        self.start_us = instants_us(1)[0]
        self.form, self.count = form, count if self.library == "rapscheduler" else min(count, 500)
        self.buffer = array("q", [0]) * self.count

    def _fill(self, count: int) -> list[int]:
        buffer = self.buffer[:count]
        filled = self.subject.fill_fire_times(buffer, self.start_us)
        return list(buffer[:filled])

    def answers(self) -> list[list[int]]:
        if self.library == "apscheduler":
            before = at(self.start_us - US, self.subject.timezone)
            return [_chain_trigger(self.subject, before, 300)]
        if self.form == "int64":
            return [self._fill(300)]
        return [[_us(moment) for moment in self.subject.list_fire_times(self.start_us, None, 300)]]

    def run(self) -> int:
        if self.library == "apscheduler":
            _walk_trigger(self.subject, at(self.start_us, self.subject.timezone), self.count)
            return self.count
        if self.form == "int64":
            return int(self.subject.fill_fire_times(self.buffer, self.start_us))
        return len(self.subject.list_fire_times(self.start_us, None, self.count))


class ManyTriggers(Workload):
    """The next fire of each of many triggers in one call, in random order; APScheduler: a loop over them."""

    name = "many_triggers"

    def open(self, *, count: int) -> None:
        cron = self.module("triggers.cron")
        zone = zone_of("America/New_York")
        if self.library == "apscheduler":
            count = min(count, 1000)
        kinds = distinct_crontabs(5000)
        minutes = [kinds[i * 7919 % len(kinds)] for i in range(count)]
        self.triggers = [cron.CronTrigger.from_crontab(text, timezone=zone) for text in minutes]
        self.now_us = instants_us(1)[0]
        self.now = at(self.now_us, zone)
        self.buffer = array("q", [0]) * count
        if self.library == "rapscheduler":
            self.many = self.module("_engine.trigger").next_fire_us_many

    def answers(self) -> list[list[int]]:
        sample = self.triggers[:500]
        if self.library == "apscheduler":
            return [[_us(trigger.get_next_fire_time(None, self.now)) for trigger in sample]]
        buffer = array("q", [0]) * len(sample)
        self.many(sample, self.now_us, buffer)
        return [list(buffer)]

    def run(self) -> int:
        if self.library == "apscheduler":
            for trigger in self.triggers:
                trigger.get_next_fire_time(None, self.now)
        else:
            self.many(self.triggers, self.now_us, self.buffer)
        return len(self.triggers)


class ParseCrontab(Workload):
    """``CronTrigger.from_crontab``: expressions never seen before (cold), or the same one again (interned)."""

    name = "parse_crontab"
    libraries: ClassVar[tuple[str, ...]] = (
        "rapscheduler",
        "apscheduler",
        "croniter",
        "cronsim",
        "croniter_rs",
    )

    def open(self, *, again: bool, count: int = 2000) -> None:
        self.again, self.count, self.seed = again, count, 100
        self.zone = zone_of("America/New_York")
        if self.library in ("rapscheduler", "apscheduler"):
            self.make = self.module("triggers.cron").CronTrigger.from_crontab
            self.argument: Any = self.zone
        else:
            module = __import__(self.library)
            self.make = module.CronSim if self.library == "cronsim" else module.croniter
            self.argument = datetime(2025, 1, 1, tzinfo=self.zone)

    def prepare(self) -> None:
        self.seed += 1
        self.texts = (
            [distinct_crontabs(1)[0]] * self.count if self.again else distinct_crontabs(self.count, self.seed)
        )
        if self.again:
            self.make(self.texts[0], self.argument)

    def run(self) -> int:
        make, argument = self.make, self.argument
        for text in self.texts:
            make(text, argument)
        return self.count


class LateJob(Workload):
    """The run times of a job that was late by ``backlog`` intervals: what the loop needs when it coalesces.

    The count is one: cost per late job. APScheduler builds every missed time.
    """

    name = "late_job"

    def open(self, *, kind: str, backlog: int) -> None:
        zone = timezone.utc
        self.now = datetime(2026, 1, 1, tzinfo=zone)
        self.first = self.now - timedelta(seconds=backlog)
        if kind == "interval":
            self.trigger = self.module("triggers.interval").IntervalTrigger(seconds=1, start_date=self.first)
        else:
            self.trigger = self.module("triggers.cron").CronTrigger(second="*", timezone=zone)

    def _last(self) -> datetime | None:
        if self.library == "rapscheduler":
            last = self.trigger.latest_fire_us(_us(self.first), _us(self.now))
            return None if last is None else at(last, timezone.utc)
        moment, last = self.first, None
        while moment is not None and moment <= self.now:
            last = moment
            moment = self.trigger.get_next_fire_time(moment, self.now)
        return last

    def answers(self) -> list[list[int]]:
        last = self._last()
        if last is None:
            raise Unsupported("no last fire time")
        return [[_us(last)]]

    def run(self) -> int:
        self._last()
        return 1
