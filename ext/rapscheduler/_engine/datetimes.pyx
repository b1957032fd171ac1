"""The only door for datetime objects: datetime <-> microseconds since the epoch, through a zone table.

The hot paths: a datetime whose tzinfo is the zone's own is read through the table, and datetimes are made through
the C API; any other tzinfo is asked for its offset.
"""

import datetime as _datetime
import sys as _sys
from datetime import timezone as _timezone
from operator import index

from cpython.datetime cimport (
    PyDateTime_Check,
    PyDateTime_DATE_GET_FOLD,
    PyDateTime_DATE_GET_HOUR,
    PyDateTime_DATE_GET_MICROSECOND,
    PyDateTime_DATE_GET_MINUTE,
    PyDateTime_DATE_GET_SECOND,
    PyDateTime_GET_DAY,
    PyDateTime_GET_MONTH,
    PyDateTime_GET_YEAR,
    PyDelta_Check,
    datetime_new,
    datetime_tzinfo,
    import_datetime,
    timedelta_days,
    timedelta_microseconds,
    timedelta_seconds,
)
from cpython.list cimport PyList_Append
from cpython.long cimport PyLong_AsLongLongAndOverflow, PyLong_CheckExact
from cpython.object cimport PyTypeObject
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memset

from rapscheduler._engine.calendar cimport CivilDate, recall_civil, recall_days
from rapscheduler._engine.timezone cimport UNIQUE, LocalTime, ZoneRange, ZoneTable, zone_find, zone_local

import_datetime()

cdef object UTC = _timezone.utc
cdef ZoneTable UTC_TABLE = ZoneTable.fixed(0, UTC)


cdef int64_t to_us_c(object dt, ZoneTable zone) except? -1:
    """Microseconds since the epoch of an aware datetime, or of a naive one that is the local time of ``zone``."""
    if not PyDateTime_Check(dt):
        raise TypeError(f"expected a datetime, not {type(dt).__name__}: {dt!r}")
    cdef LocalTime time
    cdef object tzinfo = datetime_tzinfo(dt)
    cdef int64_t us = PyDateTime_DATE_GET_MICROSECOND(dt)
    cdef int64_t wall_s = (
        recall_days(PyDateTime_GET_YEAR(dt), PyDateTime_GET_MONTH(dt), PyDateTime_GET_DAY(dt)) * 86400
        + PyDateTime_DATE_GET_HOUR(dt) * 3600
        + PyDateTime_DATE_GET_MINUTE(dt) * 60
        + PyDateTime_DATE_GET_SECOND(dt)
    )
    if tzinfo is UTC:
        return wall_s * 1_000_000 + us
    if tzinfo is None or (tzinfo is zone.tzinfo and zone.plain):
        zone_local(zone, wall_s, &time)
        if tzinfo is None or time.kind == UNIQUE or zone.source is None:
            return (time.second_utc_s if PyDateTime_DATE_GET_FOLD(dt) else time.first_utc_s) * 1_000_000 + us
    return foreign_us(dt, zone, wall_s, us)


cdef int64_t foreign_us(object dt, ZoneTable zone, int64_t wall_s, int64_t us) except? -1:
    """As the datetime's own tzinfo says."""
    cdef LocalTime time
    cdef object offset = dt.utcoffset()
    if offset is None:  # a tzinfo that does not know counts as none
        zone_local(zone, wall_s, &time)
        return (time.second_utc_s if PyDateTime_DATE_GET_FOLD(dt) else time.first_utc_s) * 1_000_000 + us
    if not PyDelta_Check(offset):  # a subclass of datetime may say anything
        raise TypeError(f"utcoffset() of {type(dt).__name__} gave {type(offset).__name__}, not a timedelta or None")
    cdef int64_t offset_s = <int64_t>timedelta_days(offset) * 86400 + timedelta_seconds(offset)
    if not -86400 <= offset_s < 86400:
        raise ValueError(f"utcoffset() of {type(dt).__name__} gave {offset}, which is not less than a day")
    return (wall_s - offset_s) * 1_000_000 + us - timedelta_microseconds(offset)


cdef object from_us_c(int64_t us, ZoneTable zone):
    """The aware datetime of an instant in ``zone``, its fold set; ``OverflowError`` outside of years 1 to 9999."""
    cdef ZoneRange here
    cdef CivilDate date
    cdef int64_t utc_s = us // 1_000_000
    cdef int32_t rest_us = <int32_t>(us - utc_s * 1_000_000)
    if rest_us < 0:
        rest_us += 1_000_000
        utc_s -= 1
    zone_find(zone, utc_s, &here)
    cdef bint through_utc = not zone.plain
    cdef int64_t wall_s = utc_s if through_utc else utc_s + here.offset_s
    if not -62135596800LL <= wall_s <= 253402300799LL:
        raise OverflowError(f"the instant {us} µs is outside of the years 1 to 9999")
    cdef int64_t days = (wall_s + 62135596800LL) // 86400 - 719162
    cdef int32_t second = <int32_t>(wall_s - days * 86400)
    recall_civil(days, &date)
    cdef bint fold = (
        not through_utc and here.before_s > here.offset_s and utc_s - here.lo_s < here.before_s - here.offset_s
    )
    cdef object dt = datetime_new(
        date.year, date.month, date.day, second // 3600, second // 60 % 60, second % 60, rest_us, zone.tzinfo, fold
    )
    if not through_utc:
        return dt
    try:
        return zone.tzinfo.fromutc(dt)
    except OverflowError:
        raise OverflowError(f"the instant {us} µs is outside of the years 1 to 9999") from None


