"""Looking up and changing jobs in memory in one step, where nobody hooks in.

Twin of `rapscheduler._reference.desk`, which states the contract. What may run code of others (a check of a value, a
zone of somebody's making, an object that is freed) comes before the job is looked up, or when all is done.
"""

from cpython.dict cimport PyDict_DelItem, PyDict_GetItemWithError, PyDict_Size
from cpython.object cimport PyObject
from cpython.ref cimport Py_TYPE
from cpython.unicode cimport PyUnicode_CheckExact
from libc.stdint cimport int64_t

from rapscheduler._engine._instants cimport max_us, min_us, never_us
from rapscheduler._engine._versions cimport rap_version
from rapscheduler._engine.due_index cimport DueIndex
from rapscheduler._engine.job_core cimport JobCore, advance, hide, native, set_trigger, show
from rapscheduler._engine.trigger cimport TriggerCore, ask_next

cdef extern from "Python.h":
    Py_ssize_t Py_REFCNT(PyObject *)


class _Elsewhere:
    """What a desk answers when the long way has to be taken."""

    def __repr__(self):
        return "ELSEWHERE"


ELSEWHERE = _Elsewhere()

cdef object _elsewhere = ELSEWHERE
cdef str _name = "__dict__"


cdef class Desk:
    """The quick way to the jobs of a scheduler; see the reference twin."""

    def __init__(self, scheduler, lifecycle, dict stores not None, judge, dict checks not None):
        self.scheduler = scheduler
        self.lifecycle = lifecycle
        self.stores = stores
        self.judge = judge
        self.checks = checks
        self.own = scheduler.__dict__
        self.store_count = -1

    cdef bint is_open(self, object alias) except -1:
        cdef PyObject *parked
        if not self.lifecycle.state:
            return False
        if (
            PyDict_Size(self.own) != self.own_count
            or PyDict_Size(self.stores) != self.store_count
            or rap_version(Py_TYPE(self.scheduler), _name) != self.version
            or self.version == 0
            or (self.plain and not self.is_same_store())
        ):
            self.look()
        if not self.plain:
            return False
        parked = PyDict_GetItemWithError(self.store_own, "_parked")
        if parked == NULL or <object>parked:
            return False
        return alias is None or alias is self.alias or alias == self.alias

    cdef bint is_same_store(self) except -1:
        return (
            PyDict_GetItemWithError(self.stores, self.alias) == <PyObject *>self.store
            and PyDict_Size(self.store_own) == self.store_own_count
            and rap_version(Py_TYPE(self.store), _name) == self.store_version
        )

    cdef int look(self) except -1:
        """Have it judged whether there is a quick way now."""
        self.plain = False
        self.own_count = PyDict_Size(self.own)
        self.store_count = PyDict_Size(self.stores)
        self.version = rap_version(Py_TYPE(self.scheduler), _name)
        found = self.judge(self.scheduler)
        if found is None:
            return 0
        self.alias, self.store, jobs, self.index = found
        self.jobs = <dict>jobs  # a JobTable
        self.store_own = self.store.__dict__
        self.store_own_count = PyDict_Size(self.store_own)
        self.store_version = rap_version(Py_TYPE(self.store), _name)
        self.plain = self.version != 0 and self.store_version != 0
        return 0

    cdef JobCore find_c(self, object job_id):
        cdef PyObject *found = PyDict_GetItemWithError(self.jobs, job_id)
        if found == NULL:
            return None
        return <JobCore?>found

    def find(self, job_id, alias=None):
        """The job with this id, or None."""
        cdef PyObject *found
        if not PyUnicode_CheckExact(job_id) or not self.is_open(alias):
            return _elsewhere
        found = PyDict_GetItemWithError(self.jobs, job_id)
        return None if found == NULL else <object>found

    def earliest(self):
        """When the first job is due, or None."""
        cdef PyObject *taken
        if not self.is_open(None):
            return _elsewhere
        taken = PyDict_GetItemWithError(self.store_own, "_taken")
        if taken == NULL or <object>taken:
            return _elsewhere
        return self.index.keys[0].us if len(self.index.items) else None

    def modify(self, job_id, alias, dict changes not None):
        """Set one value that has nothing to do with the job's times or call."""
        cdef JobCore job
        if len(changes) != 1 or not PyUnicode_CheckExact(job_id) or not self.is_open(alias):
            return _elsewhere
        if self.find_c(job_id) is None:
            return _elsewhere
        for name, value in changes.items():
            check = self.checks.get(name)
            if check is None:
                return _elsewhere
            value = check(value)
            job = self.find_c(job_id)
            if job is None:
                return _elsewhere
            setattr(job, name, value)
            return job

    def pause(self, job_id, alias):
        """Take a job's run time away."""
        cdef JobCore job
        if not PyUnicode_CheckExact(job_id) or not self.is_open(alias):
            return _elsewhere
        job = self.find_c(job_id)
        if job is None:
            return _elsewhere
        shown = job.run_dt  # freed when all is done
        self.index.discard_c(job)
        advance(job, never_us(), never_us(), None)
        if PyDict_GetItemWithError(self.store_own, "_ids") != NULL:
            self.store._note((job,))
        return job

    def resume(self, job_id, alias, int64_t now_us):
        """Give a job the next time of its trigger."""
        cdef JobCore job
        cdef int64_t fire_us
        if not PyUnicode_CheckExact(job_id) or not self.is_open(alias):
            return _elsewhere
        job = self.find_c(job_id)
        if job is None:
            return _elsewhere
        trigger = job.trigger_
        fire_us = self.first_us(trigger, now_us)
        if fire_us == never_us() or self.find_c(job_id) is not job or job.trigger_ is not trigger:
            return _elsewhere
        self.move(job, fire_us)
        return job

    def reschedule(self, job_id, alias, trigger, int64_t now_us):
        """Give a job another trigger, and its next time."""
        cdef JobCore job
        cdef int64_t fire_us
        if not PyUnicode_CheckExact(job_id) or not self.is_open(alias):
            return _elsewhere
        fire_us = self.first_us(trigger, now_us)
        if fire_us != never_us() and (<TriggerCore>trigger).skips is not None:
            return _elsewhere
        job = self.find_c(job_id)
        if job is None or fire_us == never_us():
            return _elsewhere
        old = job.trigger_  # freed when all is done
        set_trigger(job, trigger, False)
        show(job)  # which may run the collector, and with it code that takes the job out
        if self.find_c(job_id) is not job or job.trigger_ is not trigger:
            return _elsewhere
        self.move(job, fire_us)
        hide(job)
        return job

    def remove(self, job_id, alias):
        """Take a job out of its store."""
        cdef JobCore job
        if not PyUnicode_CheckExact(job_id) or not self.is_open(alias):
            return _elsewhere
        job = self.find_c(job_id)
        if job is None:
            return _elsewhere
        PyDict_DelItem(self.jobs, job_id)
        self.index.discard_c(job)
        if Py_REFCNT(<PyObject *>job) > 1:  # somebody has it; else it is freed now
            show(job)
        return self.alias

    cdef int64_t first_us(self, object trigger, int64_t now_us) except? -1:
        if not native(trigger) or (<TriggerCore>trigger).jitter_us:
            return never_us()
        return ask_next(<TriggerCore>trigger, never_us(), max(min_us(), min(now_us, max_us())))

    cdef int move(self, JobCore job, int64_t run_us) except -1:
        shown = job.run_dt
        self.index.update_c(job, run_us)
        advance(job, run_us, run_us, None)
        return 0
