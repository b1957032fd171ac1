"""What became of runs, in memory: those that simply ran cost a few numbers each.

Twin of `rapscheduler._reference.ledger`, which states the contract; the layout is in ledger.pxd.
"""

cimport cython
from cpython.contextvars cimport PyContextVar_Reset, PyContextVar_Set
from libc.stdint cimport int64_t

import sys
from functools import partial
from os import urandom
from time import time_ns

from rapscheduler._engine._instants cimport never_us
from rapscheduler._engine.datetimes cimport is_machines, told_us

cdef int64_t _last_ticks = 0
cdef object _turn = object()
cdef str _gevent = "gevent"


cdef int64_t next_ticks(int64_t ticks) except -1:
    """The first that no other id of this process has, from these on."""
    global _last_ticks
    with cython.critical_section(_turn):
        if ticks <= _last_ticks:
            ticks = _last_ticks + 1
        _last_ticks = ticks
    return ticks


cdef inline int64_t ticks_now() except -1:
    cdef int64_t ns = time_ns()
    return ns // 1_000_000 * 4096 + ns % 1_000_000 * 4096 // 1_000_000


cdef inline int64_t ticks_of(int64_t started_us, object now_us) except -1:
    """Of a run that begins now, by this clock."""
    if is_machines(now_us) and started_us > 0:
        return started_us // 1000 * 4096 + started_us % 1000 * 4096 // 1000
    return ticks_now()


cdef str text_of(int64_t ticks):
    cdef str chance = urandom(8).hex()
    cdef str digits = f"{ticks >> 12:012x}7{ticks & 0xFFF:03x}{0x8 | int(chance[0], 16) & 0x3:x}{chance[1:]}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def new_run_id():
    """A UUIDv7 as text; see the reference twin."""
    return text_of(next_ticks(ticks_now()))


def new_turn():
    """The turn of an id; see the reference twin."""
    return next_ticks(ticks_now())


def id_of(int64_t turn):
    """An id that has this turn; see the reference twin."""
    return text_of(turn)


@cython.freelist(4096)
@cython.no_gc
@cython.final
cdef class Kept:
    """A run that simply ran, or is under way; see the reference twin."""

    state = "done"
    attempt = 1
    retry_us = None
    error = None
    reason = None

    @property
    def id(self):
        cdef str made
        if self.name is None:
            made = text_of(self.ticks)  # which may let another thread in
            if self.name is None:
                self.name = made
        return self.name

    @property
    def has_id(self):
        return self.name is not None

    @property
    def ended_us(self):
        return None if self.end_us == never_us() else self.end_us

    @property
    def run(self):
        return self.its_run


@cython.final
cdef class Ledger:
    """The latest runs, and those under way of which nobody keeps more; see the reference twin."""

    def __init__(self, Py_ssize_t keep, who, now_us):
        if keep < 1:
            raise ValueError(f"keep={keep} leaves no place for a run; give 1 or more")
        self.oldest = 0
        self.keep = keep
        self.who = who
        self.now_us = now_us
        self.ring = []
        self.open_ones = set()

    cdef Kept begun(self, object job_id, object jobstore, int64_t scheduled_us, int64_t started_us):
        """A run that begins; `started_us`: now, if that is known already, else never_us()."""
        cdef Kept kept = Kept.__new__(Kept)
        if started_us == never_us():
            started_us = told_us(self.now_us)
        kept.job_id = job_id
        kept.jobstore = jobstore
        kept.who = self.who
        kept.scheduled_us = scheduled_us
        kept.started_us = started_us
        kept.end_us = never_us()
        kept.ticks = next_ticks(ticks_of(started_us, self.now_us))
        with cython.critical_section(self):
            self.open_ones.add(kept)
        return kept

    cdef bint ended(self, Kept kept) except -1:
        cdef int64_t ended_us = told_us(self.now_us)
        with cython.critical_section(self):
            if kept.its_run is not None:
                return False
            kept.end_us = ended_us
            kept.task = None
            self.open_ones.discard(kept)
            self.put(kept)
        return True

    cdef int put(self, object one) except -1:
        if len(self.ring) < self.keep:
            self.ring.append(one)
            return 0
        cdef Py_ssize_t place = self.oldest
        self.oldest = place + 1 if place + 1 < self.keep else 0
        self.ring[place] = one
        return 0

    @cython.critical_section
    def end(self, Kept kept not None):
        """It simply ran; see the reference twin."""
        return self.ended(kept)

    @cython.critical_section
    def adopt(self, Kept kept not None, run):
        """Somebody keeps more of one that is under way; see the reference twin."""
        if kept.its_run is None and kept.end_us == never_us():
            kept.its_run = run
            self.open_ones.discard(kept)
        return kept.its_run

    @cython.critical_section
    def drop(self, Kept kept not None):
        """Nobody will tell its end here."""
        self.open_ones.discard(kept)

    @cython.critical_section
    def add(self, one):
        """What became of a run that was kept elsewhere."""
        self.put(one)

    @cython.critical_section
    def newest(self):
        """What is kept, the latest first."""
        cdef list found = self.ring[self.oldest:] + self.ring[:self.oldest]
        found.reverse()
        return found

    @cython.critical_section
    def under_way(self):
        """Those that were begun and have not ended."""
        return list(self.open_ones)

    @cython.critical_section
    def leave_parent(self, who):
        """In a forked child; see the reference twin."""
        self.open_ones = set()
        self.who = who

    def __len__(self):
        return len(self.ring)


