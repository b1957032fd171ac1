"""What becomes of one stored row: pure, no store, nothing printed.

Kinds: "converted" (a pickle of APScheduler 3.x, now a row of ours), "ours" (nothing to do), "refused" (left as it is,
with the reason).
"""

from __future__ import annotations

from typing import NamedTuple

from rapscheduler._serialization.codec import CallableRule, decode
from rapscheduler._serialization.legacy import is_pickled, load_state, row_from_state
from rapscheduler._serialization.rows import NO_TIME_US, JobRow
from rapscheduler.errors import DecodeError, EncodeError

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
                f"the pickle is of a job with another id, {state['id']!r:.100}; give the row that id, or delete it"
            )
        made = row_from_state(state, rule)
    except (DecodeError, EncodeError) as exc:
        return Verdict(row.id, REFUSED, None, str(exc))
    if not knows_times or row.run_at_us == NO_TIME_US or _same_time(row.run_at_us, made.run_at_us):
        return Verdict(row.id, CONVERTED, made)
    # what APScheduler goes by is the column or score: somebody paused or moved the job there
    note = "its run time is the stored one, which isn't the one in the pickle"
    return Verdict(row.id, CONVERTED, made._replace(run_at_us=row.run_at_us), note)


def _same_time(one_us: int | None, other_us: int | None) -> bool:
    if one_us is None or other_us is None:
        return one_us is other_us
    return abs(one_us - other_us) < _SAME_TIME_US
