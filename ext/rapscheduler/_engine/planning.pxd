# What the loop makes of jobs. Times are int64 microseconds; never_us() is "none".
cimport cython
from libc.stdint cimport int64_t, uint64_t

from rapscheduler._engine._instants cimport SECOND_US
from rapscheduler._engine.trigger cimport TriggerCore

cdef inline bint late(int64_t run_us, int64_t now_us, object grace_s) except -1:
    """The misfire rule: see `is_late` of the reference twin."""
    if grace_s is None:
        return False
    # unsigned: the way between two instants of int64 may be longer than an int64
    if now_us < run_us:
        return -<object>(<uint64_t>run_us - <uint64_t>now_us) > grace_s * SECOND_US
    return <uint64_t>now_us - <uint64_t>run_us > grace_s * SECOND_US


@cython.no_gc  # nothing that a job reaches holds one
@cython.final
cdef class Change:
    cdef readonly object job
    cdef int64_t expect_us
    cdef int64_t run_us
    cdef int64_t due_nominal_us
    cdef readonly bint remove
    cdef readonly object park
    cdef readonly object run_time


@cython.no_gc
@cython.final
cdef class Submission:
    cdef readonly object job
    cdef public object alias
    cdef int64_t first_us  # the first run time; the only one, unless there are `many` or a chain
    cdef int64_t chain_us  # the chain of `trigger`: what it said for the first run time …
    cdef int64_t last_us  # … and the last run time; those between are found on the way
    cdef readonly int64_t found_us
    cdef TriggerCore trigger  # None: no chain
    cdef tuple many
    cdef object times
    cdef public bint counted
    cdef public object kept


@cython.final
cdef class Plan:
    cdef readonly list submissions
    cdef readonly list changes
    cdef readonly list foreign
    cdef readonly list skipped
    cdef readonly list backlogs
    cdef readonly list watched
