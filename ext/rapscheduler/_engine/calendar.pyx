"""Civil calendar: the Python face of the inline arithmetic in ``calendar.pxd``, with its arguments checked."""

from rapscheduler._engine.calendar cimport (
    CivilDate,
    civil_from_days_c,
    days_from_civil_c,
    days_in_month_c,
    is_leap_c,
    iso_week_c,
    last_weekday_c,
    nearest_workday_c,
    nth_weekday_c,
    weekday_c,
)
from cpython.long cimport PyLong_AsLongLongAndOverflow
from libc.stdint cimport int32_t, int64_t

MIN_DAYS = -719162  # 0001-01-01
MAX_DAYS = 2932896  # 9999-12-31


cdef int64_t check(str name, object value, int64_t low, int64_t high) except? -1:
    if not isinstance(value, int):
        raise TypeError(f"{name} must be an int, not {type(value).__name__}")
    cdef int overflow = 0
    cdef int64_t number = PyLong_AsLongLongAndOverflow(value, &overflow)  # a subclass of int may say anything of itself
    if overflow or not low <= number <= high:
        raise ValueError(f"{name} must be in {low}..{high}, not {value}")
    return number


cdef int check_month(object y, object m) except -1:
    check("year", y, 1, 9999)
    check("month", m, 1, 12)
    return 0


def days_from_civil(y, m, d):
    """Days since 1970-01-01 of a date."""
    check_month(y, m)
    check("day", d, 1, days_in_month_c(y, m))
    return days_from_civil_c(y, m, d)


def civil_from_days(days):
    """Year, month, day of a count of days since 1970-01-01."""
    cdef CivilDate date
    civil_from_days_c(check("days", days, -719162, 2932896), &date)
    return date.year, date.month, date.day


def weekday(days):
    """0 = Monday … 6 = Sunday."""
    return weekday_c(check("days", days, -719162, 2932896))


def iso_week(days):
    """ISO 8601 year and week number."""
    cdef int32_t iso_year
    cdef int32_t week = iso_week_c(check("days", days, -719162, 2932896), &iso_year)
    return iso_year, week


def is_leap(y):
    """Whether the year has a 29 February."""
    return bool(is_leap_c(<int32_t>check("year", y, 1, 9999)))


def days_in_month(y, m):
    """28 to 31."""
    check_month(y, m)
    return days_in_month_c(y, m)


def nth_weekday(y, m, n, weekday):
    """Day of the month of its ``n``-th (1 to 5) weekday; 0 when the month has no fifth one."""
    check_month(y, m)
    check("n", n, 1, 5)
    check("weekday", weekday, 0, 6)
    return nth_weekday_c(y, m, n, weekday)


def last_weekday(y, m, weekday):
    """Day of the month of its last such weekday."""
    check_month(y, m)
    check("weekday", weekday, 0, 6)
    return last_weekday_c(y, m, weekday)


def nearest_workday(y, m, day):
    """Monday-to-Friday day of the month nearest to ``day``, never in another month (the ``W`` of Quartz)."""
    check_month(y, m)
    check("day", day, 1, days_in_month_c(y, m))
    return nearest_workday_c(y, m, day)
