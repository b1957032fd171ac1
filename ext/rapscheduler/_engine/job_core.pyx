"""The values of a job as the loop reads them.

Twin of `rapscheduler._reference.job_core`, which states the contract; the layout is in job_core.pxd.
"""

cimport cython
from cpython.datetime cimport datetime_tzinfo, import_datetime
from cpython.object cimport PyObject, PyTypeObject
from cpython.ref cimport Py_TYPE
from cpython.weakref cimport PyWeakref_NewRef
from libc.stdint cimport int64_t, uint32_t

from rapscheduler._engine._instants cimport max_us, min_us, never_us
from rapscheduler._engine.datetimes cimport from_us_c, to_us_c
from rapscheduler._engine.due_index cimport DueEntry, key_us, see, unsee, unset_us
from rapscheduler._engine.timezone cimport ZoneTable
from rapscheduler._engine.trigger cimport TriggerCore, ask_next

from datetime import timezone as _timezone
from types import BuiltinFunctionType, FunctionType

import_datetime()

UTC_ZONE = ZoneTable.fixed(0, _timezone.utc)

cdef ZoneTable _utc_zone = UTC_ZONE
cdef object _function = FunctionType
cdef object _builtin_function = BuiltinFunctionType

cdef extern from *:
    """
    static PyObject *rap_lookup(PyTypeObject *type, PyObject *name) { return _PyType_Lookup(type, name); }
    /* Whether the instances of a Python class have the attributes of its compiled base only. */
    static int rap_adds_nothing(PyTypeObject *type) {
        PyTypeObject *base = type;
        while (base->tp_base && (base->tp_flags & Py_TPFLAGS_HEAPTYPE)) base = base->tp_base;
        return type->tp_dictoffset == 0 && type->tp_basicsize == base->tp_basicsize;
    }
    """
    PyObject *rap_lookup(PyTypeObject *type, object name)
    bint rap_adds_nothing(PyTypeObject *type)

cdef extern from "Python.h":
    void PyObject_GC_Track(PyObject *)
    void PyObject_GC_UnTrack(PyObject *)
    bint PyObject_GC_IsTracked(PyObject *)
    ctypedef struct PyFunctionObject:
        PyObject *func_defaults
        PyObject *func_kwdefaults
        PyObject *func_closure
        PyObject *func_dict
    PyObject *PyCFunction_GET_SELF(PyObject *)
    bint PyModule_CheckExact(PyObject *)
    bint PyWeakref_CheckRefExact(object)
    bint PyTuple_CheckExact(PyObject *)
    Py_ssize_t PyDict_Size(PyObject *)


cdef class _Unset:
    def __repr__(self):
        return "<unset>"


cdef object UNSET = _Unset()
cdef frozenset AT_START = frozenset(("misfire_grace_time", "coalesce", "max_instances", "next_run_time"))
cdef str _GET_NEXT = "get_next_fire_time"
cdef object _core_get_next = TriggerCore.__dict__[_GET_NEXT]


def utc_us(moment):
    """The instant of an aware datetime (a naive one is read as UTC)."""
    return to_us_c(moment, _utc_zone)


# Versions of classes that were found native. A version belongs to one state of one class for ever, so it says all.
# Asking the interpreter's table of attributes costs 60 instructions, and 700 where another name wants the same place in it.
cdef unsigned int[16] _native_versions


cdef bint native(object trigger):
    """Whether the engine may ask this trigger by numbers: nobody has overridden `get_next_fire_time`."""
    cdef PyTypeObject *kind = Py_TYPE(trigger)
    cdef unsigned int version = kind.tp_version_tag
    if version and _native_versions[version & 15] == version:
        return True
    if not isinstance(trigger, TriggerCore) or rap_lookup(kind, _GET_NEXT) != <PyObject *>_core_get_next:
        return False
    version = kind.tp_version_tag  # the look-up gave the class one, if it had none
    if version:
        _native_versions[version & 15] = version
    return True


def is_native(trigger):
    """Whether the engine may ask this trigger by numbers: nobody has overridden `get_next_fire_time`."""
    return native(trigger)


cdef object given(object value, str name):
    if value is UNSET:
        raise AttributeError(not_set(name))
    return value


cdef str not_set(str name):
    """What to say of a value that is missing: some come with the scheduler's start."""
    return f"{name} is not set yet: a pending job gets it when its scheduler starts" if name in AT_START else name


