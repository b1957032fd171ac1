"""What is due next: entries ordered by their time, then by the order in which they were put there.

Twin of `rapscheduler._reference.due_index`, which states the contract; the layout is in due_index.pxd. Between two
lines that change the heap nothing runs that could call Python code: references are dropped last.
"""

cimport cython
from cpython.long cimport PyLong_AsLongLongAndOverflow
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc, realloc

from rapscheduler._engine._instants cimport never_us

UNSET = unset_us()
MIN_KEY = UNSET + 1
MAX_KEY = never_us() - 1

cdef extern from *:
    """
    #define rap_list_items(list) (((PyListObject *)(list))->ob_item)
    #define rap_list_size(list) Py_SIZE(list)
    #define rap_list_end(list, size) Py_SET_SIZE((PyVarObject *)(list), (size))
    """
    PyObject **rap_list_items(object items)
    Py_ssize_t rap_list_size(object items)
    void rap_list_end(object items, Py_ssize_t size)  # the room behind stays the list's

cdef extern from "Python.h":
    list PyList_New(Py_ssize_t size)
    void Py_INCREF(PyObject *)
    void Py_DECREF(PyObject *)
    Py_ssize_t Py_REFCNT(PyObject *)
    void PyObject_GC_UnTrack(PyObject *)
    bint PyObject_IS_GC(PyObject *)
    bint PyObject_GC_IsTracked(PyObject *)
    ctypedef int (*visitproc)(PyObject *, void *) noexcept
    ctypedef struct PyTypeObject:
        int (*tp_traverse)(PyObject *, visitproc, void *) noexcept

cdef enum:
    MOST_UNSEEN = 4096  # entries for which room is made without looking how many are due


cdef int64_t key_us(object run_at_us) except? -1:
    """A time that an index can hold."""
    if not isinstance(run_at_us, int):
        raise TypeError(f"run_at_us must be an int (microseconds), not {type(run_at_us).__name__}")
    cdef int overflow = 0
    cdef int64_t us = PyLong_AsLongLongAndOverflow(run_at_us, &overflow)  # a subclass of int may say anything of itself
    if overflow or us == unset_us() or us == never_us():
        raise OverflowError(f"run_at_us={run_at_us} does not fit into 64 bits")
    return us


cdef inline bint earlier(const HeapKey *a, const HeapKey *b) noexcept nogil:
    return a.us < b.us or (a.us == b.us and a.tie < b.tie)


cdef inline void place(HeapKey *keys, PyObject **items, Py_ssize_t i, HeapKey key, PyObject *item) noexcept:
    keys[i] = key
    items[i] = item
    (<DueEntry>item).slot = <uint32_t>i


cdef void sift_up(HeapKey *keys, PyObject **items, Py_ssize_t i) noexcept:
    cdef HeapKey key = keys[i]
    cdef PyObject *item = items[i]
    cdef Py_ssize_t parent
    while i > 0:
        parent = (i - 1) // ARITY
        if not earlier(&key, &keys[parent]):
            break
        place(keys, items, i, keys[parent], items[parent])
        i = parent
    place(keys, items, i, key, item)


cdef void sift_down(HeapKey *keys, PyObject **items, Py_ssize_t n, Py_ssize_t i) noexcept:
    cdef HeapKey key = keys[i]
    cdef PyObject *item = items[i]
    cdef Py_ssize_t child, least, end
    while True:
        child = ARITY * i + 1
        if child >= n:
            break
        least = child
        end = child + ARITY
        if end > n:
            end = n
        child += 1
        while child < end:
            if earlier(&keys[child], &keys[least]):
                least = child
            child += 1
        if not earlier(&keys[least], &key):
            break
        place(keys, items, i, keys[least], items[least])
        i = least
    place(keys, items, i, key, item)


# Entries that the collector tracks; see the .pxd.
cdef PyObject **_seen = NULL
cdef Py_ssize_t _seen_count = 0
cdef Py_ssize_t _seen_room = 0
cdef Py_ssize_t _unplaced = 0


