# cython: nonecheck=True
# A None among the jobs is an error, never a crash: the lists come from stores, which others may write.
"""Jobs in memory: a dict (id -> job) and a due index that change together.

`JobTable` is a dict that tells the collector of the jobs that it tracks only (due_index.pxd); any dict will do here.

Twin of `rapscheduler._reference.job_table`, which states the contract. Nothing here gives up the lock of the
interpreter, or runs code of others, between its first look at the table and its last change: the keys of the dict are
plain texts, and what may run the collector (`hide` makes a weak reference) comes before. What can fail (memory) comes
first, and taking things out, which can't, comes last: each job is changed in both, or in neither.
"""

from cpython.dict cimport PyDict_DelItem, PyDict_GetItemWithError, PyDict_SetItem
from cpython.object cimport PyObject
from cpython.unicode cimport PyUnicode_CheckExact
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memset

from rapscheduler._engine._instants cimport never_us
from rapscheduler._engine.due_index cimport ARITY, DueIndex, key_us, nowhere, rap_prefetch, seen_entries, unset_us
from rapscheduler._engine.due_index cimport untracked_list
from rapscheduler._engine.job_core cimport JobCore, advance, given, hide, plain_id, show, shown_dt
from rapscheduler._engine.planning cimport Change


cdef extern from *:
    """
    #define rap_list_items(list) (((PyListObject *)(list))->ob_item)
    """
    PyObject **rap_list_items(object items)

cdef extern from "Python.h":
    bint PyUnicode_IS_COMPACT_ASCII(object)
    char *PyUnicode_DATA(object)
    Py_ssize_t PyUnicode_GET_LENGTH(object)
    int PyUnicode_Compare(object, object) except? -1
    Py_ssize_t PyDict_GET_SIZE(PyObject *)
    Py_ssize_t Py_REFCNT(PyObject *)
    ctypedef int (*visitproc)(PyObject *, void *) noexcept
    ctypedef struct PyTypeObject:
        int (*tp_traverse)(PyObject *, visitproc, void *) noexcept
    PyTypeObject PyDict_Type


cdef enum:
    LINE = 64  # bytes that come near the processor at a time


cdef class JobTable(dict):
    """Jobs by id. A value that is no job is held, but the collector is not told of it."""


cdef int tell_of_jobs(PyObject *self, visitproc visit, void *arg) noexcept:
    """What a table tells the collector of. Ids that are plain texts are looked up without running any code. A job that
    is being freed (nothing refers to it) leaves the list last, and is passed over."""
    cdef Py_ssize_t i, count
    cdef PyObject **entries = seen_entries(&count)
    cdef int done = 0
    for i in range(count):
        if (entries == NULL or count > PyDict_GET_SIZE(self) or Py_REFCNT(entries[i]) and isinstance(<object>entries[i], JobCore)
                and isinstance((<JobCore>entries[i]).id_, str) and not PyUnicode_CheckExact((<JobCore>entries[i]).id_)):
            return PyDict_Type.tp_traverse(self, visit, arg)
    for i in range(count):
        if Py_REFCNT(entries[i]) and isinstance(<object>entries[i], JobCore) and PyUnicode_CheckExact((<JobCore>entries[i]).id_):
            if not done and PyDict_GetItemWithError(<object>self, (<JobCore>entries[i]).id_) == entries[i]:
                done = visit(entries[i], arg)
    return done


(<PyTypeObject *>JobTable).tp_traverse = tell_of_jobs


cdef dict plain_dict(object jobs):
    """A dict, or a subclass of it, as one: what is called on it here is the dict's own."""
    if not isinstance(jobs, dict):
        raise TypeError(f"jobs must be a dict, not {type(jobs).__name__}")
    return <dict>jobs


cdef inline object key_of(object job_id):
    """The key of a job in the dict."""
    if PyUnicode_CheckExact(job_id):
        return job_id
    if not isinstance(given(job_id, "id"), str):
        raise TypeError(f"the id of a job must be a str, not {type(job_id).__name__}")
    return plain_id(job_id)


cdef int place_job(DueIndex index, JobCore job) except -1:
    if job.run_us == never_us() or job.run_us == unset_us():
        index.discard_c(job)
    elif not index.has(job) or index.keys[job.slot].us != job.run_us:
        index.update_c(job, job.run_us)
    return 0