cdef frozenset _quiet = frozenset(("metadata", "on_lost", "owner", "tags"))  # extras that don't concern runs


cdef class _Rare:
    """What few jobs have."""


cdef class JobCore(DueEntry):
    """The values of a job. A value that was never set raises AttributeError when read."""

    def __cinit__(self, *args, **kwargs):
        self.due_nominal_us = never_us()
        self.id_ = self.func_ = self.func_ref_ = self.name_ = self.args_ = self.kwargs_ = self.trigger_ = UNSET
        self.executor_ = self.misfire_grace_time_ = self.max_instances_ = UNSET

    @property
    def _scheduler(self):
        """The scheduler; None: a hidden job holds it weakly, and it is gone."""
        if PyWeakref_CheckRefExact(self.scheduler_):
            return self.scheduler_()
        return self.scheduler_

    @_scheduler.setter
    def _scheduler(self, value):
        self.scheduler_ = value
        track(self)

    @property
    def id(self):
        return given(self.id_, "id")

    @id.setter
    def id(self, value):
        self.id_ = value

    @property
    def func(self):
        return given(self.func_, "func")

    @func.setter
    def func(self, value):
        self.func_ = value
        track(self)

    @property
    def func_ref(self):
        return given(self.func_ref_, "func_ref")

    @func_ref.setter
    def func_ref(self, value):
        self.func_ref_ = value

    @property
    def name(self):
        return given(self.name_, "name")

    @name.setter
    def name(self, value):
        self.name_ = value

    @property
    def args(self):
        return given(self.args_, "args")

    @args.setter
    def args(self, value):
        self.args_ = value
        track(self)

    @property
    def kwargs(self):
        """Keyword arguments of the callable."""
        if self.kwargs_ is None:
            self.kwargs_ = {}
            track(self)
        return given(self.kwargs_, "kwargs")

    @kwargs.setter
    def kwargs(self, value):
        self.kwargs_ = None if type(value) is dict and not value else value
        track(self)

    @property
    def trigger(self):
        return given(self.trigger_, "trigger")

    @trigger.setter
    def trigger(self, value):
        self.trigger_ = value
        track(self)

    @property
    def executor(self):
        return given(self.executor_, "executor")

    @executor.setter
    def executor(self, value):
        self.executor_ = value

    @property
    def misfire_grace_time(self):
        return given(self.misfire_grace_time_, "misfire_grace_time")

    @misfire_grace_time.setter
    def misfire_grace_time(self, value):
        self.misfire_grace_time_ = value

    @property
    def coalesce(self):
        if not self.flags & HAS_COALESCE:
            raise AttributeError(not_set("coalesce"))
        return (self.flags & COALESCE) != 0

    @coalesce.setter
    def coalesce(self, bint value):
        self.flags = (self.flags & ~<uint32_t>COALESCE) | HAS_COALESCE | (COALESCE if value else 0)

    @property
    def max_instances(self):
        return given(self.max_instances_, "max_instances")

    @max_instances.setter
    def max_instances(self, value):
        self.max_instances_ = value

    @property
    def run_at_us(self):
        """When the job is due (nominal time + jitter), or `None`: paused or not yet scheduled."""
        return None if self.run_us == unset_us() or self.run_us == never_us() else self.run_us

    @run_at_us.setter
    def run_at_us(self, run_at_us):
        self.run_us = never_us() if run_at_us is None else key_us(run_at_us)
        self.set_shown_dt(None)

    @property
    def nominal_us(self):
        """What the trigger said, or `None` when it is not known (then `run_at_us` serves)."""
        return None if self.due_nominal_us == never_us() else self.due_nominal_us

    @nominal_us.setter
    def nominal_us(self, nominal_us):
        self.due_nominal_us = never_us() if nominal_us is None else nominal_us

    @property
    def next_run_time(self):
        """When the job is due, as an aware datetime; `None`: paused. AttributeError: not yet scheduled."""
        if self.run_us == unset_us():
            raise AttributeError(not_set("next_run_time"))
        if self.run_us == never_us():
            return None
        run_time = self.shown_dt()
        if run_time is not None:
            return run_time
        return from_us_c(self.run_us, self.zone())

    @next_run_time.setter
    def next_run_time(self, run_time):
        cdef ZoneTable zone
        cdef int64_t run_us
        if run_time is None:
            self.advance(never_us(), never_us(), None)
            return
        zone = self.zone()
        run_us = to_us_c(run_time, zone)
        self.advance(run_us, run_us, None if datetime_tzinfo(run_time) is zone.tzinfo else run_time)

    cdef int advance(self, int64_t run_us, int64_t nominal_us, object run_time) except -1:
        """Set the times. It can't fail."""
        self.run_us = run_us
        self.due_nominal_us = nominal_us
        return self.set_shown_dt(run_time)

    cdef object shown_dt(self):
        """The datetime to show when the trigger's zone would not give it; None: it does."""
        return (<_Rare>self.run_dt).run_dt if self.flags & HAS_EXTRAS else self.run_dt

    cdef int set_shown_dt(self, object run_time) except -1:
        if self.flags & HAS_EXTRAS:
            (<_Rare>self.run_dt).run_dt = run_time
        else:
            self.run_dt = run_time
        return 0

    @property
    def _extras(self):
        """Options that few jobs have, by name, or `None`. Replaced, never changed."""
        return (<_Rare>self.run_dt).extras if self.flags & HAS_EXTRAS else None

    @_extras.setter
    def _extras(self, extras):
        cdef _Rare rare
        cdef object run_time = self.shown_dt()
        if extras:
            quiet = _quiet.issuperset(extras)  # it may run anything, so it comes first
            rare = _Rare.__new__(_Rare)
            rare.run_dt, rare.extras = self.shown_dt(), extras
            self.run_dt = rare
            self.flags = (self.flags & ~<uint32_t>WATCHED) | HAS_EXTRAS | (0 if quiet else WATCHED)
        else:
            self.flags &= ~<uint32_t>(HAS_EXTRAS | WATCHED)
            self.run_dt = run_time
        track(self)

    def _advance(self, run_at_us, nominal_us, run_time=None):
        """Set both times, and the datetime to show when the trigger's zone would not give it."""
        cdef int64_t run_us = never_us() if run_at_us is None else key_us(run_at_us)
        self.advance(run_us, never_us() if nominal_us is None else nominal_us, run_time)

    cdef ZoneTable zone(self):
        if isinstance(self.trigger_, TriggerCore):
            return (<TriggerCore>self.trigger_).zone
        zone = self._foreign_zone()
        if not isinstance(zone, ZoneTable):  # a subclass may say anything; None would be asked like a zone
            raise TypeError(f"_foreign_zone() must give a ZoneTable, not {type(zone).__name__}")
        return <ZoneTable>zone

    def _fill(
        self, scheduler, id, func, func_ref, name, args, kwargs, trigger, executor, grace=..., coalesce=...,
        max_instances=...,
    ):
        """Set the values of a new job, checked by the caller; the last three may be left unset (`...`)."""
        self.scheduler_ = scheduler
        self.id_ = id
        self.func_ = func
        self.func_ref_ = func_ref
        self.name_ = name
        self.args_ = args
        self.kwargs_ = None if not kwargs else kwargs
        self.trigger_ = trigger
        self.executor_ = executor
        self.fill_options(grace, coalesce, max_instances)

    cdef int fill_options(self, object grace, object coalesce, object max_instances) except -1:
        if grace is not ...:
            self.misfire_grace_time_ = grace
        if coalesce is not ...:
            self.flags |= HAS_COALESCE | (COALESCE if coalesce else 0)
        if max_instances is not ...:
            self.max_instances_ = max_instances
        return 0

    def _complete(self, grace, coalesce, max_instances):
        """Set the options that nobody set; whether the job still waits for its first run time."""
        return self.complete(grace, coalesce, max_instances)

    cdef bint complete(self, object grace, bint coalesce, object max_instances) except -1:
        if self.misfire_grace_time_ is UNSET:
            self.misfire_grace_time_ = grace
        if not self.flags & HAS_COALESCE:
            self.flags |= HAS_COALESCE | (COALESCE if coalesce else 0)
        if self.max_instances_ is UNSET:
            self.max_instances_ = max_instances
        return self.run_us == unset_us()

    def _zone(self):
        return self.zone()

    def _foreign_zone(self):
        """The zone of run times whose trigger has none that the engine knows."""
        return UTC_ZONE


