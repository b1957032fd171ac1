# Calendar intervals: a chain of dates, so many months and days apart, at one time of day in a zone.
from libc.stdint cimport int32_t, int64_t

from rapscheduler._engine.trigger cimport TriggerCore


cdef class CalendarIntervalCore(TriggerCore):
    cdef readonly int32_t month_step  # years and months, 0 .. 120,000
    cdef readonly int32_t day_step  # weeks and days, 0 .. 3,660,000; one of the two is positive
    cdef readonly int32_t time_s  # time of day, seconds of wall time since midnight
    cdef readonly int32_t start_days  # days since 1970-01-01, the first date of the chain
    cdef readonly int32_t end_days  # the last date that may fire, 9999-12-31 at most

    cdef int64_t following(self, int64_t days) noexcept nogil
    cdef int64_t fire_us(self, int64_t days) except? -1 nogil
    cdef int64_t local_days(self, int64_t us) except? -1 nogil
    cdef int64_t near(self, int64_t from_days, int64_t days) noexcept nogil
    cdef int64_t last_fire(self, int64_t from_days, int64_t low_us, int64_t high_us) except? -1 nogil
