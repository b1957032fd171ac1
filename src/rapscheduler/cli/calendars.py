"""``rapscheduler calendar LINE``: a year of a line of cron as a picture, in characters or as SVG."""

from __future__ import annotations

import argparse
from datetime import datetime

from rapscheduler._pictures import year_text
from rapscheduler.cli._answers import CommandError, add_json, answer, command
from rapscheduler.cli.schedules import add_schedule, trigger_of
from rapscheduler.triggers._plot import counts_of_year, plot_year


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_schedule(parser)
    parser.add_argument("--year", type=int, help="which year (default: this one)")
    parser.add_argument("--svg", metavar="FILE", help="write the picture to this file")
    add_json(parser)


@command
def run(arguments: argparse.Namespace) -> int:
    trigger, advice = trigger_of(arguments)
    year = arguments.year if arguments.year is not None else datetime.now(trigger.timezone).year
    if not 1970 <= year <= 9998:
        raise CommandError(f"--year {year}: give one between 1970 and 9998")
    counts = counts_of_year(trigger, year)
    if arguments.svg:
        with open(arguments.svg, "w", encoding="utf-8") as file:
            file.write(plot_year(trigger, year, arguments.line))
    document = {
        "line": arguments.line,
        "year": year,
        "days": {day.isoformat(): count for day, count in counts.items()},
        "warnings": advice,
    }
    total, most = sum(counts.values()), max(counts.values(), default=0)
    lines = [
        *year_text(counts, year),
        f"{total} fires in {year} on {len(counts)} days, {most} at most on one",
    ]
    answer(arguments, document, [*lines, *advice])
    return 0
