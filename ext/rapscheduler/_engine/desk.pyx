"""Adding, looking up and changing jobs in memory in one step, where nobody hooks in.

Twin of `rapscheduler._reference.desk`, which states the contract. What may run code of others (a check of a value, a
zone of somebody's making, an object that is freed) comes before the job is looked up, or when all is done.
"""

from cpython.dict cimport PyDict_DelItem, PyDict_GetItemWithError, PyDict_Size
from cpython.long cimport PyLong_CheckExact
from cpython.object cimport PyObject, PyTypeObject
from cpython.ref cimport Py_TYPE
from cpython.unicode cimport PyUnicode_CheckExact
from libc.stdint cimport int64_t

from rapscheduler._engine._instants cimport max_us, min_us, never_us
from rapscheduler._engine._versions cimport rap_version
from rapscheduler._engine.due_index cimport DueIndex, nowhere, unset_us
from rapscheduler._engine.job_core cimport (
    WATCHED,
    JobCore,
    advance,
    complete,
    hide,
    kind_of,
    native,
    set_alias,
    set_trigger,
    show,
)
from rapscheduler._engine.job_drafts cimport KnownDrafts, _Callee
from rapscheduler._engine.job_table cimport put_in
from rapscheduler._engine.trigger cimport TriggerCore, ask_next

cdef extern from "Python.h":
    Py_ssize_t Py_REFCNT(PyObject *)
    ctypedef struct PyFunctionObject:
        PyObject *func_code
        PyObject *func_qualname

