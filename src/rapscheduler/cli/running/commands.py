"""The commands of a crontab as jobs: ``rapscheduler run --crontab FILE``, as cron in a container.

As cron does: the shell is ``SHELL`` of the file or /bin/sh, variables of the file are set, what follows ``%`` is the
input, the directory is ``HOME``. Otherwise than cron: output goes to the log, line by line (there is no mail), a
command that still runs is not begun a second time (``--timeout`` ends it, with all of its process group).
"""

from __future__ import annotations

import argparse
import getpass
import logging
import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from typing import IO, Any

from rapscheduler.cli._answers import CommandError
from rapscheduler.cli.crontab_files import read, said_lines
from rapscheduler.errors import CrontabError
from rapscheduler.schedulers.background import BackgroundScheduler

logger = logging.getLogger("rapscheduler.crontab")
GRACE_S = 60  # of a minute; cron looks once a minute, too
WORKERS = 50
END_S = 5.0  # from SIGTERM to SIGKILL
MOST_OUTPUT = 1_000_000  # bytes of one run that are logged


class CommandFailedError(RuntimeError):
    """A command that ended with another exit code than 0, or was ended."""


def scheduler_of_crontab(arguments: argparse.Namespace) -> BackgroundScheduler:
    """A scheduler in memory with a job for each line. CommandError: the file can't be read."""
    try:
        entries, advice = read(arguments)
    except CrontabError as exc:
        raise CommandError(f"{arguments.file}: {'; '.join(said_lines(exc))}") from exc
    for text in advice:
        logger.warning("%s", text)
    scheduler = BackgroundScheduler(
        executors={"default": {"type": "threadpool", "max_workers": WORKERS}},
        job_defaults={"misfire_grace_time": GRACE_S, "coalesce": True, "max_instances": 1},
    )
    for entry in entries:
        scheduler.add_job(
            run_command,
            entry.trigger,
            args=(
                entry.line,
                entry.command,
                entry.stdin,
                dict(entry.environment),
                entry.user,
                arguments.timeout,
            ),
            id=f"line {entry.line}",
            name=entry.command[:100],
        )
    return scheduler


def run_command(
    line: int,
    command: str,
    stdin: str | None,
    environment: Mapping[str, str],
    user: str | None,
    timeout: float | None,
) -> int:
    """Run one command to its end, its output into the log. CommandFailedError: exit code not 0, or it was ended."""
    variables = {**os.environ, **environment}
    more: dict[str, Any] = {}
    if user is not None and user != getpass.getuser():
        more = _of_user(user)
        variables |= {"HOME": more.pop("home"), "USER": user, "LOGNAME": user} | dict(environment)
    home = variables.get("HOME")
    with tempfile.TemporaryFile() as output:  # not a pipe: what the command leaves running may hold it open
        process = subprocess.Popen(
            [environment.get("SHELL", "/bin/sh"), "-c", command],
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=variables,
            cwd=home if home and os.path.isdir(home) else "/",
            start_new_session=True,
            **more,
        )
        try:
            process.communicate(None if stdin is None else stdin.encode(), timeout)
        except subprocess.TimeoutExpired:
            raise CommandFailedError(f"line {line}: ended after {timeout:g} s: {command}") from None
        finally:
            _end(process)
            _log(line, output)
    if process.returncode:
        raise CommandFailedError(f"line {line}: exit code {process.returncode}: {command}")
    return process.returncode


def _of_user(user: str) -> dict[str, Any]:
    """What Popen needs to run as somebody else, which only root may (PermissionError)."""
    import pwd

    entry = pwd.getpwnam(user)
    groups = os.getgrouplist(user, entry.pw_gid)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": groups, "home": entry.pw_dir}


def _log(line: int, output: IO[bytes]) -> None:
    size = output.seek(0, os.SEEK_END)
    if size > MOST_OUTPUT:
        logger.warning("line %d: %d bytes of output, the last %d follow", line, size, MOST_OUTPUT)
    output.seek(max(0, size - MOST_OUTPUT))
    for text in output.read().decode("utf-8", "replace").splitlines():
        logger.info("line %d: %r", line, text)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process that still runs, with all of its group."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is not None:
            return
        try:
            os.killpg(process.pid, number)
            process.wait(END_S)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue
