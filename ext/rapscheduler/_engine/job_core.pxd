# The values of a job. Times are int64 microseconds; unset_us() and never_us() as in _instants.pxd. A value that was
# never set is the object UNSET (it is not NULL: these are Python attributes), empty keyword arguments are None until
# somebody asks for the dict. `scheduler_` is the scheduler, or a weak reference to it.
from cpython.unicode cimport PyUnicode_CheckExact, PyUnicode_FromObject
from libc.stdint cimport int64_t

from rapscheduler._engine.due_index cimport DueEntry
from rapscheduler._engine.timezone cimport ZoneTable

cdef enum:  # the bits of JobCore.flags
    HAS_COALESCE = 1
    COALESCE = 2
    HAS_EXTRAS = 4  # run_dt is a _Rare
    WATCHED = 8  # some of its extras concern its runs


cdef class _Rare:  # what few jobs have, so that the others need no room for it
    cdef object run_dt
    cdef object extras


cdef class JobCore(DueEntry):
    cdef int64_t due_nominal_us
    cdef object run_dt  # or a _Rare
    cdef object scheduler_
    cdef public object _jobstore_alias
    cdef object id_
    cdef object func_
    cdef object func_ref_
    cdef object name_
    cdef object args_
    cdef object kwargs_
    cdef object trigger_
    cdef object executor_
    cdef object misfire_grace_time_
    cdef object max_instances_
    cdef object __weakref__
    cdef ZoneTable zone(self)
    cdef object shown_dt(self)
    cdef int set_shown_dt(self, object run_time) except -1
    cdef int advance(self, int64_t run_us, int64_t nominal_us, object run_time) except -1
    cdef int fill_options(self, object grace, object coalesce, object max_instances) except -1
    cdef bint complete(self, object grace, bint coalesce, object max_instances) except -1


# An id as a key: the text that it is, whose comparison runs no code of others. What is no str stays what it is.
cdef inline object plain_id(object job_id):
    if PyUnicode_CheckExact(job_id) or not isinstance(job_id, str):
        return job_id
    return PyUnicode_FromObject(job_id)


cdef object UNSET
cdef object given(object value, str name)  # AttributeError: it is UNSET
cdef bint native(object trigger)
cdef int show(JobCore job) except -1
cdef int hide(JobCore job) except -1