cdef extern from *:
    """
    #ifdef _WIN32
    #include <process.h>
    #define rap_pid() ((long)_getpid())
    #else
    #include <unistd.h>
    #define rap_pid() ((long)getpid())
    #endif
    """
    long rap_pid() noexcept


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
        self.learns = True

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

    cdef bint is_open_here(self, object alias) except -1:
        """Whether it is open, and this is the scheduler's process: a fork has to be noticed before anything changes."""
        return self.is_open(alias) and rap_pid() == <long>self.lifecycle.home_pid

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
        if len(changes) != 1 or not PyUnicode_CheckExact(job_id) or not self.is_open_here(alias):
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
        if not PyUnicode_CheckExact(job_id) or not self.is_open_here(alias):
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
        if not PyUnicode_CheckExact(job_id) or not self.is_open_here(alias):
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
        if not PyUnicode_CheckExact(job_id) or not self.is_open_here(alias):
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
        if not PyUnicode_CheckExact(job_id) or not self.is_open_here(alias):
            return _elsewhere
        job = self.find_c(job_id)
        if job is None:
            return _elsewhere
        PyDict_DelItem(self.jobs, job_id)
        self.index.discard_c(job)
        if Py_REFCNT(<PyObject *>job) > 1:  # somebody has it; else it is freed now
            show(job)
        return self.alias

    def add(self, JobCore job not None, alias, int64_t now_us):
        """Put a new job into the store, with what nobody set and its first time."""
        return self.put(job, alias, now_us)

    def add_like(self, func, args, job_id, name, dict items not None, alias, int64_t now_us):
        """Add a job like one that was learned."""
        cdef _Callee callee
        cdef PyFunctionObject *function
        cdef JobCore job
        cdef KnownDrafts known  # held: the collector may run code that has the desk learn anew
        if self.known is None or not self.is_open_here(alias) or not self.still_knows():
            return _elsewhere
        known = self.known
        callee = known.callee(func)
        if callee is None:
            return _elsewhere
        function = <PyFunctionObject *><PyObject *>func  # only functions are learned
        if function.func_code != <PyObject *>callee.code or function.func_qualname != <PyObject *>callee.name:
            return _elsewhere
        job = known.draft_of(func, args, job_id, name, items)
        if job is None:
            return _elsewhere
        self.like += 1
        return self.put(job, alias, now_us)

    cdef object put(self, JobCore job, object alias, int64_t now_us):
        cdef PyObject *found
        cdef dict jobs
        cdef DueIndex index
        cdef int64_t fire_us
        cdef bint done
        if job.run_us != unset_us() or job.flags & WATCHED or job.slot != nowhere() or not PyUnicode_CheckExact(alias):
            return _elsewhere
        if not PyUnicode_CheckExact(job.id_) or not PyUnicode_CheckExact(kind_of(job).executor):
            return _elsewhere
        fire_us = self.first_us(job.trigger_, now_us)
        if fire_us == never_us() or not self.is_open(alias):
            return _elsewhere
        found = PyDict_GetItemWithError(self.own, "_executors")
        if found == NULL or not isinstance(<object>found, dict) or job.kind.executor not in <dict><object>found:
            return _elsewhere
        found = PyDict_GetItemWithError(self.own, "_job_defaults")
        if found == NULL or not isinstance(<object>found, dict) or not complete_by(job, <dict><object>found):
            return _elsewhere
        jobs, index = self.jobs, self.index
        set_alias(job, self.alias)  # first: the loop may take the job at once
        advance(job, fire_us, fire_us, None)
        done = False
        try:
            done = put_in(job, jobs, index)
        finally:
            if not done:
                take_back(job)
        if not done:
            return _elsewhere
        if PyDict_GetItemWithError(self.store_own, "_ids") != NULL:
            self.store._note((job,))
        return job

    def learn(self, make, func, facts, arg_count, dict items not None, trigger):
        """Remember of what a job was made; see the reference twin."""
        cdef KnownDrafts known = self.known
        if not self.is_open(None):
            return
        self.unlike += 1
        if self.unlike >= ENOUGH and self.unlike > self.like:
            self.learns, self.known = False, None
            return
        if known is None or not self.still_knows() or (
            known.callee(func) is None and len(known.callees) >= MOST_KNOWN
        ):
            known = <KnownDrafts?>make(self.scheduler)
            self.kind, self.kind_version = type(trigger), rap_version(Py_TYPE(trigger), _name)
            self.zone, self.known = self.scheduler.timezone, known
        if known.callee(func) is None:
            facts = (facts[0], facts[1], facts[2], "default", ..., ..., ...)
        known.learn(items, func, facts, arg_count, trigger)

    cdef bint still_knows(self) except -1:
        """Whether a trigger of the same items is the same as when it was learned."""
        cdef PyObject *zone = PyDict_GetItemWithError(self.own, "timezone")
        cdef object kinds = self.scheduler._trigger_classes
        return (
            zone == <PyObject *>self.zone
            and isinstance(kinds, dict)
            and PyDict_GetItemWithError(<dict>kinds, "cron") == <PyObject *>self.kind
            and self.kind_version != 0
            and rap_version(<PyTypeObject *>self.kind, _name) == self.kind_version
        )

    cdef int64_t first_us(self, object trigger, int64_t now_us) except? -1:
        if not native(trigger) or (<TriggerCore>trigger).jitter_us:
            return never_us()
        return ask_next(<TriggerCore>trigger, never_us(), max(min_us(), min(now_us, max_us())))

    cdef int move(self, JobCore job, int64_t run_us) except -1:
        shown = job.run_dt
        self.index.update_c(job, run_us)
        advance(job, run_us, run_us, None)
        return 0


cdef int take_back(JobCore job) except -1:
    """It was not put in after all."""
    advance(job, unset_us(), never_us(), None)
    return set_alias(job, None)


cdef bint complete_by(JobCore job, dict defaults) except -1:
    """Set the options that nobody set; False: the defaults have to be looked at first."""
    cdef object grace = defaults.get("misfire_grace_time", ...)
    cdef object coalesce = defaults.get("coalesce")
    cdef object most = defaults.get("max_instances")
    if not (grace is None or (PyLong_CheckExact(grace) and grace > 0)):
        return False
    if not (coalesce is True or coalesce is False) or not (PyLong_CheckExact(most) and most > 0):
        return False
    complete(job, grace, coalesce is True, most)
    return True
