# What every compiled trigger shares. All C methods speak nominal time (no jitter), in int64 microseconds.
#
# The C methods read the zone and the schedule of the trigger without holding them. So whoever asks a trigger asks by
# `ask_next`, `ask_latest`, `ask_before`, or asks a copy that nobody else knows (`copied`): the tzinfo of a probed zone may
# change the trigger while it is asked, and so may other threads while the interpreter's lock is not held.

cimport cython
from libc.stdint cimport int64_t

from rapscheduler._engine.timezone cimport ZoneTable


cdef enum:
    WINDOWS = 16


# What a schedule leaves out, by the wall clock of its zone. An object never changes, and many triggers share it.
@cython.no_gc
cdef class Skips:
    cdef readonly int64_t first_day
    cdef readonly bytes days       # bit i: the day first_day + i is left out
    cdef readonly int weekdays     # of days that `days` says nothing of; bit 0 is Monday
    cdef readonly tuple windows    # (from_s, to_s) of a day, disjoint and in order; at least one
    cdef readonly object source    # what it was made of: for people, never asked here
    cdef double share              # of the jitter, where that is no chance; else -1
    cdef readonly bint after_end   # the next run counts from the end of the one before (`planning`)
    cdef int64_t count
    cdef const unsigned char *bits
    cdef int64_t length
    cdef int64_t[WINDOWS] from_s
    cdef int64_t[WINDOWS] to_s
    cdef bint day_out(self, int64_t day) noexcept nogil
    cdef int64_t wall_from(self, int64_t wall_s) noexcept nogil
    cdef int64_t wall_until(self, int64_t wall_s) noexcept nogil
    # the first instant from t_us on, the last one until t_us, that is not left out; never_us(): none
    cdef int64_t open_from(self, ZoneTable zone, int64_t t_us) except? -1 nogil
    cdef int64_t open_until(self, ZoneTable zone, int64_t t_us) except? -1 nogil


# No cycle can pass through a zone or a number, so the collector need not see them (a Python subclass that adds
# attributes is seen again). Said here and not in the .pyx: subclasses in other rooms must know.
@cython.no_gc
cdef class TriggerCore:
    cdef readonly ZoneTable zone
    cdef int64_t first_us      # start date, or min_us(): nothing fires before
    cdef int64_t last_us       # end date, or max_us(): nothing fires after; always a legal instant or less
    cdef readonly int64_t jitter_us
    cdef public Skips skips    # None: nothing is left out

    # These know of no skips: whoever asks another's trigger asks by `asked_...`, or one level up.
    # next fire after previous_us (never_us(): none), or at/after now_us when now_us is earlier; never_us() if none
    cdef int64_t next_us(self, int64_t previous_us, int64_t now_us) except? -1 nogil
    # last fire in [from_us, at_us], from_us being a fire time; never_us() if none
    cdef int64_t latest_us(self, int64_t from_us, int64_t at_us) except? -1 nogil
    # last fire strictly before t_us; never_us() if none
    cdef int64_t before_us(self, int64_t t_us) except? -1 nogil
    # another trigger, known to nobody, with all that this one holds and none of what a Python subclass adds
    cdef TriggerCore copied(self)
    cdef TriggerCore give_to(self, TriggerCore made)
    # fire times in [start_us, end_us] into out[0:room], returns how many
    cdef int64_t fill_us(self, int64_t *out, int64_t room, int64_t start_us, int64_t end_us) except -1 nogil


@cython.no_gc
cdef class DateCore(TriggerCore):
    cdef readonly int64_t run_us


# a whole number as C has it, or the nearest that fits: a subclass of int may say anything of itself
cdef int64_t exact(object number) except? -1


# The same as the three methods, but what is left out is.
cdef int64_t skipping_next(TriggerCore trigger, int64_t previous_us, int64_t now_us) except? -1 nogil
cdef int64_t skipping_latest(TriggerCore trigger, int64_t from_us, int64_t at_us) except? -1 nogil
cdef int64_t skipping_before(TriggerCore trigger, int64_t t_us) except? -1 nogil


cpdef double share_of(TriggerCore trigger, object draw) except? -1


cdef inline int64_t asked_next(TriggerCore trigger, int64_t previous_us, int64_t now_us) except? -1 nogil:
    if trigger.skips is None:
        return trigger.next_us(previous_us, now_us)
    return skipping_next(trigger, previous_us, now_us)


cdef inline int64_t asked_latest(TriggerCore trigger, int64_t from_us, int64_t at_us) except? -1 nogil:
    if trigger.skips is None:
        return trigger.latest_us(from_us, at_us)
    return skipping_latest(trigger, from_us, at_us)


cdef inline int64_t ask_next(TriggerCore trigger, int64_t previous_us, int64_t now_us) except? -1:
    if trigger.zone.source is None and trigger.skips is None:  # nothing of Python's is called on the way
        return trigger.next_us(previous_us, now_us)
    return skipping_next(trigger.copied(), previous_us, now_us)


cdef inline int64_t ask_latest(TriggerCore trigger, int64_t from_us, int64_t at_us) except? -1:
    if trigger.zone.source is None and trigger.skips is None:
        return trigger.latest_us(from_us, at_us)
    return skipping_latest(trigger.copied(), from_us, at_us)


cdef inline int64_t ask_before(TriggerCore trigger, int64_t t_us) except? -1:
    if trigger.zone.source is None and trigger.skips is None:
        return trigger.before_us(t_us)
    return skipping_before(trigger.copied(), t_us)
