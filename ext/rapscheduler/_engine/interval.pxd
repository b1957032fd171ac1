# Elapsed-time intervals in closed form: the grid anchor + n * interval, or the previous fire time plus the interval.
from libc.stdint cimport int64_t

from rapscheduler._engine.trigger cimport TriggerCore


cdef class IntervalCore(TriggerCore):
    cdef readonly int64_t interval_us  # 1 .. 10**18
    cdef readonly int64_t anchor_us  # the start date, a legal instant or later

    cdef bint has_local_time(self, int64_t fire_us) except -1 nogil
