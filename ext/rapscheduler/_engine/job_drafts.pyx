"""Jobs made of specs that are like known ones.

The contract is stated here: the twin, `rapscheduler._reference.job_drafts`, knows no specs. The layout is in
job_drafts.pxd.
"""

cimport cython
from cpython.dict cimport PyDict_CheckExact, PyDict_GetItemWithError, PyDict_Next
from cpython.long cimport PyLong_CheckExact
from cpython.object cimport PyObject
from cpython.tuple cimport PyTuple_CheckExact, PyTuple_New
from cpython.unicode cimport PyUnicode_CheckExact
from libc.stdint cimport int64_t, uint64_t

from rapscheduler._engine._instants cimport never_us
from rapscheduler._engine.cron cimport CronCore, shared_cron
from rapscheduler._engine.cron_text cimport alike_c
from rapscheduler._engine.due_index cimport unset_us
from rapscheduler._engine.job_core cimport (
    UNSET,
    JobCore,
    complete,
    hide,
    known_kind,
    set_alias,
    set_coalesce,
    set_kwargs,
    set_trigger,
)

cdef extern from *:
    """
    #define rap_new(cls, arguments) (((PyTypeObject *)(cls))->tp_new((PyTypeObject *)(cls), (arguments), NULL))
    #define rap_give(tuple, i, item) PyTuple_SET_ITEM((tuple), (i), (item))
    """
    object rap_new(object cls, object arguments)  # an instance whose __init__ has not been called
    void rap_give(tuple key, Py_ssize_t i, PyObject *item)  # hands the reference over

cdef extern from "Python.h":
    void Py_INCREF(PyObject *)
    void Py_DECREF(PyObject *)

cdef tuple _NOTHING = ()


cdef class _Callee:
    """A callable whose facts are known; see `KnownDrafts.learn`."""


cdef inline bint plain(object value):
    """Whether a value says everything about itself, and nothing else is equal to it."""
    return value is None or PyUnicode_CheckExact(value) or PyLong_CheckExact(value)


cdef Py_ssize_t hold_items(dict spec, PyObject **items) noexcept:
    """Names and values of what a spec says about its trigger, each held; how many. -1: too much, or not plain."""
    cdef PyObject *name
    cdef PyObject *value
    cdef Py_ssize_t position = 0, count = 0
    while PyDict_Next(spec, &position, &name, &value):
        if PyUnicode_CheckExact(<object>name) and <str>name in ("func", "args", "id", "name", "kwargs"):
            continue
        if not PyUnicode_CheckExact(<object>name) or count == 2 * MOST_ITEMS or not plain(<object>value):
            let_go(items, count)
            return -1
        items[count], items[count + 1] = name, value
        Py_INCREF(name)
        Py_INCREF(value)
        count += 2
    return count


cdef void let_go(PyObject **items, Py_ssize_t count) noexcept:
    cdef Py_ssize_t i
    for i in range(count):
        Py_DECREF(items[i])


cdef tuple trigger_key(dict spec):
    """What a spec says about its trigger; None: too much, or values that are not plain."""
    cdef PyObject *items[2 * MOST_ITEMS]
    cdef Py_ssize_t count = hold_items(spec, items)
    cdef Py_ssize_t i
    cdef tuple key
    if count <= 0:
        return _NOTHING if count == 0 else None
    try:
        key = PyTuple_New(count)  # may run the collector, and with it code that empties the spec
    except BaseException:
        let_go(items, count)
        raise
    for i in range(count):
        rap_give(key, i, items[i])
    return key