cdef struct LocalDay:
    # The instants `first_us <= t < end_us` have one date, one offset and fold=0; none when the two are equal.
    int64_t first_us
    int64_t end_us
    int64_t midnight_us  # where the date would begin by that offset
    CivilDate date


cdef int find_day(int64_t us, ZoneTable zone, LocalDay *day) except -1:
    """The day around an instant that ``from_us_c`` has just converted."""
    cdef ZoneRange here
    cdef int64_t utc_s = us // 1_000_000 - (us % 1_000_000 < 0)
    zone_find(zone, utc_s, &here)
    cdef int64_t days = (utc_s + here.offset_s + 62135596800LL) // 86400 - 719162
    cdef int64_t first_s = here.lo_s + max(here.before_s - here.offset_s, 0)  # after the second pass of a fold
    recall_civil(days, &day.date)
    day.midnight_us = (days * 86400 - here.offset_s) * 1_000_000
    day.first_us = max(day.midnight_us, first_s * 1_000_000)
    day.end_us = min(day.midnight_us + 86400_000_000LL, here.hi_s * 1_000_000)
    return 0


cdef int extend_from_us(list times, const int64_t *us, Py_ssize_t count, ZoneTable zone) except -1:
    """Append ``from_us_c`` of each: what many fire times have in common, their day and its offset, is found once."""
    cdef LocalDay day
    cdef Py_ssize_t place
    cdef int64_t rest_us
    cdef int32_t second
    memset(&day, 0, sizeof(day))
    for place in range(count):
        if day.first_us <= us[place] < day.end_us:
            rest_us = us[place] - day.midnight_us
            second = <int32_t>(rest_us // 1_000_000)
            moment = datetime_new(
                day.date.year, day.date.month, day.date.day, second // 3600, second // 60 % 60, second % 60,
                <int32_t>(rest_us - second * 1_000_000LL), zone.tzinfo, 0,
            )
        else:
            moment = from_us_c(us[place], zone)
            if place + 1 < count and us[place + 1] - us[place] < 21600_000_000LL and zone.plain:
                find_day(us[place], zone, &day)  # the next one, within six hours, is likely to share it
        PyList_Append(times, moment)
    return 0


cdef int64_t checked(object us) except? -1:
    cdef int overflow = 0
    cdef int64_t fast_us
    if PyLong_CheckExact(us):
        fast_us = PyLong_AsLongLongAndOverflow(us, &overflow)
        if not overflow:
            return fast_us
    number = index(us)
    if not -9_000_000_000_000_000_000 <= number <= 9_000_000_000_000_000_000:
        raise OverflowError(f"the instant {number} µs is outside of the years 1 to 9999")
    return number


def to_us(dt, ZoneTable zone not None):
    """Microseconds since the epoch of an aware datetime, or of a naive one that is the local time of ``zone``.

    A naive wall time that comes twice is the pass that ``fold`` says; one that doesn't exist is read by the offset
    before the gap (fold=0) or after it (fold=1), as PEP 495 has it.
    """
    return to_us_c(dt, zone)


def from_us(us, ZoneTable zone not None):
    """The aware datetime of an instant in ``zone``, its fold set; ``OverflowError`` outside of years 1 to 9999."""
    return from_us_c(checked(us), zone)


def from_us_many(us, ZoneTable zone not None):
    """``from_us`` of each."""
    cdef list made = []
    for one in us:
        made.append(from_us_c(checked(one), zone))
    return made


cdef extern from *:
    """
    #include <string.h>
    #include <time.h>
    typedef struct {PyMethodDef *now; PyCFunction own;} RapNow;
    /* The entry of `now` among the methods of datetime: time-machine changes the function in it. */
    static void rap_find_now(RapNow *found, PyTypeObject *type) {
        PyMethodDef *method = type->tp_methods;
        while (method && method->ml_name && strcmp(method->ml_name, "now")) method++;
        found->now = method && method->ml_name ? method : NULL;
        found->own = found->now ? found->now->ml_meth : NULL;
    }
    static int64_t rap_machine_us(RapNow *found) {
    #if defined(CLOCK_REALTIME) && !defined(_WIN32)
        struct timespec now;
        if (found->now && found->now->ml_meth == found->own && !clock_gettime(CLOCK_REALTIME, &now))
            return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
    #endif
        return -1;
    }
    """
    ctypedef struct RapNow:
        pass
    void rap_find_now(RapNow *found, PyTypeObject *type)
    int64_t rap_machine_us(RapNow *found) noexcept

cdef object _own_datetime = None  # the class whose `now` reads the machine's clock; None: it is not sure to
cdef RapNow _own_now

if "time_machine" not in _sys.modules:  # it may have changed the method already
    _own_datetime = _datetime.datetime
    rap_find_now(&_own_now, <PyTypeObject *>_own_datetime)
    if type(_own_datetime) is not type:
        _own_datetime = None


def now_us():
    """Microseconds since the epoch, as `datetime.datetime.now` says; who replaces that class or method, is asked."""
    return now_us_c()


cdef int64_t now_us_c() except? -1:
    cdef object asked = _datetime.datetime
    cdef int64_t us
    if asked is _own_datetime:
        us = rap_machine_us(&_own_now)
        if us >= 0:
            return us
    return to_us_c(asked.now(UTC), UTC_TABLE)


cdef object _own_now_us = now_us


cdef bint is_machines(object clock):
    """Whether this is `now_us`."""
    return clock is _own_now_us


cdef int64_t told_us(object clock) except? -1:
    """What a clock says, called without arguments."""
    return now_us_c() if clock is _own_now_us else clock()
