# What became of runs. A `Kept` is no larger than its numbers: the random part of its id comes when somebody asks for it.
cimport cython
from libc.stdint cimport int64_t


@cython.no_gc  # a Run, and what a job raised, hold none
@cython.final
cdef class Kept:
    cdef readonly object job_id
    cdef readonly object jobstore
    cdef readonly object who
    cdef readonly int64_t scheduled_us
    cdef readonly int64_t started_us
    cdef int64_t end_us          # never_us(): it is under way
    cdef int64_t ticks           # of the id, 1/4096 ms each
    cdef object name             # the id, once somebody asked
    cdef object its_run
    cdef public object task      # while a coroutine is under way: a weak reference to its task


@cython.final
cdef class Ledger:
    cdef readonly Py_ssize_t keep
    cdef Py_ssize_t oldest       # its place, once all places are taken
    cdef list ring
    cdef set open_ones
    cdef object now_us
    cdef public object who
    cdef Kept begun(self, object job_id, object jobstore, int64_t scheduled_us, int64_t started_us)
    cdef bint ended(self, Kept kept) except -1
    cdef int put(self, object one) except -1


cdef class Watching:
    cdef public bint every
    cdef public Ledger ledger
