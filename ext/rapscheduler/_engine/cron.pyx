"""Cron schedules: the instants that match sets of seconds, minutes, hours, days, months, weeks and years.

Twin of `rapscheduler._reference.cron`, which states the rules; this one does the same on bit masks, without the
interpreter's lock. "The next bit at or after n" is a shift and a count of trailing zeros. Days are looked up in a
month at a time: the matching days of a month are one 32-bit mask, and the spec remembers the last two.
"""

cimport cython
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.dict cimport PyDict_GetItemWithError
from cpython.long cimport PyLong_AsLongLongAndOverflow, PyLong_CheckExact
from cpython.object cimport PyObject
from cpython.ref cimport Py_TYPE
from libc.stdint cimport INT32_MAX, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from rapscheduler._engine._instants cimport SECOND_US, max_us, min_us, never_us
from rapscheduler._engine._words cimport rap_number, rap_set_number, rap_set_word, rap_word
from rapscheduler._engine.calendar cimport (
    CivilDate,
    days_from_civil_c,
    days_in_month_c,
    iso_week_c,
    nearest_workday_c,
    recall_civil,
    recall_days,
    weekday_c,
)
from rapscheduler._engine.timezone cimport ZoneRange, ZoneTable, zone_find
from rapscheduler._engine.trigger cimport TriggerCore, exact

from operator import index

cdef extern from *:
    """
    #if defined(_MSC_VER)
    #include <intrin.h>
    static __forceinline int rap_lowest(unsigned __int64 bits) { unsigned long i; _BitScanForward64(&i, bits); return (int)i; }
    static __forceinline int rap_highest(unsigned __int64 bits) { unsigned long i; _BitScanReverse64(&i, bits); return (int)i; }
    #else
    #define rap_lowest(bits) __builtin_ctzll(bits)
    #define rap_highest(bits) (63 - __builtin_clzll(bits))
    #endif
    #define RAP_MIN_WALL_S (-62135596800LL)  /* 0001-01-01T00:00:00 */
    #define RAP_MAX_WALL_S 253402300799LL    /* 9999-12-31T23:59:59 */
    #define RAP_MIN_DAY (-719162LL)
    #define RAP_MAX_DAY 2932896LL
    #define RAP_ALL_SECONDS ((1ULL << 60) - 1)
    #define RAP_ALL_HOURS ((1ULL << 24) - 1)
    #define RAP_ALL_DAYS ((1ULL << 32) - 2)
    #define RAP_ALL_MONTHS ((1ULL << 13) - 2)
    #define RAP_ALL_WEEKS ((1ULL << 54) - 2)
    #define RAP_ALL_WEEKDAYS ((1ULL << 7) - 1)
    #define RAP_ALL_LAST_DAYS ((1ULL << 31) - 1)
    #define RAP_ALL_NTH_WEEKDAYS ((1ULL << 42) - 1)
    #define RAP_NONE (1LL << 60)             /* no day, no wall time: later than all, and safe to add an offset to */
    """
    # index of the lowest (highest) bit; at least one must be set
    int rap_lowest(uint64_t bits) noexcept nogil
    int rap_highest(uint64_t bits) noexcept nogil
    const int64_t RAP_MIN_WALL_S, RAP_MAX_WALL_S, RAP_MIN_DAY, RAP_MAX_DAY, RAP_NONE
    const uint64_t RAP_ALL_SECONDS, RAP_ALL_HOURS, RAP_ALL_DAYS, RAP_ALL_MONTHS, RAP_ALL_WEEKS, RAP_ALL_WEEKDAYS
    const uint64_t RAP_ALL_LAST_DAYS, RAP_ALL_NTH_WEEKDAYS

cdef extern from "Python.h":
    Py_ssize_t Py_REFCNT(PyObject *)

cdef enum:
    DAY_S = 86400
    FOLD_S = 172800  # two utc offsets differ by less: wall times this far from a transition are not in its fold
    LAST_YEAR = 9999
    WEEK_BITS = 127
    LONG_SEARCH_YEARS = 9  # after so many years without a match: is there one at all?
    MOST_SPECS = 4096

ALL_SECONDS = RAP_ALL_SECONDS
ALL_HOURS = RAP_ALL_HOURS
ALL_DAYS = RAP_ALL_DAYS
ALL_MONTHS = RAP_ALL_MONTHS
ALL_WEEKS = RAP_ALL_WEEKS
ALL_WEEKDAYS = RAP_ALL_WEEKDAYS

cdef dict _interned = {}
cdef object _ALL_SECONDS = ALL_SECONDS
cdef object _ALL_HOURS = ALL_HOURS
cdef object _ALL_DAYS = ALL_DAYS
cdef object _ALL_MONTHS = ALL_MONTHS
cdef object _ALL_WEEKS = ALL_WEEKS
cdef object _ALL_WEEKDAYS = ALL_WEEKDAYS


