"""Jobs to a text and back: ``export_jobs`` and ``import_jobs``; one of them to an object and back.

What lives here: the frame of the document (version, list of jobs). What must not: how one job becomes JSON, which the
codec of ``_serialization`` knows. Nothing is pickled, so to read a document from elsewhere runs no code of it; what its
jobs may name is judged, before anything is imported, by the lists of allowed callables. An export of APScheduler, which
holds pickles, is refused with the way to convert it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from rapscheduler._quoting import said, short
from rapscheduler._scheduling import catalogue, rooms_of_options  # noqa: F401 (jobs that come may have any option)
from rapscheduler._scheduling.drafts import checked_defaults, checked_replace
from rapscheduler._scheduling.planning import first_run
from rapscheduler.errors import DecodeError

if TYPE_CHECKING:
    from rapscheduler._scheduling.ports import Scheduler
    from rapscheduler._scheduling.stored_rules import OlderRules
    from rapscheduler._serialization.callables import CallableRule
    from rapscheduler._serialization.rows import JobRow
    from rapscheduler.job import Job

FORMAT = "rapscheduler.jobs"
VERSION = 1
_OPTIONS = ("misfire_grace_time", "coalesce", "max_instances")


def _opened(file: Any, mode: str) -> AbstractContextManager[Any]:
    if hasattr(file, "write" if mode == "w" else "read"):
        return nullcontext(file)
    opened: AbstractContextManager[Any] = open(file, mode, encoding="utf-8")  # noqa: SIM115
    return opened


def export_jobs(scheduler: Scheduler, outfile: Any, alias: str | None) -> None:
    """Write the jobs of one store or of all: one line for each, so that two exports can be compared."""
    jobs = scheduler.get_jobs(alias)
    defaults = _defaults(scheduler)
    entries = [_entry(job, defaults) for job in jobs]
    triggers = [job.trigger for job in jobs]
    with _opened(outfile, "w") as out:
        write_export(out, entries, triggers)


def _defaults(scheduler: Scheduler) -> dict[str, Any]:
    return dict(zip(_OPTIONS, checked_defaults(scheduler._job_defaults), strict=True))


def export_job(scheduler: Scheduler, job: Job) -> dict[str, Any]:
    """The entry of one job, as the objects of an export are."""
    return _entry(job, _defaults(scheduler))


def write_export(out: Any, entries: Iterable[dict[str, Any]], triggers: Iterable[Any]) -> None:
    """Write entries (see `entry_of_row`) and the rules of the zones of their triggers to a text file."""
    import json

    lines = [json.dumps(entry, ensure_ascii=False) for entry in entries]
    zones = json.dumps(_rules_of(triggers), ensure_ascii=False)
    versions = f'"version": {VERSION}, "scheduler_version": "{_version()}"'
    head = f'{{"format": "{FORMAT}", {versions}, "zones": {zones}, "jobs": ['
    out.write(head + "\n" + ",\n".join(lines) + "\n]}\n")


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("rapscheduler")
    except PackageNotFoundError:  # a checkout on the path
        return "unknown"


def _rules_of(triggers: Iterable[Any]) -> dict[str, str]:
    """The rules under which the run times were computed, by zone."""
    from rapscheduler._rules import rules_text
    from rapscheduler._serialization.zones import zone_to_text
    from rapscheduler.triggers._wall_times import zones_of

    zones = dict.fromkeys(zone for trigger in triggers for zone in zones_of(trigger))
    texts = {zone_to_text(zone.tzinfo): rules_text(zone) for zone in zones}
    return {name: text for name, text in texts.items() if name is not None}


def _entry(job: Job, defaults: dict[str, Any]) -> dict[str, Any]:
    """What is written of a job. A pending one has not got its options yet, and gets none from being exported."""
    from rapscheduler._serialization.rows import row_from_job

    row = row_from_job(job, options={name: getattr(job, name, value) for name, value in defaults.items()})
    # a pending job gets its first run time when it is scheduled
    return entry_of_row(row, timed=hasattr(job, "next_run_time"))


def entry_of_row(row: JobRow, timed: bool = True) -> dict[str, Any]:
    """What is written of a row; ``timed=False``: without its run time. It must be one of ours."""
    import json

    entry: dict[str, Any] = {"id": row.id, "job": json.loads(row.data)}
    if timed:
        entry["run_at_us"], entry["nominal_us"] = row.run_at_us, row.nominal_us
    return entry


def import_jobs(
    scheduler: Scheduler, infile: Any, alias: str, allowed: Iterable[str] | str | None = None
) -> None:
    """Add the jobs of an export to one store; their ids must be free. Nothing is added when an entry is unreadable.

    Run times that were computed under other rules of time zones are moved to those in force.
    """
    rules = _rules(scheduler, alias, allowed)
    with _opened(infile, "r") as file:
        document = _document(file)
    entries, older = _entries(document), _older_rules(document)
    jobs = [
        _job(scheduler, f"jobs[{position}]", entry, rules, older) for position, entry in enumerate(entries)
    ]
    catalogue.enter_many(scheduler, jobs, [(alias, False)] * len(jobs))


def import_job(
    scheduler: Scheduler,
    entry: Any,
    alias: str,
    replace_existing: Any,
    allowed: Iterable[str] | str | None = None,
) -> Job:
    """Add the job of an entry."""
    from rapscheduler._scheduling.stored_rules import OlderRules

    rules = _rules(scheduler, alias, allowed)
    job = _job(scheduler, "the job", entry, rules, OlderRules({}))
    catalogue.enter(scheduler, job, alias, checked_replace(replace_existing))
    return job


def _rules(scheduler: Scheduler, alias: str, allowed: Iterable[str] | str | None) -> list[CallableRule]:
    """What judges the callables of a document: the list given and that of the store, else those of the other stores."""
    from rapscheduler._serialization.callables import ANY_CALLABLE, CallableRule

    stores = dict(scheduler._jobstores)
    own = _rule_of(stores.pop(alias, None))
    rules = [] if own is None else [own]
    if allowed is not None:
        rules.append(CallableRule(allowed))
    if not rules:
        others = [rule for rule in map(_rule_of, stores.values()) if rule is not None]
        if others:
            rules.append(CallableRule(text for rule in others for text in rule.patterns or ()))
    return rules or [ANY_CALLABLE]


def _rule_of(store: Any) -> CallableRule | None:
    rule: CallableRule | None = getattr(store, "_rule", None)
    return None if rule is None or rule.patterns is None else rule


def _document(file: Any) -> Any:
    import json

    try:
        return json.load(file)
    except (ValueError, RecursionError) as exc:  # no JSON, no UTF-8, an integer of too many digits
        raise DecodeError(f"This is not an export of jobs: {said(exc)}") from exc


def _older_rules(document: Any) -> OlderRules:
    from rapscheduler._scheduling.stored_rules import OlderRules, changed_rules

    zones = document.get("zones", {})
    if not isinstance(zones, dict) or not all(isinstance(rules, str) for rules in zones.values()):
        raise DecodeError("This is not an export of jobs: 'zones' must give a text for each zone")
    return OlderRules(changed_rules(zones)[1])


def _entries(document: Any) -> list[Any]:
    if isinstance(document, dict) and "scheduler_version" in document and "format" not in document:
        raise DecodeError(
            f"This is an export of APScheduler {said(document['scheduler_version'])}, with pickles inside. Import it "
            "there into a job store and convert that with the command 'rapscheduler migrate'"
        )
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise DecodeError("This is not an export of jobs: export_jobs() writes one")
    version = document.get("version")
    if version != VERSION:
        raise DecodeError(
            f"unrecognized version: {short(version)}; this rapscheduler reads version {VERSION}"
        )
    if not isinstance(document.get("jobs"), list):
        raise DecodeError("This is not an export of jobs: export_jobs() writes one")
    jobs: list[Any] = document["jobs"]
    return jobs


def _job(
    scheduler: Scheduler, place: str, entry: Any, rules: Sequence[CallableRule], older: OlderRules
) -> Job:
    from rapscheduler._serialization.codec import decode
    from rapscheduler._serialization.rows import job_from_row

    row = older.moved(_row(place, entry), scheduler._clock.now_us())
    try:
        for rule in rules[1:]:  # before the first one imports anything
            decode(row.data, rule)
        for rule in rules:
            job = job_from_row(row, scheduler, None, rule)
    except DecodeError as exc:
        raise DecodeError(f"{place}, {short(row.id)}: {exc}") from exc
    if "run_at_us" not in entry:
        job._advance(*first_run(job.trigger, scheduler._clock.now_us(), scheduler.timezone))
    return job


def _row(place: str, entry: Any) -> JobRow:
    import json

    from rapscheduler._serialization.rows import JobRow

    try:
        job_id, run_at_us, nominal_us = entry["id"], entry.get("run_at_us"), entry.get("nominal_us")
        data = json.dumps(entry["job"], ensure_ascii=False).encode()
    except (KeyError, TypeError, AttributeError, UnicodeEncodeError) as exc:
        raise DecodeError(f"{place} is not an exported job: {type(exc).__name__}: {said(exc)}") from exc
    if type(job_id) is not str or not job_id:
        raise DecodeError(
            f"{place} is not an exported job: its id must be a nonempty text, not {short(job_id)}"
        )
    for name, value in (("run_at_us", run_at_us), ("nominal_us", nominal_us)):
        if value is not None and type(value) is not int:
            raise DecodeError(
                f"{place}, {short(job_id)}: {name} must be null or an integer (microseconds), not "
                f"{short(value)}"
            )
    return JobRow(job_id, run_at_us, nominal_us, None, data)
