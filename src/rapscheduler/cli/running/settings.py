"""A scheduler out of settings: a TOML file, and ``RAPSCHEDULER_…`` in the environment, which wins.

    [scheduler]
    timezone = "Europe/Berlin"
    job_defaults.misfire_grace_time = 60
    [scheduler.jobstores.default]
    type = "sqlalchemy"
    url = "postgresql+psycopg://app@db/app"
    [[jobs]]
    id = "report"
    func = "myapp.tasks:report"
    cron = "30 7 * * mon-fri"

A job has ``cron`` (with ``dialect``, "vixie" by default), or ``trigger`` and its arguments, and any argument of
`add_job`. Jobs with an ``id`` replace those of the same id, and keep their next run time while their schedule is the
same. In the environment, ``__`` stands for a dot: RAPSCHEDULER_JOBSTORES__DEFAULT__URL.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from rapscheduler._quoting import said
from rapscheduler.cli._answers import CommandError

PREFIX = "RAPSCHEDULER_"
NOT_SETTINGS = {"RAPSCHEDULER_ENGINE"}  # of the package itself; RAPSCHEDULER_REQUIRE_… are of its build
CLASSES = ("background", "blocking", "asyncio")


def scheduler_of_settings(path: str, environment: Mapping[str, str] | None = None) -> Any:
    """The scheduler of a TOML file and the environment, with its jobs. CommandError: it can't be made."""
    document = _read(path)
    unknown = document.keys() - {"scheduler", "jobs"}
    if unknown:
        raise CommandError(f"{path}: [{min(unknown)}] is unknown; there are [scheduler] and [[jobs]]")
    settings, jobs = document.get("scheduler", {}), document.get("jobs", [])
    if not isinstance(settings, dict) or not isinstance(jobs, list):
        raise CommandError(f"{path}: [scheduler] is a table, [[jobs]] is a list of tables")
    _merge(settings, from_environment(os.environ if environment is None else environment))
    kind = settings.pop("class", "background")
    try:
        scheduler = _class(kind)(**settings)
        for number, job in enumerate(jobs, 1):
            _add(scheduler, number, job)
    except CommandError:
        raise
    except Exception as exc:
        raise CommandError(f"{path}: {type(exc).__name__}: {said(exc)}") from exc
    return scheduler


def _read(path: str) -> dict[str, Any]:
    name = "tomllib" if sys.version_info >= (3, 11) else "tomli"
    try:
        toml = import_module(name)
    except ImportError:
        raise CommandError("TOML is read by Python 3.11 and later; here, pip install tomli") from None
    try:
        with open(path, "rb") as file:
            document: dict[str, Any] = toml.load(file)
    except (OSError, ValueError) as exc:
        raise CommandError(f"{path}: {said(exc)}") from exc
    return document


def from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    """``RAPSCHEDULER_A__B=x`` -> ``{"a": {"b": "x"}}``."""
    settings: dict[str, Any] = {}
    for name, value in environment.items():
        if not name.startswith(PREFIX) or name in NOT_SETTINGS or name.startswith(f"{PREFIX}REQUIRE_"):
            continue
        *tables, last = name.removeprefix(PREFIX).lower().split("__")
        place = settings
        for table in tables:
            place = place.setdefault(table, {})
            if not isinstance(place, dict):
                raise CommandError(f"{name} and another variable both set {table!r}")
        place[last] = value
    return settings


def _merge(settings: dict[str, Any], more: dict[str, Any]) -> None:
    for name, value in more.items():
        if isinstance(value, dict) and isinstance(settings.get(name), dict):
            _merge(settings[name], value)
        else:
            settings[name] = value


def _class(kind: str) -> Any:
    from rapscheduler.schedulers import asyncio, background, blocking

    if kind not in CLASSES:
        raise CommandError(f"class = {kind!r}: there are {', '.join(CLASSES)}")
    classes: dict[str, Any] = {
        "background": background.BackgroundScheduler,
        "blocking": blocking.BlockingScheduler,
        "asyncio": asyncio.AsyncIOScheduler,
    }
    return classes[kind]


def _add(scheduler: Any, number: int, job: Any) -> None:
    from rapscheduler.triggers.cron import CronTrigger

    if not isinstance(job, dict) or "func" not in job:
        raise CommandError(f"[[jobs]] {number}: func is missing, e.g. func = 'myapp.tasks:report'")
    job = dict(job)
    if "cron" in job:
        line, dialect = job.pop("cron"), job.pop("dialect", "vixie")
        zone = job.pop("timezone", scheduler.timezone)
        job["trigger"] = CronTrigger.from_crontab(line, zone, dialect, seed=job.get("id"))
    if "id" in job:
        job.setdefault("replace_existing", "keep")
    scheduler.add_job(**job)