# --- days: which days of a month match ---


cdef inline uint64_t from_weekdays(uint32_t weekdays, int32_t first) noexcept nogil:
    """Weekdays as days: bit d is day d, in a month of 35 days whose first is weekday `first`."""
    cdef uint64_t one_week = ((weekdays >> first) | (weekdays << (7 - first))) & WEEK_BITS
    return (one_week * <uint64_t>0x10204081) << 1


cdef uint64_t in_day_field(CronMasks *k, int32_t year, int32_t month, int32_t first, int32_t length) noexcept nogil:
    """The days that the day field alone matches; bits beyond the month may be set."""
    cdef uint64_t days = k.day
    cdef uint64_t bits = k.last_day_offsets
    cdef int32_t index
    if k.day_any:
        return ~<uint64_t>0
    while bits:
        index = rap_lowest(bits)
        bits &= bits - 1
        if index < length:
            days |= <uint64_t>1 << (length - index)
    if k.nth_weekdays:
        for index in range(5):
            bits = from_weekdays((k.nth_weekdays >> (index * 7)) & WEEK_BITS, first)
            days |= bits & (<uint64_t>0xFE << (index * 7))
        bits = from_weekdays((k.nth_weekdays >> 35) & WEEK_BITS, first)
        days |= bits & (<uint64_t>0xFE << (length - 7))
    bits = k.nearest_workdays
    while bits:
        index = rap_lowest(bits)
        bits &= bits - 1
        if index <= length:
            days |= <uint64_t>1 << nearest_workday_c(year, month, index if index else length)
    return days


cdef uint64_t in_weeks(CronMasks *k, int64_t first_days, int32_t first, int32_t length) noexcept nogil:
    """The days that the ISO week field matches."""
    cdef uint64_t days = 0
    cdef int32_t iso_year
    cdef int32_t day = 1 - first  # the Monday of the first day's week, as a day of this month
    while day <= length:
        if (k.week >> iso_week_c(first_days + day - 1, &iso_year)) & 1:
            days |= (<uint64_t>0xFE << (day - 1)) if day > 0 else (<uint64_t>0xFE >> (1 - day))
        day += 7
    return days


cdef uint32_t days_of_month(CronMasks *k, int32_t year, int32_t month) noexcept nogil:
    """Bit d: day d of this month matches, the year field aside."""
    cdef int64_t first_days
    cdef int32_t first, length
    cdef uint64_t days, by_weekday
    if not (k.month >> month) & 1:
        return 0
    length = days_in_month_c(year, month)
    if k.by_date:
        return <uint32_t>(in_day_field(k, year, month, 0, length) & ((<uint64_t>2 << length) - 2))
    first_days = days_from_civil_c(year, month, 1)
    first = weekday_c(first_days)
    days = in_day_field(k, year, month, first, length)
    by_weekday = from_weekdays(k.weekday, first)
    days = (days | by_weekday) if k.day_or_weekday else (days & by_weekday)
    if not k.any_week:
        days &= in_weeks(k, first_days, first, length)
    return <uint32_t>(days & ((<uint64_t>2 << length) - 2))


cdef inline uint32_t month_days(CronMasks *k, int32_t year, int32_t month) noexcept nogil:
    """`days_of_month`, remembered for two months, an odd and an even one: often this one and the next."""
    cdef uint64_t number = year * 12 + month - 1
    cdef uint64_t known = rap_word(&k.month_days[number & 1])
    cdef uint32_t days
    if known >> 32 == number:
        return <uint32_t>known
    days = days_of_month(k, year, month)
    rap_set_word(&k.month_days[number & 1], number << 32 | days)
    return days


cdef bint is_possible(CronMasks *k) noexcept nogil:
    """Whether any day of any year can match, the year field aside: 28 years have every kind of year."""
    cdef int32_t year, month
    for year in range(2000, 2028):
        for month in range(1, 13):
            if days_of_month(k, year, month):
                return True
    return False


cdef int32_t next_year(CronMasks *k, int32_t year) noexcept nogil:
    """First matching year at or after `year`; LAST_YEAR + 1 when there is none."""
    cdef int32_t best = LAST_YEAR + 1
    cdef int32_t index, first, step, candidate
    if k.year_ranges < 0:
        return year
    for index in range(k.year_ranges):
        first, step = k.years[3 * index], k.years[3 * index + 2]
        candidate = first if year <= first else first + (year - first + step - 1) // step * step
        if candidate <= k.years[3 * index + 1] and candidate < best:
            best = candidate
    return best