cdef int see(DueEntry entry) except -1:
    global _seen, _seen_count, _seen_room, _unplaced
    cdef PyObject **grown
    cdef Py_ssize_t room
    cdef Py_ssize_t place = _seen_count
    if entry.flags & SEEN:
        return 0
    if place >= MOST_SEEN:
        _unplaced += 1
        entry.flags |= <uint32_t>SEEN | <uint32_t>MOST_SEEN << SEEN_AT
        return 0
    if place == _seen_room:
        room = 2 * place + 64
        grown = <PyObject **>realloc(_seen, room * sizeof(PyObject *))
        if grown == NULL:
            raise MemoryError
        _seen, _seen_room = grown, room
    _seen[place] = <PyObject *>entry
    _seen_count = place + 1
    entry.flags |= <uint32_t>SEEN | <uint32_t>place << SEEN_AT
    return 0


cdef int see_if_tracked(DueEntry entry) except -1:
    """What comes from a table of jobs was looked at when it came there."""
    if PyObject_IS_GC(<PyObject *>entry) and PyObject_GC_IsTracked(<PyObject *>entry):
        see(entry)
    return 0


cdef void unsee(DueEntry entry) noexcept:
    global _seen, _seen_count, _seen_room, _unplaced
    cdef uint32_t place = entry.flags >> SEEN_AT
    cdef PyObject *moved
    if not entry.flags & SEEN:
        return
    entry.flags &= SEEN - 1
    if place == MOST_SEEN:
        _unplaced -= 1
        return
    _seen_count -= 1
    moved = _seen[_seen_count]
    if place < _seen_count:
        _seen[place] = moved
        (<DueEntry>moved).flags = (<DueEntry>moved).flags & (2 * SEEN - 1) | place << SEEN_AT
    elif not place:
        free(_seen)
        _seen, _seen_room = NULL, 0


cdef PyObject **seen_entries(Py_ssize_t *count) noexcept:
    count[0] = _seen_count
    return NULL if _unplaced else _seen


cdef class DueEntry:
    """Something that can be due: `run_at_us` (int64, `None` for no time) and its place in one index."""

    def __cinit__(self, *args, **kwargs):
        self.run_us = unset_us()
        self.slot = nowhere()

    def __dealloc__(self):
        unsee(self)

    def __init__(self, *args, **kwargs):
        pass

    @property
    def run_at_us(self):
        """When it is due, or `None`."""
        return None if self.run_us == unset_us() or self.run_us == never_us() else self.run_us

    @run_at_us.setter
    def run_at_us(self, run_at_us):
        self.run_us = never_us() if run_at_us is None else key_us(run_at_us)


cdef list untracked_list():
    cdef list made = []
    PyObject_GC_UnTrack(<PyObject *>made)
    return made


