"""Cron schedules as they were written: fields known by their text, schedules known by their values.

Twin of `rapscheduler._reference.cron_text`, which states the contract; the layout is in cron_text.pxd.
"""

cimport cython
from cpython.bool cimport PyBool_Check
from cpython.dict cimport PyDict_GetItemWithError
from cpython.long cimport PyLong_CheckExact
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF
from cpython.tuple cimport PyTuple_GET_ITEM, PyTuple_New, PyTuple_SET_ITEM
from cpython.unicode cimport PyUnicode_CheckExact
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memset

from rapscheduler._engine._instants cimport max_us, min_us
from rapscheduler._engine.cron cimport CronCore, CronMasks, CronSpec, DstRule, check_masks, dst_rule, spec_of
from rapscheduler._engine.timezone cimport ZoneTable

cdef extern from *:
    """
    #define rap_new(cls, arguments) (((PyTypeObject *)(cls))->tp_new((PyTypeObject *)(cls), (arguments), NULL))
    """
    object rap_new(object cls, object arguments)  # an instance whose __init__ has not been called

cdef tuple _RULES = ("once", "both", "shift")
cdef tuple _NOTHING = ()


cdef inline FieldBits bits(tuple parts, Py_ssize_t i):
    return <FieldBits?>parts[i]


cdef class FieldBits:
    """The values of one field as the kernel takes them. Shared; never changed."""

    def __init__(
        self, mask=0, years=None, last_days=0, nth_weekdays=0, nearest_workdays=0, every=False, starred=False
    ):
        self.mask = mask
        self.years = years
        self.last_days = last_days
        self.nth_weekdays = nth_weekdays
        self.nearest_workdays = nearest_workdays
        self.every = every
        self.starred = starred


@cython.no_gc  # as in the .pxd
cdef class ScheduleText:
    """A schedule made of eight fields, and its spec. Shared; never changed."""

    def __init__(self, parts, day_or_weekday, dst):
        self.take(tuple(parts), day_or_weekday, dst)

    cdef int take(self, tuple parts, object day_or_weekday, object dst) except -1:
        cdef FieldBits year, month, day, week, weekday, hour, minute, second
        cdef CronMasks k
        if len(parts) != FIELDS:
            raise ValueError(f"a schedule has {FIELDS} fields, not {len(parts)}")
        if dst not in _RULES:
            raise ValueError(
                f"dst={dst!r} is not a rule; give 'once' (a repeated time fires once, a skipped one never), "
                "'both' (fires in both passes) or 'shift' (as 'once', and a skipped time fires after the gap)"
            )
        year, month, day, week = bits(parts, 0), bits(parts, 1), bits(parts, 2), bits(parts, 3)
        weekday, hour, minute, second = bits(parts, 4), bits(parts, 5), bits(parts, 6), bits(parts, 7)
        check_masks(
            second.mask, minute.mask, hour.mask, day.mask, month.mask, week.mask, weekday.mask, day.last_days,
            day.nth_weekdays,
        )
        memset(&k, 0, sizeof(k))
        k.second, k.minute, k.week = second.mask, minute.mask, week.mask
        k.hour, k.day = <uint32_t>hour.mask, <uint32_t>day.mask
        k.month, k.weekday = <uint16_t>month.mask, <uint8_t>weekday.mask
        k.nth_weekdays, k.last_day_offsets = day.nth_weekdays, day.last_days
        k.nearest_workdays = day.nearest_workdays
        k.day_any = day.every
        k.day_or_weekday = bool(day_or_weekday) and not (day.starred or weekday.starred)
        k.rhythm = hour.starred or minute.starred
        k.dst = <DstRule>dst_rule(dst)
        self.spec = spec_of(&k, year.years)
        self.parts = parts
        return 0

    @property
    def day_or_weekday(self):
        """Whether a day fires when the day *or* the weekday matches."""
        return self.spec.day_or_weekday

    @property
    def dst(self):
        """What happens at zone changes."""
        return self.spec.dst


