# cython: nonecheck=True
# A job whose cycle the collector is breaking has no kind.
"""The values of a job as the loop reads them.

Twin of `rapscheduler._reference.job_core`, which states the contract; the layout is in job_core.pxd.
"""

cimport cython
from cpython.datetime cimport datetime_tzinfo, import_datetime
from cpython.object cimport PyObject, PyTypeObject
from cpython.ref cimport Py_TYPE
from cpython.weakref cimport PyWeakref_NewRef
from libc.stdint cimport int64_t, uint32_t, uint64_t

from rapscheduler._engine._instants cimport max_us, min_us, never_us
from rapscheduler._engine.cron cimport CronCore, shared_cron
from rapscheduler._engine.cron_text cimport alike_c
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
        return type->tp_dictoffset == 0 && type->tp_basicsize == base->tp_basicsize
            && type->tp_weaklistoffset == base->tp_weaklistoffset;  /* from 3.12 on it may lie before the instance */
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
    Py_ssize_t Py_REFCNT(PyObject *)


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


# Kinds by a hash of their values, so that jobs of a kind find it; no references. Two of one place: the later is found.
cdef enum:
    PLACES = 1 << 13

cdef PyObject *_kinds[PLACES]


@cython.final
@cython.freelist(16)
@cython.no_gc_clear
cdef class _Kind:
    """What jobs of a kind have in common. It never changes."""

    def __dealloc__(self):
        if _kinds[self.place] == <PyObject *>self:
            _kinds[self.place] = NULL


# Of 64 bits on every machine: where size_t has 32, to shift it by 40 means nothing in C.
cdef inline uint64_t mixed(uint64_t hash, object value) noexcept:
    return (hash ^ <uint64_t><size_t><PyObject *>value >> 4) * <uint64_t>0x9E3779B97F4A7C15


@cython.nonecheck(False)
cdef _Kind known_kind(
    object scheduler, object alias, object func, object func_ref, object executor, object grace, object max_instances
):
    cdef uint64_t hash = mixed(mixed(mixed(mixed(mixed(mixed(0, scheduler), alias), func), executor), grace), max_instances)
    cdef size_t place = hash >> 40 & (PLACES - 1)
    cdef PyObject *known = _kinds[place]
    cdef _Kind kind
    if known != NULL:
        kind = <_Kind>known
        if (
            kind.scheduler is scheduler and kind.alias is alias and kind.func is func and kind.func_ref is func_ref
            and kind.executor is executor and kind.grace is grace and kind.max_instances is max_instances
        ):
            return kind
    kind = _Kind.__new__(_Kind)
    kind.scheduler, kind.alias, kind.func, kind.func_ref = scheduler, alias, func, func_ref
    kind.executor, kind.grace, kind.max_instances = executor, grace, max_instances
    kind.place = place
    _kinds[place] = <PyObject *>kind
    return kind


cdef inline _Kind with_scheduler(_Kind kind, object scheduler):
    return known_kind(
        scheduler, kind.alias, kind.func, kind.func_ref, kind.executor, kind.grace, kind.max_instances
    )


cdef inline _Kind with_call(_Kind kind, object func, object func_ref):
    return known_kind(
        kind.scheduler, kind.alias, func, func_ref, kind.executor, kind.grace, kind.max_instances
    )


cdef inline _Kind with_options(_Kind kind, object executor, object grace, object max_instances):
    return known_kind(kind.scheduler, kind.alias, kind.func, kind.func_ref, executor, grace, max_instances)


cdef _Kind _nothing_set = known_kind(None, None, UNSET, UNSET, UNSET, UNSET, UNSET)


cdef int set_alias(JobCore job, object alias) except -1:
    cdef _Kind kind = job.kind
    if kind.alias is not alias:
        job.kind = known_kind(
            kind.scheduler, alias, kind.func, kind.func_ref, kind.executor, kind.grace, kind.max_instances
        )
    return 0


