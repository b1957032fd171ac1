"""The one definition of what the benchmarks work on: expressions, zones, instants, jobs, and what an operation is.

Here lives data and the base class; the operations are in the ``work_`` modules named in `registry`.
Everything here must import with nothing but the standard library, because a peer's process imports it inside of the
peer's own environment. A workload gets the *name* of a library and drives it through the public API; APScheduler and
rapscheduler share their API, so they share the code, and only the package they import from differs.
"""

from __future__ import annotations

import importlib
import random
import time
from dataclasses import dataclass, field
from datetime import datetime, timezone, tzinfo
from types import ModuleType
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

US = 1_000_000
ZONES = ("UTC", "America/New_York")


@dataclass(frozen=True)
class Expression:
    """One schedule: its name in tables, standard crontab text (0 = Sunday), and APScheduler's keyword arguments."""

    name: str
    crontab: str  # six fields: seconds last, as croniter has them
    fields: dict[str, str] = field(default_factory=dict)
    crontab_seconds_first: str = ""  # cronsim's order, when there are six fields

    def cron_arguments(self) -> dict[str, str]:
        """Keyword arguments of CronTrigger."""
        if self.fields:
            return dict(self.fields)
        names = ("minute", "hour", "day", "month", "day_of_week")
        return dict(zip(names, self.crontab.split(), strict=True))


# PERFORMANCE.md: every trigger benchmark runs these twelve.
EXPRESSIONS = (
    Expression("every minute", "* * * * *"),
    Expression("every 5 minutes", "*/5 * * * *"),
    Expression("every second", "* * * * * *", {"second": "*"}, "* * * * * *"),
    Expression("02:00 daily", "0 2 * * *"),
    Expression("09:30 mon-fri", "30 9 * * mon-fri"),
    Expression("1st of month", "0 0 1 * *"),
    Expression("29 February", "0 0 29 2 *"),
    Expression("sundays", "0 0 * * sun"),
    Expression("15,45 8-18 mon-fri", "15,45 8-18 * * mon-fri"),
    Expression("1 January noon", "0 12 1 1 *"),
    Expression("last day of month", "0 0 L * *", {"day": "last", "hour": "0", "minute": "0"}),
    Expression("first Monday", "0 0 * * mon#1", {"day": "1st mon", "hour": "0", "minute": "0"}),
)
BY_NAME = {expression.name: expression for expression in EXPRESSIONS}


def instants_us(count: int, seed: int = 1, first_year: int = 2024, last_year: int = 2027) -> list[int]:
    """``count`` instants (µs since the epoch, whole seconds) spread over the years, the same in every process."""
    source = random.Random(seed)
    low = int(datetime(first_year, 1, 1, tzinfo=timezone.utc).timestamp())
    high = int(datetime(last_year, 1, 1, tzinfo=timezone.utc).timestamp())
    return sorted(source.randrange(low, high) * US for _ in range(count))


# Two days before New York's changes of 2025: chains that start here cross them.
BEFORE_CHANGES_US = (1741338000 * US, 1761954300 * US)


def zone_of(name: str) -> tzinfo:
    """The tzinfo object every library is given for a zone."""
    return ZoneInfo(name)


def at(us: int, zone: tzinfo) -> datetime:
    """The aware datetime of an instant."""
    return datetime.fromtimestamp(us // US, timezone.utc).astimezone(zone)


def distinct_crontabs(count: int, seed: int = 2) -> list[str]:
    """``count`` different five-field expressions, unlike those of any other seed."""
    source = random.Random(seed)
    found: dict[str, None] = {}
    while len(found) < count:
        minutes = sorted(source.sample(range(60), 2))
        hours = sorted(source.sample(range(24), 2))
        text = f"{minutes[0]},{minutes[1]} {hours[0]}-{hours[1]} {source.randrange(1, 29)} * *"
        found.setdefault(text)
    return list(found)


def job_crontab(i: int) -> dict[str, Any]:
    """The cron fields of job ``i`` of the add benchmarks: 1,440 different times of day, as a large crontab has them."""
    return {"hour": (i // 60) % 24, "minute": i % 60}


def nothing() -> None:
    """The empty job."""


class Unsupported(Exception):
    """This library (or what is built of it so far) cannot do this work; the message says why."""


class Workload:
    """One operation of one library. ``round()`` is timed; ``answers()`` is what must be equal to the peers' answers.

    name: how processes ask for it · libraries: those whose API can do it.
    """

    name: ClassVar[str] = ""
    libraries: ClassVar[tuple[str, ...]] = ("rapscheduler", "apscheduler")

    def __init__(self, library: str, **params: Any) -> None:
        self.library = library
        self.params = params
        if library not in self.libraries:
            raise Unsupported(f"{library} has no such operation")
        self.open(**params)

    def open(self, **params: Any) -> None:
        """Builds what all rounds share."""

    def answers(self) -> Any:
        """JSON value compared between libraries before anything is timed."""
        return None

    def prepare(self) -> None:
        """Before each round, not timed."""

    def run(self) -> int:
        """The timed work; returns the number of operations done."""
        raise NotImplementedError

    def facts(self) -> dict[str, Any]:
        """Other figures of the last round (memory, lateness, counts of work)."""
        return {}

    def close(self) -> None:
        """Ends threads and drops files."""

    def round(self) -> dict[str, Any]:
        self.prepare()
        used, start = time.process_time(), time.perf_counter()
        count = self.run()
        seconds, cpu = time.perf_counter() - start, time.process_time() - used
        return {"seconds": seconds, "cpu": cpu, "count": count, "facts": self.facts()}

    def module(self, path: str) -> ModuleType:
        """A module of the library, ``triggers.cron`` for example."""
        try:
            return importlib.import_module(f"{self.library}.{path}")
        except ModuleNotFoundError as error:
            if error.name and error.name.startswith(f"{self.library}."):
                raise Unsupported(f"{self.library}.{path} is not built yet") from error
            raise


def registry() -> dict[str, type[Workload]]:
    """Every workload by name."""
    rooms = [
        importlib.import_module(f"benchmarks.{room}")
        for room in (
            "work_triggers",
            "work_scheduler",
            "work_eventloop",
            "work_stores",
            "work_questions",
            "work_processes",
            "work_curves",
            "work_dashboard",
            "work_runs",
        )
    ]
    return {
        thing.name: thing
        for room in rooms
        for thing in vars(room).values()
        if isinstance(thing, type) and issubclass(thing, Workload) and thing.name
    }
