# cython: nonecheck=True
# A None among the jobs is an error, never a crash: the lists come from stores, which others may write.
"""Runs under way: counting them, and making the call of the plain ones.

Twin of `rapscheduler._reference.running`, which states the contract.
"""

cimport cython
from cpython.dict cimport PyDict_DelItem, PyDict_GetItemWithError, PyDict_SetItem
from cpython.long cimport PyLong_CheckExact
from cpython.object cimport PyObject
from libc.stdint cimport int64_t

import sys

from rapscheduler._engine.job_core cimport WATCHED, JobCore, plain_id
from rapscheduler._engine.planning cimport Submission, late


class NotBegun:
    """What `run_at_once` returns when it did not make the call."""


def run_at_once(Submission submission not None, now_us, RunningCounts counts not None):
    """Make the call of a submission that has one run time and is not late; see the reference twin."""
    cdef JobCore job
    if submission.many is not None or submission.trigger is not None or not isinstance(submission.job, JobCore):
        return NotBegun
    job = submission.job
    if job.flags & WATCHED:
        return NotBegun
    if job.misfire_grace_time_ is not None:
        if late(submission.first_us, now_us(), job.misfire_grace_time):
            return NotBegun
    value = called(job)
    if value is None:
        with cython.critical_section(counts):
            counts.give_back(job.id_)
    return value


def begins_at_once(Submission submission not None, int64_t at_us):
    """Whether `run_at_once` would make the call at this time."""
    if submission.many is not None or submission.trigger is not None or not isinstance(submission.job, JobCore):
        return False
    if (<JobCore>submission.job).flags & WATCHED:
        return False
    return not late(submission.first_us, at_us, (<JobCore>submission.job).misfire_grace_time)


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
        self.groups = {}
        self.limits = {}

    cdef long of(self, object job_id) except -1:
        cdef PyObject *known = PyDict_GetItemWithError(self.counts, job_id)
        return 0 if known == NULL else <object>known

    cdef bint take(self, object given_id, object limit) except -1:
        cdef object job_id = plain_id(given_id)
        cdef long count
        if not PyLong_CheckExact(limit) and self.of(job_id) >= limit:  # which may run anything
            return False
        count = self.of(job_id)
        if PyLong_CheckExact(limit) and count >= limit:
            return False
        PyDict_SetItem(self.counts, job_id, count + 1)
        return True

    cdef int give_back(self, object given_id) except -1:
        cdef object job_id = plain_id(given_id)
        cdef long count = self.of(job_id)
        if count > 1:
            PyDict_SetItem(self.counts, job_id, count - 1)
        elif count == 1:
            PyDict_DelItem(self.counts, job_id)
        if self.freed is not None:
            self.freed(given_id)
        return 0

    cdef bint take_watched(self, object job) except -1:
        cdef object extras = getattr(job, "_extras", None) or {}
        cdef object limit = sys.maxsize if extras.get("overlap") == "allow" else job.max_instances
        cdef object group = extras.get("group")
        cdef object job_id = plain_id(job.id)
        cdef set members
        cdef object most
        if group is None:
            return self.take(job_id, limit)
        members = {one for one in self.groups.get(group, ()) if one in self.counts}
        most = self.limits.get(group, limit)
        if sum([self.of(one) for one in members]) >= most:
            return False
        if self.of(job_id) >= limit or (self.rates is not None and not self.rates.take(group)):
            return False
        self.take(job_id, sys.maxsize)
        members.add(job_id)
        self.groups[group] = members
        return True

    @cython.critical_section
    def acquire_job(self, job):
        """Count one more run of a job unless as many as allowed are under way; see the reference twin."""
        return self.take_watched(job)

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
                granted.append(submission)  # before it is counted: what is counted and not in here would stay so
                if isinstance(job, JobCore) and not (<JobCore>job).flags & WATCHED:
                    submission.counted = self.take((<JobCore>job).id_, (<JobCore>job).max_instances_)
                else:
                    submission.counted = self.take_watched(job)
                if not submission.counted:
                    granted.pop()
                    refused.append(submission)
        except BaseException:
            self.give_all_back(granted)
            raise
        return granted, refused

    cdef int give_all_back(self, list granted) except -1:
        """Give back all that hold a place; then comes what was raised on the way."""
        cdef Submission submission
        cdef object failed = None
        for submission in granted:
            try:
                if submission.counted:
                    submission.counted = False
                    self.give_back(submission.job.id)
            except BaseException as error:
                failed = error
        if failed is not None:
            raise failed
        return 0

    @cython.critical_section
    def release_run(self, Submission submission not None):
        """Give the place of a submission back; a second call does nothing."""
        if submission.counted:
            submission.counted = False
            self.give_back(submission.job.id)

    def count(self, job_id):
        """How many runs of this job are under way."""
        return self.counts.get(plain_id(job_id), 0)

    def __len__(self):
        return len(self.counts)
