"""What every compiled trigger shares: zone, start, end, jitter, and the questions a loop asks.

Twin of `rapscheduler._reference.trigger`, which states the rules. Here a schedule answers through three C methods
(trigger.pxd), without the interpreter's lock; the Python face converts datetimes at the door and nothing else.

Lean on purpose, since a million may exist: 64 bytes (cron 80, which is what Python gives for 72, too), and the collector
doesn't see them (no cycle can pass through a zone or a number; a Python subclass that adds attributes is seen again).
"""

cimport cython
from cpython.datetime cimport PyDateTime_Check, datetime_tzinfo, import_datetime
from cpython.long cimport PyLong_AsLongLongAndOverflow, PyLong_CheckExact
from cpython.object cimport PyObject, PyTypeObject
from cpython.ref cimport Py_TYPE
from cpython.bytes cimport PyBytes_AS_STRING
from libc.stdint cimport int64_t

from rapscheduler._engine._instants cimport SECOND_US, max_us, min_us, never_us
from rapscheduler._engine.datetimes cimport extend_from_us, from_us_c, to_us_c
from rapscheduler._engine.timezone cimport ZoneRange, ZoneTable, zone_find

from datetime import timezone as _fixed_zone
from operator import index

import_datetime()

NEVER_US = never_us()
MIN_US = min_us()
MAX_US = max_us()

cdef int64_t FIRST_S = min_us() // SECOND_US - 1
cdef int64_t LAST_S = max_us() // SECOND_US + 1
cdef object _UTC = _fixed_zone.utc
cdef ZoneTable _UTC_ZONE = ZoneTable.fixed(0, _fixed_zone.utc)

def _by_chance():
    """A number in [0, 1), of the generator that programs seed. Loaded when one asks: few triggers have a jitter."""
    from random import random

    return random()


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
    DAY_S = 86_400
    MOST_SKIPPED = 20_000  # stretches of time that are left out, one after the other, until a schedule counts as over
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


cdef int64_t exact(object number) except? -1:
    """A whole number as C has it, or the nearest that fits: a subclass of int may say anything of itself."""
    cdef int overflow = 0
    cdef int64_t value = PyLong_AsLongLongAndOverflow(
        number if PyLong_CheckExact(number) else index(number), &overflow
    )
    if overflow:
        return never_us() if overflow > 0 else -never_us()
    return value


cdef int64_t _legal(object us) except? -1:
    """An instant of the caller's, or, beyond the years 1 to 9999, one just outside of them."""
    return max(min_us() - 1, min(exact(us), max_us() + 1))


cdef inline int64_t floor_s(int64_t t_us) noexcept nogil:
    return t_us // SECOND_US - (t_us % SECOND_US < 0)


