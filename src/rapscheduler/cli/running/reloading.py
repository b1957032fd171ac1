"""``--reload``: the same command in a child process, begun anew whenever a source file below here changes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

LOOK_S = 0.5
END_S = 10.0
SUFFIXES = (".py", ".toml", ".crontab")
SKIPPED = {"__pycache__", "node_modules", "build", "dist", "site-packages"}


def stamps(folder: Path) -> dict[str, int]:
    """Path -> time of change (ns) of the sources in a folder; hidden folders and environments are left out."""
    found: dict[str, int] = {}
    for place, folders, files in os.walk(folder):
        folders[:] = [one for one in folders if not one.startswith(".") and one not in SKIPPED]
        for name in files:
            if name.endswith(SUFFIXES):
                path = os.path.join(place, name)
                try:
                    found[path] = os.stat(path).st_mtime_ns
                except OSError:  # gone meanwhile
                    pass
    return found


def supervise(words: Sequence[str]) -> int:
    """Run the command without ``--reload`` until a signal; returns the exit code of the last child."""
    command = [sys.executable, "-m", "rapscheduler", *(word for word in words if word != "--reload")]
    ended: list[int] = []

    def end(number: int, frame: object) -> None:
        ended.append(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    folder = Path.cwd()
    while True:
        seen = stamps(folder)
        child = subprocess.Popen(command)
        while not ended and stamps(folder) == seen:  # a child that failed waits for the next change, too
            time.sleep(LOOK_S)
        code = _end(child)
        if ended:
            return code
        print("rapscheduler run: a source file has changed, beginning anew", file=sys.stderr, flush=True)


def _end(child: subprocess.Popen[bytes]) -> int:
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(END_S)
        except subprocess.TimeoutExpired:
            child.kill()
    return child.wait()
