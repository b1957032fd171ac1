# Jobs made of specs that are like known ones. `MOST_ITEMS` is how many items of a spec are looked at, `MOST_ARGS` how
# many positional arguments: a spec with more goes the long way.
from libc.stdint cimport uint64_t

from rapscheduler._engine.job_core cimport JobCore, _Kind

cdef enum:
    MOST_ITEMS = 16
    MOST_ARGS = 64
    MOST_TRIGGERS = 65536


cdef class _Callee:
    cdef object given         # the callable as the specs have it
    cdef object code          # of a function, as it was learned
    cdef _Kind kind
    cdef object name
    cdef object coalesce      # ... : left to the scheduler's defaults
    cdef uint64_t fitting     # bit n: n positional arguments were found to fit


cdef class KnownDrafts:
    cdef object kind          # the class of jobs
    cdef object scheduler
    cdef object new_id
    cdef object func          # the callable of specs that name none; None: they must
    cdef object args          # the positional arguments of specs that have none
    cdef object trigger       # the trigger of specs that say nothing about it; None: it is made for each
    cdef dict callees         # id of the callable -> _Callee
    cdef dict triggers        # (name, value, name, value, …) -> CronCore
    cdef _Callee last
    cdef _Callee callee(self, object func)
    cdef JobCore draft(self, dict spec)
    cdef JobCore draft_of(self, object func, object args, object job_id, object name, dict items)
