"""Rows of what a database gives, and jobs made of rows that are like known ones.

The contract is stated here: the twin, `rapscheduler._reference.known_rows`, knows no rows. The layout is in
known_rows.pxd.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_GetItemWithError
from cpython.float cimport PyFloat_AS_DOUBLE, PyFloat_CheckExact
from cpython.long cimport PyLong_AsLongLongAndOverflow, PyLong_CheckExact
from cpython.object cimport PyObject
from cpython.tuple cimport PyTuple_GET_ITEM, PyTuple_GET_SIZE
from cpython.unicode cimport PyUnicode_CheckExact
from libc.math cimport llrint
from libc.stdint cimport int64_t
from libc.string cimport memchr, memcmp, memcpy

from rapscheduler._engine._instants cimport SECOND_US, max_us, min_us, never_us
from rapscheduler._engine.calendar cimport days_in_month_c, recall_days
from rapscheduler._engine.cron cimport CronCore, shared_cron
from rapscheduler._engine.cron_text cimport alike_c
from rapscheduler._engine.interval cimport IntervalCore
from rapscheduler._engine.job_core cimport JobCore, advance, kind_of, set_coalesce, set_kwargs, set_trigger
from rapscheduler._engine.timezone cimport LocalTime, zone_local
from rapscheduler._engine.trigger cimport DateCore, TriggerCore

cdef extern from *:
    """
    #define rap_new(cls, arguments) (((PyTypeObject *)(cls))->tp_new((PyTypeObject *)(cls), (arguments), NULL))
    /* A tuple of a class that adds no attributes, with these five items. */
    static PyObject *rap_five(PyObject *cls, PyObject *a, PyObject *b, PyObject *c, PyObject *d, PyObject *e) {
        PyObject *made = ((PyTypeObject *)cls)->tp_alloc((PyTypeObject *)cls, 5);
        if (made == NULL) return NULL;
        Py_INCREF(a); Py_INCREF(b); Py_INCREF(c); Py_INCREF(d); Py_INCREF(e);
        PyTuple_SET_ITEM(made, 0, a);
        PyTuple_SET_ITEM(made, 1, b);
        PyTuple_SET_ITEM(made, 2, c);
        PyTuple_SET_ITEM(made, 3, d);
        PyTuple_SET_ITEM(made, 4, e);
        return made;
    }
    """
    object rap_new(object cls, object arguments)  # an instance whose __init__ has not been called
    object rap_five(object cls, object a, object b, object c, object d, object e)

cdef tuple _NOTHING = ()
cdef double _EXACT_BELOW_S = 4294967296.0  # below it a float of seconds tells microseconds apart, and their product is exact
cdef const char *_MARK = b'{"$datetime":"'
cdef enum:
    MARK = 14
    SHORT = 19  # of 2026-01-31T07:00:00
    LONG = 26  # of 2026-01-31T07:00:00.000001


# Rows


def rows_of(found, kind, look):
    """Rows of (id, seconds, nominal µs, parked, data): `kind`, a class of tuples of five, with the time in µs.

    A row whose columns are not of the types in which they were written is `look(*columns)`.
    """
    cdef list rows = []
    cdef object made
    if not (isinstance(kind, type) and issubclass(kind, tuple)):
        raise TypeError(f"kind must be a class of tuples, not {kind!r}")
    for columns in found:
        made = plain_row(kind, columns if type(columns) is tuple else tuple(columns))
        rows.append(look(*columns) if made is None else made)
    return rows


cdef object plain_row(object kind, tuple columns):
    """The row of columns that are plainly what they should be, else None."""
    cdef object job_id, seconds, nominal, parked, data, time
    cdef double value
    cdef int64_t time_us
    if PyTuple_GET_SIZE(columns) != 5:
        return None
    job_id, seconds, nominal, parked, data = columns
    if not PyUnicode_CheckExact(job_id) or not PyBytes_CheckExact(data):
        return None
    if not (nominal is None or PyLong_CheckExact(nominal)) or not (parked is None or PyUnicode_CheckExact(parked)):
        return None
    if seconds is None:
        return rap_five(kind, job_id, None, nominal, parked, data)
    if not PyFloat_CheckExact(seconds):
        return None
    value = PyFloat_AS_DOUBLE(seconds)
    if not -_EXACT_BELOW_S < value < _EXACT_BELOW_S:
        return None
    time_us = llrint(value * SECOND_US)
    if <double>time_us / SECOND_US != value:  # the product of a float and a million is rounded
        return None
    time = time_us
    return rap_five(kind, job_id, time, nominal, parked, data)


# Jobs


cdef inline int two(const char *text) noexcept nogil:
    """The number of two digits; -10000: they are none, and no year has them either."""
    cdef unsigned char tens = <unsigned char>text[0] - <unsigned char>c'0'
    cdef unsigned char ones = <unsigned char>text[1] - <unsigned char>c'0'
    return 10 * tens + ones if tens <= 9 and ones <= 9 else -10000


cdef bint read_wall(const char *text, Py_ssize_t length, int64_t *wall_s, int64_t *us) noexcept nogil:
    """Whether it is a wall time as rows have it: its second, counted as if it were UTC, and its microseconds."""
    cdef int year, month, day, hour, minute, second, a, b, c
    if text[4] != c'-' or text[7] != c'-' or text[10] != c'T' or text[13] != c':' or text[16] != c':':
        return False
    year = 100 * two(text) + two(text + 2)
    month, day = two(text + 5), two(text + 8)
    hour, minute, second = two(text + 11), two(text + 14), two(text + 17)
    if year < 1 or not 1 <= month <= 12 or not 1 <= day <= days_in_month_c(year, month):
        return False
    if not (0 <= hour <= 23 and 0 <= minute <= 59 and 0 <= second <= 59):
        return False
    us[0] = 0
    if length == LONG:
        a, b, c = two(text + 20), two(text + 22), two(text + 24)
        if text[19] != c'.' or a < 0 or b < 0 or c < 0:
            return False
        us[0] = (a * 100 + b) * 100 + c
    wall_s[0] = recall_days(year, month, day) * 86400 + hour * 3600 + minute * 60 + second
    return True


cdef Py_ssize_t wall_in(const char *text, Py_ssize_t length, Py_ssize_t *size) noexcept nogil:
    """Where the first wall time of a row's data is, and how long; -1: there is none."""
    cdef const char *end = text + length
    cdef const char *at = text
    while True:
        at = <const char *>memchr(at, c'$', <size_t>(end - at))
        if at == NULL:
            return -1
        if at - text >= 2 and end - at >= MARK - 2 + SHORT + 1 and memcmp(at - 2, _MARK, MARK) == 0:
            at += MARK - 2
            size[0] = SHORT if at[SHORT] == c'"' else LONG
            return at - text if size[0] == SHORT or (end - at > LONG and at[LONG] == c'"') else -1
        at += 1


