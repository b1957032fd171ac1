"""What every compiled trigger shares: zone, start, end, jitter, and the questions a loop asks.

Twin of `rapscheduler._reference.trigger`, which states the rules. Here a schedule answers through three C methods
(trigger.pxd), without the interpreter's lock; the Python face converts datetimes at the door and nothing else.

Lean on purpose, since a million may exist: 56 bytes (cron 72), and the collector doesn't see them (no cycle can pass through a
zone or a number; a Python subclass that adds attributes is seen again).
"""

cimport cython
from cpython.datetime cimport PyDateTime_Check, datetime_tzinfo, import_datetime
from cpython.long cimport PyLong_AsLongLongAndOverflow, PyLong_CheckExact
from cpython.object cimport PyObject, PyTypeObject
from cpython.ref cimport Py_TYPE
from libc.stdint cimport int64_t

from rapscheduler._engine.datetimes cimport extend_from_us, from_us_c, to_us_c
from rapscheduler._engine.timezone cimport ZoneTable

import random
from datetime import timezone as _fixed_zone
from operator import index

import_datetime()

NEVER = never_us()
MIN_US = min_us()
MAX_US = max_us()

cdef object _uniform = random.uniform
cdef object _UTC = _fixed_zone.utc
cdef ZoneTable _UTC_ZONE = ZoneTable.fixed(0, _fixed_zone.utc)

cdef extern from "Python.h":
    Py_buffer *PyMemoryView_GET_BUFFER(object view)
    object PySequence_Fast(object sequence, const char *message)
    Py_ssize_t PySequence_Fast_GET_SIZE(object sequence)
    PyObject **PySequence_Fast_ITEMS(object sequence)

cdef extern from *:
    """
    #if defined(__GNUC__)
    #define rap_prefetch(address) __builtin_prefetch(address)
    #else
    #define rap_prefetch(address) ((void)(address))
    #endif
    """
    void rap_prefetch(const void *address) noexcept nogil

# Triggers are looked at this many places ahead of their turn: a million of them do not fit any cache.
cdef enum:
    AHEAD = 12
    ROOM = 256  # fire times converted to datetimes at a time


def int64_view(buffer):
    """The buffer as a flat view of writable int64 items.

    :raises TypeError: if it is not a writable, contiguous, one-dimensional buffer of 8-byte signed integers
    """
    try:
        view = memoryview(buffer)
    except TypeError:
        raise TypeError(
            f"fire times are written to a buffer of int64, not to {type(buffer).__name__}; "
            "give array('q', bytes(8 * n)) or a NumPy array of dtype int64"
        ) from None
    if view.format not in ("q", "l") or view.itemsize != 8 or view.ndim != 1:
        raise TypeError(
            f"fire times need one dimension of int64 items, not format {view.format!r} in {view.ndim} "
            "dimensions; give array('q', bytes(8 * n)) or a NumPy array of dtype int64"
        )
    if view.readonly or not view.contiguous:
        raise TypeError("the buffer for fire times must be writable and contiguous; give array('q', bytes(8 * n))")
    return view


cdef inline int64_t _instant_us(object moment, ZoneTable zone, str name) except? -1:
    """An argument of `get_next_fire_time` as an instant; naive means local time of the system, as in Python."""
    if not PyDateTime_Check(moment):
        raise TypeError(f"{name} must be a datetime, not {type(moment).__name__}")
    if datetime_tzinfo(moment) is None:
        moment = moment.astimezone(_UTC)
    return to_us_c(moment, zone)


cdef int64_t _legal(object us) except? -1:
    """An instant of the caller's, or, beyond the years 1 to 9999, one just outside of them."""
    cdef int overflow = 0
    cdef int64_t instant = PyLong_AsLongLongAndOverflow(us if PyLong_CheckExact(us) else index(us), &overflow)
    if overflow > 0 or instant > max_us():
        return max_us() + 1
    if overflow < 0 or instant < min_us():
        return min_us() - 1
    return instant