cdef int32_t last_year(CronMasks *k, int32_t year) noexcept nogil:
    """Last matching year at or before `year`; 0 when there is none."""
    cdef int32_t best = 0
    cdef int32_t index, first, last, step, candidate
    if k.year_ranges < 0:
        return year
    for index in range(k.year_ranges):
        first, last, step = k.years[3 * index], k.years[3 * index + 1], k.years[3 * index + 2]
        if year >= first:
            candidate = first + ((year if year < last else last) - first) // step * step
            if candidate > best:
                best = candidate
    return best


cdef int64_t next_day_far(CronMasks *k, CivilDate *start) noexcept nogil:
    """First matching day at or after `start`, month by month and year by year."""
    cdef int32_t year = start.year, month = start.month, day = start.day
    cdef int32_t start_number = year * 12 + month - 1
    cdef int32_t long_year = year + LONG_SEARCH_YEARS
    cdef int32_t wanted, on
    cdef uint32_t months, days
    while True:
        wanted = next_year(k, year)
        if wanted > LAST_YEAR:
            break
        if wanted != year:
            year, month, day = wanted, 1, 1
        if year >= long_year:
            if not is_possible(k):
                rap_set_number(&k.none_from, 0)
                rap_set_number(&k.none_until, INT32_MAX)
                return RAP_NONE
            long_year = INT32_MAX
        months = <uint32_t>k.month >> month << month
        while months:
            on = rap_lowest(months)
            months &= months - 1
            if year * 12 + on - 1 >= rap_number(&k.none_from):
                return RAP_NONE
            days = month_days(k, year, on)
            if on == month:
                days = days >> day << day
            if days:
                return recall_days(year, on, rap_lowest(days))
        year, month, day = year + 1, 1, 1
    if start_number + 1 < rap_number(&k.none_from):
        rap_set_number(&k.none_from, start_number + 1)
    return RAP_NONE


cdef int64_t last_day_far(CronMasks *k, CivilDate *start) noexcept nogil:
    """Last matching day at or before `start`."""
    cdef int32_t year = start.year, month = start.month, day = start.day
    cdef int32_t start_number = year * 12 + month - 1
    cdef int32_t long_year = year - LONG_SEARCH_YEARS
    cdef int32_t wanted, on
    cdef uint32_t months, days
    while year >= 1:
        wanted = last_year(k, year)
        if wanted < 1:
            break
        if wanted != year:
            year, month, day = wanted, 12, 31
        if year <= long_year:
            if not is_possible(k):
                rap_set_number(&k.none_from, 0)
                rap_set_number(&k.none_until, INT32_MAX)
                return -RAP_NONE
            long_year = 0
        months = k.month & ((<uint32_t>2 << month) - 1)
        while months:
            on = rap_highest(months)
            months ^= <uint32_t>1 << on
            if year * 12 + on - 1 <= rap_number(&k.none_until):
                return -RAP_NONE
            days = month_days(k, year, on)
            if on == month:
                days &= <uint32_t>(((<uint64_t>2) << day) - 1)
            if days:
                return recall_days(year, on, rap_highest(days))
        year, month, day = year - 1, 12, 31
    if start_number - 1 > rap_number(&k.none_until):
        rap_set_number(&k.none_until, start_number - 1)
    return -RAP_NONE


cdef inline int64_t next_day(CronMasks *k, int64_t days) noexcept nogil:
    """First matching day at or after `days`; RAP_NONE when there is none."""
    cdef CivilDate date
    cdef uint32_t bits
    if days > RAP_MAX_DAY:
        return RAP_NONE
    if k.every_day:
        return days
    recall_civil(days, &date)
    if k.year_ranges < 0:
        bits = month_days(k, date.year, date.month) >> date.day << date.day
        if bits:
            return days + rap_lowest(bits) - date.day
    return next_day_far(k, &date)


cdef inline int64_t last_day(CronMasks *k, int64_t days) noexcept nogil:
    """Last matching day at or before `days`; -RAP_NONE when there is none."""
    cdef CivilDate date
    cdef uint64_t bits
    if days < RAP_MIN_DAY:
        return -RAP_NONE
    if k.every_day:
        return days
    recall_civil(days, &date)
    if k.year_ranges < 0:
        bits = month_days(k, date.year, date.month) & ((<uint64_t>2 << date.day) - 1)
        if bits:
            return days + rap_highest(bits) - date.day
    return last_day_far(k, &date)


# --- wall times: which second of a day, which wall time ---


cdef inline int32_t next_time(CronMasks *k, int32_t time_s) noexcept nogil:
    """First matching second of a day at or after `time_s`; -1 when there is none."""
    cdef int32_t hour = time_s // 3600
    cdef int32_t minute = time_s // 60 - hour * 60
    cdef uint64_t bits
    if (k.hour >> hour) & 1:
        if (k.minute >> minute) & 1:
            bits = k.second >> (time_s % 60) << (time_s % 60)
            if bits:
                return hour * 3600 + minute * 60 + rap_lowest(bits)
        bits = k.minute >> (minute + 1) << (minute + 1)
        if bits:
            return hour * 3600 + rap_lowest(bits) * 60 + rap_lowest(k.second)
    bits = <uint64_t>k.hour >> (hour + 1) << (hour + 1)
    if bits:
        return rap_lowest(bits) * 3600 + rap_lowest(k.minute) * 60 + rap_lowest(k.second)
    return -1