@cython.nonecheck(True)
def set_first_times(jobs, int64_t now_us):
    """Set when jobs run first, as far as the engine may ask their triggers; see the reference twin."""
    cdef list left = []
    cdef JobCore job
    cdef object last = None
    cdef int64_t now = max(min_us(), min(now_us, max_us()))
    cdef int64_t fire_us = never_us()
    for job in jobs:
        if job.flags & WATCHED:
            left.append(job)
            continue
        if job.trigger_ is not last:
            given(job.trigger_, "trigger")
            if not native(job.trigger_) or (<TriggerCore>job.trigger_).jitter_us:
                left.append(job)
                continue
            last = job.trigger_
            fire_us = ask_next(<TriggerCore>last, never_us(), now)
        if fire_us == never_us():
            left.append(job)
        else:
            job.advance(fire_us, fire_us, None)
    return left


# The collector. A job whose values can't lead back to it need not be looked at: a million of them would double the
# price of everything that is allocated. It is hidden while it is in a store in memory, and shown again when it leaves
# or is given other values. What it refers to is not counted by the collector then, so it must not hold its scheduler,
# which has the store which has the job: a scheduler that was dropped without shutdown() would never be freed.

cdef inline int track(JobCore job) except -1:
    if not PyObject_GC_IsTracked(<PyObject *>job):
        see(job)  # it may be in a store
        PyObject_GC_Track(<PyObject *>job)
    return 0