@cython.no_gc  # as in the .pxd
cdef class Skips:
    """The days and times of day that a schedule leaves out; see the reference twin."""

    def __cinit__(
        self, first_day=0, days=b"", weekdays=0, windows=(), source=None, share=None, after_end=False
    ):
        cdef double part
        self.first_day = exact(first_day)
        if abs(self.first_day) > 10_000_000:
            raise ValueError(f"first_day={first_day} is not within the years 1 to 9999")
        self.days = bytes(days)
        self.bits = <const unsigned char *>PyBytes_AS_STRING(self.days)
        self.length = 8 * len(self.days)
        self.weekdays = <int>(exact(weekdays) & 127)
        self.source = source
        part = -1 if share is None else share
        if share is not None and not 0 <= part <= 1:
            raise ValueError(f"share={share} is no part; give a number from 0 to 1")
        self.share = part
        self.after_end = bool(after_end)
        cdef list spans = list(windows) or [(0, DAY_S)]
        cdef int64_t end = 0
        if len(spans) > WINDOWS:
            raise ValueError(f"at most {WINDOWS} windows can be told, not {len(spans)}")
        for span in spans:
            from_s, to_s = span
            self.from_s[self.count], self.to_s[self.count] = exact(from_s), exact(to_s)
            if not end <= self.from_s[self.count] < self.to_s[self.count] <= DAY_S:
                raise ValueError(f"windows={windows!r} must be seconds of a day, in order, and not overlap")
            end = self.to_s[self.count]
            self.count += 1
        self.windows = tuple([(self.from_s[i], self.to_s[i]) for i in range(self.count)])

    @property
    def fixed_share(self):
        """The part of the jitter that every run is late by; `None`: chance."""
        return None if self.share < 0 else self.share

    def next_open_us(self, ZoneTable zone not None, t_us):
        """The first instant from one on that is not left out; `None`: there is none."""
        cdef int64_t found = self.open_from(zone, _legal(t_us))
        return None if found == never_us() else found

    def last_open_us(self, ZoneTable zone not None, t_us):
        """The last instant until one that is not left out; `None`: there is none."""
        cdef int64_t found = self.open_until(zone, _legal(t_us))
        return None if found == never_us() else found

    cdef bint day_out(self, int64_t day) noexcept nogil:
        cdef int64_t i = day - self.first_day
        if 0 <= i < self.length:
            return (self.bits[i >> 3] >> (i & 7)) & 1
        return (self.weekdays >> ((day % 7 + 10) % 7)) & 1  # 1970-01-01 was a Thursday

    cdef int64_t wall_from(self, int64_t wall_s) noexcept nogil:
        """The first second of wall time from one on that is not left out; `never_us()`: there is none."""
        cdef int64_t day = wall_s // DAY_S - (wall_s % DAY_S < 0)
        cdef int64_t at_s = wall_s - day * DAY_S
        cdef int64_t i, last
        if not self.day_out(day):
            for i in range(self.count):
                if at_s < self.to_s[i]:
                    return day * DAY_S + max(at_s, self.from_s[i])
        day += 1
        last = max(day, self.first_day + self.length) + 7
        while self.day_out(day):
            day += 1
            if day > last:
                return never_us()
        return day * DAY_S + self.from_s[0]

    cdef int64_t wall_until(self, int64_t wall_s) noexcept nogil:
        """The last second of wall time until one that is not left out; `never_us()`: there is none."""
        cdef int64_t day = wall_s // DAY_S - (wall_s % DAY_S < 0)
        cdef int64_t at_s = wall_s - day * DAY_S
        cdef int64_t i, first
        if not self.day_out(day):
            for i in range(self.count - 1, -1, -1):
                if at_s >= self.from_s[i]:
                    return day * DAY_S + min(at_s, self.to_s[i] - 1)
        day -= 1
        first = min(day, self.first_day) - 7
        while self.day_out(day):
            day -= 1
            if day < first:
                return never_us()
        return day * DAY_S + self.to_s[self.count - 1] - 1

    cdef int64_t open_from(self, ZoneTable zone, int64_t t_us) except? -1 nogil:
        cdef int64_t begin_s = floor_s(t_us)
        cdef int64_t at_s = begin_s
        cdef int64_t wall_s
        cdef ZoneRange found
        while at_s <= LAST_S:
            zone_find(zone, at_s, &found)
            wall_s = self.wall_from(at_s + found.offset_s)
            if wall_s == never_us():
                break
            wall_s -= found.offset_s
            if wall_s < found.hi_s:
                return t_us if wall_s <= begin_s else wall_s * SECOND_US
            at_s = max(found.hi_s, wall_s - 2 * DAY_S)
        return never_us()

    cdef int64_t open_until(self, ZoneTable zone, int64_t t_us) except? -1 nogil:
        cdef int64_t end_s = floor_s(t_us)
        cdef int64_t at_s = end_s
        cdef int64_t wall_s
        cdef ZoneRange found
        while at_s >= FIRST_S:
            zone_find(zone, at_s, &found)
            wall_s = self.wall_until(at_s + found.offset_s)
            if wall_s == never_us():
                break
            wall_s -= found.offset_s
            if wall_s >= found.lo_s:
                return t_us if wall_s >= end_s else wall_s * SECOND_US + SECOND_US - 1
            at_s = min(found.lo_s - 1, wall_s + 2 * DAY_S)
        return never_us()


cdef int64_t skipping_next(TriggerCore trigger, int64_t previous_us, int64_t now_us) except? -1 nogil:
    cdef int64_t fire = trigger.next_us(previous_us, now_us)
    cdef int64_t open_us
    cdef int i
    if trigger.skips is None:
        return fire
    for i in range(MOST_SKIPPED):
        if fire == never_us():
            return fire
        open_us = trigger.skips.open_from(trigger.zone, fire)
        if open_us == fire or open_us == never_us():
            return open_us
        fire = trigger.next_us(never_us(), open_us)
        if fire < open_us:  # one instant, past or not
            break
    return never_us()


