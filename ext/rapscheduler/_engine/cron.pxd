# Cron schedules on int64: `CronSpec` (masks, shared) and `CronCore` (a spec in a zone).

cimport cython
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from rapscheduler._engine.trigger cimport TriggerCore

cdef enum DstRule:
    DST_ONCE = 0
    DST_BOTH = 1
    DST_SHIFT = 2

# What matches, for C. Never changes once made, but for the three caches at the end: each is one machine word that
# is right whatever other thread writes it, because all threads compute the same value for the same key.
cdef struct CronMasks:
    uint64_t second
    uint64_t minute
    uint64_t week
    uint64_t nth_weekdays
    uint32_t hour
    uint32_t day
    uint32_t last_day_offsets
    uint32_t nearest_workdays
    uint16_t month
    uint8_t weekday
    bint day_any
    bint day_or_weekday
    bint rhythm
    DstRule dst                # up to here: what was asked for; from here on: what follows from it
    bint any_week
    bint every_day             # all days of all years
    bint by_date               # no field asks for the weekday or the week of a day
    bint strict                # wall times that come twice count once: no rhythm, and not dst="both"
    int32_t first_time_s       # first and last matching second of a day; -1 when there is none
    int32_t last_time_s
    int32_t year_ranges        # how many of years; -1 for any year
    int32_t *years             # first, last, step; first, last, step; …
    uint64_t[2] month_days     # cache, by month number & 1: month number << 32 | matching days (bit d = day d)
    int32_t none_from          # cache: no month from this number on matches
    int32_t none_until         # cache: no month up to this number matches


@cython.no_gc
cdef class CronSpec:
    cdef CronMasks masks
    cdef readonly object years
    cdef object key  # the bytes of the masks that were asked for, or (these bytes, years)
    cdef tuple arguments(self)


@cython.no_gc
cdef class CronCore(TriggerCore):
    cdef readonly CronSpec spec
    cdef public object _text  # what the spec was written as; None: nobody said
    cdef uint32_t shared_at   # 1 + its place among those that jobs share; 0: it has none


# A trigger of the class and with all that this one holds, of which nobody knows but jobs, and which nobody changes: this
# very one, when there is none yet. The caller holds the only reference to the trigger, which its table does not count.
cdef CronCore shared_cron(CronCore trigger)
# The one spec of these masks: the first part of the struct is set, all the rest of it is zero.
cdef CronSpec spec_of(const CronMasks *asked, tuple years)
# ValueError: one of them has a bit that means nothing; the kernels rely on that none has
cdef int check_masks(
    uint64_t second, uint64_t minute, uint64_t hour, uint64_t day, uint64_t month, uint64_t week, uint64_t weekday,
    uint64_t last_day_offsets, uint64_t nth_weekdays,
) except -1
cdef int dst_rule(object dst) except -1  # ValueError: it is none
