"""Jobs to a text and back: ``export_jobs`` and ``import_jobs``.

What lives here: the frame of the document (version, list of jobs). What must not: how one job becomes JSON, which the
codec of ``_serialization`` knows. Nothing is pickled, so a document from elsewhere can't run code; an export of
APScheduler, which holds pickles, is refused with the way to convert it.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from rapscheduler._scheduling import catalogue
from rapscheduler._scheduling.drafts import checked_defaults
from rapscheduler._scheduling.planning import first_run
from rapscheduler.errors import DecodeError

if TYPE_CHECKING:
    from rapscheduler._serialization.rows import JobRow
    from rapscheduler.job import Job
    from rapscheduler.schedulers.base import BaseScheduler

FORMAT = "rapscheduler.jobs"
VERSION = 1
_OPTIONS = ("misfire_grace_time", "coalesce", "max_instances")


def _opened(file: Any, mode: str) -> AbstractContextManager[Any]:
    if hasattr(file, "write" if mode == "w" else "read"):
        return nullcontext(file)
    opened: AbstractContextManager[Any] = open(file, mode, encoding="utf-8")  # noqa: SIM115
    return opened


def export_jobs(scheduler: BaseScheduler, outfile: Any, alias: str | None) -> None:
    """Write the jobs of one store or of all: one line for each, so that two exports can be compared."""
    import json

    jobs = scheduler.get_jobs(alias)
    defaults = dict(zip(_OPTIONS, checked_defaults(scheduler._job_defaults), strict=True))
    lines = [json.dumps(_entry(job, defaults), ensure_ascii=False) for job in jobs]
    head = f'{{"format": "{FORMAT}", "version": {VERSION}, "jobs": ['
    with _opened(outfile, "w") as out:
        out.write(head + "\n" + ",\n".join(lines) + "\n]}\n")


def _entry(job: Job, defaults: dict[str, Any]) -> dict[str, Any]:
    """What is written of a job. A pending one has not got its options yet, and gets none from being exported."""
    import json

    from rapscheduler._serialization.rows import row_from_job

    row = row_from_job(job, options={name: getattr(job, name, value) for name, value in defaults.items()})
    entry: dict[str, Any] = {"id": row.id, "job": json.loads(row.data)}
    if hasattr(
        job, "next_run_time"
    ):  # otherwise it is pending, and gets its first run time when it is scheduled
        entry["run_at_us"], entry["nominal_us"] = row.run_at_us, row.nominal_us
    return entry


def import_jobs(scheduler: BaseScheduler, infile: Any, alias: str) -> None:
    """Add the jobs of an export to one store; their ids must be free. Nothing is added when an entry is unreadable."""
    import json

    with _opened(infile, "r") as file:
        entries = _entries(json.load(file))
    jobs = [_job(scheduler, position, entry) for position, entry in enumerate(entries)]
    catalogue.enter_many(scheduler, jobs, [(alias, False)] * len(jobs))


def _entries(document: Any) -> list[Any]:
    if isinstance(document, dict) and "scheduler_version" in document:
        raise DecodeError(
            f"This is an export of APScheduler {document['scheduler_version']}, with pickles inside. Import it there "
            "into a job store and convert that with the command 'rapscheduler migrate'"
        )
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise DecodeError("This is not an export of jobs: export_jobs() writes one")
    version = document.get("version")
    if version != VERSION:
        raise DecodeError(f"unrecognized version: {version}; this rapscheduler reads version {VERSION}")
    if not isinstance(document.get("jobs"), list):
        raise DecodeError("This is not an export of jobs: export_jobs() writes one")
    jobs: list[Any] = document["jobs"]
    return jobs


def _job(scheduler: BaseScheduler, position: int, entry: Any) -> Job:
    from rapscheduler._serialization.rows import job_from_row

    row = _row(position, entry)
    try:
        job = job_from_row(row, scheduler, None)
    except DecodeError as exc:
        raise DecodeError(f"jobs[{position}], {row.id!r}: {exc}") from exc
    if "run_at_us" not in entry:
        job._advance(*first_run(job.trigger, scheduler._clock.now_us(), scheduler.timezone))
    return job


def _row(position: int, entry: Any) -> JobRow:
    import json

    from rapscheduler._serialization.rows import JobRow

    try:
        job_id, run_at_us, nominal_us = entry["id"], entry.get("run_at_us"), entry.get("nominal_us")
        data = json.dumps(entry["job"], ensure_ascii=False).encode()
    except (KeyError, TypeError, AttributeError, UnicodeEncodeError) as exc:
        raise DecodeError(f"jobs[{position}] is not an exported job: {exc!r}") from exc
    if type(job_id) is not str or not job_id:
        raise DecodeError(
            f"jobs[{position}] is not an exported job: its id must be a nonempty text, not {job_id!r}"
        )
    for name, value in (("run_at_us", run_at_us), ("nominal_us", nominal_us)):
        if value is not None and type(value) is not int:
            raise DecodeError(
                f"jobs[{position}], {job_id!r}: {name} must be null or an integer (microseconds), not {value!r}"
            )
    return JobRow(job_id, run_at_us, nominal_us, None, data)
