# What the loop makes of jobs. Times are int64 microseconds; no_time_us() is "none".
cimport cython
from libc.stdint cimport int64_t

from rapscheduler._engine.trigger cimport TriggerCore

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


@cython.final
cdef class Plan:
    cdef readonly list submissions
    cdef readonly list changes
    cdef readonly list foreign
    cdef readonly list skipped
