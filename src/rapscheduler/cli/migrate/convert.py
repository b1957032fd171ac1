"""What becomes of one stored row: pure, no store, nothing printed.

Kinds: "converted" (a pickle of APScheduler 3.x, now a row of ours), "ours" (nothing to do), "refused" (left as it is,
with the reason).
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, NamedTuple

from rapscheduler._engine.timezone import ZoneTable
from rapscheduler._instants import SECOND_US, us_of
from rapscheduler._quoting import said, short
from rapscheduler._rules import FIRST_S, LAST_S
from rapscheduler._serialization.callables import CallableRule
from rapscheduler._serialization.codec import decode
from rapscheduler._serialization.legacy import is_pickled, load_state, row_from_state
from rapscheduler._serialization.rows import NO_TIME_US, JobRow, is_time
from rapscheduler._serialization.zones import zone_to_text
from rapscheduler.errors import DecodeError, EncodeError
from rapscheduler.triggers._wall_times import zones_of

CONVERTED, OURS, REFUSED = "converted", "ours", "refused"
_SAME_TIME_US = 1000  # columns are floats


class Verdict(NamedTuple):
    """``row`` is what is to be stored (None for a refused one); ``note`` is the reason, or what was decided."""

    id: str
    kind: str
    row: JobRow | None
    note: str = ""


def judge(row: JobRow, rule: CallableRule, knows_times: bool) -> Verdict:
    """Look at one row. ``knows_times``: its run time is known outside of the pickle."""
    try:
        if not is_pickled(row.data):
            decode(row.data, rule)
            return Verdict(row.id, OURS, row)
        state = load_state(row.data)
        if state["id"] != row.id:
            raise DecodeError(
                f"the pickle is of a job with another id, {short(state['id'])}; give the row that id, or delete it"
            )
        made = row_from_state(state, rule)
        by_wall_us = _by_wall_us(state, row.run_at_us if knows_times else made.run_at_us)
    except (DecodeError, EncodeError) as exc:
        return Verdict(row.id, REFUSED, None, said(exc))
    except (Exception, SystemExit) as exc:  # of a class of the program, or of memory: the other rows go on
        return Verdict(row.id, REFUSED, None, f"the row can't be read: {type(exc).__name__}: {said(exc)}")
    if by_wall_us is not None:
        note = "the rules of its time zone have changed since it was pickled: it keeps its wall time"
        return Verdict(row.id, CONVERTED, made._replace(run_at_us=by_wall_us), note)
    if not knows_times or row.run_at_us == NO_TIME_US or _same_time(row.run_at_us, made.run_at_us):
        return Verdict(row.id, CONVERTED, made)
    # what APScheduler goes by is the column or score: somebody paused or moved the job there
    note = "its run time is the stored one, which isn't the one in the pickle"
    return Verdict(row.id, CONVERTED, made._replace(run_at_us=row.run_at_us), note)


def _by_wall_us(state: dict[str, Any], stored_us: int | None) -> int | None:
    """When a job runs whose pickled wall time is another instant under today's rules; None: nothing is known of that.

    The pickle has the wall time, the column the instant. Where they differ by another offset that the zone has or had,
    the rules have changed; where by anything else, somebody moved the job.
    """
    run_time = state.get("next_run_time")
    zone = next(zones_of(state.get("trigger")), None)
    if stored_us is None or not isinstance(run_time, datetime) or zone is None or not is_time(stored_us):
        return None
    wall_us = us_of(run_time.replace(tzinfo=timezone.utc, fold=0))
    kind, first_s, _ = zone.local(wall_us // SECOND_US)
    before_s, rest = divmod(wall_us - stored_us + _SAME_TIME_US, SECOND_US)
    if kind != "unique" or rest > 2 * _SAME_TIME_US or not _is_of(run_time, zone):
        return None
    if before_s == zone.offset_at(first_s) or before_s not in _offsets(zone):
        return None
    return first_s * SECOND_US + wall_us % SECOND_US


def _is_of(run_time: datetime, zone: ZoneTable) -> bool:
    """Whether the wall time is of this zone (pytz has an object for each offset)."""
    return run_time.tzinfo is not None and zone_to_text(run_time.tzinfo) == zone_to_text(zone.tzinfo)


def _offsets(zone: ZoneTable) -> set[int]:
    changes = zone.transitions(FIRST_S, LAST_S)
    return {offset_s for _, before_s, after_s in changes for offset_s in (before_s, after_s)}


def _same_time(one_us: int | None, other_us: int | None) -> bool:
    if one_us is None or other_us is None:
        return one_us is other_us
    return abs(one_us - other_us) < _SAME_TIME_US