cdef int64_t skipping_before(TriggerCore trigger, int64_t t_us) except? -1 nogil:
    cdef int64_t fire = trigger.before_us(t_us)
    cdef int64_t open_us
    cdef int i
    if trigger.skips is None:
        return fire
    for i in range(MOST_SKIPPED):
        if fire == never_us():
            return fire
        open_us = trigger.skips.open_until(trigger.zone, fire)
        if open_us == fire or open_us == never_us():
            return open_us
        fire = trigger.before_us(open_us + 1)
    return never_us()


cdef int64_t skipping_latest(TriggerCore trigger, int64_t from_us, int64_t at_us) except? -1 nogil:
    cdef int64_t latest
    if trigger.skips is None:
        return trigger.latest_us(from_us, at_us)
    latest = skipping_before(trigger, at_us + 1 if at_us < never_us() else at_us)
    return latest if latest >= from_us else never_us()


cdef int64_t filled(
    TriggerCore trigger, int64_t *out, int64_t room, int64_t start_us, int64_t end_us
) except -1 nogil:
    """`fill_us`, but what is left out."""
    cdef int64_t last = min(end_us, trigger.last_us)
    cdef int64_t count = 0
    cdef int64_t fire
    if trigger.skips is None:
        return trigger.fill_us(out, room, start_us, end_us)
    fire = skipping_next(trigger, never_us(), start_us) if room > 0 else never_us()
    while fire <= last and count < room:
        if fire >= start_us:
            out[count] = fire
            count += 1
        fire = skipping_next(trigger, fire, fire)
    return count


cpdef double share_of(TriggerCore trigger, object draw) except? -1:
    """The part of the jitter that a run is late by."""
    if trigger.skips is not None and trigger.skips.share >= 0:
        return trigger.skips.share
    return draw()


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
        cdef int64_t first = min_us() if start_us is None else exact(start_us)
        cdef int64_t last = max_us() if end_us is None else exact(end_us)
        cdef int64_t jitter = exact(jitter_us)
        if jitter < 0:
            raise ValueError(f"jitter_us={jitter_us} would fire too early; give 0 or more")
        self.zone = <ZoneTable>zone
        self.first_us = max(first, min_us())
        self.last_us = min(last, max_us())
        self.jitter_us = min(jitter, max_us())

    @property
    def start_us(self):
        """Nothing fires before this instant; `None`: no limit."""
        return None if self.first_us == min_us() else self.first_us

    @property
    def end_us(self):
        """Nothing fires after this instant; `None`: no limit."""
        return None if self.last_us == max_us() else self.last_us

    cdef TriggerCore copied(self):
        return self.give_to(TriggerCore.__new__(TriggerCore))

    cdef TriggerCore give_to(self, TriggerCore made):
        made.zone = self.zone
        made.first_us, made.last_us, made.jitter_us = self.first_us, self.last_us, self.jitter_us
        made.skips = self.skips
        return made

    cdef int64_t next_us(self, int64_t previous_us, int64_t now_us) except? -1 nogil:
        return never_us()

    cdef int64_t latest_us(self, int64_t from_us, int64_t at_us) except? -1 nogil:
        cdef int64_t latest = self.before_us(at_us + 1) if at_us < never_us() else self.before_us(at_us)
        return latest if latest >= from_us else never_us()

    cdef int64_t before_us(self, int64_t t_us) except? -1 nogil:
        return never_us()

    cdef int64_t fill_us(self, int64_t *out, int64_t room, int64_t start_us, int64_t end_us) except -1 nogil:
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
        cdef ZoneTable zone = self.zone
        cdef int64_t now_us = _instant_us(now, zone, "now")
        cdef int64_t previous = never_us()
        if previous_fire_time is now:  # a walk asks like that
            previous = now_us
        elif previous_fire_time is not None:
            previous = _instant_us(previous_fire_time, zone, "previous_fire_time")
        cdef int64_t fire = ask_next(self, previous, now_us)
        if fire == never_us():
            return None
        if self.jitter_us:
            fire = min(fire + <int64_t>(share_of(self, _by_chance) * self.jitter_us), self.last_us)
        return from_us_c(fire, zone)

    def next_fire_us(self, previous_us, now_us):
        """`get_next_fire_time` in microseconds and without jitter."""
        cdef int64_t previous = never_us() if previous_us is None else _legal(previous_us)
        cdef int64_t fire = ask_next(self, previous, _legal(now_us))
        return None if fire == never_us() else fire

    def latest_fire_us(self, from_us, at_us):
        """Last fire time in `[from_us, at_us]`; `from_us` is a fire time (the oldest one missed)."""
        cdef int64_t fire = ask_latest(self, _legal(from_us), _legal(at_us))
        return None if fire == never_us() else fire

    def previous_fire_us(self, before_us):
        """Last fire time strictly before `before_us`."""
        cdef int64_t fire = ask_before(self, _legal(before_us))
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
        cdef TriggerCore kernel = self.copied()  # other threads run meanwhile
        with nogil:
            count = filled(kernel, out, room, first, last)
        return count

    def list_fire_times(self, start_us, end_us, limit):
        """At most `limit` fire times in `[start_us, end_us]`, as aware datetimes in the trigger's zone."""
        cdef int64_t[ROOM] block
        cdef int64_t last = max_us() if end_us is None else _legal(end_us)
        cdef int64_t from_us = _legal(start_us)
        cdef int64_t left = exact(limit)
        cdef int64_t room, count
        cdef list times = []
        if left < 0:
            raise ValueError(f"limit={limit} makes no sense; give 0 or more")
        cdef TriggerCore kernel = self.copied()  # all are of one schedule, whatever a tzinfo does between two
        while left > 0:
            room = left if left < ROOM else ROOM
            count = filled(kernel, block, room, from_us, last)
            extend_from_us(times, block, count, kernel.zone)
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
        cdef int64_t run = exact(run_us)
        if not min_us() <= run <= max_us():
            raise ValueError(f"run_us={run_us} is not within the years 1 to 9999")
        TriggerCore.__init__(self, zone)
        self.run_us = run

    cdef TriggerCore copied(self):
        cdef DateCore made = DateCore.__new__(DateCore)
        made.run_us = self.run_us
        return self.give_to(made)

    cdef int64_t next_us(self, int64_t previous_us, int64_t now_us) except? -1 nogil:
        return self.run_us if previous_us == never_us() else never_us()

    cdef int64_t before_us(self, int64_t t_us) except? -1 nogil:
        return self.run_us if self.run_us < t_us else never_us()