cdef bint put_in(JobCore job, dict jobs, DueIndex index) except -1:
    cdef object job_id = key_of(job.id_)
    if PyDict_GetItemWithError(jobs, job_id) != NULL:
        return False
    if job.slot != nowhere():
        raise ValueError(f"job {job_id} is in a store already")
    hide(job)
    if PyDict_GetItemWithError(jobs, job_id) != NULL or job.slot != nowhere():  # put there by what the collector ran
        show(job)
        return False
    try:
        place_job(index, job)
        PyDict_SetItem(jobs, job_id, job)
    except BaseException:
        index.discard_c(job)
        show(job)
        raise
    return True


def find_job(job_id, jobs not None, DueIndex index not None):
    """The job with this id, or None."""
    cdef PyObject *known = PyDict_GetItemWithError(plain_dict(jobs), plain_id(job_id))
    cdef object found = None if known == NULL else <object>known
    cdef JobCore job
    if isinstance(found, JobCore):
        # Whoever looks a job up is about to read it, and often to move it. In a store of a million jobs nothing of
        # that is near the processor, which fetches it while the caller goes on.
        job = <JobCore>found
        rap_prefetch(<const char *><PyObject *>job + LINE)
        rap_prefetch(<const char *><PyObject *>job + 2 * LINE)
        if job.slot < <size_t>len(index.items):
            rap_prefetch(&rap_list_items(index.items)[job.slot])
            rap_prefetch(&index.keys[job.slot])
            rap_prefetch(index.keys + (ARITY * <size_t>job.slot + 1))  # its children, if it has any
            rap_prefetch(index.keys + (ARITY * <size_t>job.slot + ARITY))
    return found


def insert_job(JobCore job not None, jobs not None, DueIndex index not None):
    """Put a job in; False when its id is taken."""
    return put_in(job, plain_dict(jobs), index)


def insert_jobs(list new not None, jobs not None, DueIndex index not None):
    """Put many jobs in, all or none; the id that is taken, or None."""
    cdef list batch = list(new)  # a copy that nobody else can change
    cdef dict table = plain_dict(jobs)
    cdef Py_ssize_t count = 0
    cdef JobCore job
    try:
        for job in batch:
            if not put_in(job, table, index):
                break
            count += 1
    except BaseException:
        take_out(batch, count, table, index)
        raise
    if count == len(batch):
        return None
    take_out(batch, count, table, index)
    return (<JobCore>batch[count]).id_


cdef int take_out(list batch, Py_ssize_t count, dict jobs, DueIndex index) except -1:
    """Take the first jobs of a batch out again."""
    cdef Py_ssize_t i
    cdef JobCore job
    for i in range(count):
        job = batch[i]
        job_id = key_of(job.id_)
        if PyDict_GetItemWithError(jobs, job_id) == <PyObject *>job:  # others may have taken it out meanwhile
            PyDict_DelItem(jobs, job_id)
            index.discard_c(job)
            show(job)
    return 0


cdef JobCore there_for(JobCore job, dict jobs):
    """The job in whose place this one, which is hidden now, may be put; None: there is none."""
    cdef object job_id = key_of(job.id_)
    hide(job)
    cdef PyObject *known = PyDict_GetItemWithError(jobs, job_id)
    if known == NULL:
        show(job)
        return None
    return <JobCore?>known


cdef int put_for(JobCore old, JobCore job, dict jobs, DueIndex index) except -1:
    cdef bint was_in = job.slot != nowhere()
    try:
        place_job(index, job)
        if old is not job:
            PyDict_SetItem(jobs, key_of(job.id_), job)
    except BaseException:
        if old is not job:
            if not was_in:
                index.discard_c(job)
            show(job)
        raise
    if old is not job:
        index.discard_c(old)
        show(old)
    return 0


def replace_job(JobCore job not None, jobs not None, DueIndex index not None):
    """Put a job in the place of the one with its id, and by its run time; the job that was there, or None: no such."""
    cdef dict table = plain_dict(jobs)
    cdef JobCore old = there_for(job, table)
    if old is not None:
        put_for(old, job, table, index)
    return old