cdef class TextTable:
    """Known fields and schedules; see the reference twin."""

    def __init__(self, kind, stars, minima):
        if not (isinstance(kind, type) and issubclass(kind, ScheduleText)):
            raise TypeError(f"kind must be a class of ScheduleText, not {kind!r}")
        cdef tuple all_stars = tuple(stars)
        cdef tuple all_minima = tuple(minima)
        if len(all_stars) != FIELDS or len(all_minima) != FIELDS:
            raise ValueError(f"a schedule has {FIELDS} fields")
        self.kind, self.stars, self.minima = kind, all_stars, all_minima
        self.known = tuple([{} for _ in range(FIELDS)])
        self.schedules = {}

    cdef object part(self, Py_ssize_t i, object value):
        """A known field; None: it is not known."""
        cdef PyObject *found
        if not PyUnicode_CheckExact(value):
            return None
        found = PyDict_GetItemWithError(<dict?>PyTuple_GET_ITEM(self.known, i), value)
        return None if found == NULL else <object>found

    def of_known(self, year, month, day, week, day_of_week, hour, minute, second, day_or_weekday, dst):
        """The schedule of known fields, given as texts or None; None: one of the fields is not known."""
        cdef PyObject *values[FIELDS]
        cdef tuple parts
        cdef object part
        cdef ScheduleText made
        cdef Py_ssize_t i, lowest = -1
        values[:] = [
            <PyObject *>year, <PyObject *>month, <PyObject *>day, <PyObject *>week,
            <PyObject *>day_of_week, <PyObject *>hour, <PyObject *>minute, <PyObject *>second,
        ]
        if self.known is None:
            raise AttributeError("this TextTable was not initialised")
        for i in range(FIELDS):
            if values[i] != <PyObject *>None:
                lowest = i
        parts = PyTuple_New(FIELDS)
        for i in range(FIELDS):
            if values[i] != <PyObject *>None:
                part = self.part(i, <object>values[i])
                if part is None:
                    return None
            elif i < lowest or lowest < 0:
                part = <object>PyTuple_GET_ITEM(self.stars, i)
            else:
                part = <object>PyTuple_GET_ITEM(self.minima, i)
            Py_INCREF(part)
            PyTuple_SET_ITEM(parts, i, part)
        made = <ScheduleText?>rap_new(self.kind, _NOTHING)
        made.take(parts, day_or_weekday, dst)
        return made

    def find(self, year, month, day, week, day_of_week, hour, minute, second, day_or_weekday, dst):
        """The schedule kept under these very values; None: there is none."""
        cdef tuple key = (year, month, day, week, day_of_week, hour, minute, second, day_or_weekday, dst)
        cdef PyObject *found
        if not exact(key):
            return None
        if self.schedules is None:
            raise AttributeError("this TextTable was not initialised")
        found = PyDict_GetItemWithError(self.schedules, key)
        return None if found == NULL else <object>found

    def keep(self, ScheduleText schedule not None, *values):
        """Remember a schedule for `find`, unless its values could be taken for others."""
        if len(values) == FIELDS + 2 and exact(values):
            if len(self.schedules) >= MOST_SCHEDULES:
                self.schedules.clear()
            self.schedules[values] = schedule


cdef bint exact(tuple values):
    """Whether no other values are equal to these, as True and 1.0 are equal to 1."""
    cdef Py_ssize_t i
    cdef object value
    for i in range(FIELDS):
        value = <object>PyTuple_GET_ITEM(values, i)
        if not (value is None or PyUnicode_CheckExact(value) or PyLong_CheckExact(value)):
            return False
    return PyBool_Check(<object>PyTuple_GET_ITEM(values, FIELDS)) and PyUnicode_CheckExact(
        <object>PyTuple_GET_ITEM(values, FIELDS + 1)
    )


def begin(CronCore trigger not None, ScheduleText text not None, ZoneTable zone not None):
    """Give a trigger its schedule and zone, without limits and jitter."""
    if text.spec is None:
        raise AttributeError("spec")  # this text was not initialised
    trigger.spec = text.spec
    trigger._text = text
    trigger.zone = zone
    trigger.first_us = min_us()
    trigger.last_us = max_us()
    trigger.jitter_us = 0


def alike(CronCore trigger not None):
    """Another trigger of the class and with all the numbers of this one."""
    return alike_c(trigger)


cdef CronCore alike_c(CronCore trigger):
    cdef object cls = type(trigger)
    cdef CronCore made = <CronCore?>rap_new(cls, _NOTHING)
    made.spec = trigger.spec
    made._text = trigger._text
    made.zone = trigger.zone
    made.first_us = trigger.first_us
    made.last_us = trigger.last_us
    made.jitter_us = trigger.jitter_us
    made.skips = trigger.skips
    return made