cdef bint as_time(object value, int64_t *time_us) except -1:
    """Whether it is an instant or None, as a number."""
    cdef int overflow = 0
    if value is None:
        time_us[0] = never_us()
        return True
    if not PyLong_CheckExact(value):
        return False
    time_us[0] = PyLong_AsLongLongAndOverflow(value, &overflow)
    return not overflow and min_us() <= time_us[0] <= max_us()


cdef class _Known:
    """Rows that say the same but for the wall time of their trigger, or the same; see `KnownRows.learn`."""

    cdef bint fits(self, const char *text, Py_ssize_t length, int64_t *time_us) except -1:
        """Whether these are the data of such a row, and the instant of its trigger's wall time."""
        cdef Py_ssize_t first = PyBytes_GET_SIZE(self.before)
        cdef Py_ssize_t last, size
        cdef int64_t wall_s, us
        cdef LocalTime time
        if self.after is None:
            return length == first and memcmp(text, PyBytes_AS_STRING(self.before), first) == 0
        last = PyBytes_GET_SIZE(self.after)
        size = length - first - last
        if size != SHORT and size != LONG:
            return False
        if memcmp(text, PyBytes_AS_STRING(self.before), first):
            return False
        if memcmp(text + length - last, PyBytes_AS_STRING(self.after), last):
            return False
        if not read_wall(text + first, size, &wall_s, &us):
            return False
        zone_local(self.model.zone, wall_s, &time)  # one that asks nobody: see `learn`
        time_us[0] = time.first_utc_s * SECOND_US + us
        return min_us() <= time_us[0] <= max_us()

    cdef TriggerCore trigger_at(self, int64_t time_us):
        """A new trigger of a wall time's instant."""
        cdef TriggerCore made = <TriggerCore?>rap_new(self.trigger_kind, _NOTHING)
        cdef Py_ssize_t i
        if isinstance(self.model, IntervalCore):
            (<IntervalCore?>made).interval_us = (<IntervalCore>self.model).interval_us
            self.model.give_to(made)
            (<IntervalCore>made).anchor_us = made.first_us = time_us
        else:
            (<DateCore?>made).run_us = time_us
            self.model.give_to(made)
        for i in range(0, len(self.adds), 2):
            setattr(made, self.adds[i], self.adds[i + 1])
        return made


