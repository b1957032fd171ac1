"""Many jobs of a store of rows, looked up, written or removed together.

Here: jobs to rows for `_scheduling.bulk`. Not here: one job (`_rowstore`), a database's statements: `_read`,
`_replace_many_if` and `_delete` of the store, which takes many rows at once if it can.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .._serialization.rows import JobRow

if TYPE_CHECKING:
    from ..job import Job


class RowBulk:
    """A part of `RowStore`."""

    _id_problem: Any
    _jobs: Any
    _read: Any
    _row_of: Any
    _note_zones: Any
    _replace_if: Any
    _delete: Any

    def _lookup_jobs(self, ids: Sequence[str]) -> list[Job]:
        """Those of these jobs that are there and can be read."""
        found: list[Job] = self._jobs(self._read(self._possible(ids)))
        return found

    def _update_jobs_if(self, jobs: Sequence[tuple[Job, int | None]]) -> list[bool | None]:
        """`_update_if` of each with its expected time; None for one that is gone. EncodeError: nothing was written."""
        rows = [(self._row_of(job, kept=True), due_us) for job, due_us in jobs]
        self._note_zones([job.trigger for job, _ in jobs])
        return self._replace_many_if(rows)

    def _remove_jobs(self, ids: Sequence[str]) -> list[str]:
        """Remove jobs; the ids of those that were not there."""
        possible = self._possible(ids)
        missing: list[str] = self._delete(possible)
        return missing if len(possible) == len(ids) else [*missing, *set(ids).difference(possible)]

    def _possible(self, ids: Sequence[str]) -> list[str]:
        return [job_id for job_id in ids if self._id_problem(job_id) is None]

    def _replace_many_if(self, rows: Sequence[tuple[JobRow, int | None]]) -> list[bool | None]:
        """`_replace_if` of many rows, and their answers."""
        return [self._replace_if(row, expected_us) for row, expected_us in rows]