cdef inline int32_t last_time(CronMasks *k, int32_t time_s) noexcept nogil:
    """Last matching second of a day at or before `time_s`; -1 when there is none."""
    cdef int32_t hour = time_s // 3600
    cdef int32_t minute = time_s // 60 - hour * 60
    cdef uint64_t bits
    if (k.hour >> hour) & 1:
        if (k.minute >> minute) & 1:
            bits = k.second & ((<uint64_t>2 << (time_s % 60)) - 1)
            if bits:
                return hour * 3600 + minute * 60 + rap_highest(bits)
        bits = k.minute & ((<uint64_t>1 << minute) - 1)
        if bits:
            return hour * 3600 + rap_highest(bits) * 60 + rap_highest(k.second)
    bits = k.hour & ((<uint64_t>1 << hour) - 1)
    if bits:
        return rap_highest(bits) * 3600 + rap_highest(k.minute) * 60 + rap_highest(k.second)
    return -1


cdef inline int64_t day_of(int64_t wall_s) noexcept nogil:
    return (wall_s if wall_s >= 0 else wall_s - (DAY_S - 1)) // DAY_S


cdef inline int64_t next_wall_in_month(CronMasks *k, int64_t start, int32_t time_s) noexcept nogil:
    """`next_wall` for any year: today's date is worked out once, and this month's days looked up once."""
    cdef CivilDate date
    cdef uint32_t bits
    cdef int64_t day
    recall_civil(start, &date)
    bits = month_days(k, date.year, date.month) >> date.day << date.day
    if (bits >> date.day) & 1:
        time_s = next_time(k, time_s)
        if time_s >= 0:
            return start * DAY_S + time_s
        bits &= bits - 1
    if bits:
        return (start + rap_lowest(bits) - date.day) * DAY_S + k.first_time_s
    date.day = 1
    date.month += 1
    if date.month > 12:
        date.year, date.month = date.year + 1, 1
    day = next_day_far(k, &date)
    return RAP_NONE if day == RAP_NONE else day * DAY_S + k.first_time_s


cdef inline int64_t next_wall(CronMasks *k, int64_t wall_s) noexcept nogil:
    """First matching wall time at or after `wall_s`, within the years 1 to 9999; RAP_NONE when there is none."""
    cdef int64_t start, day
    cdef int32_t time_s
    if wall_s < RAP_MIN_WALL_S:
        wall_s = RAP_MIN_WALL_S
    if k.first_time_s < 0 or wall_s > RAP_MAX_WALL_S:
        return RAP_NONE
    start = day_of(wall_s)
    if not k.every_day and k.year_ranges < 0:
        return next_wall_in_month(k, start, <int32_t>(wall_s - start * DAY_S))
    day = next_day(k, start)
    if day == start:
        time_s = next_time(k, <int32_t>(wall_s - start * DAY_S))
        if time_s >= 0:
            return start * DAY_S + time_s
        day = next_day(k, start + 1)
    return RAP_NONE if day == RAP_NONE else day * DAY_S + k.first_time_s


cdef inline int64_t last_wall(CronMasks *k, int64_t wall_s) noexcept nogil:
    """Last matching wall time at or before `wall_s`, within the years 1 to 9999; -RAP_NONE when there is none."""
    cdef int64_t start, day
    cdef int32_t time_s
    if wall_s > RAP_MAX_WALL_S:
        wall_s = RAP_MAX_WALL_S
    if k.first_time_s < 0 or wall_s < RAP_MIN_WALL_S:
        return -RAP_NONE
    start = day_of(wall_s)
    day = last_day(k, start)
    if day == start:
        time_s = last_time(k, <int32_t>(wall_s - start * DAY_S))
        if time_s >= 0:
            return start * DAY_S + time_s
        day = last_day(k, start - 1)
    return -RAP_NONE if day == -RAP_NONE else day * DAY_S + k.last_time_s


# --- instants: the walk over ranges of one utc offset ---


cdef inline bint begin_range(CronMasks *k, ZoneRange *r, int64_t utc_s, int64_t *wall_s) noexcept nogil:
    """The wall time to search from, at `utc_s` in its range; True: `utc_s` itself fires, for the gap before it."""
    cdef int64_t edge_s
    wall_s[0] = utc_s + r.offset_s
    if r.before_s == r.offset_s or not k.strict or utc_s >= r.lo_s + FOLD_S:
        return False
    edge_s = r.lo_s + r.before_s  # where the wall times of the range before end
    if edge_s > wall_s[0]:
        wall_s[0] = edge_s  # the second pass does not count
    return (
        k.dst == DST_SHIFT
        and utc_s == r.lo_s
        and r.before_s < r.offset_s
        and next_wall(k, edge_s) < r.lo_s + r.offset_s
    )


