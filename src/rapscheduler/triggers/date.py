"""``DateTrigger``: one instant. The public class over ``DateCore``."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, tzinfo
from datetime import datetime as _datetime
from typing import Any

from rapscheduler._clock import now_of
from rapscheduler._engine.datetimes import from_us, to_us
from rapscheduler._engine.trigger import DateCore
from rapscheduler._instants import moment
from rapscheduler._zones import as_zone, get_localzone, zone_table
from rapscheduler.triggers._kernel import KernelTrigger, state_of
from rapscheduler.triggers.base import BaseTrigger
from rapscheduler.util import astimezone, convert_to_datetime, datetime_repr

__all__ = (
    "BaseTrigger",
    "DateTrigger",
    "astimezone",
    "convert_to_datetime",
    "datetime",
    "datetime_repr",
    "get_localzone",
)

STATE_VERSION = 1


class DateTrigger(DateCore, KernelTrigger):
    """Fires once, at ``run_date``, also when that is already past.

    :param run_date: datetime, date or text such as ``2026-01-31 12:00:00`` (default: now)
    :param timezone: tzinfo or name of a zone for a ``run_date`` that has none (default: the system's)
    :raises ValueError: if the text is no date
    :raises TypeError: if the date or zone has the wrong type
    """

    __slots__: tuple[str, ...] = ()

    def __init__(self, run_date: Any = None, timezone: tzinfo | str | None = None) -> None:
        zone = as_zone(timezone)
        if run_date is None:
            self._begin(moment(now_of(datetime), zone or get_localzone()))
        elif isinstance(run_date, _datetime) and run_date.tzinfo is not None:
            self._begin(run_date)
        else:
            self._begin(convert_to_datetime(run_date, zone or get_localzone(), "run_date"))

    def _begin(self, run_date: datetime | None) -> None:
        if run_date is None or run_date.tzinfo is None:
            raise ValueError(f"run_date={run_date!r} has no time zone")
        zone = zone_table(run_date.tzinfo)
        DateCore.__init__(self, to_us(run_date, zone), zone)

    def _maker(self) -> Callable[..., DateTrigger]:
        """A function that makes triggers like this one, or of another instant (µs) in its zone."""
        run_us, zone = self.run_us, self.zone

        def make(instant_us: int = run_us) -> DateTrigger:
            made = DateTrigger.__new__(DateTrigger)
            DateCore.__init__(made, instant_us, zone)
            return made

        return make

    @property
    def run_date(self) -> datetime:
        """When it fires, in the zone it was given in."""
        return from_us(self.run_us, self.zone)

    @run_date.setter
    def run_date(self, value: datetime) -> None:
        self._begin(value)

    def explain(self, start: datetime | None = None) -> str:
        """Say in plain words when this trigger fires."""
        return f"once, at {datetime_repr(self.run_date)}"

    def __getstate__(self) -> dict[str, Any]:
        return {"version": STATE_VERSION, "run_date": self.run_date}

    def __setstate__(self, state: Any) -> None:
        """Take a state of ours, or one written by APScheduler 3.x."""
        self._begin(state_of(self, state, STATE_VERSION, known="version")["run_date"])

    def __str__(self) -> str:
        return f"date[{datetime_repr(self.run_date)}]"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} (run_date='{datetime_repr(self.run_date)}')>"


# What APScheduler's class has in slots, for programs that go through the list. The values are the engine's.
DateTrigger.__slots__ = ("run_date",)
