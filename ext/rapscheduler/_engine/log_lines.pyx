"""The two log lines of a run: who takes an INFO line, and the record of it, as `logging` would say, for less.

Twin of `rapscheduler._reference.log_lines`, which states the contract.
"""

cimport cython
from cpython.dict cimport PyDict_GetItemWithError, PyDict_Size
from cpython.object cimport PyObject
from cpython.ref cimport Py_TYPE
from libc.stdint cimport int64_t

import sys
import time
from threading import current_thread, local

from rapscheduler._engine._versions cimport rap_version
from rapscheduler._engine.planning cimport Submission

cdef extern from *:
    """
    /* An instance of a class that is given its attributes at once: `object.__new__` would make room for some before. */
    static PyObject *rap_empty(PyObject *type) {
        return ((PyTypeObject *)type)->tp_alloc((PyTypeObject *)type, 0);
    }
    """
    object rap_empty(object type)

cdef object _info = 20  # the level; `logging` itself comes when a logger is looked at
cdef str _name = "__dict__"
# What `logging` is made of is judged anew when the class of loggers changes, which patching it does.
cdef object _known = local()
cdef object _logging = None
cdef object _usual_factory = None
cdef object _file = None  # its classes of handlers that may be plain
cdef object _stream = None
cdef unsigned int _usual_version = 0
cdef bint _usual_class = False
cdef object _usual_logger = None  # the one that was judged last, and how many attributes it had
cdef Py_ssize_t _usual_count = 0
cdef tuple _replaceable = ("handle", "callHandlers", "makeRecord", "_log", "info", "isEnabledFor", "filter")
cdef int _MOST_PATTERNS = 100
cdef str _begun = 'Running job "%s" (scheduled at %s)'
cdef str _ended = 'Job "%s" executed successfully'


cdef bint is_usual(object logger) except -1:
    """Whether nobody replaced how records are made and handed on."""
    global _logging, _usual_factory, _usual_version, _usual_class, _file, _stream
    cdef unsigned int version
    if _logging is None:
        import logging

        _usual_factory = logging.LogRecord if type(logging.LogRecord) is type else object()  # which no factory is
        _file, _stream = logging.FileHandler, logging.StreamHandler
        _logging = logging
    if type(logger) is not _logging.Logger:
        return False
    version = rap_version(Py_TYPE(logger), _name)
    if version != _usual_version or version == 0:
        _usual_class = all(
            [getattr(getattr(type(logger), name), "__globals__", None) is vars(_logging) for name in _replaceable[:5]]
        )
        _usual_version = version
    if not _usual_class or _logging._logRecordFactory is not _usual_factory:
        return False
    own = <dict?>logger.__dict__
    if (logger is not _usual_logger or PyDict_Size(own) != _usual_count) and not takes_no_part(logger, own):
        return False
    return not own["disabled"] and not own["filters"]


cdef bint takes_no_part(object logger, dict own) except -1:
    """Whether a logger has no method of its own."""
    global _usual_logger, _usual_count
    for name in _replaceable:
        if name in own:
            return False
    _usual_logger, _usual_count = None, PyDict_Size(own)
    _usual_logger = logger
    return True


def info_takers(logger):
    """The handlers that take an INFO line of this logger; see the reference twin."""
    return takers_of(logger)


cdef list takers_of(object logger):
    cdef list takers = []
    cdef bint some = False
    if not is_usual(logger):
        return None
    while logger is not None:
        for handler in logger.handlers:
            some = True
            if handler.level <= _info:
                takers.append(handler)
        logger = logger.parent if logger.propagate else None
    return takers if some else None


cdef class _Told:
    """What is known of a thread."""

    cdef object thread  # None: not asked for yet
    cdef dict made      # attributes of records, by logger and message
    cdef list left


cdef _Told told():
    """What is known of this thread."""
    cdef _Told known
    try:
        return <_Told?>_known.told
    except AttributeError:
        known = _Told.__new__(_Told)
        known.made, known.left = {}, []
        _known.told = known
        return known


def line_values(logger, message, tuple args not None):
    """The attributes of the record of an INFO line; see the reference twin."""
    return values_of(told(), logger, message, args)


cdef dict values_of(_Told thread, object logger, object message, tuple args):
    cdef dict values, known
    cdef PyObject *found
    cdef double created
    cdef int64_t now_ns
    key = (logger, message)
    found = PyDict_GetItemWithError(thread.made, key)
    known = None if found == NULL else <object>found  # held: asking for the thread may write other lines, and forget this
    if known is None or known["threadName"] != thread.thread.name or in_task():
        if len(thread.made) > _MOST_PATTERNS:
            thread.made.clear()
        values = dict(vars(logger.makeRecord(logger.name, _info, __file__, 0, message, args, None, "info")))
        thread.thread = current_thread()
        thread.made[key] = values.copy()
        return values
    values = known.copy()
    now_ns = time.time_ns()
    created = <double>now_ns / 1e9
    values["relativeCreated"] = <double>known["relativeCreated"] + (created - <double>known["created"]) * 1000
    values["args"] = args
    values["created"] = created
    values["msecs"] = <double>(now_ns // 1000000 % 1000)
    return values


def left_lines():
    """What this thread left for later; see the reference twin."""
    return told().left


cdef class RunLines:
    """Tells the handlers of a logger of runs that simply run; see the reference twin."""

    cdef object write
    cdef object flush
    cdef object named
    cdef object failed

    def __init__(self, write, flush, named, failed):
        self.write = write
        self.flush = flush
        self.named = named
        self.failed = failed

    @cython.boundscheck(True)  # there may be no run time
    def begun(self, logger, Submission submission not None):
        """The line before a run with one run time; the text of its job; see the reference twin."""
        cdef list takers = takers_of(logger)
        cdef _Told thread
        if takers is not None and not takers:
            return ""
        text = self.text_of(submission.job)
        run_us = submission.first_us if submission.many is None else submission.many[0]
        thread = told()
        self.tell(thread, logger, takers, _begun, (text, submission.run_time(0, run_us)), False)
        if thread.left:
            self.flush()
        return text

    def ended(self, logger, text, later):
        """The line after a run that ended well; see the reference twin."""
        self.tell(told(), logger, takers_of(logger), _ended, (text,), later)

    cdef object text_of(self, object job):
        try:
            return str(job)
        except Exception:  # of somebody else's trigger
            return self.named(job)

    cdef int tell(
        self, _Told thread, object logger, list takers, str message, tuple args, object later
    ) except -1:
        """`logger.info(message, *args)`, when these are what `takers_of` says."""
        if takers is None:
            try:
                logger.info(message, *args)  # the texts are on one line
            except BaseException as exc:
                self.failed(exc)
            return 0
        if not takers:
            return 0
        cdef dict values = values_of(thread, logger, message, args)
        record = None
        for handler in takers:
            if record is None:
                kind = type(handler)
                if (kind is _file or kind is _stream) and self.write(handler, values, later):
                    continue
                record = rap_empty(_usual_factory)
                record.__dict__ = values
            try:
                handler.handle(record)
            except BaseException as exc:
                self.failed(exc)
        return 0


def forget_lines():
    """In a forked child: records of before name the parent."""
    global _known
    _known = local()


cdef bint in_task() except -1:
    """Whether records name the task of an event loop here."""
    if sys.version_info < (3, 12) or "asyncio" not in sys.modules:
        return False
    return sys.modules["asyncio"]._get_running_loop() is not None
