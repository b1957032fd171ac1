"""Writes the corpus of the demo and of tests, ``src/rapscheduler/cli/demo/crontab_corpus.tsv``:

    python -m benchmarks.crontab_corpus

What lives here: habits of people who write crontabs, as we know them (`HABITS`: how often, and a line of that kind),
the grammar of crontab(5) and of its wider dialects, and a seeded draw. No line is taken from anybody: each is composed
here, and the same lines come out everywhere, as only `Random.random` is asked. What must not: fire times.

Data: line -> how often it was drawn. `SIZE` different lines are drawn; about a fifth of all draws fires at each minute.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

PATH = Path(__file__).parents[1] / "src" / "rapscheduler" / "cli" / "demo" / "crontab_corpus.tsv"
SIZE = 800
SEED = 17
HEAD = """\
# Five-field crontab expressions, and how often each was drawn, from the grammar of crontab(5)
# and of its wider dialects (L, LW, W, #).
# Origin: composed by this project's own script, benchmarks/crontab_corpus.py; none is taken from anybody's crontab.
# Standard numbering: weekday 0 and 7 are Sunday.
# count	expression
"""
MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
DAYS = "sun mon tue wed thu fri sat".split()
STEPS = {"minute": (2, 3, 4, 5, 10, 12, 15, 20, 30), "hour": (2, 3, 4, 6, 8, 12), "day": (2, 3, 5, 7, 10, 14)}
BOUNDS = {"minute": (0, 59), "hour": (0, 23), "day": (1, 31), "month": (1, 12), "weekday": (0, 6)}
FIELDS = tuple(BOUNDS)


class Pen:
    """Draws what a line says: numbers, words, one of several."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed).random

    def number(self, low: int, high: int) -> int:
        return low + int(self._random() * (high - low + 1))

    def one(self, things: Sequence[str]) -> str:
        return things[self.number(0, len(things) - 1)]

    def often(self, share: float) -> bool:
        return self._random() < share

    def round_minute(self) -> str:
        return self.one(("0", "0", "30", "15", "45", *[str(self.number(0, 59)) for _ in range(3)]))

    def hour(self) -> str:
        return str(self.number(0, 6) if self.often(0.6) else self.number(7, 23))

    def numbers(self, field: str, most: int) -> str:
        low, high = BOUNDS[field]
        return ",".join(map(str, sorted({self.number(low, high) for _ in range(self.number(2, most))})))

    def span(self, field: str) -> str:
        """A range; one of hours or weekdays may go over the end, as ``22-2``."""
        low, high = BOUNDS[field]
        first, last = self.number(low, high), self.number(low, high)
        wraps = field in ("hour", "weekday") and self.often(0.1)
        return f"{max(first, last)}-{min(first, last)}" if wraps else f"{min(first, last)}-{max(first, last)}"

    def step(self, field: str) -> str:
        return str(self.number(2, 4)) if field not in STEPS else self.one([*map(str, STEPS[field])])


def every_minutes(pen: Pen) -> str:
    step = pen.one(("5", "5", "5", "10", "15", "15", "30", "2", "3", "20", str(pen.number(4, 40))))
    return f"*/{step} * * * *" if pen.often(0.85) else f"{pen.number(0, 4)}-59/{step} * * * *"


def hourly(pen: Pen) -> str:
    return f"{pen.round_minute()} {pen.one(('*', '*', '*', '*/2', '*/4', '*/6', '*/12'))} * * *"


def daily(pen: Pen) -> str:
    hours = pen.numbers("hour", 4) if pen.often(0.2) else pen.hour()
    return f"{pen.round_minute()} {hours} * * *"


def on_weekdays(pen: Pen) -> str:
    days = pen.one(
        (
            "1-5",
            "mon-fri",
            "MON-FRI",
            "0",
            "7",
            "sun",
            "6,0",
            "sat,sun",
            "2-6",
            pen.one(DAYS),
            "5-7",
            "fri-mon",
        )
    )
    return f"{pen.round_minute()} {pen.hour()} * * {days}"