cdef class KnownRows:
    """Makes jobs of rows (id, run µs, nominal µs, parked, data) in which there is nothing that must be looked at.

    Each job is the one that `_serialization.rows.job_from_row` makes of its row; the reference twin leaves all to it.

    A row is known when a job was made of another one whose data are the same but for the wall time of its trigger, its
    id is a text, and its times are instants. What all rows of one reading have in common, the scheduler and the alias,
    is taken from the jobs that are learned, so it is made anew for each reading, and what was learned is never stale.
    """

    def __init__(self, kind):
        if not (isinstance(kind, type) and issubclass(kind, JobCore)):
            raise TypeError(f"kind must be a class of JobCore, not {kind!r}")
        self.kind = kind
        self.known = {}

    def learn(self, bytes data not None, Py_ssize_t start, Py_ssize_t end, JobCore job not None, trigger, adds=()):
        """Remember what a row's data meant; whether it can be.

        `data[start:end]` is the wall time of its trigger: all of the row that is not so for others of its kind. With
        `start == end` others have the same data. `job` is what was made of it; it has no arguments, nor options that
        few have. `trigger` is the job's; `adds`: (name, value, name, value, …) of what its class adds to the engine's.
        """
        cdef _Known known
        cdef bint timed = start < end
        if len(self.known) >= MOST_KNOWN or (timed and not 0 < start < end < len(data)):
            return False
        known = _Known.__new__(_Known)
        if timed and isinstance(trigger, (IntervalCore, DateCore)) and (<TriggerCore>trigger).zone.source is None:
            known.before, known.after = data[:start], data[end:]
            known.model, known.shared = (<TriggerCore>trigger).copied(), False
        elif not timed and isinstance(trigger, CronCore):
            known.before, known.after = data, None
            known.model, known.shared = shared_cron(alike_c(trigger)), True
        else:
            return False
        known.trigger_kind, known.adds = type(trigger), tuple(adds)
        known.kind, known.name, known.coalesce = kind_of(job), job.name, job.coalesce
        self.known[data[:start] + data[end:] if timed else data] = known
        return True

    def read_on(self, rows, list jobs not None, end):
        """Append jobs of the rows of an iterator until one is not known; that one, or `end` when there are no more."""
        cdef JobCore job
        for row in rows:
            job = self.read(<tuple>row) if isinstance(row, tuple) and PyTuple_GET_SIZE(row) == 5 else None
            if job is None:
                return row
            jobs.append(job)
        return end

    cdef _Known find(self, bytes data, int64_t *time_us):
        """What is known of data, and the instant of the wall time in them."""
        cdef const char *text = PyBytes_AS_STRING(data)
        cdef Py_ssize_t length = PyBytes_GET_SIZE(data)
        cdef Py_ssize_t at, size = 0
        cdef PyObject *found
        cdef bytes key
        cdef char *to
        if self.last is not None and self.last.fits(text, length, time_us):
            return self.last
        if not self.known:
            return None
        found = PyDict_GetItemWithError(self.known, data)
        if found == NULL:
            at = wall_in(text, length, &size)
            if at < 0:
                return None
            key = PyBytes_FromStringAndSize(NULL, length - size)
            to = PyBytes_AS_STRING(key)
            memcpy(to, text, at)
            memcpy(to + at, text + at + size, length - size - at)
            found = PyDict_GetItemWithError(self.known, key)
            if found == NULL:
                return None
        if not (<_Known>found).fits(text, length, time_us):
            return None
        self.last = <_Known>found
        return self.last

    cdef JobCore read(self, tuple row):
        """The job of a row; None: it is not known."""
        cdef object job_id = <object>PyTuple_GET_ITEM(row, 0)
        cdef object data = <object>PyTuple_GET_ITEM(row, 4)
        cdef int64_t run_us, nominal_us
        cdef int64_t time_us = 0
        cdef _Known known
        cdef JobCore job
        if not PyUnicode_CheckExact(job_id) or not PyBytes_CheckExact(data):
            return None
        if not as_time(<object>PyTuple_GET_ITEM(row, 1), &run_us):
            return None
        if not as_time(<object>PyTuple_GET_ITEM(row, 2), &nominal_us):
            return None
        known = self.find(<bytes>data, &time_us)
        if known is None:
            return None
        job = <JobCore?>rap_new(self.kind, _NOTHING)
        job.kind = known.kind
        job.id_ = job_id
        job.name_ = known.name
        job.args_ = _NOTHING
        set_kwargs(job, None)
        set_trigger(job, known.model if known.shared else known.trigger_at(time_us), known.shared)
        set_coalesce(job, known.coalesce)
        advance(job, run_us, run_us if nominal_us == never_us() else nominal_us, None)
        return job
