# cython: nonecheck=True
# A None among the jobs is an error, never a crash: the lists come from stores, which others may write.
"""Runs under way: counting them, and making the call of the plain ones.

Twin of `rapscheduler._reference.running`, which states the contract.
"""

cimport cython
from cpython.dict cimport PyDict_DelItem, PyDict_GetItem, PyDict_SetItem
from cpython.object cimport PyObject
from libc.stdint cimport int64_t

from rapscheduler._engine.job_core cimport JobCore
from rapscheduler._engine.planning cimport Submission


class NotBegun:
    """What `run_at_once` returns when it did not make the call."""


def run_at_once(Submission submission not None, now_us, RunningCounts counts not None):
    """Make the call of a submission that has one run time and is not late; see the reference twin."""
    cdef JobCore job
    cdef int64_t lateness_us
    if submission.many is not None or submission.trigger is not None or not isinstance(submission.job, JobCore):
        return NotBegun
    job = submission.job
    if job.misfire_grace_time_ is not None:
        lateness_us = now_us() - submission.first_us
        if lateness_us > job.misfire_grace_time * 1_000_000:
            return NotBegun
    value = called(job)
    if value is None:
        with cython.critical_section(counts):
            counts.give_back(job.id_)
    return value


cdef inline object called(JobCore job):
    if job.kwargs_ is not None:
        return job.func_(*job.args_, **job.kwargs_)
    if type(job.args_) is tuple and not <tuple>job.args_:
        return job.func_()
    return job.func_(*job.args_)


cdef class RunningCounts:
    """How many runs of each job are under way, in all executors of a scheduler. Every method is atomic."""

    def __cinit__(self):
        self.counts = {}

    cdef bint take(self, object job_id, object limit) except -1:
        cdef PyObject *known = PyDict_GetItem(self.counts, job_id)
        cdef long count = 0
        if known != NULL:
            count = <object>known
        if count >= limit:
            return False
        PyDict_SetItem(self.counts, job_id, count + 1)
        return True

    cdef int give_back(self, object job_id) except -1:
        cdef PyObject *known = PyDict_GetItem(self.counts, job_id)
        cdef long count
        if known == NULL:
            return 0
        count = <object>known
        if count > 1:
            PyDict_SetItem(self.counts, job_id, count - 1)
        else:
            PyDict_DelItem(self.counts, job_id)
        return 0

    @cython.critical_section
    def acquire(self, job_id, limit):
        """Count one more run unless `limit` are under way."""
        return self.take(job_id, limit)

    @cython.critical_section
    def release(self, job_id):
        """Count one run less; an id without runs is left alone."""
        self.give_back(job_id)

    @cython.critical_section
    def acquire_runs(self, submissions):
        """Count many submissions: those that hold a place now, and those whose job runs often enough already."""
        cdef list granted = []
        cdef list refused = []
        cdef Submission submission
        cdef object job
        try:
            for submission in submissions:
                job = submission.job
                if isinstance(job, JobCore):
                    submission.counted = self.take((<JobCore>job).id_, (<JobCore>job).max_instances_)
                else:
                    submission.counted = self.take(job.id, job.max_instances)
                if submission.counted:
                    granted.append(submission)
                else:
                    refused.append(submission)
        except BaseException:
            for submission in granted:
                submission.counted = False
                self.give_back(submission.job.id)
            raise
        return granted, refused

    @cython.critical_section
    def release_run(self, Submission submission not None):
        """Give the place of a submission back; a second call does nothing."""
        if submission.counted:
            submission.counted = False
            self.give_back(submission.job.id)

    def count(self, job_id):
        """How many runs of this job are under way."""
        return self.counts.get(job_id, 0)

    def __len__(self):
        return len(self.counts)
