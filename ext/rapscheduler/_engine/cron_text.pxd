# What schedules were written as. parts[i] is a FieldBits, in the order year, month, day, week, weekday, hour, minute,
# second; an object that is in a table never changes.
cimport cython
from libc.stdint cimport uint32_t, uint64_t

from rapscheduler._engine.cron cimport CronCore, CronSpec

cdef enum:
    FIELDS = 8
    MOST_SCHEDULES = 65536


cdef class FieldBits:
    cdef readonly uint64_t mask
    cdef readonly uint64_t nth_weekdays
    cdef readonly uint32_t last_days
    cdef readonly uint32_t nearest_workdays
    cdef readonly tuple years
    cdef readonly bint every
    cdef readonly bint starred


# Fields are known before the schedules that are made of them and never learn of those: no cycle.
@cython.no_gc
cdef class ScheduleText:
    cdef readonly tuple parts
    cdef readonly CronSpec spec
    cdef int take(self, tuple parts, object day_or_weekday, object dst) except -1


cdef class TextTable:
    cdef readonly tuple known        # known[i]: text of field i -> FieldBits
    cdef object kind                 # the class of schedules, a subclass of ScheduleText
    cdef tuple stars                 # field i as `*`
    cdef tuple minima                # field i when it is not given and a more significant one is
    cdef dict schedules              # (the eight values, day_or_weekday, dst) -> schedule
    cdef object part(self, Py_ssize_t i, object value)


cdef CronCore alike_c(CronCore trigger)