# The collector may not empty `items`: what it frees on the way may ask the index. Every cycle through an index passes
# through an entry, where it is broken.
@cython.no_gc_clear
cdef class DueIndex:
    """A priority queue of entries. An entry is in one index at most, and once."""

    def __cinit__(self):
        self.items = untracked_list()

    def __dealloc__(self):
        cdef Py_ssize_t i
        if self.items is not None:
            for i in range(rap_list_size(self.items)):
                (<DueEntry>rap_list_items(self.items)[i]).slot = nowhere()
        free(self.keys)

    cdef bint has(self, DueEntry entry) noexcept:
        return (
            entry.slot < <size_t>rap_list_size(self.items)
            and rap_list_items(self.items)[entry.slot] == <PyObject *>entry
        )

    cdef int push_c(self, DueEntry entry, int64_t us) except -1:
        cdef Py_ssize_t n = rap_list_size(self.items)
        cdef Py_ssize_t room
        cdef HeapKey *keys
        if entry.slot != nowhere():
            raise ValueError("the entry is in an index already; move it with update()")
        if n >= <Py_ssize_t>nowhere() - 1:
            raise OverflowError("an index holds at most 4294967294 entries")
        if n == self.room:
            room = n + (n >> 3) + 16
            keys = <HeapKey *>realloc(self.keys, room * sizeof(HeapKey))
            if keys == NULL:
                raise MemoryError
            self.keys = keys
            self.room = room
        self.items.append(entry)
        self.tie += 1
        self.keys[n].us = us
        self.keys[n].tie = self.tie
        sift_up(self.keys, rap_list_items(self.items), n)
        return 0

    cdef int update_c(self, DueEntry entry, int64_t us) except -1:
        cdef HeapKey *key
        cdef bint earlier_now
        if not self.has(entry):
            return self.push_c(entry, us)
        key = &self.keys[entry.slot]
        earlier_now = us < key.us  # at the same time the new tie is the later one
        self.tie += 1
        key.us = us
        key.tie = self.tie
        if earlier_now:
            sift_up(self.keys, rap_list_items(self.items), entry.slot)
        else:
            sift_down(self.keys, rap_list_items(self.items), rap_list_size(self.items), entry.slot)
        return 0

    cdef bint discard_c(self, DueEntry entry) except -1:
        if not self.has(entry):
            return False
        Py_DECREF(self.take(entry.slot))
        return True

    cdef PyObject *take(self, Py_ssize_t i) noexcept:
        """Take the entry in slot `i` out; the reference of the list is passed on."""
        cdef PyObject **items = rap_list_items(self.items)
        cdef Py_ssize_t last = rap_list_size(self.items) - 1
        cdef PyObject *item = items[i]
        cdef PyObject *moved = items[last]
        (<DueEntry>item).slot = nowhere()
        rap_list_end(self.items, last)
        if i < last:
            place(self.keys, items, i, self.keys[last], moved)
            if i > 0 and earlier(&self.keys[i], &self.keys[(i - 1) // ARITY]):
                sift_up(self.keys, items, i)
            else:
                sift_down(self.keys, items, last, i)
        return item

    cdef list emptied(self, list room):
        """Take everything out, which is returned; `room` is empty, and the index's from now on."""
        cdef list items = self.items
        cdef Py_ssize_t i
        self.items = room
        for i in range(rap_list_size(items)):
            (<DueEntry>rap_list_items(items)[i]).slot = nowhere()
        return items

    @cython.critical_section
    def push(self, DueEntry entry not None, run_at_us):
        """Put an entry in. ValueError: it is in an index already (use `update`)."""
        see_if_tracked(entry)
        self.push_c(entry, key_us(run_at_us))

    @cython.critical_section
    def update(self, DueEntry entry not None, run_at_us):
        """Move an entry, or put it in when it is not there."""
        see_if_tracked(entry)
        self.update_c(entry, key_us(run_at_us))

    @cython.critical_section
    def discard(self, DueEntry entry not None):
        """Take an entry out; `False` when it was not there."""
        return self.discard_c(entry)

    @cython.critical_section
    def peek(self):
        """The earliest `(run_at_us, entry)`, or `None`."""
        if rap_list_size(self.items) == 0:
            return None
        return self.keys[0].us, <object>rap_list_items(self.items)[0]

    @cython.critical_section
    def first(self, Py_ssize_t limit):
        """The earliest entries, at most `limit` of them, in the order in which `pop_due` would take them out."""
        cdef Py_ssize_t count = min(limit, rap_list_size(self.items))
        cdef Py_ssize_t i
        cdef PyObject *item
        cdef uint32_t *slots
        cdef list found
        if count <= 0:
            return []
        found = PyList_New(count)  # may run other code; from here on nothing does
        slots = <uint32_t *>malloc((<size_t>ARITY * count + 1) * sizeof(uint32_t))
        if slots == NULL:
            raise MemoryError
        count = min(count, rap_list_size(self.items))
        walk(self.keys, rap_list_size(self.items), count, slots, slots + count)
        for i in range(count):
            item = rap_list_items(self.items)[slots[i]]
            Py_INCREF(item)
            rap_list_items(found)[i] = item
        rap_list_end(found, count)
        free(slots)
        return found

    @cython.critical_section
    def pop_due(self, now_us, Py_ssize_t limit):
        """Take out, in order, at most `limit` entries due at `now_us` or before."""
        cdef int64_t now = max(MIN_KEY, min(now_us, MAX_KEY))
        cdef Py_ssize_t room = min(limit, rap_list_size(self.items))
        cdef Py_ssize_t count = 0
        cdef list due
        if room <= 0 or self.keys[0].us > now:
            return []
        if room > MOST_UNSEEN:
            room = min(room, due_below(self.keys, rap_list_size(self.items), 0, now))
        due = PyList_New(room)  # all that can fail, and all that can run other code: before anything is taken
        while count < room and rap_list_size(self.items) and self.keys[0].us <= now:
            rap_list_items(due)[count] = self.take(0)
            count += 1
        rap_list_end(due, count)
        return due

    @cython.critical_section
    def count_due(self, now_us):
        """How many entries are due at `now_us` or before."""
        cdef int64_t now = max(MIN_KEY, min(now_us, MAX_KEY))
        return due_below(self.keys, rap_list_size(self.items), 0, now)

    @cython.critical_section
    def clear(self):
        """Take everything out."""
        self.emptied(untracked_list())

    def __len__(self):
        return rap_list_size(self.items)

    @cython.critical_section
    def __contains__(self, entry):
        return isinstance(entry, DueEntry) and self.has(entry)

    @cython.critical_section
    def _check(self):
        """AssertionError: an invariant is broken."""
        cdef Py_ssize_t i
        cdef Py_ssize_t n = rap_list_size(self.items)
        cdef PyObject **items = rap_list_items(self.items)
        assert n <= self.room
        for i in range(n):
            assert (<DueEntry>items[i]).slot == <uint32_t>i
            assert self.keys[i].tie <= self.tie
            assert i == 0 or earlier(&self.keys[(i - 1) // ARITY], &self.keys[i])


cdef int tell_of_entries(PyObject *self, visitproc visit, void *arg) noexcept:
    """What an index tells the collector of; it may run while a change is under way, which only moves entries."""
    cdef DueIndex index = <DueIndex>self
    cdef Py_ssize_t i, count
    cdef PyObject **entries
    cdef int done
    if index.items is None:
        return 0
    entries = seen_entries(&count)
    if count > rap_list_size(index.items) or (entries == NULL and _unplaced):  # its own are fewer
        entries, count = rap_list_items(index.items), rap_list_size(index.items)
    for i in range(count):
        if Py_REFCNT(entries[i]) and index.has(<DueEntry>entries[i]):  # none: it is being freed, and leaves the list last
            done = visit(entries[i], arg)
            if done:
                return done
    return 0


(<PyTypeObject *>DueIndex).tp_traverse = tell_of_entries


cdef Py_ssize_t due_below(HeapKey *keys, Py_ssize_t n, Py_ssize_t i, int64_t now) noexcept nogil:
    """How many entries of the subtree at `i` are due: a branch ends at its first entry that is not."""
    cdef Py_ssize_t count, child
    if i >= n or keys[i].us > now:
        return 0
    count = 1
    for child in range(ARITY * i + 1, ARITY * i + 1 + ARITY):
        count += due_below(keys, n, child, now)
    return count


cdef void walk(const HeapKey *keys, Py_ssize_t n, Py_ssize_t count, uint32_t *found, uint32_t *front) noexcept nogil:
    """The slots of the `count` earliest entries into `found`. The front, a binary heap of slots, holds those whose
    parent was found: an entry is no earlier than its parent. It has room for ARITY - 1 of each that is found, and one.
    """
    cdef Py_ssize_t size = 1
    cdef Py_ssize_t i, place, below, child, end
    cdef uint32_t moved
    front[0] = 0
    for i in range(count):
        found[i] = front[0]
        size -= 1
        moved = front[size]
        place = 0
        while True:
            below = 2 * place + 1
            if below >= size:
                break
            if below + 1 < size and earlier(&keys[front[below + 1]], &keys[front[below]]):
                below += 1
            if not earlier(&keys[front[below]], &keys[moved]):
                break
            front[place] = front[below]
            place = below
        front[place] = moved
        child = ARITY * <Py_ssize_t>found[i] + 1
        end = min(child + ARITY, n)
        while child < end:
            place = size
            size += 1
            while place > 0 and earlier(&keys[child], &keys[front[(place - 1) // 2]]):
                front[place] = front[(place - 1) // 2]
                place = (place - 1) // 2
            front[place] = <uint32_t>child
            child += 1