def at_work(pen: Pen) -> str:
    minutes = pen.one(("*", "*/5", "*/10", "*/15", "*/30", "0", "0,30"))
    return f"{minutes} {pen.number(6, 10)}-{pen.number(16, 19)} * * {pen.one(('1-5', 'mon-fri', '*', '1-6'))}"


def monthly(pen: Pen) -> str:
    day = pen.one(("1", "1", "1", "15", "1,15", "28", "31", str(pen.number(1, 31)), "*/2", "1-7", "8-14"))
    return f"{pen.round_minute()} {pen.hour()} {day} {pen.one(('*', '*', '*', '*/3', '1,4,7,10', '1-6'))} *"


def yearly(pen: Pen) -> str:
    month = pen.number(1, 12)
    said = str(month) if pen.often(0.7) else MONTHS[month - 1]
    return f"{pen.round_minute()} {pen.hour()} {pen.one(('1', '1', '24', '29', str(pen.number(1, 30))))} {said} *"


def day_or_weekday(pen: Pen) -> str:
    day, weekday = pen.one(("13", "1", "1,15", "*/7", "1-7")), pen.one(("fri", "5", "mon", "1"))
    return f"{pen.round_minute()} {pen.hour()} {day} * {weekday}"


def extended(pen: Pen) -> str:
    minute, hour = pen.round_minute(), pen.hour()
    if pen.often(0.5):
        return f"{minute} {hour} {pen.one(('L', 'LW', '15W', '1W', f'{pen.number(2, 28)}W'))} * *"
    day = DAYS[pen.number(0, 6)] if pen.often(0.4) else str(pen.number(0, 6))
    return f"{minute} {hour} * * {day}{pen.one(('#1', '#2', '#3', 'L'))}"


def anything(pen: Pen) -> str:
    """A line that the grammar allows, whether or not anybody would write it."""
    return " ".join(_field(pen, name) for name in FIELDS)


def _field(pen: Pen, name: str) -> str:
    low, high = BOUNDS[name]
    if pen.often(0.45):
        return "*"
    if name in ("month", "weekday") and pen.often(0.3):
        return pen.one(MONTHS if name == "month" else DAYS)
    kinds: tuple[Callable[[], str], ...] = (
        lambda: str(pen.number(low, high)),
        lambda: pen.numbers(name, 5),
        lambda: pen.span(name),
        lambda: f"*/{pen.step(name)}",
        lambda: f"{pen.span(name)}/{pen.step(name)}",
        lambda: f"{pen.span(name)},{pen.number(low, high)}",
    )
    return kinds[pen.number(0, len(kinds) - 1)]()


#: how often of a thousand, and the habit
HABITS: tuple[tuple[int, Callable[[Pen], str]], ...] = (
    (180, lambda pen: "* * * * *"),
    (150, every_minutes),
    (120, hourly),
    (170, daily),
    (110, on_weekdays),
    (70, at_work),
    (70, monthly),
    (30, yearly),
    (20, day_or_weekday),
    (30, extended),
    (50, anything),
)


def lines() -> Counter[str]:
    """The lines, and how often each was drawn."""
    pen, found = Pen(SEED), Counter[str]()
    habits = [habit for often, habit in HABITS for _ in range(often)]
    while len(found) < SIZE:
        found[habits[pen.number(0, len(habits) - 1)](pen)] += 1
    return found


def text() -> str:
    """The file."""
    ordered = sorted(lines().items(), key=lambda pair: (-pair[1], pair[0]))
    return HEAD + "".join(f"{count}\t{line}\n" for line, count in ordered)


if __name__ == "__main__":
    PATH.write_text(text(), encoding="utf-8")
    sys.stdout.write(f"{PATH}: {SIZE} lines\n")