cdef class JobCore(DueEntry):
    """The values of a job. A value that was never set raises AttributeError when read."""

    def __cinit__(self, *args, **kwargs):
        self.due_nominal_us = never_us()
        self.id_ = self.name_ = self.args_ = self.trigger_ = UNSET
        self.kind = _nothing_set

    @property
    def _scheduler(self):
        """The scheduler; None: a hidden job holds it weakly, and it is gone."""
        scheduler = self.kind.scheduler
        return scheduler() if PyWeakref_CheckRefExact(scheduler) else scheduler

    @_scheduler.setter
    def _scheduler(self, value):
        self.kind = with_scheduler(self.kind, value)
        track(self)

    @property
    def _jobstore_alias(self):
        return self.kind.alias

    @_jobstore_alias.setter
    def _jobstore_alias(self, value):
        set_alias(self, value)

    @property
    def id(self):
        return given(self.id_, "id")

    @id.setter
    def id(self, value):
        self.id_ = value
        if type(value) is not str:  # it may carry something
            track(self)

    @property
    def func(self):
        return given(self.kind.func, "func")

    @func.setter
    def func(self, value):
        self.kind = with_call(self.kind, value, self.kind.func_ref)
        track(self)

    @property
    def func_ref(self):
        return given(self.kind.func_ref, "func_ref")

    @func_ref.setter
    def func_ref(self, value):
        self.kind = with_call(self.kind, self.kind.func, value)

    @property
    def name(self):
        return given(self.name_, "name")

    @name.setter
    def name(self, value):
        self.name_ = value
        if type(value) is not str:  # it may carry something
            track(self)

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
        cdef object kwargs = kwargs_of(self)
        if kwargs is None:
            kwargs = {} if self.flags & HAS_KWARGS else given(UNSET, "kwargs")
            set_rare(self, (<_Rare>self.run_dt).extras if self.flags & HAS_RARE else None, kwargs)
            track(self)
        return kwargs

    @kwargs.setter
    def kwargs(self, value):
        set_kwargs(self, None if type(value) is dict and not value else value)
        track(self)

    @property
    def trigger(self):
        if self.flags & SHARED:
            own_trigger(self)
        return given(self.trigger_, "trigger")

    @trigger.setter
    def trigger(self, value):
        set_trigger(self, value, False)
        track(self)

    @property
    def executor(self):
        return given(self.kind.executor, "executor")

    @executor.setter
    def executor(self, value):
        self.kind = with_options(self.kind, value, self.kind.grace, self.kind.max_instances)
        if type(value) is not str:  # it may carry something
            track(self)

    @property
    def misfire_grace_time(self):
        return given(self.kind.grace, "misfire_grace_time")

    @misfire_grace_time.setter
    def misfire_grace_time(self, value):
        self.kind = with_options(self.kind, self.kind.executor, value, self.kind.max_instances)

    @property
    def coalesce(self):
        if not self.flags & HAS_COALESCE:
            raise AttributeError(not_set("coalesce"))
        return (self.flags & COALESCE) != 0

    @coalesce.setter
    def coalesce(self, bint value):
        set_coalesce(self, value)

    @property
    def max_instances(self):
        return given(self.kind.max_instances, "max_instances")

    @max_instances.setter
    def max_instances(self, value):
        self.kind = with_options(self.kind, self.kind.executor, self.kind.grace, value)

    @property
    def run_at_us(self):
        """When the job is due (nominal time + jitter), or `None`: paused or not yet scheduled."""
        return None if self.run_us == unset_us() or self.run_us == never_us() else self.run_us

    @run_at_us.setter
    def run_at_us(self, run_at_us):
        self.run_us = never_us() if run_at_us is None else key_us(run_at_us)
        set_shown_dt(self, None)

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
        run_time = shown_dt(self)
        if run_time is not None:
            return run_time
        return from_us_c(self.run_us, zone_of(self))

    @next_run_time.setter
    def next_run_time(self, run_time):
        cdef ZoneTable zone
        cdef int64_t run_us
        if run_time is None:
            advance(self, never_us(), never_us(), None)
            return
        zone = zone_of(self)
        run_us = to_us_c(run_time, zone)
        advance(self, run_us, run_us, None if datetime_tzinfo(run_time) is zone.tzinfo else run_time)

    def _due_text(self, tell):
        """What `tell` says of `next_run_time`, or "pending"; see the reference twin."""
        cdef ZoneTable zone
        if self.run_us == unset_us():
            return "pending"
        if self.run_us == never_us() or self.run_us < 0 or shown_dt(self) is not None:  # (seconds round towards 1970)
            return tell(self.next_run_time)
        zone = zone_of(self)
        return tell(self.next_run_time) if zone.source is not None else text_of_due(self, zone, tell)

    @property
    def _extras(self):
        """Options that few jobs have, by name, or `None`. Replaced, never changed."""
        return (<_Rare>self.run_dt).extras if self.flags & HAS_RARE else None

    @_extras.setter
    def _extras(self, extras):
        cdef bint quiet = not extras or _quiet.issuperset(extras)  # it may run anything, so it comes first
        set_rare(self, extras or None, kwargs_of(self))
        self.flags = (self.flags & ~<uint32_t>WATCHED) | (0 if quiet else WATCHED)
        track(self)

    def _advance(self, run_at_us, nominal_us, run_time=None):
        """Set both times, and the datetime to show when the trigger's zone would not give it."""
        cdef int64_t run_us = never_us() if run_at_us is None else key_us(run_at_us)
        advance(self, run_us, never_us() if nominal_us is None else nominal_us, run_time)

    def _fill(
        self, scheduler, id, func, func_ref, name, args, kwargs, trigger, executor, grace=..., coalesce=...,
        max_instances=...,
    ):
        """Set the values of a new job, checked by the caller; the last three may be left unset (`...`)."""
        self.kind = known_kind(
            scheduler, self.kind.alias, func, func_ref, executor, UNSET if grace is ... else grace,
            UNSET if max_instances is ... else max_instances,
        )
        self.id_ = id
        self.name_ = name
        self.args_ = args
        set_kwargs(self, None if not kwargs else kwargs)
        set_trigger(self, trigger, False)
        if coalesce is not ...:
            set_coalesce(self, coalesce)

    def _complete(self, grace, coalesce, max_instances):
        """Set the options that nobody set; whether the job still waits for its first run time."""
        return complete(self, grace, coalesce, max_instances)

    def _zone(self):
        return zone_of(self)

    def _foreign_zone(self):
        """The zone of run times whose trigger has none that the engine knows."""
        return UTC_ZONE