@cython.no_gc  # as in the .pxd
cdef class TriggerCore:
    """A schedule in a zone, from `start_us` to `end_us` (inclusive; `None` for no limit)."""

    def __cinit__(self):
        # One that is never initialised stays harmless: it has a zone, and the base class fires never.
        self.zone = _UTC_ZONE
        self.first_us = min_us()
        self.last_us = max_us()
        self.jitter_us = 0

    def __init__(self, zone, start_us=None, end_us=None, jitter_us=0):
        if not isinstance(zone, ZoneTable):
            raise TypeError(f"zone must be a ZoneTable, not {type(zone).__name__}")
        if jitter_us < 0:
            raise ValueError(f"jitter_us={jitter_us} would fire too early; give 0 or more")
        self.zone = <ZoneTable>zone
        self.first_us = min_us() if start_us is None or start_us < MIN_US else <int64_t>min(start_us, NEVER)
        self.last_us = max_us() if end_us is None or end_us > MAX_US else <int64_t>max(end_us, -NEVER)
        self.jitter_us = min(jitter_us, MAX_US)

    @property
    def start_us(self):
        """Nothing fires before this instant; `None`: no limit."""
        return None if self.first_us == min_us() else self.first_us

    @property
    def end_us(self):
        """Nothing fires after this instant; `None`: no limit."""
        return None if self.last_us == max_us() else self.last_us

    cdef int64_t next_us(self, int64_t previous_us, int64_t now_us) noexcept nogil:
        return never_us()

    cdef int64_t latest_us(self, int64_t from_us, int64_t at_us) noexcept nogil:
        cdef int64_t latest = self.before_us(at_us + 1) if at_us < never_us() else self.before_us(at_us)
        return latest if latest >= from_us else never_us()

    cdef int64_t before_us(self, int64_t t_us) noexcept nogil:
        return never_us()

    cdef int64_t fill_us(self, int64_t *out, int64_t room, int64_t start_us, int64_t end_us) noexcept nogil:
        cdef int64_t last = end_us if end_us < self.last_us else self.last_us
        cdef int64_t count = 0
        cdef int64_t fire
        if room <= 0:
            return 0
        fire = self.next_us(never_us(), start_us)
        while fire <= last:  # never_us() is beyond every last
            if fire >= start_us:
                out[count] = fire
                count += 1
                if count == room:
                    break
            fire = self.next_us(fire, fire)
        return count

    @cython.binding(False)
    def get_next_fire_time(self, previous_fire_time, now):
        """Return the next time to fire on, or `None` when there is none.

        :param previous_fire_time: the fire time before this one, `None` at the first call
        :param now: the current time; a naive datetime is read as local time of the system
        :raises TypeError: if an argument is not a datetime
        """
        cdef int64_t now_us = _instant_us(now, self.zone, "now")
        cdef int64_t previous = never_us()
        if previous_fire_time is now:  # a walk asks like that
            previous = now_us
        elif previous_fire_time is not None:
            previous = _instant_us(previous_fire_time, self.zone, "previous_fire_time")
        cdef int64_t fire = self.next_us(previous, now_us)
        if fire == never_us():
            return None
        if self.jitter_us:
            fire = min(fire + <int64_t>(<double>_uniform(0, self.jitter_us)), self.last_us)
        return from_us_c(fire, self.zone)

    def next_fire_us(self, previous_us, now_us):
        """`get_next_fire_time` in microseconds and without jitter."""
        cdef int64_t fire = self.next_us(never_us() if previous_us is None else _legal(previous_us), _legal(now_us))
        return None if fire == never_us() else fire

    def latest_fire_us(self, from_us, at_us):
        """Last fire time in `[from_us, at_us]`; `from_us` is a fire time (the oldest one missed)."""
        cdef int64_t fire = self.latest_us(_legal(from_us), _legal(at_us))
        return None if fire == never_us() else fire

    def previous_fire_us(self, before_us):
        """Last fire time strictly before `before_us`."""
        cdef int64_t fire = self.before_us(_legal(before_us))
        return None if fire == never_us() else fire

    def fill_fire_times(self, buffer, start_us, end_us=None):
        """Write the fire times in `[start_us, end_us]` to a writable int64 buffer until it is full.

        :return: how many were written
        :raises TypeError: if the buffer is not one of int64
        """
        view = int64_view(buffer)
        cdef int64_t *out = <int64_t *>PyMemoryView_GET_BUFFER(view).buf
        cdef int64_t room = PyMemoryView_GET_BUFFER(view).len // 8
        cdef int64_t first = _legal(start_us)
        cdef int64_t last = max_us() if end_us is None else _legal(end_us)
        cdef int64_t count
        with nogil:
            count = self.fill_us(out, room, first, last)
        return count

    def list_fire_times(self, start_us, end_us, limit):
        """At most `limit` fire times in `[start_us, end_us]`, as aware datetimes in the trigger's zone."""
        cdef int64_t[ROOM] block
        cdef int64_t last = max_us() if end_us is None else _legal(end_us)
        cdef int64_t from_us = _legal(start_us)
        cdef int64_t left, room, count
        cdef list times = []
        if limit < 0:
            raise ValueError(f"limit={limit} makes no sense; give 0 or more")
        left = min(limit, NEVER)
        while left > 0:
            room = left if left < ROOM else ROOM
            count = self.fill_us(block, room, from_us, last)
            extend_from_us(times, block, count, self.zone)
            if count < room:
                break
            left -= count
            from_us = block[count - 1] + 1
        return times


