"""Crontab files: their lines as triggers, commands and what surrounds them.

Here: the grammar of the file, as cron's daemons read it. Not here: the grammar of a schedule (`triggers.cron`), running
commands. Only `read` touches the disk; everything else is text in, entries out.

Approach: line by line; an assignment changes the environment (and the zone) of the lines below it. All bad lines are
collected and told in one error, as the whole file is to be mended before it is used.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path
from typing import Final, Literal

from rapscheduler._zones import as_zone, local_zone
from rapscheduler.errors import CrontabError, CrontabWarning
from rapscheduler.triggers.base import BaseTrigger
from rapscheduler.triggers.cron import CronTrigger, advice_of, warn_once
from rapscheduler.triggers.cron._draw import drawn, draws_of
from rapscheduler.triggers.interval import IntervalTrigger

__all__ = ("CrontabEntry", "read")

Dst = Literal["once", "both", "shift"]
Dialect = Literal["vixie", "cronie", "jenkins"]
DIALECTS: Final[tuple[Dialect, ...]] = ("vixie", "cronie", "jenkins")
_ASSIGNMENT = re.compile(
    r"""(?:'(?P<in_single>[^'=]*)'|"(?P<in_double>[^"=]*)"|(?P<name>[^\s='"][^\s=]*))\s*=\s*"""
    r"""(?:'(?P<single>[^']*)'|"(?P<double>[^"]*)"|(?P<plain>[^\s'"].*?))\s*\Z"""
)
_EMPTY_VALUE = re.compile(r"([^\s='\"]+)\s*=\s*\Z")
_DURATION = re.compile(r"(?:[0-9]+(?:\.[0-9]*)?(?:ns|us|µs|ms|s|m|h))+\Z")
_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?)(ns|us|µs|ms|s|m|h)")
_SECONDS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600}
_STDIN = re.compile(r"\\%|\\|%")


@dataclass(frozen=True, slots=True)
class CrontabEntry:
    """One line that runs something.

    :ivar line: its number in the file, from 1
    :ivar trigger: when; `None` for `@reboot`: `add_job` without a trigger runs once, when the scheduler starts
    :ivar command: what is handed to the shell, without what follows the first `%`
    :ivar stdin: what the command reads; `None` when the line has no `%`
    :ivar user: who runs it, in files with a user column
    :ivar environment: the variables set above the line (shared with other entries: do not change it)
    :ivar timezone: the zone in which the line is read
    """

    line: int
    trigger: BaseTrigger | None
    command: str
    stdin: str | None
    user: str | None
    environment: Mapping[str, str]
    timezone: tzinfo


def read(
    source: str | os.PathLike[str],
    dialect: Dialect = "vixie",
    user_column: bool | None = None,
    timezone: tzinfo | str | None = None,
    *,
    dst: Dst = "once",
    seed: str | None = None,
) -> list[CrontabEntry]:
    """Read a crontab file, or the text of one.

    `dialect="vixie"` is what Debian's cron reads; `"cronie"` has `~` and a `-` in front of a line as well; `"jenkins"`
    is the schedule of a Jenkins job: lines without a command, with `H`. `docs/cron.md` has what each construct means.

    :param source: a path, or the text of a file: a `str` with a blank, tab or line break in it is a text
    :param user_column: whether the sixth column names a user (default: for `/etc/crontab` and files in a `cron.d`)
    :param timezone: tzinfo or name of a zone, until a line `CRON_TZ=` or `TZ=` (default: the system's)
    :param dst: what happens at zone changes, as in `CronTrigger`
    :param seed: what `H` is drawn from, such as the name of the job; with it `~` is the same each time, too
    :raises CrontabError: names all lines that can't be read, by their numbers
    :raises OSError: if there is no such file
    """
    if dialect not in DIALECTS:
        raise ValueError(
            f"dialect={dialect!r} is none of crontab files; give one of {', '.join(map(repr, DIALECTS))}"
        )
    CronTrigger(dst=dst, timezone="UTC")  # refuses what is no rule
    if not isinstance(source, str | os.PathLike):
        raise TypeError(f"a crontab is a path or a text, not {source!r}")
    text, place = str(source), "crontab"
    if isinstance(source, os.PathLike) or (source and not re.search(r"\s", source)):
        path = Path(source)
        place = str(path)
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
        if user_column is None:
            user_column = str(path) == "/etc/crontab" or path.parent.name == "cron.d"
    reader = _Reader(place, dialect, bool(user_column), timezone, dst, seed)
    for number, line in enumerate(text.split("\n"), 1):
        reader.take(number, line.strip(" \t\r\f\v"))
    if reader.problems:
        raise CrontabError(place, reader.problems)
    return reader.entries


