# cython: nonecheck=True
# A None among the jobs is an error, never a crash: the lists come from stores, which others may write.
"""The rules of the loop on numbers, and what they make of due jobs.

Twin of `rapscheduler._reference.planning`, which states the rules and the contract; the layout is in planning.pxd.
Functions that go through many jobs call no Python code on the way except for a foreign tzinfo or `draw`.
"""

cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport int64_t

from rapscheduler._engine._instants cimport SECOND_US, never_us
from rapscheduler._engine.datetimes cimport from_us_c
from rapscheduler._engine.due_index cimport rap_prefetch, unset_us
from rapscheduler._engine.job_core cimport COALESCE, HAS_COALESCE, UNSET, WATCHED, JobCore, given, kind_of, native
from rapscheduler._engine.trigger cimport TriggerCore, ask_next, asked_latest, asked_next, exact, share_of


MISSED_TOLD = 1000

cdef extern from "Python.h":
    PyObject *PyList_GET_ITEM(object items, Py_ssize_t i)
    PyObject *PyTuple_GET_ITEM(object items, Py_ssize_t i)
    Py_ssize_t PyTuple_GET_SIZE(object items)

cdef inline object time_or_none(int64_t us):
    return None if us == never_us() or us == unset_us() else us


cdef inline int64_t us_or_never(object us) except? -1:
    return never_us() if us is None else us


def is_late(int64_t run_us, int64_t now_us, grace_s):
    """The misfire rule; see the reference twin."""
    return late(run_us, now_us, grace_s)


@cython.freelist(4096)
@cython.no_gc
@cython.final
cdef class Change:
    """What a store is to do with one job after a pass; see the reference twin."""

    def __init__(
        self, job, expected_us, run_at_us=None, nominal_us=None, bint remove=False, park=None, run_time=None
    ):
        self.job = job
        self.expect_us = us_or_never(expected_us)
        self.run_us = us_or_never(run_at_us)
        self.due_nominal_us = us_or_never(nominal_us)
        self.remove = remove
        self.park = park
        self.run_time = run_time

    @property
    def expected_us(self):
        return time_or_none(self.expect_us)

    @property
    def run_at_us(self):
        return time_or_none(self.run_us)

    @property
    def nominal_us(self):
        return time_or_none(self.due_nominal_us)

    def __repr__(self):
        end = f"park={self.park!r}" if self.park else "remove" if self.remove else f"run_at_us={self.run_at_us}"
        return f"<Change job={self.job.id} expected_us={self.expected_us} {end}>"


@cython.freelist(4096)
@cython.no_gc
@cython.final
cdef class Submission:
    """A job with the run times that are due, on its way to an executor; see the reference twin."""

    def __init__(self, job, run_times_us, int64_t found_us, run_times=None):
        self.job = job
        self.alias = getattr(job, "_jobstore_alias", None)
        self.found_us = found_us
        self.many = tuple(run_times_us)
        self.times = run_times

    @property
    def run_times_us(self):
        return self.many if self.many is not None else tuple(self.times_us())

    def times_us(self):
        """Go through the run times, each found when it is asked for."""
        if self.trigger is not None:
            return self._chain()
        return iter((self.first_us,) if self.many is None else self.many)

    def _chain(self):
        cdef int64_t run_us = self.first_us
        cdef int64_t previous_us = self.chain_us
        while True:
            yield run_us
            run_us = ask_next(self.trigger, previous_us, self.found_us)
            if run_us <= previous_us or run_us > self.last_us:
                return
            previous_us = run_us

    @cython.boundscheck(True)
    @cython.wraparound(True)
    def run_time(self, Py_ssize_t i, int64_t run_us):
        """Run time `i`, which is `run_us`, as an aware datetime."""
        return from_us_c(run_us, self.job._zone()) if self.times is None else self.times[i]

    @property
    def run_times(self):
        """The run times as aware datetimes in the zone of the job's trigger."""
        if self.times is None:
            zone = self.job._zone()
            self.times = [from_us_c(run_us, zone) for run_us in self.times_us()]
        return self.times

    def __iter__(self):
        return iter((self.job, self.run_times))


