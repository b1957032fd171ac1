"""``rapscheduler next LINE`` and ``rapscheduler explain LINE``: when a line of cron fires, and what it means.

What lives here: the arguments that name a schedule, and these two commands. What must not: grammar (`triggers.cron`).
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta, timezone
from typing import Any

from rapscheduler._quoting import said
from rapscheduler._zones import zone_table
from rapscheduler.cli._answers import CommandError, add_json, answer, command
from rapscheduler.errors import CrontabWarning
from rapscheduler.triggers.cron import CronTrigger

DIALECTS = ("vixie", "cronie", "quartz", "jenkins", "apscheduler")
DAYS_AHEAD = 366


def add_schedule(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("line", help='five fields or a macro, in quotes: "30 9 * * mon-fri", "@daily"')
    add_zone(parser)


def add_zone(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--tz", metavar="ZONE", help="time zone, e.g. Europe/Berlin (default: this machine's)"
    )
    parser.add_argument(
        "--dialect", choices=DIALECTS, default="vixie", help="whose grammar it is (default: vixie, real cron)"
    )
    parser.add_argument(
        "--dst", choices=("once", "both", "shift"), default="once",
        help="what happens when the clocks change, see docs/cron.md (default: once)",
    )  # fmt: skip
    parser.add_argument("--seed", help="what H and ~ are drawn from, e.g. the job's id")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_schedule(parser)
    parser.add_argument(
        "--from", dest="start", metavar="TIME", help="ISO 8601, e.g. 2026-03-28 (default: now)"
    )
    if parser.get_default("command") == "next":
        parser.add_argument("-n", type=int, default=10, metavar="N", help="how many fire times (default: 10)")
    add_json(parser)


def trigger_of(arguments: argparse.Namespace, zone: Any = None) -> tuple[CronTrigger, list[str]]:
    """The trigger, and what `from_crontab` warns of. CommandError: the line, or the zone, is none."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            trigger = CronTrigger.from_crontab(
                arguments.line,
                zone or arguments.tz,
                arguments.dialect,
                dst=arguments.dst,
                seed=arguments.seed,
            )
        except (ValueError, KeyError) as exc:
            raise CommandError(said(exc.args[0] if exc.args else exc)) from exc
    return trigger, [str(one.message) for one in caught if issubclass(one.category, CrontabWarning)]


def start_of(arguments: argparse.Namespace, trigger: Any) -> datetime:
    """``--from``, in the zone of the trigger if it names no other."""
    if arguments.start is None:
        return datetime.now(timezone.utc)
    try:
        start = datetime.fromisoformat(arguments.start)
    except ValueError as exc:
        raise CommandError(f"--from: {said(exc)}; write 2026-03-28 or 2026-03-28T09:00+01:00") from exc
    return start if start.tzinfo else start.replace(tzinfo=trigger.timezone)


@command
def run(arguments: argparse.Namespace) -> int:
    trigger, advice = trigger_of(arguments)
    start = start_of(arguments, trigger)
    if arguments.command == "explain":
        return _explain(arguments, trigger, start, advice)
    if arguments.n < 1:
        raise CommandError(f"-n {arguments.n}: give 1 or more")
    fires = list(trigger.fire_times(start, limit=arguments.n))
    document = {
        "line": arguments.line,
        "dialect": arguments.dialect,
        "timezone": str(trigger.timezone),
        "fires": [one.isoformat() for one in fires],
        "warnings": advice,
    }
    lines = [f"{one:%a %Y-%m-%d %H:%M:%S%z}{_note(one)}" for one in fires]
    answer(arguments, document, [*lines, *(() if lines else ("never: " + trigger.explain(start),)), *advice])
    return 0 if fires else 1


def _note(moment: datetime) -> str:
    """Where two instants have one wall time."""
    if moment.replace(fold=1 - moment.fold).utcoffset() == moment.utcoffset():
        return ""
    return f"  ({'second' if moment.fold else 'first'} time of a repeated hour)"


def _explain(arguments: argparse.Namespace, trigger: CronTrigger, start: datetime, advice: list[str]) -> int:
    try:
        words = trigger.explain(start)
    except OverflowError as exc:
        raise CommandError(said(exc)) from exc
    differs = list(days_that_differ(arguments, trigger, start))
    document = {
        "line": arguments.line,
        "dialect": arguments.dialect,
        "timezone": str(trigger.timezone),
        "words": words,
        "differs": differs,
        "warnings": advice,
    }
    lines = [
        f"{one['date']}: the clock goes from {one['from']} to {one['to']}; {one['what']}" for one in differs
    ]
    answer(arguments, document, [words, *lines, *advice])
    return 0


def changes_of_clock(zone: Any, first: date, days: int) -> Iterator[tuple[date, datetime, datetime]]:
    """(day, last wall time before, first wall time after) of each change of the UTC offset, a zone a year or so."""
    table = zone_table(zone)
    for number in range(days):
        day = first + timedelta(days=number)
        try:
            begin, end = (datetime.combine(one, time(), zone) for one in (day, day + timedelta(days=1)))
            before, after = begin.utcoffset(), end.utcoffset()
        except (OverflowError, ValueError):
            return
        if before == after or before is None or after is None:
            continue
        low, high = begin.timestamp(), end.timestamp()
        while high - low > 1:  # the second from which on the new offset holds
            middle = (low + high) // 2
            if datetime.fromtimestamp(middle, table.tzinfo).utcoffset() == before:
                low = middle
            else:
                high = middle
        at = datetime.fromtimestamp(high, timezone.utc).replace(tzinfo=None)
        yield day, at + before, at + after


def days_that_differ(
    arguments: argparse.Namespace, trigger: CronTrigger, start: datetime
) -> Iterator[dict[str, Any]]:
    """The days of the next year on which a clock change takes fires away, adds some, or moves them."""
    zone = trigger.timezone
    first = start.astimezone(zone).date()
    plain = trigger_of(
        argparse.Namespace(**{**vars(arguments), "line": _without_zone(arguments.line)}), "UTC"
    )[0]
    for day, before, after in changes_of_clock(zone, first, DAYS_AHEAD):
        usual = _walls(plain, day, timezone.utc)
        walls = _walls(trigger, day, zone)
        if walls == usual:
            continue
        missing, more = [one for one in usual if one not in walls], list(walls)
        for one in usual:
            if one in more:
                more.remove(one)
        parts = []
        if missing:
            parts.append(f"not at {_few(missing)}")
        if more:
            again = "again at" if all(one in usual for one in more) else "at"
            parts.append(f"{again} {_few(more)}")
        yield {
            "date": day.isoformat(),
            "from": f"{before:%H:%M}",
            "to": f"{after:%H:%M}",
            "missing": missing,
            "additional": more,
            "what": "; ".join(parts),
        }


def _without_zone(line: str) -> str:
    head, _, rest = line.strip().partition(" ")
    return rest if head.startswith(("CRON_TZ=", "TZ=")) else line


def _walls(trigger: CronTrigger, day: date, zone: Any) -> list[str]:
    begin = datetime.combine(day, time(), zone)
    end = datetime.combine(day + timedelta(days=1), time(), zone) - timedelta(microseconds=1)
    return [f"{one:%H:%M:%S}" for one in trigger.fire_times(begin, end)]


def _few(times: list[str]) -> str:
    shown = [one.removesuffix(":00") for one in times]
    if len(shown) > 4:
        return f"{', '.join(shown[:2])} … {shown[-1]} ({len(shown)} fires)"
    return ", ".join(shown)
