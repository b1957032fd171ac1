"""What a migration did or would do: counts, refused jobs by reason, progress; as text and as JSON."""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from rapscheduler._quoting import masked, said
from rapscheduler.cli.migrate.convert import CONVERTED, OURS, REFUSED, Verdict

_IDS_SHOWN = 5
_REASONS_SHOWN = 20


class Report:
    """Collects verdicts. ``written``: False for a dry run."""

    def __init__(self, source: str, target: str, written: bool) -> None:
        self.source, self.target, self.written = source, target, written
        self.ids: dict[str, list[str]] = {CONVERTED: [], OURS: [], REFUSED: []}
        self.reasons: dict[str, list[str]] = defaultdict(list)
        self.notes: dict[str, str] = {}

    def add(self, verdict: Verdict) -> None:
        self.ids[verdict.kind].append(verdict.id)
        if verdict.kind == REFUSED:
            self.reasons[verdict.note].append(verdict.id)
        elif verdict.note:
            self.notes[verdict.id] = verdict.note

    @property
    def refused(self) -> int:
        return len(self.ids[REFUSED])

    def print(self, words: dict[str, str], out: TextIO) -> None:
        """``words``: kind -> what the count means here."""
        print(f"from  {self.source}\nto    {self.target}\n", file=out)
        for kind, ids in self.ids.items():
            print(f"{len(ids):>12,}  {words[kind]}", file=out)
        if self.notes:
            first = next(iter(self.notes.items()))
            print(
                f"{len(self.notes):>12,}  of them with a note; the first, {first[0]!r}: {said(first[1])}",
                file=out,
            )
        if self.reasons:
            print("\nrefused, and left as they are:", file=out)
        ordered = sorted(self.reasons.items(), key=lambda item: -len(item[1]))
        for reason, ids in ordered[:_REASONS_SHOWN]:
            shown = ", ".join(map(repr, ids[:_IDS_SHOWN])) + (", …" if len(ids) > _IDS_SHOWN else "")
            print(f"{len(ids):>12,}  {said(reason)}\n              {shown}", file=out)
        if len(ordered) > _REASONS_SHOWN:
            print(f"              … {len(ordered) - _REASONS_SHOWN} more reasons: --report FILE", file=out)

    def save(self, path: str) -> None:
        document: dict[str, Any] = {
            "source": self.source,
            "target": self.target,
            "written": self.written,
            "counts": {kind: len(ids) for kind, ids in self.ids.items()},
            "converted": self.ids[CONVERTED],
            "ours": self.ids[OURS],
            "refused": [
                {"id": job_id, "reason": masked(reason)}
                for reason, ids in self.reasons.items()
                for job_id in ids
            ],
            "notes": self.notes,
        }
        Path(path).write_text(
            json.dumps(document, indent=1, ensure_ascii=False) + "\n", "utf-8", "surrogateescape"
        )


@contextmanager
def progress(total: int, out: TextIO | None = None) -> Iterator[Callable[[int], None]]:
    """``advance(count)``: a bar by rich on a terminal, else a plain line for every tenth of many jobs."""
    out = out or sys.stderr
    if out.isatty():
        try:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn
        except ImportError:
            pass
        else:
            columns = (BarColumn(bar_width=None), MofNCompleteColumn(), TimeRemainingColumn())
            with Progress(*columns, console=Console(file=out), transient=True) as bar:
                task = bar.add_task("", total=total)
                yield lambda count: bar.advance(task, count)
            return
    done = [0, 0]

    def advance(count: int) -> None:
        done[0] += count
        tenth = 10 * done[0] // total if total else 10
        if tenth > done[1] and total >= 10_000:
            print(f"{done[0]:,} of {total:,} jobs", file=out, flush=True)
        done[1] = tenth

    yield advance