@cython.final
cdef class Plan:
    """The decision about a batch of due jobs; see the reference twin."""

    def __cinit__(self):
        self.submissions = []
        self.changes = []
        self.foreign = []
        self.skipped = []
        self.backlogs = []
        self.watched = []


def _by_chance():
    """A number in [0, 1), of the generator that programs seed. Loaded when one asks: few triggers have a jitter."""
    from random import random

    return random()


def plan_due(jobs, now_us, draw=_by_chance):
    """Decide what to run and what comes next, for jobs that are due at `now_us`; see the reference twin."""
    cdef Plan plan = Plan()
    cdef int64_t now = now_us
    cdef JobCore job
    cdef list due = list(jobs)  # a copy that nobody else can shorten
    cdef Py_ssize_t i
    for i in range(len(due)):
        fetch_ahead(due, i)
        job = due[i]
        if job.run_us > now or job.run_us == unset_us():
            continue
        given(job.trigger_, "trigger")
        if native(job.trigger_):
            plan_one(plan, job, now, draw)
        else:
            plan.foreign.append(job)
    return plan


# Jobs that come due together were added at any time: each is four to eight cache lines that the processor has not seen
# for a while. Fetched one after another they take longer than all the arithmetic; so those of the jobs to come are asked
# for while this one is worked on: first the job, then, when its pointers can be read, what they point to, and at last
# the arguments, which the worker takes in hand that runs the job a moment later.
cdef enum:
    FAR = 18
    NEAR = 12
    NEXT = 6


cdef inline void fetch_arguments(object args) noexcept:
    cdef Py_ssize_t place
    if type(args) is tuple and PyTuple_GET_SIZE(args) <= 4:
        for place in range(PyTuple_GET_SIZE(args)):
            rap_prefetch(PyTuple_GET_ITEM(args, place))


cdef inline void fetch_ahead(list due, Py_ssize_t i) noexcept:
    cdef Py_ssize_t n = len(due)
    cdef char *job
    cdef PyObject *near
    if i + NEXT < n:
        near = PyList_GET_ITEM(due, i + NEXT)
        if isinstance(<object>near, JobCore):
            fetch_arguments((<JobCore>near).args_)
    if i + FAR < n:
        job = <char *>PyList_GET_ITEM(due, i + FAR)
        rap_prefetch(job)
        rap_prefetch(job + 64)
        rap_prefetch(job + 128)
    if i + NEAR < n:
        near = PyList_GET_ITEM(due, i + NEAR)
        if isinstance(<object>near, JobCore):
            rap_prefetch(<PyObject *>(<JobCore>near).trigger_)
            rap_prefetch(<char *><PyObject *>(<JobCore>near).trigger_ + 64)
            rap_prefetch(<PyObject *>(<JobCore>near).id_)
            rap_prefetch(<PyObject *>(<JobCore>near).args_)


cdef int plan_one(Plan plan, JobCore job, int64_t now, object draw) except -1:
    cdef TriggerCore trigger = held(job.trigger_)
    cdef int64_t first_us = job.run_us if job.due_nominal_us == never_us() else job.due_nominal_us
    cdef int64_t last_us = first_us
    cdef int64_t next_us, dispatch_us
    cdef Submission submission = Submission.__new__(Submission)
    cdef Change change = Change.__new__(Change)
    submission.job = change.job = job
    submission.alias = kind_of(job).alias
    submission.found_us = now
    submission.first_us = change.expect_us = job.run_us
    if not job.flags & HAS_COALESCE:
        raise AttributeError("coalesce")
    if trigger.skips is not None and trigger.skips.after_end:
        # one run, whatever was missed; `nominal_us` of the change says when it began
        submission.trigger, submission.chain_us, submission.last_us = trigger, first_us, first_us
        next_us = asked_next(trigger, now, now)
    elif job.flags & COALESCE:
        last_us = asked_latest(trigger, first_us, now)
        if last_us == never_us() or last_us <= first_us:
            last_us = first_us
        else:
            submission.first_us = last_us
        next_us = asked_next(trigger, last_us, now)
    else:
        next_us = asked_next(trigger, last_us, now)
        if next_us <= now and next_us > last_us:
            last_us = asked_latest(trigger, first_us, now)
            set_chain(plan, submission, trigger, first_us, last_us)
            next_us = asked_next(trigger, last_us, now)
    change.remove = next_us == never_us()
    dispatch_us = next_us
    if not change.remove and trigger.jitter_us:
        dispatch_us = delayed(trigger, next_us, draw)
    change.run_us = dispatch_us
    change.due_nominal_us = next_us
    if not change.remove and trigger.skips is not None and trigger.skips.after_end:
        change.due_nominal_us = now
    if submission.trigger is not None:
        plan.backlogs.append(submission)
    if job.flags & WATCHED:
        plan.watched.append(submission)
    plan.submissions.append(submission)
    plan.changes.append(change)
    return 0


