"""Job <-> row: the one mapping.

What lives here: `JobRow`, `RowChange`, the seconds of APScheduler's columns, and the job of a row.
What must not: SQL, keys, connections; the layout of the bytes (``codec``).

A row is (id, run time, nominal time, parked, data):

    run_at_us     when the job is due, µs since the epoch; None: paused. Stores write it as APScheduler does, in float
                  seconds; us_from_seconds(seconds_from_us(t)) == t for every time before the year 2242. What somebody
                  else wrote may lie between two microseconds, so a store never compares seconds for equality: a row
                  is due at t when its seconds are in `seconds_around(t)`
    nominal_us    what the trigger said, when that differs from run_at_us (jitter); else None
    parked        why the row is set aside; None: it isn't
    data          the job's bytes; the loop never rewrites them

A store makes rows by `row_of`, which takes whatever a column holds: no row is an error of its own. What can't be an id
becomes an `OddId`, which says what was found and keeps it for the store to find the row by.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timezone, tzinfo
from functools import partial
from typing import Any, NamedTuple

from .._engine.known_rows import rows_of as rows_of_columns
from .._engine.trigger import TriggerCore
from .._instants import MAX_US, MIN_US, SECOND_US, moment
from ..errors import DecodeError, EncodeError
from ..job import Job
from .callables import ANY_CALLABLE, REPLACE, CallableRule, find_callable
from .codec import decode, encode

_EXACT_BELOW_S = 2.0**32
_HALVES = 2 * SECOND_US
_SHOWN_OF_ID = 100
NO_TIME_US = 1 << 62
_NO_OPTIONS = {"misfire_grace_time": None, "coalesce": True, "max_instances": 1}


class JobRow(NamedTuple):
    """One stored job (see the head of this file)."""

    id: str
    run_at_us: int | None
    nominal_us: int | None
    parked: str | None
    data: bytes


# The constructor of a named tuple costs more than many a column: this takes (id, run_at_us, nominal_us, parked, data).
new_row: Callable[[tuple[Any, ...]], JobRow] = partial(tuple.__new__, JobRow)


class OddId(str):
    """The text in which an id is shown that is no text in the store, and ``raw``, what the store finds its row by."""

    raw: Any

    @classmethod
    def of(cls, found: Any, raw: Any = None) -> OddId:
        """The id of a row in which ``found`` was found; ``raw`` where the store knows it by something else."""
        try:
            shown = repr(found)
        except Exception:  # an integer of very many digits, a broken __repr__
            shown = "?"
        odd = cls(f"{type(found).__name__} {shown[:_SHOWN_OF_ID]}")
        odd.raw = found if raw is None else raw
        return odd


def raw_id(job_id: Any) -> Any:
    """The id as the store has it."""
    return job_id.raw if type(job_id) is OddId else job_id


def row_of(job_id: Any, seconds: Any, nominal_us: Any, parked: Any, data: Any) -> JobRow:
    """The row of what a store's columns hold, whatever their types are."""
    if type(job_id) is not str and type(job_id) is not OddId:
        job_id = str(job_id) if isinstance(job_id, str) else OddId.of(job_id)
    if nominal_us is not None and type(nominal_us) is not int:
        nominal_us = whole_us(nominal_us)
    if parked is not None and type(parked) is not str:
        parked = f"(set aside by somebody else: {OddId.of(parked)})"
    if type(data) is not bytes:
        data = _bytes(data)
    return new_row((job_id, us_from_seconds(seconds), nominal_us, parked, data))


def rows_of(found: Iterable[Any]) -> list[JobRow]:
    """`row_of` of each."""
    return rows_of_columns(found, JobRow, row_of)


def whole_us(value: Any) -> int:
    """A time in µs as a column holds it (drivers have integers of their own); ``NO_TIME_US`` for what is none."""
    return int(value) if isinstance(value, int) and not isinstance(value, bool) else NO_TIME_US