cdef class KnownDrafts:
    """Makes jobs of specs (dicts of ``add_job``'s arguments) in which there is nothing that must be looked at.

    Each job is the one that `_scheduling.drafts` makes of its spec; the reference twin leaves all of them to it.

    A spec is known when its callable is (by identity), its positional arguments are a tuple of a length which that
    callable was found to take, it has no keyword arguments, its id and name are texts if it has them, and a trigger
    was made of all its other items before. That trigger is made again; so only triggers of which the same items make
    the same one may be learned. Items of a trigger are remembered if they are `None`, int or str, which nothing else
    is equal to, and are not found in another order.

    `func`: the callable of specs that name none (`None`: such a spec is not known); `args`: the positional arguments of
    specs that have none; `trigger`: that of specs that say nothing about it (`None`: one is made for each).
    """

    def __init__(self, kind, scheduler, new_id, func=None, args=None, trigger=None):
        if not (isinstance(kind, type) and issubclass(kind, JobCore)):
            raise TypeError(f"kind must be a class of JobCore, not {kind!r}")
        self.kind, self.scheduler, self.new_id = kind, scheduler, new_id
        self.func, self.args, self.trigger = func, args, trigger
        self.callees, self.triggers = {}, {}

    def learn(self, spec, given, facts, arg_count, trigger=None):
        """Remember a callable, that it takes so many arguments, and the trigger that was made of a spec.

        `facts`: callable, reference, name, executor, and the last three arguments of `JobCore._fill`.
        """
        cdef _Callee known = self.callee(given)
        if known is None:
            known = _Callee.__new__(_Callee)
            known.given, known.code = given, getattr(given, "__code__", None)
            func, func_ref, known.name, executor, grace, known.coalesce, max_instances = facts
            known.kind = known_kind(
                self.scheduler, None, func, func_ref, executor, UNSET if grace is ... else grace,
                UNSET if max_instances is ... else max_instances,
            )
            self.callees[id(given)] = known
        if 0 <= arg_count < MOST_ARGS:
            known.fitting |= <uint64_t>1 << <int>arg_count
        if trigger is None or not PyDict_CheckExact(spec) or len(self.triggers) >= MOST_TRIGGERS:
            return
        if not isinstance(trigger, CronCore):
            raise TypeError(f"only cron triggers can be made again, not {type(trigger).__name__}")
        key = trigger_key(spec)
        if key is not None:
            self.triggers[key] = shared_cron(alike_c(trigger))

    cdef _Callee callee(self, object func):
        cdef PyObject *found
        if self.last is None or self.last.given is not func:
            found = PyDict_GetItemWithError(self.callees, id(func))
            if found == NULL:
                return None
            self.last = <_Callee>found
        return self.last

    def draft_on(self, specs, list jobs not None, end):
        """Append jobs of the specs of an iterator until one is not known; that one, or `end` when there are no more."""
        cdef JobCore job
        for spec in specs:
            if not PyDict_CheckExact(spec):
                return spec
            job = self.draft(<dict>spec)
            if job is None:
                return spec
            jobs.append(job)
        return end

    cdef JobCore draft(self, dict spec):
        """The job of a spec; None: it is not known."""
        if spec.get("kwargs"):
            return None
        return self.draft_of(
            spec.get("func", self.func), spec.get("args", self.args), spec.get("id"), spec.get("name"), spec
        )

    cdef JobCore draft_of(self, object func, object args, object job_id, object name, dict items):
        """The job of these, and of what the items say about its trigger; None: it is not known."""
        cdef object trigger
        cdef bint shared
        cdef tuple key
        cdef PyObject *found
        cdef JobCore job
        cdef _Callee known = self.callee(func)
        if known is None:
            return None
        if args is None:
            args = _NOTHING
        if not PyTuple_CheckExact(args) or len(<tuple>args) >= MOST_ARGS or not known.fitting >> len(<tuple>args) & 1:
            return None
        if not (job_id is None or PyUnicode_CheckExact(job_id)):
            return None
        if not (name is None or (PyUnicode_CheckExact(name) and name)):
            return None
        key = trigger_key(items)
        if key is None:
            return None
        if not key and self.trigger is not None:
            trigger, shared = self.trigger, False
        else:
            found = PyDict_GetItemWithError(self.triggers, key)
            if found == NULL:
                return None
            trigger, shared = <object>found, True
        job = <JobCore?>rap_new(self.kind, _NOTHING)
        job.kind = known.kind
        job.id_ = job_id if job_id else self.new_id()
        job.args_ = args
        job.name_ = known.name if name is None else name
        set_kwargs(job, None)
        set_trigger(job, trigger, shared)
        if known.coalesce is not ...:
            set_coalesce(job, known.coalesce)
        hide(job)
        return job


# Many drafts at once, on their way into a store


@cython.nonecheck(True)
def complete_jobs(list jobs not None, grace, bint coalesce, max_instances):
    """`JobCore._complete` of each; those that wait for their first run time."""
    cdef list waiting = []
    cdef JobCore job
    for job in jobs:
        if complete(job, grace, coalesce, max_instances):
            waiting.append(job)
    return waiting


@cython.nonecheck(True)
def set_store_alias(list jobs not None, alias):
    """Tell jobs which store they are in; None: in none."""
    cdef JobCore job
    for job in jobs:
        set_alias(job, alias)


@cython.nonecheck(True)
def earliest_us(list jobs not None):
    """When the first of the jobs is due; None: no one is."""
    cdef int64_t earliest = never_us()
    cdef JobCore job
    for job in jobs:
        if job.run_us != unset_us() and job.run_us < earliest:
            earliest = job.run_us
    return None if earliest == never_us() else earliest