@cython.no_gc  # as in the .pxd
cdef class DateCore(TriggerCore):
    """One instant. Asked without a previous fire time it answers it, past or not, as APScheduler does."""

    def __cinit__(self):
        self.run_us = never_us()

    def __init__(self, run_us, zone):
        if not MIN_US <= run_us <= MAX_US:
            raise ValueError(f"run_us={run_us} is not within the years 1 to 9999")
        TriggerCore.__init__(self, zone)
        self.run_us = run_us

    cdef int64_t next_us(self, int64_t previous_us, int64_t now_us) noexcept nogil:
        return self.run_us if previous_us == never_us() else never_us()

    cdef int64_t before_us(self, int64_t t_us) noexcept nogil:
        return self.run_us if self.run_us < t_us else never_us()


def next_fire_us_many(triggers, now_us, buffer):
    """Write the next fire time of `triggers[i]` from `now_us` on to `buffer[i]`; `NEVER` where there is none.

    :return: how many were written
    :raises TypeError: if the buffer is not one of int64, or an item is not a compiled trigger
    :raises ValueError: if the buffer is shorter than the sequence
    """
    view = int64_view(buffer)
    cdef object items = PySequence_Fast(triggers, "triggers must be a sequence")
    cdef Py_ssize_t total = PySequence_Fast_GET_SIZE(items)
    cdef PyObject **item = PySequence_Fast_ITEMS(items)
    cdef int64_t *out = <int64_t *>PyMemoryView_GET_BUFFER(view).buf
    cdef int64_t now = _legal(now_us)
    cdef Py_ssize_t place
    cdef PyTypeObject *known = NULL
    if PyMemoryView_GET_BUFFER(view).len // 8 < total:
        raise ValueError(f"{total} triggers need a buffer of as many int64, not of {len(view)}")
    for place in range(total):
        if place + AHEAD < total:
            rap_prefetch(item[place + AHEAD])
        if <PyTypeObject *>Py_TYPE(<object>item[place]) != known:
            if not isinstance(<object>item[place], TriggerCore):
                raise TypeError(
                    f"triggers[{place}] is a {type(<object>item[place]).__name__}, which has no kernel; "
                    "ask it one by one"
                )
            known = <PyTypeObject *>Py_TYPE(<object>item[place])
        out[place] = (<TriggerCore>item[place]).next_us(never_us(), now)
    return total
