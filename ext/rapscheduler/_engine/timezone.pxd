# The whole rule of a time zone as sorted arrays, and the finder of the range of constant offset around an instant.
#
# ZoneBlock: `start_s[i]` is the instant at which `offset_s[i]` comes into force, `start_s[count]` where the block's
# knowledge ends; strictly increasing, neighbouring offsets differ. `start_s[0]` is LO_S and `start_s[count]` HI_S
# (no end), except that
#   * with `cycle` the last entry is a transition of the POSIX footer at least 400 years after the last explicit one:
#     later instants are shifted back by whole Gregorian cycles of 400 years, which repeat the same rule;
#   * a probed zone (foreign tzinfo) begins and ends where it has been probed so far. find() outside of that probes on
#     (it then takes the GIL). Ranges of such a zone may end at the edge of the probed time without a change of
#     offset: go on in the next range as always.
# A block is never changed once it is in `zone.block`, but for the hints `last` and `other`, the two ranges found last
# (indexes, one word each, any value of which is valid): readers need no lock. Blocks that were replaced live until
# the zone dies.
from libc.stdint cimport int32_t, int64_t

from rapscheduler._engine._words cimport rap_hint, rap_newest

cdef enum:
    UNIQUE = 0
    GAP = 1
    FOLD = 2

ctypedef struct ZoneRange:  # lo_s <= t < hi_s has offset_s; before lo_s it was before_s (offset_s when nothing was)
    int64_t lo_s
    int64_t hi_s
    int32_t offset_s
    int32_t before_s

ctypedef struct LocalTime:  # of a wall time; first_utc_s == second_utc_s when UNIQUE
    int kind
    int64_t first_utc_s
    int64_t second_utc_s

ctypedef struct ZoneBlock:
    Py_ssize_t count
    Py_ssize_t last
    Py_ssize_t other
    bint cycle
    int32_t spread_s  # largest minus smallest offset: a wall time further than this from both ends of its range is unique
    int64_t *start_s  # count + 1 entries
    int32_t *offset_s  # count entries
    ZoneBlock *older


cdef class ZoneTable:
    cdef readonly object tzinfo
    cdef readonly bint plain  # datetime(..., tzinfo=self.tzinfo, fold=) is right; else go through tzinfo.fromutc
    cdef readonly object source  # probed zones: cover(utc_s) -> (starts, offsets, end_s, cycle); else None
    cdef ZoneBlock *block
    cdef object __weakref__
    cdef ZoneBlock *set_block(self, tuple known) except NULL


# The caller holds the zone for as long as these run: the tzinfo of a probed one may do anything while it is asked, drop
# the object that had the zone and raise. What it raises comes out of here.
cdef int zone_search(ZoneTable zone, int64_t utc_s, ZoneRange *out) except -1 nogil
cdef int zone_local(ZoneTable zone, int64_t wall_s, LocalTime *out) except -1 nogil


cdef inline int zone_find(ZoneTable zone, int64_t utc_s, ZoneRange *out) except -1 nogil:
    """The range of constant offset around an instant; a few loads when it is the same range as last time."""
    cdef ZoneBlock *block = <ZoneBlock *>rap_newest(&zone.block)
    cdef Py_ssize_t i = rap_hint(&block.last)
    if block.start_s[i] <= utc_s < block.start_s[i + 1]:
        out.lo_s = block.start_s[i]
        out.hi_s = block.start_s[i + 1]
        out.offset_s = block.offset_s[i]
        out.before_s = block.offset_s[i - 1] if i > 0 else out.offset_s
        return 0
    return zone_search(zone, utc_s, out)