cdef int64_t next_fire_s(CronMasks *k, ZoneTable zone, int64_t utc_s, int64_t last_s) except? -1 nogil:
    """First matching instant in `[utc_s, last_s]`; RAP_NONE when there is none."""
    cdef ZoneRange r
    cdef int64_t wall_s, fire_s
    while utc_s <= last_s:
        zone_find(zone, utc_s, &r)
        if begin_range(k, &r, utc_s, &wall_s):
            return utc_s
        wall_s = next_wall(k, wall_s)
        fire_s = wall_s - r.offset_s
        if fire_s < r.hi_s:
            return fire_s if fire_s <= last_s else RAP_NONE
        if utc_s + FOLD_S >= r.hi_s:
            utc_s = r.hi_s  # a fold there may show wall times before this search's start again
            continue
        if wall_s == RAP_NONE or fire_s - FOLD_S > last_s:
            return RAP_NONE
        # No instant until shortly before fire_s matches, whatever the offsets on the way.
        utc_s = r.hi_s if fire_s - 2 * FOLD_S < r.hi_s else fire_s - 2 * FOLD_S
        zone_find(zone, fire_s, &r)
        fire_s = wall_s - r.offset_s
        if r.lo_s + FOLD_S <= fire_s < r.hi_s:  # deep within a range: no fold or gap has a say
            return fire_s if fire_s <= last_s else RAP_NONE
    return RAP_NONE


cdef int64_t last_fire_s(CronMasks *k, ZoneTable zone, int64_t utc_s, int64_t first_s) except? -1 nogil:
    """Last matching instant in `[first_s, utc_s]`; RAP_NONE when there is none."""
    cdef ZoneRange r
    cdef int64_t wall_s, fire_s, edge_s
    while utc_s >= first_s:
        zone_find(zone, utc_s, &r)
        edge_s = r.lo_s + (r.before_s if k.strict and r.before_s > r.offset_s else r.offset_s)
        wall_s = last_wall(k, utc_s + r.offset_s)
        fire_s = wall_s - r.offset_s
        if wall_s >= edge_s:
            return fire_s if fire_s >= first_s else RAP_NONE
        if (
            k.strict
            and k.dst == DST_SHIFT
            and r.before_s < r.offset_s
            and next_wall(k, r.lo_s + r.before_s) < r.lo_s + r.offset_s
        ):
            return r.lo_s if r.lo_s >= first_s else RAP_NONE
        if utc_s - FOLD_S <= r.lo_s:
            utc_s = r.lo_s - 1
            continue
        if wall_s == -RAP_NONE or fire_s + FOLD_S < first_s:
            return RAP_NONE
        utc_s = r.lo_s - 1 if fire_s + 2 * FOLD_S >= r.lo_s else fire_s + 2 * FOLD_S
        zone_find(zone, fire_s, &r)
        fire_s = wall_s - r.offset_s
        if r.lo_s + FOLD_S <= fire_s < r.hi_s - FOLD_S:
            return fire_s if fire_s >= first_s else RAP_NONE
    return RAP_NONE


cdef int64_t fill_day(
    CronMasks *k, int64_t *out, int64_t room, int64_t wall_s, int64_t stop_wall_s, int64_t offset_s
) noexcept nogil:
    """All fire times from `wall_s`, which matches, to the end of its day; returns how many."""
    cdef int64_t day_s = day_of(wall_s) * DAY_S
    cdef int32_t first_hour = <int32_t>(wall_s - day_s) // 3600
    cdef int32_t first_minute = <int32_t>(wall_s - day_s) // 60 - first_hour * 60
    cdef int32_t first_second = <int32_t>(wall_s - day_s) % 60
    cdef uint32_t hours = k.hour >> first_hour << first_hour
    cdef uint64_t minutes = k.minute >> first_minute << first_minute
    cdef uint64_t seconds = k.second >> first_second << first_second
    cdef int64_t hour_s, minute_s, at_s
    cdef int64_t count = 0
    while hours:
        hour_s = day_s + rap_lowest(hours) * 3600
        hours &= hours - 1
        while minutes:
            minute_s = hour_s + rap_lowest(minutes) * 60
            minutes &= minutes - 1
            while seconds:
                at_s = minute_s + rap_lowest(seconds)
                seconds &= seconds - 1
                if at_s >= stop_wall_s or count == room:
                    return count
                out[count] = (at_s - offset_s) * SECOND_US
                count += 1
            seconds = k.second
        minutes = k.minute
    return count


