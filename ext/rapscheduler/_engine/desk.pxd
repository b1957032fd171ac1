# What was judged, and what it was judged by: sizes of dicts and version tags of classes, which change with them.
from libc.stdint cimport int64_t

from rapscheduler._engine.due_index cimport DueIndex
from rapscheduler._engine.job_core cimport JobCore
from rapscheduler._engine.job_drafts cimport KnownDrafts

cdef enum:
    MOST_KNOWN = 64  # functions
    ENOUGH = 2000    # jobs unlike the earlier ones; when they are more than the others then, likeness isn't looked for


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
    cdef KnownDrafts known       # what was learned from jobs that were added, or None
    cdef object zone             # the scheduler's then,
    cdef object kind             # the class of its triggers,
    cdef unsigned int kind_version
    cdef readonly bint learns    # whether likeness is looked for
    cdef Py_ssize_t like, unlike # how many jobs were

    cdef bint is_open(self, object alias) except -1
    cdef bint is_open_here(self, object alias) except -1
    cdef bint still_knows(self) except -1
    cdef bint is_same_store(self) except -1
    cdef int look(self) except -1
    cdef JobCore find_c(self, object job_id)
    cdef object put(self, JobCore job, object alias, int64_t now_us)
    cdef int64_t first_us(self, object trigger, int64_t now_us) except? -1
    cdef int move(self, JobCore job, int64_t run_us) except -1
