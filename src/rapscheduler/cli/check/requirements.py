"""What a project's files require: APScheduler itself, and packages that require it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from rapscheduler.cli.check import rules
from rapscheduler.cli.check.rules import BREAKS, DIFFERS
from rapscheduler.cli.check.sources import Finding

FILES = (
    "requirements*.txt",
    "requirements*.in",
    "constraints*.txt",
    "pyproject.toml",
    "setup.py",
    "setup.cfg",
    "Pipfile",
)
_OTHERS = r"python-telegram-bot|elastalert2|ndscheduler"
_NAME = re.compile(
    rf"""(?<![\w.\-/@])(?P<name>[A-Za-z][\w\-]*apscheduler[\w\-]*|apscheduler[\w\-]*|{_OTHERS})(?![\w.\-])\s*"""
    r"""(?P<extras>\[[^\]]*\])?\s*['"]?\s*(?P<rest>[=<>!~^][^'"#;\n]*)?""",
    re.IGNORECASE,
)
_SECTION = re.compile(r"\[+([\w.\-\"]+)\]+\s*(?:#.*)?\Z")
_OF_TOOLS = re.compile(r"tool\.(?!poetry|pdm|uv|hatch)")
_TO_4 = re.compile(r"(?:==|>=|~=|\^|=\s*['\"]?[~^]?)\s*['\"]?(?:4\.|4\b)")


_OWN_NAME = re.compile(r"""^\s*['"]?name['"]?\s*=\s*['"]?([\w.\-]+)""", re.MULTILINE)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower().strip("-")


def is_requirements(path: Path) -> bool:
    return any(path.match(pattern) for pattern in FILES) or path.parent.name == "requirements"


def look(path: Path, shown: str) -> Iterator[Finding]:
    """The lines that require it; a project does not require itself."""
    is_python = path.suffix == ".py"
    inside = not is_python
    text = path.read_text(encoding="utf-8", errors="replace")
    own = {_normal(name) for name in _OWN_NAME.findall(text)}
    for number, line in enumerate(text.splitlines(), 1):
        if is_python:
            inside = inside or bool(re.search(r"\b(install_requires|extras_require|requirements?)\b", line))
        section = _SECTION.match(line)
        if section is not None and path.suffix in (".toml", ".cfg"):
            name = section[1]
            inside = name.startswith("options") if path.suffix == ".cfg" else not _OF_TOOLS.match(name)
        if not inside or line.lstrip().startswith(
            ("#", "import ", "from ", "name", "description", "packages", "version")
        ):
            continue
        for match in _NAME.finditer(line.partition(" #")[0]):
            if _normal(match["name"]) not in own:
                yield from _required(match, number, shown)


def _required(match: re.Match[str], number: int, shown: str) -> Iterator[Finding]:
    name = _normal(match["name"])
    if name == "apscheduler":
        if _TO_4.match(match["rest"] or ""):
            text = "is APScheduler 4, which is another interface; this is APScheduler 3's"
            yield Finding(shown, number, BREAKS, match[0].strip(), text)
        else:
            yield Finding(
                shown, number, DIFFERS, match[0].strip(" =,'\""), "becomes a requirement of rapscheduler"
            )
    elif name in rules.REQUIRERS or (
        name == "python-telegram-bot" and "job-queue" in (match["extras"] or "")
    ):
        yield Finding(shown, number, DIFFERS, name, "requires apscheduler itself")