def _bytes(data: Any) -> bytes:
    if isinstance(data, str):
        return data.encode("utf-8", "surrogateescape")
    return bytes(data) if isinstance(data, (bytes, bytearray, memoryview)) else b""


def is_time(time_us: int) -> bool:
    """Whether a run time that was read can be one."""
    return MIN_US <= time_us <= MAX_US


class RowChange(NamedTuple):
    """What happens to one row, if it still is due at ``expected_us`` and not parked.

    ``remove``: delete it; ``parked``: set it aside for this reason, times and data untouched; else move its times.
    """

    id: str
    expected_us: int
    run_at_us: int | None
    nominal_us: int | None
    remove: bool = False
    parked: str | None = None


# As `new_row`: this takes all six.
new_change: Callable[[tuple[Any, ...]], RowChange] = partial(tuple.__new__, RowChange)


def seconds_from_us(time_us: int | None) -> float | None:
    """Float seconds, the nearest to the instant."""
    return None if time_us is None else time_us / SECOND_US


def us_from_seconds(seconds: float | None) -> int | None:
    """The instant in µs that is nearest to these seconds; ``NO_TIME_US`` for what is no time."""
    if seconds is None:
        return None
    if type(seconds) is bool:
        return NO_TIME_US
    try:
        if -_EXACT_BELOW_S < seconds < _EXACT_BELOW_S:
            time_us = round(seconds * SECOND_US)
            if time_us / SECOND_US == seconds:
                return time_us
            # The product of a float of today and a million is off by up to an eighth of a microsecond.
            whole = int(seconds)
            return whole * SECOND_US + round((seconds - whole) * SECOND_US)
        numerator, denominator = float(seconds).as_integer_ratio()
    except (TypeError, ValueError, OverflowError):  # text, nan, inf: somebody else wrote this
        return NO_TIME_US
    time_us = int((2 * numerator * SECOND_US + denominator) // (2 * denominator))
    # the last microseconds of the year 9999 are nearest to the first second after it
    return MAX_US if time_us == MAX_US + 1 else time_us


def seconds_around(time_us: int) -> tuple[float, float]:
    """The least and the greatest float seconds whose nearest microsecond this is."""
    return (2 * time_us - 1) / _HALVES, (2 * time_us + 1) / _HALVES


def row_from_job(
    job: Job, rule: CallableRule = ANY_CALLABLE, options: dict[str, Any] | None = None
) -> JobRow:
    """The row of a job. Raises ``EncodeError`` with the path to what can't be stored.

    ``options`` (grace time, coalescing, maximum of instances) take the place of the job's, which may be unset yet.
    """
    run_at_us, nominal_us = job.run_at_us, job.nominal_us
    data = _encoded(job, _state(job, options), rule)
    return new_row((job.id, run_at_us, None if nominal_us == run_at_us else nominal_us, None, data))


def check_storable(job: Job, rule: CallableRule = ANY_CALLABLE) -> None:
    """Raise the ``EncodeError`` of `row_from_job` for a job that may not have its options and run time yet."""
    _encoded(job, _state(job, _NO_OPTIONS), rule)


def _encoded(job: Job, state: dict[str, Any], rule: CallableRule) -> bytes:
    if not job.id.isascii():
        try:
            job.id.encode()
        except UnicodeEncodeError:
            raise EncodeError(f"id can't be stored: {job.id!r} contains lone surrogates", "id") from None
    try:
        return encode(state, rule)
    except EncodeError as exc:
        if state["args"] is not job.args and exc.path.startswith("args[0]"):
            # a bound method: its object goes first
            path = "func.__self__" + exc.path[len("args[0]") :]
            raise EncodeError(str(exc).replace(exc.path, path, 1), path) from None
        raise


def job_from_row(
    row: JobRow,
    scheduler: Any,
    alias: str | None,
    rule: CallableRule = ANY_CALLABLE,
    found: dict[str, Callable[..., Any]] | None = None,
) -> Job:
    """The job of a row, its callable found. Raises ``DecodeError`` when the row can't be read here and now.

    ``found``: the callables that rows read at the same time have named, so that each is looked up once.
    """
    job_id, run_at_us, nominal_us, _, data = row
    if type(job_id) is OddId:
        raise DecodeError(
            f"its id is no text, but {job_id}; ids are texts: give the row another one, or delete it"
        )
    if nominal_us is None:
        nominal_us = run_at_us
    if (run_at_us is not None and not MIN_US <= run_at_us <= MAX_US) or (
        nominal_us is not None and not MIN_US <= nominal_us <= MAX_US
    ):
        raise DecodeError(f"its next run time isn't between the years 1 and 9999; {REPLACE}")
    state = decode(data, rule)
    job: Any = Job.__new__(Job)
    reference = state["func"]
    func = None if found is None else found.get(reference)
    if func is None:
        func = find_callable(reference, rule)
        if found is not None:
            found[reference] = func
    job._fill(
        scheduler,
        job_id,
        func,
        reference,
        state["name"],
        state["args"],
        state["kwargs"],
        state["trigger"],
        state["executor"],
        state["misfire_grace_time"],
        state["coalesce"],
        state["max_instances"],
    )
    job._jobstore_alias = alias
    if "extras" in state:
        job._extras = state["extras"]
    zone = state.get("run_zone")
    if zone is None or run_at_us is None:
        job._advance(run_at_us, nominal_us)
    else:
        job._advance(run_at_us, nominal_us, _moment(run_at_us, zone))
    restored: Job = job
    return restored


def _state(job: Job, options: dict[str, Any] | None = None) -> dict[str, Any]:
    """What the codec writes of a job; ``options`` take the place of the job's own. Times are left to the row."""
    if not job.func_ref:
        raise _no_reference(job)
    state = {
        "func": job.func_ref,
        "trigger": job.trigger,
        "args": job._portable_args(),
        "kwargs": job.kwargs,
        "name": job.name,
        "executor": job.executor,
    }
    state |= options or {
        "misfire_grace_time": job.misfire_grace_time,
        "coalesce": job.coalesce,
        "max_instances": job.max_instances,
    }
    if job._extras is not None:
        state["extras"] = job._extras
    if job.run_at_us is not None and not isinstance(job.trigger, TriggerCore):
        state["run_zone"] = zone_of_run_time(job.next_run_time, job.trigger)
    return state


def zone_of_run_time(run_time: datetime | None, trigger: Any) -> tzinfo | None:
    """The zone to be kept of a run time; `None`: it is UTC, or the trigger tells it."""
    if run_time is None or isinstance(trigger, TriggerCore) or run_time.tzinfo is timezone.utc:
        return None
    return run_time.tzinfo


def _no_reference(job: Job) -> EncodeError:
    """The error of a callable that has no name to be stored by, with what to do for its kind."""
    func: Any = job.func
    name = getattr(func, "__qualname__", "")
    if isinstance(func, partial):
        cure = "give the function itself, and what it was bound to by args= and kwargs="
    elif "<lambda>" in name:
        cure = "write it as a function with def, at the top level of a module"
    elif "<locals>" in name:
        cure = (
            "move it to the top level of a module, and pass what it takes from around it by args= and kwargs="
        )
    else:
        cure = "give a function of a module, or a method of a type that rows know"
    return EncodeError(
        f"func can't be stored: This Job cannot be serialized since the reference to its callable ({func!r}) could "
        f"not be determined. Consider giving a textual reference (module:function name) instead: {cure}",
        "func",
    )


def _moment(time_us: int, zone: tzinfo) -> datetime | None:
    """The instant in a zone that only the row knows; None when that zone can't express it."""
    try:
        return moment(time_us, zone)
    except (OverflowError, ValueError):
        return None