cdef inline TriggerCore held(TriggerCore trigger):
    """The trigger to ask: a copy, where its zone is a probed one, whose tzinfo may change the trigger meanwhile."""
    return trigger if trigger.zone.source is None else trigger.copied()


cdef int set_chain(
    Plan plan, Submission submission, TriggerCore trigger, int64_t first_us, int64_t last_us
) except -1:
    """Several run times are due, for a job that runs for each; of the long missed ones only the latest are kept."""
    cdef JobCore job = submission.job
    cdef object grace_s = given(kind_of(job).grace, "misfire_grace_time")
    cdef int64_t kept_us, skipped_us
    cdef int i
    submission.trigger, submission.chain_us, submission.last_us = trigger, first_us, last_us
    if not late(submission.first_us, submission.found_us, grace_s):
        return 0
    kept_us = max(first_us, min(submission.found_us, exact(submission.found_us - int(grace_s * SECOND_US))))
    for i in range(MISSED_TOLD):
        kept_us = asked_latest(trigger, first_us, kept_us - 1)
        if kept_us == never_us() or kept_us <= first_us:
            return 0
    skipped_us = asked_latest(trigger, first_us, kept_us - 1)
    if skipped_us == never_us() or skipped_us <= first_us:
        skipped_us = submission.first_us
    plan.skipped.append((submission, submission.first_us, skipped_us))
    submission.first_us = submission.chain_us = kept_us
    return 0


cdef int64_t delayed(TriggerCore trigger, int64_t nominal_us, object draw) except? -1:
    cdef double share = share_of(trigger, draw)
    if not 0 <= share <= 1:
        raise ValueError(f"draw() must give a number from 0 to 1, not {share}")
    cdef int64_t dispatch_us = nominal_us + <int64_t>(share * trigger.jitter_us)
    return max(nominal_us, min(dispatch_us, trigger.last_us))


def dispatch_at_us(TriggerCore trigger not None, int64_t nominal_us, draw=_by_chance):
    """When a run with this nominal time is due: jitter added, never beyond the trigger's end."""
    return delayed(trigger, nominal_us, draw) if trigger.jitter_us else nominal_us


def split_by_executor(list submissions not None, list changes not None):
    """Group submissions and their changes by the alias of the job's executor, in order."""
    cdef Submission submission
    cdef dict groups = {}
    cdef object alias
    if len(submissions) != len(changes):
        raise ValueError("every submission needs its change")
    if one_executor(submissions):
        alias = (<Submission>submissions[0]).job.executor
        return {alias: (submissions, changes)}
    for submission, change in zip(list(submissions), list(changes)):  # copies: a job, an alias may do anything
        alias = submission.job.executor
        group = groups.get(alias)
        if group is None:
            group = groups[alias] = ([], [])
        group[0].append(submission)
        group[1].append(change)
    return groups


cdef bint one_executor(list submissions):
    """Whether all jobs name the same executor by the same object."""
    cdef Submission submission
    cdef object alias = None
    for submission in submissions:
        if not isinstance(submission.job, JobCore):
            return False
        if alias is None:
            alias = kind_of(<JobCore>submission.job).executor
        elif kind_of(<JobCore>submission.job).executor is not alias:
            return False
    return alias is not None and alias is not UNSET
