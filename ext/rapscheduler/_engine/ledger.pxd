# What became of runs. A `Kept` is no larger than its numbers: the random part of its id comes when somebody asks for it.
# What a run is while somebody follows it: `RunCore`, the base of `Run`; what is around each run: `Around`.
cimport cython
from libc.stdint cimport int64_t


@cython.no_gc  # what a job raised holds none, and a Run none that holds it
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


cdef class RunCore:
    cdef public object job_id
    cdef public object alias
    cdef public object who
    cdef public object state
    cdef public object retry_us
    cdef public object retval
    cdef public object exception
    cdef public object reason
    cdef public object job
    cdef public object stop
    cdef public object _error
    cdef object name             # the id, once somebody asked
    cdef Kept kept               # what a ledger has of it, whose id is its own; None: none has any
    cdef object future           # for those who wait
    cdef public int64_t scheduled_us
    cdef int64_t began_us        # never_us(): it has not
    cdef int64_t end_us          # the same
    cdef int64_t ticks           # of the id
    cdef public long attempt
    cdef public bint cancelled
    cdef public bint gave_up
    cdef bint ending             # somebody says how it ended
    cdef bint over               # and that is recorded
    cdef int name_it(self) except -1


@cython.final
cdef class Around:
    cdef readonly tuple functions
    cdef type run_type
    cdef object current
    cdef set live
    cdef object who
    cdef dict modules
    cdef bint may_begin(self) except -1
    cdef RunCore begun(self, object job, object job_id, object alias, int64_t scheduled_us, int64_t started_us, object now_us)
    cdef object made(self, RunCore run, object call)
    cdef bint ended(self, RunCore run, object value, Ledger ledger, object now_us) except -1


cdef class Watching:
    cdef public bint every
    cdef public Ledger ledger
    cdef public Around around