cdef class RunCore:
    """What the engine has to know of a run that somebody follows; see the reference twin."""

    def __init__(self, job_id, alias, int64_t scheduled_us, long attempt, run_id, who):
        self.job_id = job_id
        self.alias = alias
        self.scheduled_us = scheduled_us
        self.attempt = attempt
        self.name = run_id
        self.ticks = 0 if run_id else next_ticks(ticks_now())
        self.who = who
        self.state = "queued"
        self.began_us = never_us()
        self.end_us = never_us()

    @property
    def id(self):
        if not self.name:
            self.name_it()
        return self.name

    @id.setter
    def id(self, run_id):
        self.name = run_id

    cdef int name_it(self) except -1:
        cdef str made = text_of(self.ticks)  # which may let another thread in
        with cython.critical_section(self):
            if not self.name:
                if self.kept is not None:  # they have one id
                    if self.kept.name is None:
                        self.kept.name = made
                    made = self.kept.name
                self.name = made
        return 0

    @property
    def has_id(self):
        return bool(self.name) or (self.kept is not None and self.kept.name is not None)

    @property
    def started_us(self):
        return None if self.began_us == never_us() else self.began_us

    @started_us.setter
    def started_us(self, time_us):
        self.began_us = never_us() if time_us is None else time_us

    @property
    def ended_us(self):
        return None if self.end_us == never_us() else self.end_us

    @ended_us.setter
    def ended_us(self, time_us):
        self.end_us = never_us() if time_us is None else time_us

    @property
    def is_over(self):
        return self.over

    @cython.critical_section
    def _take_end(self, state, ended_us):
        """Say how it ended; see the reference twin."""
        if self.ending:
            return False
        self.ending = True
        self.state = state
        self.end_us = ended_us
        return True

    @cython.critical_section
    def _close(self):
        """Its end is recorded; see the reference twin."""
        self.over = True
        return self.future

    @cython.critical_section
    def _wait_by(self, future):
        """What whoever waits for it waits for; see the reference twin."""
        if self.future is not None:
            return self.future, False
        self.future = future
        return future, self.over


@cython.final
cdef class Around:
    """What is around the call of each run; see the reference twin."""

    def __init__(self, tuple functions not None, type run_type not None, current, set live not None, who):
        if not functions or not issubclass(run_type, RunCore):
            raise TypeError(f"middleware around runs of {run_type!r}: {functions!r}")
        self.functions = functions
        self.run_type = run_type
        self.current = current
        self.live = live
        self.who = who
        self.modules = sys.modules

    cdef bint may_begin(self) except -1:
        return _gevent not in self.modules

    cdef RunCore begun(
        self, object job, object job_id, object alias, int64_t scheduled_us, int64_t started_us, object now_us
    ):
        """A run that begins; `started_us`: now, if that is known already, else never_us()."""
        cdef RunCore run = RunCore.__new__(self.run_type)
        if started_us == never_us():
            started_us = told_us(now_us)
        run.job_id = job_id
        run.alias = alias
        run.job = job
        run.who = self.who
        run.state = "running"
        run.attempt = 1
        run.scheduled_us = scheduled_us
        run.began_us = started_us
        run.end_us = never_us()
        run.ticks = next_ticks(ticks_of(started_us, now_us))
        self.live.add(run)
        return run

    cdef object made(self, RunCore run, object call):
        """The value of a call, by way of what is around it."""
        cdef Py_ssize_t place = len(self.functions) - 1
        while place:
            call = partial(self.functions[place], run, call)
            place -= 1
        token = PyContextVar_Set(self.current, run)
        try:
            return self.functions[0](run, call)
        finally:
            PyContextVar_Reset(self.current, token)

    cdef bint ended(self, RunCore run, object value, Ledger ledger, object now_us) except -1:
        """It simply ran; False: how it ended was said elsewhere."""
        cdef int64_t ended_us = told_us(now_us)
        cdef Kept kept
        self.live.discard(run)
        with cython.critical_section(run):
            if run.ending:
                return False
            run.ending = True
            run.retval = value
            run.state = "done"
            run.end_us = ended_us
            if ledger is not None:
                kept = Kept.__new__(Kept)
                kept.job_id = run.job_id
                kept.jobstore = run.alias
                kept.who = run.who
                kept.scheduled_us = run.scheduled_us
                kept.started_us = run.began_us
                kept.end_us = ended_us
                kept.ticks = run.ticks
                kept.name = run.name
                run.kept = kept
        if ledger is not None:
            ledger.add(kept)
        with cython.critical_section(run):
            run.over = True
            future = run.future
        run.job = None
        run.stop = None
        if future is not None:
            (<object>run)._settle(future)
        return True


cdef class Watching:
    """Who keeps runs, as the engine has to know it; see the reference twin."""