def exchange_job(JobCore job not None, expected_us, tuple times, jobs not None, DueIndex index not None):
    """`replace_job` under a condition; see the reference twin. True: done; False: due at another time; None: no such."""
    cdef dict table = plain_dict(jobs)
    cdef int64_t expect_us = never_us() if expected_us is None else key_us(expected_us)
    cdef int64_t run_us = job.run_us, nominal_us = job.due_nominal_us
    cdef object run_time = shown_dt(job)
    if times is not None:
        run_at_us, nominal_at_us, run_time = times
        run_us = never_us() if run_at_us is None else key_us(run_at_us)
        nominal_us = never_us() if nominal_at_us is None else nominal_at_us
    cdef JobCore old = there_for(job, table)
    if old is None:
        return None
    if (old is not job or times is not None) and old.run_us != expect_us:
        if expect_us != never_us() or old.run_us != unset_us():
            if old is not job:
                show(job)
            return False
    exchange_c(old, job, run_us, nominal_us, run_time, table, index)
    return True


cdef int exchange_c(
    JobCore old, JobCore job, int64_t run_us, int64_t nominal_us, object run_time, dict jobs, DueIndex index
) except -1:
    cdef int64_t was_us = job.run_us, was_nominal_us = job.due_nominal_us
    cdef object was_time = shown_dt(job)  # freed when all is done
    advance(job, run_us, nominal_us, run_time)
    try:
        put_for(old, job, jobs, index)
    except BaseException:
        advance(job, was_us, was_nominal_us, was_time)
        raise
    return 0


def delete_job(job_id, jobs not None, DueIndex index not None):
    """Take a job out; the job, or None: no such."""
    cdef object found = plain_dict(jobs).pop(plain_id(job_id), None)
    cdef JobCore job
    if found is None:
        return None
    job = <JobCore?>found
    index.discard_c(job)
    show(job)
    return job


def clear_table(jobs not None, DueIndex index not None):
    """Take all jobs out; what was there. See the reference twin."""
    cdef dict table = plain_dict(jobs)
    cdef list room = untracked_list()  # it may run other code, and so may the list of jobs before it reads the first
    cdef list taken = list(table.values())  # they are freed by whoever drops this list, when all is done
    cdef list entries = index.emptied(room)
    cdef JobCore job
    table.clear()
    for job in taken:
        show(job)
    return taken


def settle_changes(changes, jobs not None, DueIndex index not None):
    """Apply changes to jobs in memory; see the reference twin. Returns the changes that park a job."""
    cdef list parks = []
    cdef Change change
    cdef JobCore job
    cdef PyObject *known
    cdef dict table = plain_dict(jobs)
    for change in changes:
        job = change.job
        known = PyDict_GetItemWithError(table, key_of(job.id_))
        if known != <PyObject *>job:
            if known == NULL or change.remove or change.park is not None:
                continue
            job = <JobCore?>known
        if job.run_us != change.expect_us:
            continue
        if change.park is not None:
            parks.append(change)
            index.discard_c(job)
        elif change.remove:
            PyDict_DelItem(table, key_of(job.id_))
            index.discard_c(job)
            show(job)
        else:
            if change.run_us == never_us():
                index.discard_c(job)
            else:
                index.update_c(job, change.run_us)
            advance(job, change.run_us, change.due_nominal_us, change.run_time)
    return parks


def restore_taken(taken, jobs not None, dict parked not None, DueIndex index not None):
    """Put jobs that were taken out of the index and not settled back, unless they are gone, paused or parked."""
    cdef dict table = plain_dict(jobs)
    cdef JobCore job
    for job in taken:
        if job.slot != nowhere() or (parked and key_of(job.id_) in parked):
            continue
        if PyDict_GetItemWithError(table, key_of(job.id_)) != <PyObject *>job or job.slot != nowhere():
            continue
        if job.run_us != never_us() and job.run_us != unset_us():
            index.push_c(job, job.run_us)


# Listing: sorted by numbers, a digit of the time at a time, so that it costs the same for each job whatever their number.
# Jobs of one instant, which stay in the order of the dict, are then put into that of their ids.
cdef struct Listed:
    uint64_t time  # since the earliest; paused ones last
    PyObject *job

cdef enum:
    DIGIT = 11  # bits
    VALUES = 1 << DIGIT
    MOST_DIGITS = 6


