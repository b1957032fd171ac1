# What every compiled trigger shares. All C methods speak nominal time (no jitter), in int64 microseconds.

cimport cython
from libc.stdint cimport int64_t

from rapscheduler._engine.timezone cimport ZoneTable

cdef enum:
    SECOND_US = 1000000

cdef inline int64_t never_us() noexcept nogil:
    """"No time": INT64_MAX, in results and as `previous_us`."""
    return <int64_t>0x7FFFFFFFFFFFFFFF

cdef inline int64_t min_us() noexcept nogil:
    return <int64_t>-62135596800 * SECOND_US

cdef inline int64_t max_us() noexcept nogil:
    return <int64_t>253402300800 * SECOND_US - 1


# No cycle can pass through a zone or a number, so the collector need not see them (a Python subclass that adds
# attributes is seen again). Said here and not in the .pyx: subclasses in other rooms must know.
@cython.no_gc
cdef class TriggerCore:
    cdef readonly ZoneTable zone
    cdef int64_t first_us      # start date, or min_us(): nothing fires before
    cdef int64_t last_us       # end date, or max_us(): nothing fires after; always a legal instant or less
    cdef readonly int64_t jitter_us

    # next fire after previous_us (never_us(): none), or at/after now_us when now_us is earlier; never_us() if none
    cdef int64_t next_us(self, int64_t previous_us, int64_t now_us) noexcept nogil
    # last fire in [from_us, at_us], from_us being a fire time; never_us() if none
    cdef int64_t latest_us(self, int64_t from_us, int64_t at_us) noexcept nogil
    # last fire strictly before t_us; never_us() if none
    cdef int64_t before_us(self, int64_t t_us) noexcept nogil
    # fire times in [start_us, end_us] into out[0:room], returns how many
    cdef int64_t fill_us(self, int64_t *out, int64_t room, int64_t start_us, int64_t end_us) noexcept nogil


@cython.no_gc
cdef class DateCore(TriggerCore):
    cdef readonly int64_t run_us
