# How many runs of each job are under way: `counts` maps a job id to a number of at least 1; `groups` maps the name of a
# group to the ids of its jobs that run, or have run.

cdef class RunningCounts:
    cdef dict counts
    cdef dict groups
    cdef public dict limits
    cdef public object rates
    cdef public object freed
    cdef bint take_watched(self, object job) except -1
    cdef long of(self, object job_id) except -1
    cdef bint take(self, object job_id, object limit) except -1
    cdef int give_back(self, object job_id) except -1
    cdef int give_all_back(self, list granted) except -1
