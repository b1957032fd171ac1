# Jobs made of rows that are like known ones. `MOST_KNOWN` is how many kinds of rows are remembered.
from libc.stdint cimport int64_t

from rapscheduler._engine.job_core cimport JobCore, _Kind
from rapscheduler._engine.trigger cimport TriggerCore

cdef enum:
    MOST_KNOWN = 4096


cdef class _Known:
    cdef bytes before         # the data of its rows up to the wall time of the trigger; or all of them
    cdef bytes after          # what follows that wall time; None: all of its rows have the same data
    cdef _Kind kind
    cdef object name
    cdef bint coalesce
    cdef TriggerCore model    # what its rows' triggers have in common; with `shared`, the trigger of all of them
    cdef bint shared
    cdef object trigger_kind  # the class of these triggers
    cdef tuple adds           # (name, value, name, value, …) of the attributes that this class adds
    cdef bint fits(self, const char *text, Py_ssize_t length, int64_t *time_us) except -1
    cdef TriggerCore trigger_at(self, int64_t time_us)


cdef class KnownRows:
    cdef object kind          # the class of jobs
    cdef dict known           # their data without the wall time -> _Known
    cdef _Known last
    cdef _Known find(self, bytes data, int64_t *time_us)
    cdef JobCore read(self, tuple row)
