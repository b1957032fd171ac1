# Civil calendar in ints, inline: days since 1970-01-01 <-> year, month, day.
# Proleptic Gregorian; meant for years 1..9999 (any int32 year works); nothing is checked here.
# weekday 0 = Monday. March-based years make the leap day the last day of a year, so month lengths need no table.
from libc.stdint cimport int32_t, int64_t, uint64_t

from rapscheduler._engine._words cimport rap_set_word, rap_word

ctypedef struct CivilDate:
    int32_t year
    int32_t month
    int32_t day


cdef inline bint is_leap_c(int32_t y) noexcept nogil:
    return (y & 3) == 0 and (y % 100 != 0 or y % 400 == 0)


cdef inline int32_t days_in_month_c(int32_t y, int32_t m) noexcept nogil:
    if m == 2:
        return 29 if is_leap_c(y) else 28
    return 30 | (m ^ (m >> 3))


cdef inline int64_t days_from_civil_c(int32_t y, int32_t m, int32_t d) noexcept nogil:
    """`d` may lie outside the month: it is simply counted on."""
    cdef int64_t march_year = y - (m <= 2)
    cdef int64_t era = (march_year if march_year >= 0 else march_year - 399) // 400
    cdef int64_t year_of_era = march_year - era * 400
    cdef int64_t day_of_year = (153 * (m + (-3 if m > 2 else 9)) + 2) // 5 + d - 1
    return era * 146097 + year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year - 719468


cdef inline void civil_from_days_c(int64_t days, CivilDate *out) noexcept nogil:
    cdef int64_t shifted = days + 719468
    cdef int64_t era = (shifted if shifted >= 0 else shifted - 146096) // 146097
    cdef int32_t day_of_era = <int32_t>(shifted - era * 146097)
    cdef int32_t year_of_era = (
        day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096
    ) // 365
    cdef int32_t day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    cdef int32_t march_month = (5 * day_of_year + 2) // 153
    out.day = day_of_year - (153 * march_month + 2) // 5 + 1
    out.month = march_month + 3 if march_month < 10 else march_month - 9
    out.year = <int32_t>(year_of_era + era * 400) + (out.month <= 2)


# The pair of day number and date converted last, either way: days + 2**22 above 23 bits of year, month and day. One word
# that is right whichever thread wrote it. What is read from a datetime, stepped and made into a datetime again, or due
# next to a neighbour, is mostly the same day: a conversion costs 5 ns, a look here 1.
cdef uint64_t last_converted


cdef inline void recall_civil(int64_t days, CivilDate *out) noexcept nogil:
    """`civil_from_days_c` of a day of the years 1 to 9999, remembered."""
    cdef uint64_t known = rap_word(&last_converted)
    cdef uint64_t key = <uint64_t>(days + 4194304)
    if known >> 23 == key:
        out.year = <int32_t>(known >> 9 & 0x3FFF)
        out.month = <int32_t>(known >> 5 & 15)
        out.day = <int32_t>(known & 31)
    else:
        civil_from_days_c(days, out)
        rap_set_word(
            &last_converted, key << 23 | <uint64_t>out.year << 9 | <uint64_t>out.month << 5 | <uint64_t>out.day
        )


cdef inline int64_t recall_days(int32_t y, int32_t m, int32_t d) noexcept nogil:
    """`days_from_civil_c` of a date of the years 1 to 9999, remembered."""
    cdef uint64_t known = rap_word(&last_converted)
    cdef uint64_t key = <uint64_t>y << 9 | <uint64_t>m << 5 | <uint64_t>d
    cdef int64_t days
    if (known & 0x7FFFFF) == key:
        return <int64_t>(known >> 23) - 4194304
    days = days_from_civil_c(y, m, d)
    rap_set_word(&last_converted, <uint64_t>(days + 4194304) << 23 | key)
    return days


cdef inline int32_t weekday_c(int64_t days) noexcept nogil:
    """1970-01-01 was a Thursday (3)."""
    cdef int64_t remainder = (days + 3) % 7
    return <int32_t>(remainder + 7 if remainder < 0 else remainder)


cdef inline int32_t iso_week_c(int64_t days, int32_t *iso_year) noexcept nogil:
    """The ISO week belongs to the year of its Thursday."""
    cdef CivilDate thursday
    cdef int64_t thursday_days = days - weekday_c(days) + 3
    civil_from_days_c(thursday_days, &thursday)
    iso_year[0] = thursday.year
    return <int32_t>((thursday_days - days_from_civil_c(thursday.year, 1, 1)) // 7 + 1)


cdef inline int32_t nth_weekday_c(int32_t y, int32_t m, int32_t n, int32_t weekday) noexcept nogil:
    """Day of the month of its n-th (1..5) weekday; 0 when there is none."""
    cdef int32_t first = weekday_c(days_from_civil_c(y, m, 1))
    cdef int32_t day = 1 + (weekday - first + 7) % 7 + (n - 1) * 7
    return day if day <= days_in_month_c(y, m) else 0


cdef inline int32_t last_weekday_c(int32_t y, int32_t m, int32_t weekday) noexcept nogil:
    cdef int32_t length = days_in_month_c(y, m)
    return length - (weekday_c(days_from_civil_c(y, m, length)) - weekday + 7) % 7


cdef inline int32_t nearest_workday_c(int32_t y, int32_t m, int32_t day) noexcept nogil:
    """Monday-to-Friday day nearest to `day`, never in another month."""
    cdef int32_t on = weekday_c(days_from_civil_c(y, m, day))
    if on == 5:
        return day - 1 if day > 1 else day + 2
    if on == 6:
        return day + 1 if day < days_in_month_c(y, m) else day - 2
    return day
