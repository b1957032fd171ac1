"""Where each library runs: its pinned packages, its virtual environment, its process.

The environment of a peer is made once, below build/peers/NAME-VERSION, from PyPI. ``here=True`` uses the running
interpreter for peers that it has in exactly the pinned version (quick, for a try; the figures of docs come from
environments of their own). ``BASE`` is ourselves at another commit, compiled once below build/base/COMMIT.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
# name of the module -> what pip installs; the first is the peer itself.
PINNED = {
    "apscheduler": (
        "apscheduler==3.11.3",
        "sqlalchemy>=2",
        "psycopg[binary]",
        "psycopg2-binary",
        "pymysql",
        "redis",
    ),
    "croniter": ("croniter==7.0.0",),
    "cronsim": ("cronsim==2.8",),
    "croniter_rs": ("croniter-rs==0.2.0",),
}


# Ourselves at another commit: the same interpreter and packages, another ``src``.
BASE = "base"


class PeerFailed(Exception):
    """A peer's process ended or answered with an error."""


def version_of(library: str) -> str:
    """The pinned version of a peer; for ourselves the checkout."""
    return PINNED[library][0].partition("==")[2] if library in PINNED else "this checkout"


def _has_pinned(library: str) -> bool:
    name, _, version = PINNED[library][0].partition("==")
    try:
        return metadata.version(name) == version
    except metadata.PackageNotFoundError:
        return False


def _imported(library: str) -> str:
    """The package that a process of ``library`` imports."""
    return "rapscheduler" if library == BASE else library


def python_of(library: str, here: bool) -> str:
    """The interpreter that runs ``library``; makes the peer's environment when it is missing."""
    if _imported(library) == "rapscheduler" or (here and _has_pinned(library)):
        return sys.executable
    home = (
        ROOT
        / "build"
        / "peers"
        / f"{library}-{version_of(library)}-{sys.version_info[0]}.{sys.version_info[1]}"
    )
    python, ready = home / "bin" / "python", home / ".ready"
    if not ready.exists():
        print(f"making the environment of {PINNED[library][0]} …", file=sys.stderr)
        subprocess.run(
            [sys.executable, "-m", "venv", "--clear", str(home)], check=True, stdin=subprocess.DEVNULL
        )
        pip = [
            str(python),
            "-m",
            "pip",
            "--disable-pip-version-check",
            "install",
            "--quiet",
            *PINNED[library],
        ]
        subprocess.run(pip, check=True, stdin=subprocess.DEVNULL)
        ready.touch()
    return str(python)


def source_of(commit: str) -> Path:
    """The ``src`` of this repository at ``commit``, with its engine compiled; made when it is missing."""
    said = subprocess.run(
        ["git", "rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if said.returncode:
        raise SystemExit(f"no such commit: {commit!r}; give one that `git log` shows")
    home = ROOT / "build" / "base" / said.stdout.strip()[:12]
    ready = home / ".ready"
    if not ready.exists():
        print(f"compiling {commit} …", file=sys.stderr)
        home.mkdir(parents=True, exist_ok=True)
        packed = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=True)
        subprocess.run(["tar", "-x", "-C", str(home)], input=packed.stdout, check=True)
        build = [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
        required = dict(os.environ, RAPSCHEDULER_REQUIRE_EXTENSIONS="1")
        subprocess.run(
            build, cwd=home, check=True, env=required, stdin=subprocess.DEVNULL, capture_output=True
        )
        ready.touch()
    return home / "src"


class Peer:
    """The process of one library. Commands and replies are lines of JSON; ``unsupported`` replies come back as such.

    commit: which one of ours, for the library `BASE`.
    """

    def __init__(self, library: str, here: bool = False, commit: str = "") -> None:
        self.library = library
        environment = dict(os.environ, PYTHONHASHSEED="0")
        environment.setdefault("RAPSCHEDULER_ENGINE", "compiled")
        sources = {"rapscheduler": ROOT / "src"} | ({BASE: source_of(commit)} if library == BASE else {})
        paths = [str(ROOT), *([str(sources[library])] if library in sources else [])]
        environment["PYTHONPATH"] = os.pathsep.join(paths)
        self._process = subprocess.Popen(
            [python_of(library, here), "-m", "benchmarks.peers.worker", _imported(library)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=ROOT,
        )

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        assert self._process.stdin and self._process.stdout
        try:
            self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise PeerFailed(f"the process of {self.library} has ended; see its message above") from None
        line = self._process.stdout.readline()
        if not line:
            raise PeerFailed(
                f"the process of {self.library} ended during {do!r} {arguments}; see its message above"
            )
        reply: dict[str, Any] = json.loads(line)
        if "error" in reply:
            raise PeerFailed(f"{self.library}, {do} {arguments}: {reply['error']}")
        return reply

    def end(self) -> None:
        if self._process.stdin:
            self._process.stdin.close()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
