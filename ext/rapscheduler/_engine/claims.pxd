# Runs that may be closed before they begin, by job id: `OpenRuns`. Each of them: `OpenRun`. What a scheduler holds on
# one store: `Holding`.
from rapscheduler._engine.running cimport Closable

cdef class OpenRuns(Closable):
    cdef public dict _open       # lists
    cdef public object lock      # of those who do several steps
    cdef int add(self, OpenRun run) except -1


cdef class OpenRun:
    cdef public object _table
    cdef public object submission
    cdef public object expected_us
    cdef public object nominal_us
    cdef public object now_us
    cdef public long begun
    cdef public bint closed
    cdef public bint kept
    cdef public bint overtaken
    cdef public bint several
    cdef public bint counts
    cdef public bint lapsed
    cdef public object epoch
    cdef public object key
    cdef public Holding claims   # None: it is no claim


cdef class Holding:
    cdef public object me
    cdef public double until_s
    cdef public bint is_awake
    cdef public dict _under_way
    cdef public list _ended
    cdef public long _ended_now
    cdef bint may_begin(self, OpenRun run) except -1
    cdef int end_of(self, OpenRun run) except -1
