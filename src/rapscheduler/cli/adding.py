"""``rapscheduler add URL MODULE:FUNCTION --cron "…"``: a job into a store, as `add_job` would add it.

The callable is imported, from the current directory too, so that a mistyped one is no job.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from rapscheduler._quoting import said
from rapscheduler._views import view_of_row
from rapscheduler.cli._answers import CommandError, add_json, answer, command
from rapscheduler.cli._stores import add_store
from rapscheduler.cli.places import place_for
from rapscheduler.cli.schedules import DIALECTS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_store(parser)
    parser.add_argument("func", metavar="MODULE:FUNCTION", help="what to call, e.g. myapp.tasks:send")
    when = parser.add_mutually_exclusive_group(required=True)
    when.add_argument("--cron", metavar="LINE", help='a line of cron, e.g. "30 9 * * mon-fri"')
    when.add_argument("--every", metavar="SECONDS", type=float, help="every so many seconds")
    when.add_argument("--at", metavar="TIME", help="once, ISO 8601, e.g. 2026-12-24T18:00")
    parser.add_argument(
        "--dialect", choices=DIALECTS, default="vixie", help="of LINE (default: vixie, real cron)"
    )
    parser.add_argument("--tz", metavar="ZONE", help="time zone of the schedule (default: this machine's)")
    parser.add_argument("--id", help="(default: a random one)")
    parser.add_argument("--name", help="(default: the name of the function)")
    parser.add_argument(
        "--args", metavar="JSON", default="[]", help="positional arguments, e.g. '[\"sales\", 3]'"
    )
    parser.add_argument(
        "--kwargs", metavar="JSON", default="{}", help='named arguments, e.g. \'{"to": "a@b"}\''
    )
    parser.add_argument(
        "--grace", metavar="SECONDS", type=int, help="how late a run may start (misfire_grace_time)"
    )
    parser.add_argument("--replace", action="store_true", help="replace a job of the same id")
    parser.add_argument("--paused", action="store_true", help="add it paused")
    add_json(parser)


def _trigger(arguments: argparse.Namespace) -> Any:
    from rapscheduler.triggers.cron import CronTrigger
    from rapscheduler.triggers.date import DateTrigger
    from rapscheduler.triggers.interval import IntervalTrigger

    if arguments.cron is not None:
        return CronTrigger.from_crontab(arguments.cron, arguments.tz, arguments.dialect, seed=arguments.id)
    if arguments.every is not None:
        return IntervalTrigger(seconds=arguments.every, timezone=arguments.tz)
    return DateTrigger(arguments.at, timezone=arguments.tz)


def _json(option: str, text: str, kind: type) -> Any:
    try:
        value = json.loads(text)
    except ValueError as exc:
        raise CommandError(f"{option}: no JSON: {said(exc)}") from exc
    if not isinstance(value, kind):
        raise CommandError(f"{option}: give a JSON {'list' if kind is list else 'object'}")
    return value


@command
def run(arguments: argparse.Namespace) -> int:
    from rapscheduler.schedulers.background import BackgroundScheduler

    if "" not in sys.path:
        sys.path.insert(0, "")
    more: dict[str, Any] = {"next_run_time": None} if arguments.paused else {}
    if arguments.grace is not None:
        more["misfire_grace_time"] = arguments.grace
    try:
        trigger = _trigger(arguments)
    except (ValueError, KeyError, TypeError) as exc:
        raise CommandError(said(exc.args[0] if exc.args else exc)) from exc
    call = {
        "args": _json("--args", arguments.args, list),
        "kwargs": _json("--kwargs", arguments.kwargs, dict),
    }
    store = place_for(arguments.url, arguments.option)._make(write=True)
    scheduler = BackgroundScheduler(timezone=arguments.tz)
    scheduler.add_jobstore(store)
    scheduler.start(paused=True)
    try:
        job = scheduler.add_job(
            arguments.func, trigger, id=arguments.id, name=arguments.name, replace_existing=arguments.replace,
            **call, **more,
        )  # fmt: skip
        view = view_of_row(store._read([job.id])[0])
    finally:
        scheduler.shutdown()
    answer(arguments, {"job": view}, [f"{said(view['id'])}: {_when(view)}"])
    return 0


def _when(view: dict[str, Any]) -> str:
    return (
        "added, paused" if view["next_run_time"] is None else f"added, runs next at {view['next_run_time']}"
    )
