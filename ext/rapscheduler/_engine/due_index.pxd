# A 4-ary heap of (run_at_us, tie) with the entries beside it; every entry knows its slot.
#
# keys[i] and items[i] belong together; the children of i are 4i+1 .. 4i+4; no child is less than its parent; ties are
# unique. items[i].slot == i for every i; an entry that is in no index has slot NOWHERE. `items` is a Python list, so
# that it owns its references; its pointers are moved in place. Taking an entry out neither allocates nor frees (both
# keep their room), so it can't fail: only putting one in can, and then nothing has changed.
#
# The collector: an entry that it tracks is *seen*, which is a list in C of all such entries that were ever put into an
# index or a table of jobs. The collector is told of these by whoever holds them, and not of the others: it would do
# nothing with an untracked object but touch it. So a million hidden jobs cost a collection nothing. `items` itself is
# untracked and never leaves its index, which tells of its entries in its place.
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef extern from *:
    """
    /* Begin to fetch a cache line that is needed soon. A hint: any address is legal. */
    #if defined(__GNUC__) || defined(__clang__)
    #define rap_prefetch(address) __builtin_prefetch(address)
    #else
    #define rap_prefetch(address) ((void)(address))
    #endif
    """
    void rap_prefetch(const void *address) noexcept nogil

cdef enum:
    ARITY = 4

cdef inline uint32_t nowhere() noexcept nogil:
    return <uint32_t>0xFFFFFFFF

cdef inline int64_t unset_us() noexcept nogil:
    """run_us of an entry that never had a time."""
    return <int64_t>-0x7FFFFFFFFFFFFFFF - 1

ctypedef struct HeapKey:
    int64_t us
    uint64_t tie


cdef enum:
    SEEN = 1 << 7  # of DueEntry.flags; the bits below are for subclasses
    SEEN_AT = 8  # from this bit on: its place among the seen ones, or MOST_SEEN: it is behind these
    MOST_SEEN = (1 << 24) - 1


cdef class DueEntry:
    cdef int64_t run_us
    cdef uint32_t slot
    cdef uint32_t flags


cdef class DueIndex:
    cdef HeapKey *keys
    cdef Py_ssize_t room  # keys allocated
    cdef list items
    cdef uint64_t tie
    cdef bint has(self, DueEntry entry) noexcept
    cdef int push_c(self, DueEntry entry, int64_t us) except -1
    cdef int update_c(self, DueEntry entry, int64_t us) except -1
    cdef bint discard_c(self, DueEntry entry) except -1
    cdef PyObject *take(self, Py_ssize_t i) noexcept
    cdef list emptied(self, list room)

cdef list untracked_list()  # the room of an index; making it may run the collector

cdef int64_t key_us(object run_at_us) except? -1

# The collector tracks this entry, which is in an index or a table, or it does not any more.
cdef int see(DueEntry entry) except -1
cdef void unsee(DueEntry entry) noexcept
# All seen entries, and how many; NULL: not all of them have a place, so each entry has to be looked at.
cdef PyObject **seen_entries(Py_ssize_t *count) noexcept
