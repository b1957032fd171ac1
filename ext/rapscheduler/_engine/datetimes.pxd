# The only door for datetime objects: aware datetime <-> int64 microseconds since the epoch, through a ZoneTable.
from libc.stdint cimport int64_t

from rapscheduler._engine.timezone cimport ZoneTable


cdef int64_t to_us_c(object dt, ZoneTable zone) except? -1
cdef object from_us_c(int64_t us, ZoneTable zone)
cdef int extend_from_us(list times, const int64_t *us, Py_ssize_t count, ZoneTable zone) except -1
cdef int64_t now_us_c() except? -1
cdef bint is_machines(object clock)
cdef int64_t told_us(object clock) except? -1