cdef int64_t fill_s(
    CronMasks *k, ZoneTable zone, int64_t *out, int64_t room, int64_t utc_s, int64_t last_s
) except -1 nogil:
    """`next_fire_s` again and again, day by day; returns how many."""
    cdef ZoneRange r
    cdef int64_t start_s, wall_s, stop_wall_s
    cdef int64_t count = 0
    while count < room and utc_s <= last_s:
        zone_find(zone, utc_s, &r)
        stop_wall_s = (r.hi_s if r.hi_s <= last_s else last_s + 1) + r.offset_s
        if begin_range(k, &r, utc_s, &start_s):
            out[count] = utc_s * SECOND_US
            count += 1
            start_s += 1
        while True:
            wall_s = next_wall(k, start_s)
            if wall_s >= stop_wall_s or count == room:
                break
            count += fill_day(k, out + count, room - count, wall_s, stop_wall_s, r.offset_s)
            start_s = (day_of(wall_s) + 1) * DAY_S
        if start_s - r.offset_s + FOLD_S >= r.hi_s:
            utc_s = r.hi_s
        elif wall_s == RAP_NONE:
            break
        else:
            utc_s = wall_s - r.offset_s - 2 * FOLD_S
            if utc_s < r.hi_s:
                utc_s = r.hi_s
    return count


# --- the Python face ---


cdef uint64_t _mask(str name, object value, uint64_t allowed) except? 0xFFFFFFFFFFFFFFFF:
    cdef int overflow = 0
    cdef int64_t mask = PyLong_AsLongLongAndOverflow(value if PyLong_CheckExact(value) else index(value), &overflow)
    if overflow or mask < 0 or <uint64_t>mask & ~allowed:
        raise ValueError(f"{name} mask {value:#x} has bits outside of {allowed:#x}")
    return <uint64_t>mask


cdef int check_masks(
    uint64_t second, uint64_t minute, uint64_t hour, uint64_t day, uint64_t month, uint64_t week, uint64_t weekday,
    uint64_t last_day_offsets, uint64_t nth_weekdays,
) except -1:
    if (
        (second | minute) & ~RAP_ALL_SECONDS or hour & ~RAP_ALL_HOURS or day & ~RAP_ALL_DAYS
        or month & ~RAP_ALL_MONTHS or week & ~RAP_ALL_WEEKS or weekday & ~RAP_ALL_WEEKDAYS
        or last_day_offsets & ~RAP_ALL_LAST_DAYS or nth_weekdays & ~RAP_ALL_NTH_WEEKDAYS
    ):
        CronSpec.of(second, minute, hour, day, month, week, weekday, None, last_day_offsets, nth_weekdays)
    return 0


cdef int dst_rule(object dst) except -1:
    if dst == "once":
        return DST_ONCE
    if dst == "both":
        return DST_BOTH
    if dst == "shift":
        return DST_SHIFT
    raise ValueError(f'dst must be "once", "both" or "shift", not {dst!r}')


cdef tuple _exact_years(tuple years):
    """The ranges as plain numbers, which say of themselves what C reads of them."""
    cdef list ranges = []
    cdef int64_t a, b, c
    for first, last, step in years:
        a, b, c = exact(first), exact(last), exact(step)
        if not (1 <= a <= b <= LAST_YEAR and c >= 1):
            raise ValueError(
                f"years must be ranges (first, last, step) within 1 to 9999, not {(first, last, step)!r}"
            )
        ranges.append((a, b, c))
    return tuple(ranges)


cdef int _set_years(CronMasks *k, tuple years) except -1:
    cdef Py_ssize_t place = 0
    k.year_ranges = <int32_t>len(years)
    k.years = <int32_t *>malloc(3 * sizeof(int32_t) * (len(years) + 1))
    if k.years == NULL:
        raise MemoryError()
    for first, last, step in years:
        k.years[place], k.years[place + 1], k.years[place + 2] = first, last, min(step, LAST_YEAR)
        place += 3
    return 0


cdef CronSpec spec_of(const CronMasks *asked, tuple years):
    cdef object key = PyBytes_FromStringAndSize(<const char *>asked, <const char *>&asked.any_week - <const char *>asked)
    if years is not None:
        years = _exact_years(years)
        key = (key, years)
    cdef PyObject *known = PyDict_GetItemWithError(_interned, key)
    cdef CronSpec spec
    if known != NULL:
        return <CronSpec>known
    spec = _make(asked, years)
    spec.key = key
    if len(_interned) >= MOST_SPECS:
        _interned.clear()
    _interned[key] = spec
    return spec


