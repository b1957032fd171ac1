# How many runs of each job are under way: `counts` maps a job id to a number of at least 1; `groups` maps the name of a
# group to the ids of its jobs that run, or have run. Who listens: `Ears`. What the quick runs of an executor are judged
# by: `QuickRuns`, with the methods that were put on objects, and version tags of classes, which change with them.
from rapscheduler._engine.job_core cimport JobCore
from rapscheduler._engine.ledger cimport Kept, Ledger, RunCore, Watching
from rapscheduler._engine.planning cimport Submission

cdef class RunningCounts:
    cdef dict counts
    cdef dict groups
    cdef public dict limits
    cdef public object rates
    cdef public object freed
    cdef bint take_watched(self, object job) except -1
    cdef long of(self, object job_id) except -1
    cdef bint take(self, object job_id, object limit) except -1
    cdef int give_back(self, object job_id) except -1
    cdef int give_all_back(self, list granted) except -1


cdef class Ears:
    cdef public long long mask
    cdef public dict by_code
    cdef public dict held
    cdef public object outbox
    cdef int call_all(self, object code, object event) except -1


cdef class Closable:
    cdef public bint claims


cdef class QuickRuns:
    cdef object executor
    cdef object scheduler
    cdef object judge
    cdef object event
    cdef RunningCounts counts
    cdef Ears ears               # None: the executor and the scheduler are asked
    cdef object now_us
    cdef object line_begun
    cdef object line_ended
    cdef Watching watched
    cdef Closable backlogs
    cdef dict names              # of a module: its `datetime` is looked at
    cdef object datetime
    cdef dict own                # the executor's attributes
    cdef dict scheduler_own
    cdef int hooked              # the `hooks` of both as they were judged, and so on
    cdef unsigned int version
    cdef unsigned int scheduler_version
    cdef int way
    cdef long looks              # how often it was judged
    cdef bint left               # whether lines were ever left for later
    cdef object logger           # whose level was looked at, and its attributes; None: it is to be asked
    cdef dict logger_own
    cdef unsigned int logger_version
    cdef bint may_begin(self) except -1
    cdef object begin_line(self, Submission submission)
    cdef int end_line(self, object text) except -1
    cdef int leave(self, JobCore job) except -1
    cdef bint is_same(self) except -1
    cdef int look(self) except -1
    cdef int hooks(self) except -1
    cdef bint is_informed(self) except -1
    cdef int look_at_logger(self, object logger) except -1
    cdef object outcome(self, Submission submission, object value, Kept kept, RunCore run)
    cdef int tell(self, object event, bint in_loop) except -1