cdef inline bint atomic(object value):
    return value is None or type(value) in (str, int, float, bool, bytes)


cdef bint all_atomic(tuple values):
    cdef object value
    for value in values:
        if not atomic(value):
            return False
    return True


cdef set _plain_types = set()  # trigger classes of this project: what they hold are texts, numbers and fields


cdef bint plain_trigger(object trigger):
    cdef object cls = type(trigger)
    if cls in _plain_types:
        return True
    if not isinstance(trigger, TriggerCore):
        return False
    if cls.__module__.startswith("rapscheduler.triggers."):
        _plain_types.add(cls)
        return True
    return rap_adds_nothing(Py_TYPE(trigger))


cdef bint plain_function(object func):
    """A function of a module that carries nothing else: no variables around it, no attributes, atomic defaults."""
    cdef PyFunctionObject *function
    cdef PyObject *owner
    if type(func) is _function:
        function = <PyFunctionObject *>func
        if function.func_closure != NULL or function.func_kwdefaults != NULL:
            return False
        if function.func_dict != NULL and PyDict_Size(function.func_dict):
            return False
        if function.func_defaults == NULL:
            return True
        return PyTuple_CheckExact(function.func_defaults) and all_atomic(<tuple>function.func_defaults)
    if type(func) is not _builtin_function:
        return False
    owner = PyCFunction_GET_SELF(<PyObject *>func)
    return owner == NULL or PyModule_CheckExact(owner)


cdef bint leads_nowhere(JobCore job):
    """Whether the collector may skip this job: a plain function, atomic arguments, a trigger of the engine."""
    if job.flags & HAS_EXTRAS or job.kwargs_ is not None or not plain_trigger(job.trigger_) or not plain_function(job.func_):
        return False
    return type(job.args_) is tuple and all_atomic(<tuple>job.args_)


cdef int hide(JobCore job) except -1:
    if job.scheduler_ is not None and not PyWeakref_CheckRefExact(job.scheduler_):
        try:
            job.scheduler_ = PyWeakref_NewRef(job.scheduler_, None)
        except TypeError:  # something else than a scheduler, which can only be held
            track(job)
            return see(job)
    if not leads_nowhere(job):
        track(job)
        see(job)
    elif PyObject_GC_IsTracked(<PyObject *>job):
        unsee(job)
        PyObject_GC_UnTrack(<PyObject *>job)
        if PyObject_GC_IsTracked(<PyObject *>job.trigger_):
            PyObject_GC_UnTrack(<PyObject *>job.trigger_)
    return 0


cdef int show(JobCore job) except -1:
    cdef object scheduler
    if PyWeakref_CheckRefExact(job.scheduler_):
        scheduler = job.scheduler_()
        if scheduler is not None:
            job.scheduler_ = scheduler
    track(job)
    return 0


def hide_from_collector(JobCore job not None):
    """Let go of the scheduler, and let the collector skip the job if it can't be part of a cycle; see the twin."""
    hide(job)


def show_to_collector(JobCore job not None):
    """Undo `hide_from_collector`: the job has left its store."""
    show(job)
