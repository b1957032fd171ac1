"""What a command answers: lines for people, or one JSON document with ``--json``; and how it fails.

What lives here: `add_json`, `answer`, `table`, `command`, `CommandError`. What must not: what is answered. Text of
others is put on one line and its passwords are hidden; JSON escapes line breaks by itself, passwords are hidden there
too.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any

from rapscheduler._quoting import masked, said, shortened
from rapscheduler.cli.places import PlaceError

WIDEST = 60  # characters of a column


class CommandError(Exception):
    """Nothing could be done; the text says what to do. Exit code 2."""


def add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="answer with one JSON document")


def answer(arguments: argparse.Namespace, document: Any, lines: Iterable[str]) -> None:
    """Print the document with ``--json``, else the lines."""
    if arguments.json:
        print(json.dumps(_quoted(document), indent=2, ensure_ascii=False))
    else:
        for line in lines:
            print(line)


def _quoted(value: Any) -> Any:
    if isinstance(value, str):
        return value if value.isascii() and "=" not in value and ":" not in value else _masked(value)
    if isinstance(value, dict):
        return {_quoted(str(key)): _quoted(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_quoted(one) for one in value]
    return value


def _masked(text: str) -> str:
    return masked(text).encode("utf-8", "replace").decode()


def table(heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    """Lines of aligned columns; values of others on one line, long ones with their middle left out."""
    cells = [list(heads), *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(heads))]
    return ["  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip() for row in cells]


def _cell(value: Any) -> str:
    return "-" if value is None else shortened(said(value), WIDEST)


def command(run: Callable[[argparse.Namespace], int]) -> Callable[[argparse.Namespace], int]:
    """A command whose errors are one line and exit code 2: what a driver says is what failed, no traceback."""

    @wraps(run)
    def told(arguments: argparse.Namespace) -> int:
        try:
            return run(arguments)
        except (CommandError, PlaceError) as exc:
            reason = said(exc)
        except BrokenPipeError:  # `| head`
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115 (else the interpreter's last flush complains)
            return 0
        except Exception as exc:
            reason = f"{type(exc).__name__}: {said(exc)}"
        print(f"rapscheduler {arguments.command}: {reason}", file=sys.stderr)
        return 2

    return told
