# cython: nonecheck=True
# A None among the jobs is an error, never a crash: the lists come from stores, which others may write.
"""Runs under way: counting them, making the call of the plain ones, and telling of those.

Twin of `rapscheduler._reference.running`, which states the contract.
"""

cimport cython
from cpython.dict cimport PyDict_DelItem, PyDict_GetItemWithError, PyDict_SetItem
from cpython.long cimport PyLong_CheckExact
from cpython.object cimport PyObject
from cpython.ref cimport Py_TYPE
from libc.stdint cimport int64_t

import sys
from functools import partial

from rapscheduler._engine._instants cimport never_us
from rapscheduler._engine._versions cimport rap_version
from rapscheduler._engine.datetimes cimport told_us
from rapscheduler._engine.job_core cimport HAS_RARE, WATCHED, JobCore, kind_of, kwargs_of, plain_id
from rapscheduler._engine.ledger cimport Around, Kept, Ledger, RunCore, Watching
from rapscheduler._engine.planning cimport Submission, late

cdef enum:
    EXECUTED = 1 << 12  # the code of the event
    LONG = 0            # the ways of a run, as judged: the executor's own,
    ASKED = 1           # quick, and executor and scheduler are asked what to tell,
    BY_EARS = 2         # quick, and told by the engine

cdef object _executed = EXECUTED
cdef object _info = 20  # the level; `logging` itself comes when a logger is looked at
cdef str _name = "__dict__"
cdef str _success = "_run_job_success"  # what somebody may put on an executor, a scheduler, a logger
cdef str _dispatch = "_dispatch_event"
cdef str _wants = "_wants"
cdef str _enabled = "isEnabledFor"
cdef str _quick = "_quick"  # what an executor has of these


class NotBegun:
    """What `run_at_once` returns when it did not make the call."""


def run_at_once(Submission submission not None, now_us, RunningCounts counts not None, Ledger ledger=None):
    """Make the call of a submission that has one run time and is not late; see the reference twin."""
    cdef int64_t began_us = never_us()
    cdef Kept kept = None  # held: whoever has the submission may set another one, or none
    if not begins(submission, now_us, &began_us):
        return NotBegun
    if ledger is not None:
        kept = ledger.begun((<JobCore>submission.job).id_, submission.alias, submission.first_us, began_us)
        submission.kept = kept
    value = value_of(submission.job)
    if value is None and (kept is None or ledger.ended(kept)):
        with cython.critical_section(counts):
            counts.give_back((<JobCore>submission.job).id_)
    return value


cdef bint begins(Submission submission, object now_us, int64_t *began_us) except -1:
    """Whether the call may be made: one run time, in time, and nothing about the job that concerns its runs.

    `began_us`: the time, if it had to be asked for.
    """
    cdef JobCore job
    if submission.many is not None or submission.trigger is not None or not isinstance(submission.job, JobCore):
        return False
    job = submission.job
    if job.flags & WATCHED:
        return False
    if kind_of(job).grace is None:
        return True
    began_us[0] = told_us(now_us)
    return not late(submission.first_us, began_us[0], job.misfire_grace_time)


cdef inline object value_of(JobCore job):
    func = kind_of(job).func
    if job.flags & HAS_RARE:
        kwargs = kwargs_of(job)
        if kwargs is not None:
            return func(*job.args_, **kwargs)
    if type(job.args_) is tuple and not <tuple>job.args_:
        return func()
    return func(*job.args_)


cdef object call_of(JobCore job):
    """What makes the call of a job, called without arguments."""
    func = kind_of(job).func
    if job.flags & HAS_RARE:
        kwargs = kwargs_of(job)
        if kwargs is not None:
            return partial(func, *job.args_, **kwargs)
    if type(job.args_) is tuple and not <tuple>job.args_:
        return func
    return partial(func, *job.args_)


cdef object id_of(Submission submission):
    return submission.job.id


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
                    submission.counted = self.take((<JobCore>job).id_, kind_of(<JobCore>job).max_instances)
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
            self.give_back(id_of(submission))

    def count(self, job_id):
        """How many runs of this job are under way."""
        return self.counts.get(plain_id(job_id), 0)

    @cython.critical_section
    def count_group(self, group):
        """How many runs of the jobs of this group are under way."""
        return sum([self.of(one) for one in self.groups.get(group, ())])

    def __len__(self):
        return len(self.counts)


