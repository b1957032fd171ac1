# cython: nonecheck=True
# A None among the jobs is an error, never a crash: the lists come from stores, which others may write.
"""Jobs in memory: a dict (id -> job) and a due index that change together.

Twin of `rapscheduler._reference.job_table`, which states the contract. Nothing here gives up the lock of the
interpreter between its first and its last change.
"""

from cpython.dict cimport PyDict_DelItem, PyDict_GetItem, PyDict_SetItem
from cpython.object cimport PyObject

from rapscheduler._engine.due_index cimport ARITY, DueIndex, no_time_us, nowhere, unset_us
from rapscheduler._engine.job_core cimport JobCore, given, hide, show
from rapscheduler._engine.planning cimport Change


cdef extern from *:
    """
    #if defined(__GNUC__)
    #define rap_prefetch(address) __builtin_prefetch(address)
    #else
    #define rap_prefetch(address) ((void)(address))
    #endif
    #define rap_list_items(list) (((PyListObject *)(list))->ob_item)
    """
    void rap_prefetch(const void *address) noexcept nogil
    PyObject **rap_list_items(object items)


cdef enum:
    LINE = 64  # bytes that come near the processor at a time


cdef int place_job(DueIndex index, JobCore job) except -1:
    if job.run_us == no_time_us() or job.run_us == unset_us():
        index.discard_c(job)
    elif not index.has(job) or index.keys[job.slot].us != job.run_us:
        index.update_c(job, job.run_us)
    return 0


cdef bint put_in(JobCore job, dict jobs, DueIndex index) except -1:
    cdef object job_id = given(job.id_, "id")
    if PyDict_GetItem(jobs, job_id) != NULL:
        return False
    if job.slot != nowhere():
        raise ValueError(f"job {job_id} is in a store already")
    PyDict_SetItem(jobs, job_id, job)
    place_job(index, job)
    hide(job)
    return True


def find_job(job_id, dict jobs not None, DueIndex index not None):
    """The job with this id, or None."""
    cdef object found = jobs.get(job_id)
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


def insert_job(JobCore job not None, dict jobs not None, DueIndex index not None):
    """Put a job in; False when its id is taken."""
    return put_in(job, jobs, index)


def insert_jobs(list new not None, dict jobs not None, DueIndex index not None):
    """Put many jobs in, all or none; the id that is taken, or None."""
    cdef Py_ssize_t count = 0
    cdef JobCore job
    try:
        for job in new:
            if not put_in(job, jobs, index):
                break
            count += 1
    except BaseException:
        take_out(new[:count], jobs, index)
        raise
    if count == len(new):
        return None
    taken = (<JobCore>new[count]).id_
    take_out(new[:count], jobs, index)
    return taken


cdef int take_out(list new, dict jobs, DueIndex index) except -1:
    cdef JobCore job
    for job in new:
        PyDict_DelItem(jobs, job.id_)
        index.discard_c(job)
        show(job)
    return 0


cdef int put_for(JobCore old, JobCore job, dict jobs, DueIndex index) except -1:
    if old is not job:
        PyDict_SetItem(jobs, job.id_, job)
        index.discard_c(old)
        show(old)
    place_job(index, job)
    hide(job)
    return 0


def replace_job(JobCore job not None, dict jobs not None, DueIndex index not None):
    """Put a job in the place of the one with its id, and by its run time; the job that was there, or None: no such."""
    cdef PyObject *known = PyDict_GetItem(jobs, given(job.id_, "id"))
    cdef JobCore old
    if known == NULL:
        return None
    old = <JobCore>known
    put_for(old, job, jobs, index)
    return old


def exchange_job(JobCore job not None, expected_us, tuple times, dict jobs not None, DueIndex index not None):
    """`replace_job` under a condition; see the reference twin. True: done; False: due at another time; None: no such."""
    cdef PyObject *known = PyDict_GetItem(jobs, given(job.id_, "id"))
    cdef JobCore old
    if known == NULL:
        return None
    old = <JobCore>known
    if (old is not job or times is not None) and old.run_at_us != expected_us:
        return False
    if times is not None:
        job._advance(*times)
    put_for(old, job, jobs, index)
    return True


def delete_job(job_id, dict jobs not None, DueIndex index not None):
    """Take a job out; the job, or None: no such."""
    cdef PyObject *known = PyDict_GetItem(jobs, job_id)
    cdef JobCore job
    if known == NULL:
        return None
    job = <JobCore>known
    PyDict_DelItem(jobs, job_id)
    index.discard_c(job)
    show(job)
    return job


def clear_table(dict jobs not None, DueIndex index not None):
    """Take all jobs out; what was there. See the reference twin."""
    cdef list taken = list(jobs.values())  # they are freed by whoever drops this list, when all is done
    cdef JobCore job
    index.clear()
    jobs.clear()
    for job in taken:
        show(job)
    return taken


def settle_changes(changes, dict jobs not None, DueIndex index not None):
    """Apply changes to jobs in memory; see the reference twin. Returns the changes that park a job."""
    cdef list parks = []
    cdef Change change
    cdef JobCore job
    cdef PyObject *known
    for change in changes:
        job = change.job
        known = PyDict_GetItem(jobs, job.id_)
        if known != <PyObject *>job:
            if known == NULL or change.remove or change.park is not None:
                continue
            job = <JobCore>known
        if job.run_us != change.expect_us:
            continue
        if change.park is not None:
            index.discard_c(job)
            parks.append(change)
        elif change.remove:
            index.discard_c(job)
            PyDict_DelItem(jobs, job.id_)
            show(job)
        else:
            job.advance(change.run_us, change.due_nominal_us, change.run_time)
            if change.run_us == no_time_us():
                index.discard_c(job)
            else:
                index.update_c(job, change.run_us)
    return parks


def restore_taken(taken, dict jobs not None, dict parked not None, DueIndex index not None):
    """Put jobs that were taken out of the index and not settled back, unless they are gone, paused or parked."""
    cdef JobCore job
    for job in taken:
        if job.slot != nowhere() or PyDict_GetItem(jobs, job.id_) != <PyObject *>job:
            continue
        if job.run_us == no_time_us() or job.run_us == unset_us() or (parked and job.id_ in parked):
            continue
        index.push_c(job, job.run_us)