def list_jobs(jobs not None):
    """All jobs by run time and id, paused ones last; see the reference twin."""
    cdef list all_jobs = list(plain_dict(jobs).values())  # in one step: others may add meanwhile
    cdef Py_ssize_t n = len(all_jobs)
    cdef Py_ssize_t i
    cdef PyObject **items = rap_list_items(all_jobs)
    cdef Listed *listed
    cdef Listed *room
    cdef int64_t run_us, least_us = never_us(), most_us = unset_us()
    cdef bint ordered = True
    if n < 2:
        return all_jobs
    for i in range(n):
        if not isinstance(<object>items[i], JobCore):
            raise TypeError(f"a store in memory holds jobs, not {<object>items[i]!r}")
    room = <Listed *>malloc(2 * n * sizeof(Listed))
    if room == NULL:
        raise MemoryError
    try:
        listed = room + n
        for i in range(n):
            if i + 16 < n:
                rap_prefetch(<char *>items[i + 16])
            run_us = (<JobCore>items[i]).run_us
            if run_us == unset_us():
                run_us = never_us()
            listed[i].time = <uint64_t>run_us
            listed[i].job = items[i]
            if run_us != never_us():
                least_us = min(least_us, run_us)
                most_us = max(most_us, run_us)
        for i in range(n):
            if listed[i].time == <uint64_t>never_us():
                listed[i].time = 0 if most_us < least_us else <uint64_t>most_us - <uint64_t>least_us + 1
            else:
                listed[i].time -= <uint64_t>least_us
            ordered = ordered and (i == 0 or listed[i - 1].time <= listed[i].time)
        if not ordered:
            listed = by_time(listed, room, n, <uint64_t>most_us - <uint64_t>least_us + 1)
        by_id(listed, n)
        for i in range(n):  # the same references in another order
            items[i] = listed[i].job
    finally:
        free(room)
    return all_jobs


cdef Listed *by_time(Listed *listed, Listed *room, Py_ssize_t n, uint64_t most) noexcept nogil:
    """Sort by time, keeping the order of equals; returns which of the two arrays has the result."""
    cdef Py_ssize_t[VALUES] places
    cdef Py_ssize_t i, place, count
    cdef int digit, shift
    for digit in range(MOST_DIGITS):
        shift = digit * DIGIT
        if most >> shift == 0:
            break
        memset(places, 0, sizeof(places))
        for i in range(n):
            places[(listed[i].time >> shift) & (VALUES - 1)] += 1
        if places[(listed[0].time >> shift) & (VALUES - 1)] == n:
            continue  # all have the same digit
        place = 0
        for i in range(VALUES):
            count = places[i]
            places[i] = place
            place += count
        for i in range(n):
            count = (listed[i].time >> shift) & (VALUES - 1)
            room[places[count]] = listed[i]
            places[count] += 1
        listed, room = room, listed
    return listed


cdef int by_id(Listed *listed, Py_ssize_t n) except -1:
    """Put jobs of one time into the order of their ids."""
    cdef Py_ssize_t first = 0
    cdef Py_ssize_t end
    while first < n:
        end = first + 1
        while end < n and listed[end].time == listed[first].time:
            end += 1
        if end - first > 1:
            sort_by_id(listed + first, end - first)
        first = end
    return 0


cdef int sort_by_id(Listed *listed, Py_ssize_t n) except -1:
    cdef Py_ssize_t i, j
    cdef Listed moved
    cdef list ids, order
    if n > 12:
        ids = [key_of((<JobCore>listed[i].job).id_) for i in range(n)]
        jobs = [<object>listed[i].job for i in range(n)]
        order = sorted(range(n), key=ids.__getitem__)
        for i in range(n):
            listed[i].job = <PyObject *>jobs[order[i]]
        return 0
    for i in range(1, n):
        moved = listed[i]
        j = i
        while j > 0 and id_less(<JobCore>moved.job, <JobCore>listed[j - 1].job):
            listed[j] = listed[j - 1]
            j -= 1
        listed[j] = moved
    return 0


cdef inline bint id_less(JobCore a, JobCore b) except -1:
    cdef object left = key_of(a.id_)
    cdef object right = key_of(b.id_)
    cdef Py_ssize_t length, others
    cdef int found
    if PyUnicode_IS_COMPACT_ASCII(left) and PyUnicode_IS_COMPACT_ASCII(right):
        length, others = PyUnicode_GET_LENGTH(left), PyUnicode_GET_LENGTH(right)
        found = memcmp(PyUnicode_DATA(left), PyUnicode_DATA(right), min(length, others))
        return found < 0 or (found == 0 and length < others)
    return PyUnicode_Compare(left, right) < 0
