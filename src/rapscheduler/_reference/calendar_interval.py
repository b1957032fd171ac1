"""Calendar intervals: every so many years, months, weeks and days, at one time of day in a zone.

The chain of dates: from a date, years and months are added, again and again until the day exists in that month, then
weeks and days. A date on which the time of day does not exist (a gap) stays in the chain but does not fire; one on
which it comes twice fires in the first pass. Dates are days since 1970-01-01.
"""

from __future__ import annotations

from rapscheduler._reference import calendar
from rapscheduler._reference.timezone import ZoneTable
from rapscheduler._reference.trigger import MAX_US, MIN_US, TriggerCore

_DAY_S = 86400
_MAX_STEP = 10_000  # years; as months and days: longer than the calendar


class CalendarIntervalCore(TriggerCore):
    """Fires on the dates of the chain from ``start_days`` to ``end_days`` (inclusive) at one time of day.

    ``month_step`` is years and months, ``day_step`` weeks and days; one of them at least is positive.
    """

    __slots__ = ("day_step", "end_days", "month_step", "start_days", "time_s")

    def __init__(
        self,
        zone: ZoneTable,
        month_step: int,
        day_step: int,
        time_s: int,
        start_days: int,
        end_days: int | None = None,
        jitter_us: int = 0,
    ) -> None:
        if month_step < 0 or day_step < 0 or not month_step + day_step:
            raise ValueError(
                f"a calendar interval must be positive, not {month_step} months and {day_step} days"
            )
        if not 0 <= time_s < _DAY_S:
            raise ValueError(f"time_s must be in 0..86399, not {time_s}")
        if not calendar.MIN_DAYS <= start_days <= calendar.MAX_DAYS:
            raise ValueError(f"start_days={start_days} is not within the years 1 to 9999")
        end_us = None
        if end_days is not None and end_days < calendar.MAX_DAYS:
            end_us = max(zone.local((end_days + 1) * _DAY_S)[1:]) * 1_000_000 - 1
        TriggerCore.__init__(self, zone, None, end_us, jitter_us)
        self.month_step = min(month_step, 12 * _MAX_STEP)
        self.day_step = min(day_step, 366 * _MAX_STEP)
        self.time_s = time_s
        self.start_days = start_days
        self.end_days = calendar.MAX_DAYS
        if end_days is not None:
            self.end_days = min(max(end_days, calendar.MIN_DAYS - 1), calendar.MAX_DAYS)

    def _following(self, days: int) -> int | None:
        """The next date of the chain; None after ``end_days``."""
        if self.month_step:
            year, month, day = calendar.civil_from_days(days)
            while True:
                year, month = (
                    year + (month - 1 + self.month_step) // 12,
                    (month - 1 + self.month_step) % 12 + 1,
                )
                if year > 9999:
                    return None
                if day <= calendar.days_in_month(year, month):
                    break
            days = calendar.days_from_civil(year, month, day)
        days += self.day_step
        return days if days <= self.end_days else None

    def _fire_us(self, days: int) -> int | None:
        """The instant at which a date fires; None in a gap, or beyond the year 9999 of UTC."""
        kind, first_s, _ = self.zone.local(days * _DAY_S + self.time_s)
        fire_us = first_s * 1_000_000
        return None if kind == "gap" or not MIN_US <= fire_us <= MAX_US else fire_us

    def _local_days(self, us: int) -> int:
        utc_s = us // 1_000_000
        return (utc_s + self.zone.offset_at(utc_s)) // _DAY_S

    def _near(self, from_days: int, days: int) -> int:
        """A date of the chain from ``from_days`` on that is not after ``days``, but close to it."""
        if days <= from_days:
            return from_days
        if not self.month_step:
            return from_days + (days - from_days) // self.day_step * self.day_step
        if self.day_step:  # the day of the month wanders: there is no short cut
            following = self._following(from_days)
            while following is not None and following <= days:
                from_days, following = following, self._following(following)
            return from_days
        year, month, day = calendar.civil_from_days(from_days)
        end_year, end_month, _ = calendar.civil_from_days(min(days, calendar.MAX_DAYS))
        steps = max(0, ((end_year - year) * 12 + end_month - month) // self.month_step - 1)
        while True:
            month_count = month - 1 + steps * self.month_step
            at_year, at_month = year + month_count // 12, month_count % 12 + 1
            if day <= calendar.days_in_month(at_year, at_month):
                return calendar.days_from_civil(at_year, at_month, day)
            steps -= 1

    def _next_us(self, previous_us: int | None, now_us: int) -> int | None:
        days: int | None = self.start_days if self.start_days <= self.end_days else None
        after_us = now_us if previous_us is None else previous_us + 1
        if after_us > MAX_US:
            return None
        if previous_us is not None and previous_us >= MIN_US:
            from_days = self._local_days(previous_us)
            if from_days >= self.start_days:
                days = self._following(min(from_days, calendar.MAX_DAYS))
        elif days is not None and after_us > MIN_US:
            days = self._near(days, min(self._local_days(after_us), self.end_days + 1) - 1)
        while days is not None:
            fire_us = self._fire_us(days)
            if fire_us is not None and fire_us >= after_us:
                return fire_us
            days = self._following(days)
        return None

    def _latest_us(self, from_us: int, at_us: int) -> int | None:
        if at_us < from_us or not MIN_US <= from_us <= MAX_US:
            return None
        return self._last_fire(max(self._local_days(from_us), self.start_days), from_us, min(at_us, MAX_US))

    def _before_us(self, t_us: int) -> int | None:
        if t_us <= MIN_US or self.start_days > self.end_days:
            return None
        return self._last_fire(self.start_days, MIN_US, min(t_us - 1, MAX_US))

    def _last_fire(self, from_days: int, low_us: int, high_us: int) -> int | None:
        """The last fire time in ``[low_us, high_us]`` of the chain from a date on.

        Looked for from a date somewhat before; a gap on just that stretch makes it look from further back.
        """
        back = 3
        while True:
            days: int | None = self._near(from_days, min(self._local_days(high_us), self.end_days) - back)
            whole = days == from_days
            found = None
            while days is not None:
                fire_us = self._fire_us(days)
                if fire_us is not None and fire_us > high_us:
                    break
                if fire_us is not None and fire_us >= low_us:
                    found = fire_us
                days = self._following(days)
            if found is not None or whole:
                return found
            back = back * 8 + 8 * (self.day_step + 31 * self.month_step)