class _Reader:
    """What is in force at a line, and what was found above it."""

    def __init__(
        self,
        place: str,
        dialect: Dialect,
        user_column: bool,
        timezone: tzinfo | str | None,
        dst: Dst,
        seed: str | None,
    ) -> None:
        self.place, self.dialect, self.user_column, self.dst = place, dialect, user_column, dst
        self.seed = seed
        self.draw = draws_of(seed)  # Jenkins: one sequence for all lines
        self.first_zone = self.zone = as_zone(timezone or None) or local_zone()
        self.environment: dict[str, str] = {}
        self.entries: list[CrontabEntry] = []
        self.problems: list[tuple[int, str]] = []

    def take(self, number: int, line: str) -> None:
        if not line or line.startswith("#"):
            return
        try:
            match = _ASSIGNMENT.match(line)
            if match is not None:
                self._assign(number, line, match)
            else:
                self.entries.append(self._entry(number, line))
        except (ValueError, KeyError) as exc:  # KeyError: of zoneinfo, for an unknown zone
            self.problems.append((number, str(exc.args[0]) if exc.args else repr(exc)))

    def _assign(self, number: int, line: str, match: re.Match[str]) -> None:
        name = _first_of(match, "in_single", "in_double", "name")
        value = _first_of(match, "single", "double", "plain")
        is_zone = name in ("CRON_TZ", "TZ")
        if is_zone and re.search(r"\s", value):
            raise ValueError(f"{value!r} is no zone; in a file {name}= stands on a line of its own")
        self.environment = {**self.environment, name: value}
        if is_zone:
            self._set_zone()
        if name == "TZ" and self.dialect != "jenkins":
            self._warn(number, line, _TZ_ADVICE, stacklevel=6)

    def _set_zone(self) -> None:
        """CRON_TZ is made for the schedule, so it wins over TZ."""
        name = self.environment.get("CRON_TZ") or self.environment.get("TZ")
        self.zone = (as_zone(name) if name else None) or self.first_zone

    def _warn(self, number: int, line: str, advice: str, stacklevel: int) -> None:
        """Warn as if the caller of `read` had been warned."""
        warn_once(line, CrontabWarning(f"{self.place}, line {number}: {advice}"), stacklevel)

    def _entry(self, number: int, line: str) -> CrontabEntry:
        if self.dialect == "cronie":
            line = line.removeprefix("-")  # "do not log this"
        empty = _EMPTY_VALUE.match(line)
        if empty is not None:
            raise ValueError(f"an empty value is written in quotes: {empty.group(1)}=''")
        schedule, rest = _schedule_and_rest(line, self.dialect)
        user = None
        if self.user_column and self.dialect != "jenkins":
            user, rest = _split(rest, 1)
        command, stdin = _command(rest)
        if not command and self.dialect != "jenkins":
            column = " and the user" if self.user_column else ""
            raise ValueError(f"no command behind {schedule!r}{column}")
        trigger = self._trigger(number, schedule)
        return CrontabEntry(number, trigger, command, stdin, user, self.environment, self.zone)

    def _trigger(self, number: int, schedule: str) -> BaseTrigger | None:
        keyword = schedule.partition(" ")[0].lower()
        if keyword == "@reboot":
            return None
        if keyword == "@every":
            return IntervalTrigger(seconds=_duration_s(schedule), timezone=self.zone)
        if self.dialect == "cronie" and self.seed is not None:  # another line above changes nothing
            schedule = drawn(schedule, "cronie", draws_of(f"{self.seed}\n{schedule}"))
        else:
            schedule = drawn(schedule, self.dialect, self.draw)
        advice = advice_of(schedule, self.dialect)
        if advice is not None:
            self._warn(number, schedule, str(advice), stacklevel=7)
        return CronTrigger.from_crontab(schedule, self.zone, self.dialect, dst=self.dst)


_TZ_ADVICE = (
    "TZ= sets the zone of the lines below here, while Debian's cron and cronie only hand it to the commands, and run "
    "them by the clock of the machine; write CRON_TZ= for a zone of the schedule, or take the line out"
)


def _first_of(match: re.Match[str], *names: str) -> str:
    return next(value for value in match.group(*names) if value is not None)


def _split(line: str, count: int) -> tuple[str, str]:
    """The first words, and the rest as it stands."""
    words = re.split(r"[ \t]+", line, maxsplit=count)
    return " ".join(words[:count]), words[count] if len(words) > count else ""


def _schedule_and_rest(line: str, dialect: str) -> tuple[str, str]:
    """The schedule of a line, and what is behind it."""
    if dialect == "jenkins":
        return line, ""
    keyword = _split(line, 1)[0].lower()
    return _split(line, 2 if keyword == "@every" else 1 if keyword.startswith("@") else 5)


def _duration_s(schedule: str) -> float:
    text = schedule.partition(" ")[2]
    if not _DURATION.match(text):
        raise ValueError(
            f"'@every {text}' has no length of time; write '@every 5m', '@every 1h30m' or '@every 90s'"
        )
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text))
    if not seconds:
        raise ValueError(f"'@every {text}' would never wait; the length of time must be longer than zero")
    return seconds


def _command(rest: str) -> tuple[str, str | None]:
    r"""What the shell gets, and what the command reads: all behind the first `%`, with line breaks for `%`.

    `\%` is a `%`; a backslash before anything else stays, and takes the one behind it with it in the command only.
    """
    command: list[str] = []
    index = 0
    while index < len(rest) and rest[index] != "%":
        if rest.startswith("\\%", index):
            command.append("%")
            index += 2
        elif rest[index] == "\\":
            command.append(rest[index : index + 2])
            index += 2
        else:
            command.append(rest[index])
            index += 1
    if index >= len(rest):
        return "".join(command), None
    stdin = _STDIN.sub(_stdin_text, rest[index + 1 :])
    return "".join(command), stdin if stdin.endswith("\n") or not stdin else f"{stdin}\n"


def _stdin_text(match: re.Match[str]) -> str:
    return {"\\%": "%", "%": "\n"}.get(match.group(), match.group())
