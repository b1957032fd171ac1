"""What the demo shows while it works: a live display with rich where that is installed, plain lines otherwise."""

from __future__ import annotations

import sys
import time
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any


class Display(AbstractContextManager["Display"]):
    """Plain lines, at most one each two seconds. ``RichDisplay`` has the same methods."""

    def __init__(self) -> None:
        self._shown_at = 0.0

    def say(self, text: str) -> None:
        print(text, flush=True)

    def advance(self, what: str, done: float, total: float, facts: str) -> None:
        """``done`` of ``total`` of the phase ``what``; called often."""
        if time.monotonic() - self._shown_at >= 2 or done >= total:
            self._shown_at = time.monotonic()
            print(f"{what}: {done / total:4.0%}  {facts}", flush=True)

    def table(self, title: str, rows: list[tuple[str, str]]) -> None:
        width = max(len(name) for name, _ in rows)
        print(f"\n{title}")
        for name, value in rows:
            print(f"  {name.ljust(width)}  {value}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        return None


class RichDisplay(Display):
    """A progress bar for each phase, refreshed four times a second so that it takes little from the jobs."""

    def __init__(self) -> None:
        super().__init__()
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description:>8}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"))
        facts = TextColumn("{task.fields[facts]}")
        self._progress = Progress(*columns, TimeElapsedColumn(), facts, refresh_per_second=4)
        self._tasks: dict[str, Any] = {}
        self._progress.start()

    def say(self, text: str) -> None:
        self._progress.console.print(text, highlight=False)

    def advance(self, what: str, done: float, total: float, facts: str) -> None:
        if what not in self._tasks:
            self._tasks[what] = self._progress.add_task(what, total=total, facts=facts)
        self._progress.update(self._tasks[what], completed=done, facts=facts)

    def table(self, title: str, rows: list[tuple[str, str]]) -> None:
        from rich.table import Table

        self._progress.stop()
        table = Table(title=title, show_header=False, title_justify="left")
        table.add_column(style="dim")
        table.add_column(justify="right")
        for name, value in rows:
            table.add_row(name, value)
        self._progress.console.print(table)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._progress.stop()


def open_display(plain: bool) -> Display:
    """The live display when rich is installed and a terminal watches, plain lines otherwise."""
    if plain or not sys.stdout.isatty():
        return Display()
    try:
        return RichDisplay()
    except ImportError:
        display = Display()
        display.say("(rich is not installed, so plain lines are shown: pip install 'rapscheduler[demo]')")
        return display