@cython.final
cdef class _Due:
    """What was told of a time, and who told it."""

    cdef int64_t second
    cdef ZoneTable zone
    cdef object tell
    cdef object text


cdef list _dues = [None] * 64  # by the last digits of the second: jobs of one schedule are due again at few times


cdef object text_of_due(JobCore job, ZoneTable zone, object tell):
    cdef int64_t run_us = job.run_us  # once: making a `_Due` may let others change it
    cdef int64_t second = run_us // 1000000
    cdef object known = _dues[second & 63]
    cdef _Due due
    if known is not None:
        due = <_Due>known
        if due.second == second and due.zone is zone and due.tell is tell:
            return due.text
    due = _Due.__new__(_Due)
    due.second, due.zone, due.tell, due.text = second, zone, tell, tell(from_us_c(run_us, zone))
    _dues[second & 63] = due
    return due.text


cdef int own_trigger(JobCore job) except -1:
    """Programs assign to the attributes of triggers, which is nothing to other jobs."""
    cdef CronCore made = alike_c(<CronCore?>job.trigger_)
    if PyObject_GC_IsTracked(<PyObject *>made):
        PyObject_GC_UnTrack(<PyObject *>made)
    if job.flags & SHARED:  # it still is: making one may have run the collector
        set_trigger(job, made, False)
    return 0


cdef int set_trigger(JobCore job, object trigger, bint shared) except -1:
    job.flags = (job.flags & ~<uint32_t>SHARED) | (SHARED if shared else 0)
    job.trigger_ = trigger
    return 0


cdef int set_rare(JobCore job, object extras, object kwargs) except -1:
    """Keep what few jobs have, None for none."""
    cdef _Rare rare
    if extras is None and kwargs is None:
        if job.flags & HAS_RARE:
            run_time = shown_dt(job)
            job.flags &= ~<uint32_t>HAS_RARE
            job.run_dt = run_time
        return 0
    rare = _Rare.__new__(_Rare)  # it may run anything, so it comes first
    rare.run_dt, rare.extras, rare.kwargs = shown_dt(job), extras, kwargs
    old = job.run_dt  # freed when all is done
    job.run_dt = rare
    job.flags |= HAS_RARE
    return 0


