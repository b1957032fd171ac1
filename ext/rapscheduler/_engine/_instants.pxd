# Instants as numbers: int64 microseconds since 1970-01-01 UTC, and what stands for "no time".
from libc.stdint cimport int64_t

cdef enum:
    SECOND_US = 1000000

cdef inline int64_t never_us() noexcept nogil:
    """"No time": a paused job, no further fire time, no previous one. INT64_MAX, so that nothing is later."""
    return <int64_t>0x7FFFFFFFFFFFFFFF

cdef inline int64_t min_us() noexcept nogil:
    return <int64_t>-62135596800 * SECOND_US

cdef inline int64_t max_us() noexcept nogil:
    return <int64_t>253402300800 * SECOND_US - 1
