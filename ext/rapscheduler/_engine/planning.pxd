# What the loop makes of jobs. Times are int64 microseconds; no_time_us() is "none".
cimport cython
from libc.stdint cimport int64_t

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
    cdef int64_t first_us  # the only run time, unless there are `many`
    cdef readonly int64_t found_us
    cdef tuple many
    cdef object times
    cdef public bint counted


@cython.final
cdef class Plan:
    cdef readonly list submissions
    cdef readonly list changes
    cdef readonly list foreign
