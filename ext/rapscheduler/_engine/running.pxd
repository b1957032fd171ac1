# How many runs of each job are under way: `counts` maps a job id to a number of at least 1.

cdef class RunningCounts:
    cdef dict counts
    cdef bint take(self, object job_id, object limit) except -1
    cdef int give_back(self, object job_id) except -1