cdef CronSpec _make(const CronMasks *asked, tuple years):
    cdef CronSpec spec = CronSpec.__new__(CronSpec)
    cdef CronMasks *k = &spec.masks
    memcpy(k, asked, <const char *>&asked.any_week - <const char *>asked)
    spec.years = years
    if years is not None:
        _set_years(k, years)
    k.strict = not k.rhythm and k.dst != DST_BOTH
    k.any_week = k.week == RAP_ALL_WEEKS
    k.by_date = (
        k.any_week
        and k.weekday == RAP_ALL_WEEKDAYS
        and not (k.nth_weekdays or k.nearest_workdays or k.day_or_weekday)
    )
    k.every_day = (
        k.year_ranges < 0
        and k.by_date
        and k.month == RAP_ALL_MONTHS
        and (k.day_any or k.day == RAP_ALL_DAYS)
    )
    if k.second and k.minute and k.hour:
        k.first_time_s = rap_lowest(k.hour) * 3600 + rap_lowest(k.minute) * 60 + rap_lowest(k.second)
        k.last_time_s = rap_highest(k.hour) * 3600 + rap_highest(k.minute) * 60 + rap_highest(k.second)
    return spec


@cython.no_gc  # as in the .pxd
cdef class CronSpec:
    """What matches, as bit masks. Immutable; equal specs are one object (`CronSpec.of`)."""

    def __cinit__(self):
        # Matches nothing until made: `_make` alone gives masks.
        self.masks.year_ranges = -1
        self.masks.first_time_s = self.masks.last_time_s = -1
        self.masks.none_from = INT32_MAX
        self.masks.none_until = -1

    def __init__(self, *args, **kwargs):
        raise TypeError("a CronSpec is shared by all who need the same one; get it by CronSpec.of(...)")

    def __dealloc__(self):
        free(self.masks.years)

    @classmethod
    def of(
        cls,
        second=_ALL_SECONDS,
        minute=_ALL_SECONDS,
        hour=_ALL_HOURS,
        day=_ALL_DAYS,
        month=_ALL_MONTHS,
        week=_ALL_WEEKS,
        weekday=_ALL_WEEKDAYS,
        years=None,
        last_day_offsets=0,
        nth_weekdays=0,
        nearest_workdays=0,
        day_any=False,
        day_or_weekday=False,
        rhythm=False,
        dst="once",
    ):
        """The spec with these masks.

        :raises ValueError: if a mask has a bit that means nothing, a range of years is not within 1 to 9999,
            or `dst` is unknown
        """
        cdef CronMasks k
        memset(&k, 0, sizeof(k))
        k.second = _mask("second", second, RAP_ALL_SECONDS)
        k.minute = _mask("minute", minute, RAP_ALL_SECONDS)
        k.hour = _mask("hour", hour, RAP_ALL_HOURS)
        k.day = _mask("day", day, RAP_ALL_DAYS)
        k.month = _mask("month", month, RAP_ALL_MONTHS)
        k.week = _mask("week", week, RAP_ALL_WEEKS)
        k.weekday = _mask("weekday", weekday, RAP_ALL_WEEKDAYS)
        if years is not None:
            years = _exact_years(tuple(years))
        k.last_day_offsets = _mask("last_day_offsets", last_day_offsets, RAP_ALL_LAST_DAYS)
        k.nth_weekdays = _mask("nth_weekdays", nth_weekdays, RAP_ALL_NTH_WEEKDAYS)
        k.nearest_workdays = _mask("nearest_workdays", nearest_workdays, 0xFFFFFFFF)
        k.day_any, k.day_or_weekday, k.rhythm = bool(day_any), bool(day_or_weekday), bool(rhythm)
        k.dst = <DstRule>dst_rule(dst)
        return spec_of(&k, years)

    @property
    def second(self):
        return self.masks.second

    @property
    def minute(self):
        return self.masks.minute

    @property
    def hour(self):
        return self.masks.hour

    @property
    def day(self):
        return self.masks.day

    @property
    def month(self):
        return self.masks.month

    @property
    def week(self):
        return self.masks.week

    @property
    def weekday(self):
        return self.masks.weekday

    @property
    def last_day_offsets(self):
        return self.masks.last_day_offsets

    @property
    def nth_weekdays(self):
        return self.masks.nth_weekdays

    @property
    def nearest_workdays(self):
        return self.masks.nearest_workdays

    @property
    def day_any(self):
        return self.masks.day_any != 0

    @property
    def day_or_weekday(self):
        return self.masks.day_or_weekday != 0

    @property
    def rhythm(self):
        return self.masks.rhythm != 0

    @property
    def dst(self):
        return ("once", "both", "shift")[self.masks.dst]

    cdef tuple arguments(self):
        """Those of `of`."""
        return (
            self.second, self.minute, self.hour, self.day, self.month, self.week, self.weekday, self.years,
            self.last_day_offsets, self.nth_weekdays, self.nearest_workdays, self.day_any, self.day_or_weekday,
            self.rhythm, self.dst,
        )

    def __reduce__(self):
        return CronSpec.of, self.arguments()

    def __eq__(self, other):
        return self.key == (<CronSpec>other).key if isinstance(other, CronSpec) else NotImplemented

    def __hash__(self):
        return hash(self.key)

    def __repr__(self):
        return f"CronSpec.of{self.arguments()!r}"