cdef class Ears:
    """Who listens, as the engine has to know it; see the reference twin."""

    def __cinit__(self):
        self.by_code = {}
        self.held = {}

    def who_wants(self, code):
        """The listeners of a code."""
        raise NotImplementedError

    def hold_back(self, event):
        """Whether an event has to wait, and does."""
        raise NotImplementedError

    def failed(self, error):
        """A listener raised."""
        raise NotImplementedError

    def dispatch(self, event):
        """Tell an event now, or when what has to come before it was told."""
        if not self.held or not self.hold_back(event):
            (<object>self).tell(event)

    def tell(self, event):
        """Tell an event at once."""
        self.call_all(event.code, event)

    cdef int call_all(self, object code, object event) except -1:
        cdef PyObject *known = PyDict_GetItemWithError(self.by_code, code)
        cdef tuple listeners = <tuple?>(self.who_wants(code) if known == NULL else <object>known)
        for callback in listeners:
            try:
                callback(event)
            except BaseException as error:
                self.failed(error)
        return 0


cdef class Closable:
    """Backlogs, as the engine has to know them; see the reference twin."""


cdef class QuickRuns:
    """Runs that need no run loop, and the event of each; see the reference twin."""

    def __init__(self, executor, judge, dict names not None, event, lines):
        home = executor._home
        self.executor = executor
        self.scheduler = executor._scheduler
        self.judge = judge
        self.event = event
        self.counts = executor._running
        self.now_us = executor._now_us
        self.ears = home.ears
        self.watched = home.watched
        self.backlogs = home.backlogs
        self.names = names
        self.datetime = names["_DATETIME"]
        self.line_begun, self.line_ended = lines
        self.own = executor.__dict__
        attributes = getattr(self.scheduler, "__dict__", None)
        self.scheduler_own = attributes if type(attributes) is dict else {}
        self.looks = 0
        self.left = executor._left_lines

    def make(self, Submission submission not None):
        """Run a submission; what is not plain goes the executor's long way."""
        cdef bint plain = False
        cdef JobCore job
        cdef int64_t began_us = never_us()
        cdef Ledger ledger = None
        cdef Kept kept = None
        cdef Around around = None
        cdef RunCore run = None
        if self.own is None:
            raise AttributeError("these QuickRuns were not initialised")
        value = error = event = claim = None
        text = ""
        try:
            plain = self.may_begin()
            if plain and self.backlogs.claims:
                claim = self.backlogs.of(submission)
            if plain and (claim is None or claim.now_us is None):
                plain = begins(submission, self.now_us, &began_us)
            elif plain:
                plain = begins(submission, claim.now_us, &began_us)
                began_us = never_us()  # by a clock that is not the ledger's
            if plain and claim is not None:
                plain = claim.begin_at_once()
            if plain:
                text = self.begin_line(submission)
                around = self.watched.around
                ledger = self.watched.ledger
                if around is not None:
                    job = submission.job
                    run = around.begun(
                        job, job.id_, submission.alias, submission.first_us, began_us, self.now_us
                    )
                elif ledger is not None:
                    kept = ledger.begun(
                        (<JobCore>submission.job).id_, submission.alias, submission.first_us, began_us
                    )
                    submission.kept = kept
                try:
                    value = value_of(submission.job) if run is None else around.made(run, call_of(job))
                    plain = value is None or not hasattr(value, "__await__")  # which may raise
                except BaseException as exc:
                    plain, error = False, exc
                if plain and kept is not None:
                    plain = ledger.ended(kept)
                if run is not None:
                    if plain:
                        plain = not self.watched.every and around.ended(
                            run, value, self.watched.ledger, self.now_us
                        )
                    if not plain:
                        submission.kept = run
                if plain:
                    event = self.outcome(submission, value, kept, run)
                    if text:
                        self.end_line(text)
                    if claim is not None:
                        claim.end()
                    self.leave(submission.job)  # last: whatever fails before, `_run_lost` gives the place back
            else:
                error = NotBegun
        except BaseException as exc:  # not the job's own: a log handler, or a bug of ours
            if run is not None:
                submission.kept = run
            self.executor._run_lost(submission, exc)
            return
        if error is NotBegun:
            self.executor._run_long(submission)
        elif not plain:
            self.executor._finish_run(submission, value, error)
        elif event is not None:
            self.tell(event, False)

    def told(self, Submission submission not None, value):
        """Tell, in the loop, of a run that was plain, and whose call the executor saw end well."""
        if not self.is_same():
            self.look()
        event = self.outcome(submission, value, submission.kept, None)
        if event is None:
            return
        if self.own.get(_quick) is self:
            self.tell(event, True)
        else:  # the executor was started again meanwhile, perhaps for another loop
            self.executor._tell_now(event)

    cdef object begin_line(self, Submission submission):
        """Log that a run begins, where INFO is logged; the text of its job, if a handler took the line."""
        if self.is_informed():
            return self.line_begun(self.own["_logger"], submission)
        if self.left:
            self.executor._write_left()
        return ""

    cdef int end_line(self, object text) except -1:
        later = self.executor._writes_later
        if later and not self.left:
            self.executor._left_lines = self.left = True
        self.line_ended(self.own["_logger"], text, later)
        return 0

    cdef int leave(self, JobCore job) except -1:
        cdef RunningCounts counts = self.counts
        with cython.critical_section(counts):
            counts.give_back(job.id_)
        return 0

    cdef bint may_begin(self) except -1:
        if not self.is_same():
            self.look()
        return (
            self.way != LONG
            and PyDict_GetItemWithError(self.names, "datetime") == <PyObject *>self.datetime
            and not self.watched.every
            and (self.watched.around is None or self.watched.around.may_begin())
        )

    cdef bint is_same(self) except -1:
        return (
            self.hooks() == self.hooked
            and rap_version(Py_TYPE(self.executor), _name) == self.version
            and rap_version(Py_TYPE(self.scheduler), _name) == self.scheduler_version
            and self.version != 0
            and self.scheduler_version != 0
        )

    cdef int look(self) except -1:
        """Have it judged which way runs go now."""
        cdef long looks = self.looks + 1
        cdef int way
        self.looks = looks
        self.way = LONG  # for other threads, meanwhile
        self.hooked = self.hooks()
        self.version = rap_version(Py_TYPE(self.executor), _name)
        self.scheduler_version = rap_version(Py_TYPE(self.scheduler), _name)
        way = self.judge()
        if looks == self.looks:  # else another thread has looked since, and may have seen more
            self.way = way
        return 0

    cdef int hooks(self) except -1:
        """Which methods somebody has put on the executor and the scheduler: a bit for each."""
        return (
            (_success in self.own)
            | (_dispatch in self.scheduler_own) << 1
            | (_wants in self.scheduler_own) << 2
        )

    cdef bint is_informed(self) except -1:
        """Whether INFO is logged, by what `Logger.isEnabledFor` remembers."""
        cdef PyObject *known
        logger = self.own["_logger"]
        if logger is not self.logger or self.logger is None or (
            _enabled in self.logger_own
            or rap_version(Py_TYPE(logger), _name) != self.logger_version
        ):
            self.look_at_logger(logger)
        if self.logger is not None:
            if self.logger_own["disabled"]:
                return False
            known = PyDict_GetItemWithError(self.logger_own["_cache"], _info)
            if known != NULL:
                enabled = <object>known
                return enabled
        return logger.isEnabledFor(_info)

    cdef int look_at_logger(self, object logger) except -1:
        import logging

        self.logger = None
        usual = getattr(logging.Logger.isEnabledFor, "__globals__", None)
        if type(logger) is not logging.Logger or usual is not vars(logging) or _enabled in vars(logger):
            return 0
        self.logger_own = logger.__dict__
        self.logger_version = rap_version(Py_TYPE(logger), _name)
        self.logger = logger
        return 0

    cdef object outcome(self, Submission submission, object value, Kept kept, RunCore run):
        """The event of a run that ended well; None: nobody wants it."""
        cdef JobCore job = submission.job
        if not (self.ears.mask & EXECUTED if self.way == BY_EARS else self.executor._wants(_executed)):
            return None
        run_time = submission.run_time(0, submission.first_us)
        event = self.event(_executed, job.id_, submission.alias, run_time, value)
        if kept is not None:
            event.kept = kept
        elif run is not None:
            event.run = run
        return event

    cdef int tell(self, object event, bint in_loop) except -1:
        if self.way != BY_EARS:
            (self.executor._tell_now if in_loop else self.scheduler._dispatch_event)(event)
        elif self.ears.outbox if in_loop else self.ears.outbox is not None:
            self.ears.dispatch(event)
        elif not self.ears.held or not self.ears.hold_back(event):
            self.ears.call_all(_executed, event)
        return 0
