"""Who takes an INFO line, and the record of it, as `logging` would say, for less.

Twin of `rapscheduler._reference.log_lines`, which states the contract.
"""

from cpython.dict cimport PyDict_GetItemWithError, PyDict_Size
from cpython.object cimport PyObject
from cpython.ref cimport Py_TYPE
from libc.stdint cimport int64_t

import sys
import time
from threading import current_thread, local

from rapscheduler._engine._versions cimport rap_version

cdef object _info = 20  # the level; `logging` itself comes when a logger is looked at
cdef str _name = "__dict__"
# What `logging` is made of is judged anew when the class of loggers changes, which patching it does.
cdef object _known = local()
cdef object _logging = None
cdef object _usual_factory = None
cdef unsigned int _usual_version = 0
cdef bint _usual_class = False
cdef object _usual_logger = None  # the one that was judged last, and how many attributes it had
cdef Py_ssize_t _usual_count = 0
cdef tuple _replaceable = ("handle", "callHandlers", "makeRecord", "_log", "info", "isEnabledFor", "filter")
cdef int _MOST_PATTERNS = 100


cdef bint is_usual(object logger) except -1:
    """Whether nobody replaced how records are made and handed on."""
    global _logging, _usual_factory, _usual_version, _usual_class
    cdef unsigned int version
    if _logging is None:
        import logging

        _usual_factory = logging.LogRecord
        _logging = logging
    if type(logger) is not _logging.Logger:
        return False
    version = rap_version(Py_TYPE(logger), _name)
    if version != _usual_version or version == 0:
        _usual_class = all(
            [getattr(getattr(type(logger), name), "__globals__", None) is vars(_logging) for name in _replaceable[:5]]
        )
        _usual_version = version
    if not _usual_class or _logging.getLogRecordFactory() is not _usual_factory:
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


def line_values(logger, message, tuple args not None):
    """The attributes of the record of an INFO line; see the reference twin."""
    cdef dict made, values, known
    cdef PyObject *found
    cdef double created
    cdef int64_t now_ns
    try:
        made = _known.made
    except AttributeError:
        made = _known.made = {}
    found = PyDict_GetItemWithError(made, (logger, message))
    known = None if found == NULL else <object>found  # held: asking for the thread may write other lines, and forget this
    if known is None or known["threadName"] != current_thread().name or in_task():
        if len(made) > _MOST_PATTERNS:
            made.clear()
        values = dict(vars(logger.makeRecord(logger.name, _info, __file__, 0, message, args, None, "info")))
        made[logger, message] = values.copy()
        return values
    values = known.copy()
    now_ns = time.time_ns()
    created = <double>now_ns / 1e9
    values["relativeCreated"] = values["relativeCreated"] + (created - <double>values["created"]) * 1000
    values["args"] = args
    values["created"] = created
    values["msecs"] = <double>(now_ns // 1000000 % 1000)
    return values


def forget_lines():
    """In a forked child: records of before name the parent."""
    global _known
    _known = local()


cdef bint in_task() except -1:
    """Whether records name the task of an event loop here."""
    if sys.version_info < (3, 12) or "asyncio" not in sys.modules:
        return False
    return sys.modules["asyncio"]._get_running_loop() is not None