cdef CronSpec _NOTHING = CronSpec.__new__(CronSpec)


# Triggers that jobs share, by a hash of what they hold; no references. Two of one place: the later is found.
cdef enum:
    SHARED_PLACES = 1 << 13

cdef PyObject *_shared[SHARED_PLACES]


cdef inline size_t shared_place(CronCore trigger) noexcept:
    cdef uint64_t hash = <size_t><PyObject *>trigger.spec >> 4
    hash = (hash ^ <size_t><PyObject *>trigger.zone >> 4) * <uint64_t>0x9E3779B97F4A7C15
    hash = (hash ^ <uint64_t>trigger.first_us ^ <size_t><PyObject *>trigger._text >> 4) * <uint64_t>0x9E3779B97F4A7C15
    return <size_t>(hash >> 40) & (SHARED_PLACES - 1)


cdef CronCore shared_cron(CronCore trigger):
    cdef size_t place = shared_place(trigger)
    cdef PyObject *known = _shared[place]
    cdef CronCore found
    # one that is being freed has no references: a subclass lets go of what it adds first, and then leaves the table
    if known != NULL and Py_REFCNT(known) and Py_TYPE(<object>known) == Py_TYPE(trigger):
        found = <CronCore>known
        if (
            found.spec is trigger.spec and found.zone is trigger.zone and found._text is trigger._text
            and found.first_us == trigger.first_us and found.last_us == trigger.last_us
            and found.jitter_us == trigger.jitter_us and found.skips is trigger.skips
        ):
            return found
    leave_shared(trigger)
    trigger.shared_at = <uint32_t>place + 1
    _shared[place] = <PyObject *>trigger
    return trigger


cdef inline void leave_shared(CronCore trigger) noexcept:
    # By the place that was kept: whoever reached it past its jobs (a `__del__` of its class) may have changed its values.
    if trigger.shared_at and _shared[trigger.shared_at - 1] == <PyObject *>trigger:
        _shared[trigger.shared_at - 1] = NULL


@cython.no_gc  # as in the .pxd
cdef class CronCore(TriggerCore):
    """A cron schedule in a zone. Fires on whole seconds."""

    def __cinit__(self):
        self.spec = _NOTHING

    def __dealloc__(self):
        leave_shared(self)

    def __init__(self, spec, zone, start_us=None, end_us=None, jitter_us=0):
        if not isinstance(spec, CronSpec):
            raise TypeError(f"spec must be a CronSpec, not {type(spec).__name__}")
        TriggerCore.__init__(self, zone, start_us, end_us, jitter_us)
        self.spec = <CronSpec>spec
        self._text = None

    cdef TriggerCore copied(self):
        cdef CronCore made = CronCore.__new__(CronCore)
        made.spec = self.spec
        return self.give_to(made)

    cdef int64_t next_us(self, int64_t previous_us, int64_t now_us) except? -1 nogil:
        cdef int64_t from_us = now_us if now_us < previous_us or previous_us == never_us() else previous_us + 1
        if from_us < self.first_us:
            from_us = self.first_us
        if from_us > self.last_us:
            return never_us()
        cdef int64_t fire_s = next_fire_s(
            &self.spec.masks, self.zone, ceil_s(from_us), floor_s(self.last_us)
        )
        return never_us() if fire_s == RAP_NONE else fire_s * SECOND_US

    cdef int64_t before_us(self, int64_t t_us) except? -1 nogil:
        cdef int64_t until_us = self.last_us if t_us > self.last_us else t_us
        if t_us <= self.last_us:
            if t_us <= self.first_us:
                return never_us()
            until_us = t_us - 1
        if until_us < self.first_us:
            return never_us()
        cdef int64_t fire_s = last_fire_s(
            &self.spec.masks, self.zone, floor_s(until_us), ceil_s(self.first_us)
        )
        return never_us() if fire_s == RAP_NONE else fire_s * SECOND_US

    cdef int64_t fill_us(self, int64_t *out, int64_t room, int64_t start_us, int64_t end_us) except -1 nogil:
        cdef int64_t from_us = start_us if start_us > self.first_us else self.first_us
        cdef int64_t last = end_us if end_us < self.last_us else self.last_us
        if from_us > last:
            return 0
        return fill_s(&self.spec.masks, self.zone, out, room, ceil_s(from_us), floor_s(last))


cdef inline int64_t floor_s(int64_t us) noexcept nogil:
    return (us if us >= 0 else us - (SECOND_US - 1)) // SECOND_US


cdef inline int64_t ceil_s(int64_t us) noexcept nogil:
    return (us + (SECOND_US - 1) if us > 0 else us) // SECOND_US