def next_fire_us_many(triggers, now_us, buffer):
    """Write the next fire time of `triggers[i]` from `now_us` on to `buffer[i]`; `NEVER_US` where there is none.

    :return: how many were written
    :raises TypeError: if the buffer is not one of int64, or an item is not a compiled trigger
    :raises ValueError: if the buffer is shorter than the sequence
    :raises RuntimeError: if a tzinfo that is asked changes the length of the sequence
    """
    view = int64_view(buffer)
    cdef object items = PySequence_Fast(triggers, "triggers must be a sequence")
    cdef Py_ssize_t total = PySequence_Fast_GET_SIZE(items)
    cdef PyObject **item
    cdef int64_t *out = <int64_t *>PyMemoryView_GET_BUFFER(view).buf
    cdef int64_t now = _legal(now_us)
    cdef Py_ssize_t place
    cdef PyTypeObject *known = NULL
    if PyMemoryView_GET_BUFFER(view).len // 8 < total:
        raise ValueError(f"{total} triggers need a buffer of as many int64, not of {len(view)}")
    for place in range(total):
        if PySequence_Fast_GET_SIZE(items) != total:
            raise RuntimeError("the sequence of triggers changed its length while they were asked")
        item = PySequence_Fast_ITEMS(items)  # read again: others may have changed the list
        if place + AHEAD < total:
            rap_prefetch(item[place + AHEAD])
        if <PyTypeObject *>Py_TYPE(<object>item[place]) != known:
            if not isinstance(<object>item[place], TriggerCore):
                raise TypeError(
                    f"triggers[{place}] is a {type(<object>item[place]).__name__}, which has no kernel; "
                    "ask it one by one"
                )
            known = <PyTypeObject *>Py_TYPE(<object>item[place])
        if (<TriggerCore>item[place]).zone.source is not None:
            known = NULL  # its class may be gone afterwards, and another one there
        out[place] = ask_next(<TriggerCore>item[place], never_us(), now)
    return total
