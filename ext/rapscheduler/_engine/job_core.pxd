# The values of a job. Times are int64 microseconds; unset_us() and never_us() as in _instants.pxd.
# A value that was never set is the object UNSET; it is not NULL, as these are Python attributes.
# What jobs of a kind have in common is one object for all of them. It never changes: a job that is given another value of
# these is given another kind.
cimport cython
from cpython.unicode cimport PyUnicode_CheckExact, PyUnicode_FromObject
from libc.stdint cimport int64_t

from rapscheduler._engine.due_index cimport DueEntry

cdef enum:  # the bits of JobCore.flags
    HAS_COALESCE = 1
    COALESCE = 2
    HAS_RARE = 4  # run_dt is a _Rare
    WATCHED = 8  # some of its extras concern its runs
    SHARED = 16  # trigger_ is one that alike jobs share: who asks for it gets one of the job's own (`own_trigger`)
    HAS_KWARGS = 32  # keyword arguments were set, if only to none


cdef class _Rare:  # what few jobs have, so that the others need no room for it
    cdef object run_dt
    cdef object extras
    cdef object kwargs  # None: there are none


# The collector may not empty a kind: it would be that of living jobs, were it found again meanwhile. Every cycle through
# one passes through a job.
@cython.final
@cython.no_gc_clear
cdef class _Kind:
    cdef object scheduler  # or a weak reference to it
    cdef object alias
    cdef object func
    cdef object func_ref
    cdef object executor
    cdef object grace
    cdef object max_instances
    cdef size_t place  # among the known ones


cdef class JobCore(DueEntry):
    cdef int64_t due_nominal_us
    cdef object run_dt  # or a _Rare
    cdef _Kind kind  # None: the collector is breaking a cycle; others ask for it by `kind_of`
    cdef object id_
    cdef object name_
    cdef object args_
    cdef object trigger_
    cdef object __weakref__


# Functions and no methods: these would cost each job a pointer to their table.
cdef int own_trigger(JobCore job) except -1
cdef int set_trigger(JobCore job, object trigger, bint shared) except -1
cdef int set_kwargs(JobCore job, object kwargs) except -1
cdef int set_coalesce(JobCore job, bint coalesce) except -1
cdef object shown_dt(JobCore job)
cdef int advance(JobCore job, int64_t run_us, int64_t nominal_us, object run_time) except -1
cdef bint complete(JobCore job, object grace, bint coalesce, object max_instances) except -1


cdef inline object kwargs_of(JobCore job):  # None: there are none
    return (<_Rare?>job.run_dt).kwargs if job.flags & HAS_RARE else None


# An id as a key: the text that it is, whose comparison runs no code of others. What is no str stays what it is.
cdef inline object plain_id(object job_id):
    if PyUnicode_CheckExact(job_id) or not isinstance(job_id, str):
        return job_id
    return PyUnicode_FromObject(job_id)


# The kind with these values.
cdef _Kind known_kind(
    object scheduler, object alias, object func, object func_ref, object executor, object grace, object max_instances
)
cdef int set_alias(JobCore job, object alias) except -1


cdef inline _Kind kind_of(JobCore job):
    if job.kind is None:
        raise ReferenceError("this job is being freed")
    return job.kind


cdef object UNSET
cdef object given(object value, str name)  # AttributeError: it is UNSET
cdef bint native(object trigger)
cdef int show(JobCore job) except -1
cdef int hide(JobCore job) except -1
