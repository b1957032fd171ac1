"""Elapsed-time intervals; the rules are stated by the twin, ``rapscheduler._reference.interval``."""

cimport cython
from libc.stdint cimport int64_t, uint64_t

from rapscheduler._engine._instants cimport max_us, never_us
from rapscheduler._engine.timezone cimport ZoneRange, zone_find
from rapscheduler._engine.trigger cimport TriggerCore, exact

MAX_INTERVAL_US = 10**18  # longer than all legal time: such a trigger fires once


@cython.no_gc
cdef class IntervalCore(TriggerCore):
    """Fires every ``interval_us`` from ``anchor_us`` on (the start date), until ``end_us``."""

    def __cinit__(self, *args, **kwargs):
        self.interval_us = 1_000_000
        self.anchor_us = self.first_us

    def __init__(self, interval_us, zone, start_us, end_us=None, jitter_us=0):
        cdef int64_t step_us = exact(interval_us)
        if not 1 <= step_us <= <int64_t>1_000_000_000_000_000_000:
            raise ValueError(f"interval_us must be in 1..{MAX_INTERVAL_US}, not {interval_us}")
        TriggerCore.__init__(self, zone, start_us, end_us, jitter_us)
        self.interval_us = step_us
        self.anchor_us = self.first_us

    cdef TriggerCore copied(self):
        cdef IntervalCore made = IntervalCore.__new__(IntervalCore)
        made.interval_us, made.anchor_us = self.interval_us, self.anchor_us
        return self.give_to(made)

    cdef int64_t next_us(self, int64_t previous_us, int64_t now_us) except? -1 nogil:
        cdef int64_t fire
        if previous_us != never_us():
            if previous_us > self.last_us:
                return never_us()
            fire = previous_us + self.interval_us
        elif now_us <= self.anchor_us:
            fire = self.anchor_us
        elif now_us > self.last_us:
            return never_us()
        else:
            # both are legal instants and now > anchor: nothing can overflow
            fire = self.anchor_us + (now_us - self.anchor_us + self.interval_us - 1) // self.interval_us * self.interval_us
        return fire if fire <= self.last_us and self.has_local_time(fire) else never_us()

    cdef bint has_local_time(self, int64_t fire_us) except -1 nogil:
        """In the last day of the calendar it is already the year 10000 in the east."""
        cdef ZoneRange here
        if fire_us <= max_us() - <int64_t>86400 * 1000000:
            return True
        zone_find(self.zone, fire_us // 1_000_000, &here)
        return fire_us + <int64_t>here.offset_s * 1_000_000 <= max_us()

    cdef int64_t latest_us(self, int64_t from_us, int64_t at_us) except? -1 nogil:
        cdef int64_t until = at_us if at_us < self.last_us else self.last_us
        if until < from_us:
            return never_us()
        # unsigned: the way between two instants of int64 may be longer than an int64
        return until - <int64_t>((<uint64_t>until - <uint64_t>from_us) % <uint64_t>self.interval_us)

    cdef int64_t before_us(self, int64_t t_us) except? -1 nogil:
        if t_us <= self.anchor_us:
            return never_us()
        return self.latest_us(self.anchor_us, t_us - 1)

    cdef int64_t fill_us(self, int64_t *out, int64_t room, int64_t start_us, int64_t end_us) except -1 nogil:
        cdef int64_t last = end_us if end_us < self.last_us else self.last_us
        cdef int64_t count = 0
        cdef int64_t fire = self.next_us(never_us(), start_us)
        while count < room and fire <= last and self.has_local_time(fire):  # never_us() is beyond every last
            out[count] = fire
            count += 1
            fire += self.interval_us
        return count

    def missed_slots(self, int64_t from_us, int64_t at_us):
        """How many fire times are in ``[from_us, at_us]``, ``from_us`` being one (the oldest missed)."""
        cdef int64_t latest = self.latest_us(from_us, at_us)
        if latest == never_us():
            return 0
        return (<uint64_t>latest - <uint64_t>from_us) // <uint64_t>self.interval_us + 1
