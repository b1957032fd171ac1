# cython: nonecheck=True
"""Runs that may be closed before they begin, and the claims among them.

Twin of `rapscheduler._reference.claims`, which states the contract.
"""

from threading import RLock

cimport cython
from cpython.dict cimport PyDict_GetItemWithError
from cpython.object cimport PyObject

from rapscheduler._engine.planning cimport Change, Submission


cdef class OpenRuns(Closable):
    """Those of a scheduler that have not ended, by job id; see the reference twin."""

    def __cinit__(self):
        self._open = {}
        self.lock = RLock()

    cdef int add(self, OpenRun run) except -1:
        cdef object job_id = run.submission.job.id
        cdef list alone = [run]  # before the look: making one may let others run
        cdef PyObject *known = PyDict_GetItemWithError(self._open, job_id)
        if known == NULL:
            self._open[job_id] = alone
        else:
            (<list?><object>known).append(run)
        return 0

    def put(self, OpenRun run not None):
        """One more."""
        self.add(run)

    def of(self, submission):
        """The run of a submission, or of one that was made of its job and run times again."""
        cdef PyObject *known = PyDict_GetItemWithError(self._open, submission.job.id)
        cdef OpenRun run
        if known == NULL:
            return None
        for run in <list?><object>known:
            if run.submission is submission:
                return run
        return self._like(submission)

    def _like(self, submission):
        return None

    def forget(self, OpenRun run not None):
        """Not open any more; whether it was closed."""
        cdef object job_id = run.submission.job.id
        cdef PyObject *found = PyDict_GetItemWithError(self._open, job_id)
        cdef list known
        cdef Py_ssize_t i
        if found != NULL:
            known = <list?><object>found
            for i in range(len(known)):
                if known[i] is run:
                    if len(known) == 1:
                        del self._open[job_id]
                    else:
                        del known[i]
                    break
        return run.closed


cdef class OpenRun:
    """One of them; see the reference twin."""

    def __cinit__(self):
        self.several = True

    def __init__(self, OpenRuns table not None, submission, Change change not None, now_us=None):
        self._table = table
        self.submission = submission
        self.expected_us = None if change.remove else change.run_at_us
        self.nominal_us = submission.job.nominal_us
        self.now_us = now_us

    def begin_at_once(self):
        """Whether this is one run, whose end is of no concern to its job's next one, and may be begun: as `begin`."""
        cdef Holding claims = self.claims  # held: what it calls may take it away
        if claims is None or self.several or self.counts or not claims.may_begin(self):
            return False
        self.begun = 1
        return True

    def end(self):
        """It is over: nobody can close it any more. True: somebody has."""
        cdef Holding claims = self.claims  # as above
        if claims is None or self.several or self.counts or self.kept or self.lapsed:
            return self._end()
        closed = self._table.forget(self)
        claims.end_of(self)
        return closed

    def _end(self):
        raise NotImplementedError


cdef class Holding:
    """What a scheduler has claimed in one store; see the reference twin."""

    def __cinit__(self):
        self._under_way = {}
        self._ended = []

    cdef bint may_begin(self, OpenRun run) except -1:
        cdef double now_s = self.steady_s()  # before the look: others may run meanwhile, and end the epoch
        if now_s >= self.until_s or run.epoch != self.me.epoch:
            run.lapsed = True
            return False
        return not run.closed

    def may_go_on(self, OpenRun run not None):
        """Whether a claim, or another run time of it, may begin."""
        return self.may_begin(run)

    @cython.boundscheck(True)  # others may change the lists meanwhile
    def hold_all(
        self,
        kind,
        OpenRuns table not None,
        list submissions not None,
        list changes not None,
        epoch,
        now_us,
        bint several=False,
        bint counts=False,
    ):
        """Claims that are about to be handed over."""
        cdef list held = []
        cdef OpenRun run
        cdef Submission submission
        cdef Py_ssize_t i
        cdef dict under_way = self._under_way  # before the look: another epoch has another
        cdef bint is_mine = epoch == self.me.epoch  # else the lease was lost meanwhile, and others have these
        for i in range(len(submissions)):
            submission = submissions[i]
            run = kind(table, submission, changes[i], now_us)
            run.claims = self
            run.several = several
            run.counts = counts
            run.epoch = epoch
            first_us = submission.first_us if submission.many is None else next(iter(submission.times_us()))
            run.key = (submission.job.id, first_us)
            if is_mine:
                under_way[run.key] = run
            table.add(run)
            held.append(run)
        return held

    cdef int end_of(self, OpenRun run) except -1:
        cdef PyObject *known = PyDict_GetItemWithError(self._under_way, run.key)
        if known == NULL or <object>known is not run:
            return 0
        self._under_way[run.key] = None
        self._ended_now += 1
        self._ended.append(run.key)
        job = run.submission.job
        if job._extras:
            self.made_room(job)
        if not self.is_awake:
            self.wake()
        return 0

    def note_end(self, OpenRun run not None):
        """A claimed run ended; a second call does nothing."""
        self.end_of(run)

    def steady_s(self):
        raise NotImplementedError

    def wake(self):
        raise NotImplementedError

    def made_room(self, job):
        raise NotImplementedError