cdef int set_kwargs(JobCore job, object kwargs) except -1:
    job.flags |= HAS_KWARGS
    if kwargs is None and not job.flags & HAS_RARE:
        return 0
    return set_rare(job, (<_Rare>job.run_dt).extras if job.flags & HAS_RARE else None, kwargs)


cdef int set_coalesce(JobCore job, bint coalesce) except -1:
    job.flags = (job.flags & ~<uint32_t>COALESCE) | HAS_COALESCE | (COALESCE if coalesce else 0)
    return 0


cdef bint complete(JobCore job, object grace, bint coalesce, object max_instances) except -1:
    cdef _Kind kind = job.kind
    if not job.flags & HAS_COALESCE:
        set_coalesce(job, coalesce)
    if kind.grace is UNSET or kind.max_instances is UNSET:
        job.kind = with_options(
            kind, kind.executor, grace if kind.grace is UNSET else kind.grace,
            max_instances if kind.max_instances is UNSET else kind.max_instances,
        )
    return job.run_us == unset_us()


cdef int advance(JobCore job, int64_t run_us, int64_t nominal_us, object run_time) except -1:
    """Set the times. It can't fail."""
    job.run_us = run_us
    job.due_nominal_us = nominal_us
    return set_shown_dt(job, run_time)


cdef object shown_dt(JobCore job):
    """The datetime to show when the trigger's zone would not give it; None: it does."""
    return (<_Rare>job.run_dt).run_dt if job.flags & HAS_RARE else job.run_dt


cdef int set_shown_dt(JobCore job, object run_time) except -1:
    if job.flags & HAS_RARE:
        (<_Rare>job.run_dt).run_dt = run_time
    else:
        job.run_dt = run_time
    return 0


cdef ZoneTable zone_of(JobCore job):
    if isinstance(job.trigger_, TriggerCore):
        return (<TriggerCore>job.trigger_).zone
    zone = job._foreign_zone()
    if not isinstance(zone, ZoneTable):  # a subclass may say anything; None would be asked like a zone
        raise TypeError(f"_foreign_zone() must give a ZoneTable, not {type(zone).__name__}")
    return <ZoneTable>zone


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
            advance(job, fire_us, fire_us, None)
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


cdef inline bint plain_text(object value):
    return type(value) is str or value is UNSET


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
    """Whether the collector may skip this job: a plain function, atomic arguments, a trigger of the engine, and texts
    that are nothing else; and no attributes of a subclass."""
    if not (plain_text(job.id_) and plain_text(job.name_) and plain_text(job.kind.executor)):
        return False
    if not rap_adds_nothing(Py_TYPE(job)) or job.flags & HAS_RARE or not plain_trigger(job.trigger_):
        return False
    if not plain_function(job.kind.func):
        return False
    return type(job.args_) is tuple and all_atomic(<tuple>job.args_)


cdef int hide(JobCore job) except -1:
    cdef object scheduler = job.kind.scheduler
    if scheduler is not None and not PyWeakref_CheckRefExact(scheduler):
        try:
            job.kind = with_scheduler(job.kind, PyWeakref_NewRef(scheduler, None))
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
        if Py_REFCNT(<PyObject *>job.trigger_) == 1 and isinstance(job.trigger_, CronCore):
            set_trigger(job, shared_cron(<CronCore>job.trigger_), True)  # nobody else knows it
    return 0


cdef int show(JobCore job) except -1:
    cdef object scheduler = job.kind.scheduler
    if PyWeakref_CheckRefExact(scheduler):
        scheduler = scheduler()
        if scheduler is not None:
            job.kind = with_scheduler(job.kind, scheduler)
    track(job)
    return 0


def hide_from_collector(JobCore job not None):
    """Let go of the scheduler, and let the collector skip the job if it can't be part of a cycle; see the twin."""
    hide(job)


def show_to_collector(JobCore job not None):
    """Undo `hide_from_collector`: the job has left its store."""
    show(job)
