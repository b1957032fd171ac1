# What was judged, and what it was judged by: sizes of dicts and version tags of classes, which change with them.
from libc.stdint cimport int64_t

from rapscheduler._engine.due_index cimport DueIndex
from rapscheduler._engine.job_core cimport JobCore


cdef class Desk:
    cdef object scheduler        # its class and attributes are looked at
    cdef object lifecycle
    cdef dict stores
    cdef object judge
    cdef dict checks
    cdef dict own                # the scheduler's attributes
    cdef Py_ssize_t own_count    # as they were judged, and so on
    cdef Py_ssize_t store_count
    cdef unsigned int version
    cdef unsigned int store_version
    cdef Py_ssize_t store_own_count
    cdef bint plain
    cdef object alias
    cdef object store
    cdef dict store_own
    cdef dict jobs
    cdef DueIndex index

    cdef bint is_open(self, object alias) except -1
    cdef bint is_same_store(self) except -1
    cdef int look(self) except -1
    cdef JobCore find_c(self, object job_id)
    cdef int64_t first_us(self, object trigger, int64_t now_us) except? -1
    cdef int move(self, JobCore job, int64_t run_us) except -1
