"""Whatever others have a say in is quoted when it is logged: `one_line`, `said`, or `%r`.

Looks at every call of a logger below src: an argument for `%s` that is a name, an id, a reason or an exception.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import rapscheduler

ROOT = Path(rapscheduler.__file__).parent
LEVELS = {"debug", "info", "warning", "error", "exception", "critical", "log"}
OF_OTHERS = {
    "exc",
    "error",
    "exception",
    "why",
    "reason",
    "job_id",
    "name",
    "orig",
    "id",
    "ids",
    "reference",
}
FILES = sorted(path for path in ROOT.rglob("*.py") if "_fuzz" not in path.parts)


def unquoted(tree: ast.AST) -> list[str]:
    """The arguments of logger calls in a tree that go into a message as they are."""
    found = []
    for call in ast.walk(tree):
        if not (
            isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in LEVELS
        ):
            continue
        if "logger" not in ast.unparse(call.func.value).lower():
            continue
        texts = [i for i, arg in enumerate(call.args) if isinstance(arg, (ast.Constant, ast.JoinedStr))]
        if not texts or not isinstance(call.args[texts[0]], ast.Constant):
            found.append(f"line {call.lineno}: no constant text")
            continue
        first = texts[0]
        places = re.findall(r"%[-+0-9.]*([a-z])", str(call.args[first].value))  # type: ignore[attr-defined]
        for place, argument in zip(places, call.args[first + 1 :], strict=True):
            word = argument.attr if isinstance(argument, ast.Attribute) else getattr(argument, "id", "")
            if place == "s" and word in OF_OTHERS:
                found.append(f"line {call.lineno}: {ast.unparse(argument)}")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_others_have_a_say_in_is_quoted(path: Path) -> None:
    assert unquoted(ast.parse(path.read_text(encoding="utf-8"))) == []


def test_the_look_finds_what_is_not() -> None:
    bad = "logger.info('%r %s %s', a, j.id, exc)\nself._logger.log(INFO, '%d %s', 1, name)\nlogger.error('%s', said(e))"
    assert unquoted(ast.parse(bad)) == ["line 1: j.id", "line 1: exc", "line 2: name"]
