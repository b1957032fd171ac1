"""Calendar intervals; the rules are stated by the twin, ``rapscheduler._reference.calendar_interval``."""

cimport cython
from libc.stdint cimport int32_t, int64_t

from rapscheduler._engine._instants cimport SECOND_US, max_us, min_us, never_us
from rapscheduler._engine.calendar cimport CivilDate, civil_from_days_c, days_from_civil_c, days_in_month_c
from rapscheduler._engine.timezone cimport GAP, LocalTime, ZoneRange, ZoneTable, zone_find, zone_local
from rapscheduler._engine.trigger cimport TriggerCore, exact

cdef enum:
    DAY_S = 86400
    MIN_DAYS = -719162
    MAX_DAYS = 2932896
    NO_DATE = 0x7FFFFFFF  # the chain has ended
    MAX_STEP_YEARS = 10000  # longer than the calendar


cdef inline int64_t floor_div(int64_t a, int64_t b) noexcept nogil:
    return a // b if a >= 0 else (a - b + 1) // b


@cython.no_gc
cdef class CalendarIntervalCore(TriggerCore):
    """Fires on the dates of the chain from ``start_days`` to ``end_days`` (inclusive) at one time of day.

    ``month_step`` is years and months, ``day_step`` weeks and days; one of them at least is positive.
    """

    def __cinit__(self, *args, **kwargs):
        self.day_step = 1
        self.end_days = MAX_DAYS

    def __init__(self, zone, month_step, day_step, time_s, start_days, end_days=None, jitter_us=0):
        cdef int64_t months = exact(month_step)
        cdef int64_t days = exact(day_step)
        cdef int64_t time = exact(time_s)
        cdef int64_t start = exact(start_days)
        cdef int64_t end = MAX_DAYS if end_days is None else min(max(exact(end_days), MIN_DAYS - 1), MAX_DAYS)
        if months < 0 or days < 0 or not (months or days):
            raise ValueError(f"a calendar interval must be positive, not {month_step} months and {day_step} days")
        if not 0 <= time < DAY_S:
            raise ValueError(f"time_s must be in 0..86399, not {time_s}")
        if not MIN_DAYS <= start <= MAX_DAYS:
            raise ValueError(f"start_days={start_days} is not within the years 1 to 9999")
        end_us = None
        if end < MAX_DAYS:
            end_us = max(zone.local((end + 1) * DAY_S)[1:]) * SECOND_US - 1
        TriggerCore.__init__(self, zone, None, end_us, jitter_us)
        self.month_step = <int32_t>min(months, 12 * MAX_STEP_YEARS)
        self.day_step = <int32_t>min(days, 366 * MAX_STEP_YEARS)
        self.time_s = <int32_t>time
        self.start_days = <int32_t>start
        self.end_days = <int32_t>end

    cdef TriggerCore copied(self):
        cdef CalendarIntervalCore made = CalendarIntervalCore.__new__(CalendarIntervalCore)
        made.month_step, made.day_step, made.time_s = self.month_step, self.day_step, self.time_s
        made.start_days, made.end_days = self.start_days, self.end_days
        return self.give_to(made)

    cdef int64_t following(self, int64_t days) noexcept nogil:
        """The next date of the chain; NO_DATE after ``end_days``."""
        cdef CivilDate date
        cdef int64_t month_count
        if self.month_step:
            civil_from_days_c(days, &date)
            month_count = <int64_t>date.year * 12 + date.month - 1
            while True:
                month_count += self.month_step
                if month_count >= 120000:  # year 10000
                    return NO_DATE
                date.year = <int32_t>(month_count // 12)
                date.month = <int32_t>(month_count % 12) + 1
                if date.day <= 28 or date.day <= days_in_month_c(date.year, date.month):
                    break
            days = days_from_civil_c(date.year, date.month, date.day)
        days += self.day_step
        return days if days <= self.end_days else NO_DATE

    cdef int64_t fire_us(self, int64_t days) except? -1 nogil:
        """The instant at which a date fires; never_us() in a gap, or beyond the year 9999 of UTC."""
        cdef LocalTime time
        cdef int64_t us
        zone_local(self.zone, days * DAY_S + self.time_s, &time)
        us = time.first_utc_s * SECOND_US
        return never_us() if time.kind == GAP or not min_us() <= us <= max_us() else us

    cdef int64_t local_days(self, int64_t us) except? -1 nogil:
        cdef ZoneRange here
        cdef int64_t utc_s = floor_div(us, SECOND_US)
        zone_find(self.zone, utc_s, &here)
        return floor_div(utc_s + here.offset_s, DAY_S)

    cdef int64_t near(self, int64_t from_days, int64_t days) noexcept nogil:
        """A date of the chain from ``from_days`` on that is not after ``days``, but close to it."""
        cdef CivilDate date, end
        cdef int64_t following, steps, month_count
        if days <= from_days:
            return from_days
        if not self.month_step:
            return from_days + (days - from_days) // self.day_step * self.day_step
        if self.day_step:  # the day of the month wanders: there is no short cut
            following = self.following(from_days)
            while following <= days and following != NO_DATE:
                from_days = following
                following = self.following(following)
            return from_days
        civil_from_days_c(from_days, &date)
        civil_from_days_c(min(days, MAX_DAYS), &end)
        steps = ((end.year - date.year) * 12 + end.month - date.month) // self.month_step - 1
        if steps < 0:
            steps = 0
        while True:
            month_count = <int64_t>date.year * 12 + date.month - 1 + steps * self.month_step
            if date.day <= days_in_month_c(<int32_t>(month_count // 12), <int32_t>(month_count % 12) + 1):
                return days_from_civil_c(<int32_t>(month_count // 12), <int32_t>(month_count % 12) + 1, date.day)
            steps -= 1

    cdef int64_t next_us(self, int64_t previous_us, int64_t now_us) except? -1 nogil:
        cdef int64_t days = self.start_days if self.start_days <= self.end_days else NO_DATE
        cdef int64_t after_us, from_days, fire
        if previous_us == never_us():
            after_us = now_us
        else:
            after_us = previous_us + 1
        if after_us > max_us():
            return never_us()
        if previous_us != never_us() and previous_us >= min_us():
            from_days = self.local_days(previous_us)
            if from_days >= self.start_days:
                days = self.following(min(from_days, MAX_DAYS))
        elif days != NO_DATE and after_us > min_us():
            days = self.near(days, min(self.local_days(after_us), self.end_days + 1) - 1)
        while days != NO_DATE:
            fire = self.fire_us(days)
            if fire != never_us() and fire >= after_us:
                return fire
            days = self.following(days)
        return never_us()

    cdef int64_t latest_us(self, int64_t from_us, int64_t at_us) except? -1 nogil:
        if at_us < from_us or not min_us() <= from_us <= max_us():
            return never_us()
        return self.last_fire(max(self.local_days(from_us), self.start_days), from_us, min(at_us, max_us()))

    cdef int64_t before_us(self, int64_t t_us) except? -1 nogil:
        if t_us <= min_us() or self.start_days > self.end_days:
            return never_us()
        return self.last_fire(self.start_days, min_us(), min(t_us - 1, max_us()))

    cdef int64_t last_fire(self, int64_t from_days, int64_t low_us, int64_t high_us) except? -1 nogil:
        """The last fire time in ``[low_us, high_us]`` of the chain from a date on.

        Looked for from a date somewhat before; a gap on just that stretch makes it look from further back.
        """
        cdef int64_t back = 3
        cdef int64_t last_days = min(self.local_days(high_us), self.end_days)
        cdef int64_t days, fire, found
        cdef bint whole
        while True:
            days = self.near(from_days, last_days - back)
            whole = days == from_days
            found = never_us()
            while days != NO_DATE:
                fire = self.fire_us(days)
                if fire != never_us():
                    if fire > high_us:
                        break
                    if fire >= low_us:
                        found = fire
                days = self.following(days)
            if found != never_us() or whole:
                return found
            back = back * 8 + 8 * (<int64_t>self.day_step + 31 * <int64_t>self.month_step)
