"""`runs`, `peers` and `top`: what a look at a store tells of runs and schedulers, with nobody scheduling any more."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from rapscheduler._stored_runs import since
from rapscheduler.cli import main
from rapscheduler.schedulers.background import BackgroundScheduler
from rapscheduler.testing import ManualScheduler

pytest.importorskip("sqlalchemy")

HOSTILE = "[red]a\x1b[31m\nb"
START = datetime(2025, 3, 1, tzinfo=timezone.utc)


def fail() -> None:
    raise ValueError("postgresql://me:hush-hush@db/app\nanswers \x1b[31mno more")


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Three runs that went well, by the minute, one that failed between, and a job that never ran."""
    url = f"sqlite:///{tmp_path}/jobs.sqlite"
    scheduler = ManualScheduler(START, history="jobstore")
    scheduler.add_jobstore("sqlalchemy", url=url)
    scheduler.start()
    scheduler.add_job("os:getpid", "interval", minutes=1, id=HOSTILE)
    scheduler.add_job(f"{__name__}:fail", "date", run_date=START + timedelta(seconds=90), id="bad")
    scheduler.add_job("time:sleep", "cron", hour=3, args=[1], id="daily")
    scheduler.advance(timedelta(minutes=3, seconds=30))
    scheduler.shutdown()
    return url


@pytest.fixture
def shared(tmp_path: Path) -> Any:
    """A store that a scheduler of this process shares; it runs nothing by itself."""
    url = f"sqlite:///{tmp_path}/shared.sqlite"
    scheduler = BackgroundScheduler(timezone="UTC")
    scheduler.add_jobstore("sqlalchemy", url=url, shared=True)
    scheduler.start(paused=True)
    scheduler.add_job("time:sleep", "cron", hour=3, args=[1], id="daily")
    yield url, scheduler
    scheduler.shutdown()


def document(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> Any:
    capsys.readouterr()
    assert main([*words, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_runs_latest_first_filtered_and_limited(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    def ended(*words: str) -> list[tuple[str, str]]:
        return [(one["job_id"], one["state"]) for one in document(capsys, "runs", url, *words)["runs"]]

    every = ended()
    assert sorted(every) == [(HOSTILE, "done")] * 3 + [("bad", "failed")]
    assert ended("--job", HOSTILE) == [(HOSTILE, "done")] * 3 and ended("--job", "nobody") == []
    assert ended("--state", "failed") == [("bad", "failed")]
    assert ended("--since", (START + timedelta(seconds=100)).isoformat()) == [(HOSTILE, "done")] * 2
    assert ended("--since", "1h") == []
    assert ended("--limit", "1") == every[:1] and ended("--limit", "0") == every
    found = document(capsys, "runs", url, "--limit", "2")
    assert found["more"] is True and found["history"] == "apscheduler_jobs_history"
    assert document(capsys, "runs", url, "--limit", "4")["more"] is False


def test_runs_as_lines(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", url]) == 0
    shown = capsys.readouterr().out
    assert len(shown.splitlines()) == 6 and shown.endswith("\n4 runs in apscheduler_jobs_history\n")
    assert "\x1b" not in shown and "hush-hush" not in shown and "ValueError" in shown
    assert main(["runs", url, "--limit", "1"]) == 0
    assert "the latest 1 in apscheduler_jobs_history; --limit 0 for all" in capsys.readouterr().out


def test_a_history_by_a_name_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It needs no jobs beside it; without a name that of `history=URL` is found."""
    for name, words in (("kept", ["--history", "kept"]), (None, [])):
        url = f"sqlite:///{tmp_path}/{name}.sqlite"
        scheduler = ManualScheduler(START, history={"place": url} | ({"tablename": name} if name else {}))
        scheduler.add_job(os.getpid, "date", run_date=START, id="once")
        scheduler.start()
        scheduler.advance(1)
        scheduler.shutdown()
        found = document(capsys, "runs", url, *words)
        assert [one["job_id"] for one in found["runs"]] == ["once"]
        assert found["history"] == (name or "rapscheduler_history")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--since", "yesterday"], "--since: 'yesterday' is no time"),
        (["--since", "1e999d"], "is no time"),
        (["--history", "elsewhere"], "there is no history there (elsewhere)"),
    ],
)
def test_runs_refuses(url: str, words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", url, *words]) == 2
    assert message in capsys.readouterr().err


def test_where_nothing_is_kept(
    shared: Any, url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["runs", shared[0]]) == 2
    assert 'history="jobstore"' in capsys.readouterr().err
    assert main(["peers", url]) == 2
    assert "shared=True" in capsys.readouterr().err
    before = sorted(tmp_path.iterdir())
    for name in ("runs", "peers", "top"):
        assert main([name, f"sqlite:///{tmp_path}/mistyped.sqlite"]) == 2
    assert sorted(tmp_path.iterdir()) == before


def test_a_look_writes_nothing(url: str, tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite"
    before = path.read_bytes()
    path.chmod(0o444)
    assert main(["runs", url]) == 0 and main(["top", url, "--once"]) == 0 and main(["peers", url]) == 2
    assert path.read_bytes() == before


def test_peers(shared: Any, capsys: pytest.CaptureFixture[str]) -> None:
    url, scheduler = shared
    (peer,) = document(capsys, "peers", url)["peers"]
    assert (peer["pid"], peer["alive"], peer["running"], peer["runs"]) == (os.getpid(), True, 0, [])
    scheduler.shutdown()
    found = document(capsys, "peers", url)
    assert found["peers"] == [] and found["left"] == []
    scheduler.start(paused=True)  # for the fixture


def test_what_peers_run_and_whom_nobody_hears_of(shared: Any, capsys: pytest.CaptureFixture[str]) -> None:
    import sqlalchemy as sa

    url, scheduler = shared
    rows = scheduler._jobstores["default"]._shared
    me = scheduler._jobstores["default"]._claims.me
    run = {"run_us": 1_000_000, "from_us": 1_000_000, "last_us": 1_000_000, "epoch": me.epoch}
    gone = {
        "id": "gone",
        "epoch": 1,
        "host": HOSTILE,
        "pid": 7,
        "started": 0.0,
        "heartbeat": 1.0,
        "lease": 5.0,
    }
    with rows._engine.begin() as connection:
        connection.execute(sa.insert(rows.schedulers_t), gone)
        for job_id, owner in (("daily", me.id), ("left", "nobody-known")):
            connection.execute(sa.insert(rows.runs_t), run | {"job_id": job_id, "owner": owner})
    found = document(capsys, "peers", url)
    mine, lost = found["peers"]
    assert mine["runs"] == [{"job_id": "daily", "run_time": "1970-01-01T00:00:01+00:00"}]
    assert lost["alive"] is False and lost["silent_s"] > 1e9 and lost["lease_s"] == 5
    assert [one["job_id"] for one in found["left"]] == ["left"]
    assert main(["peers", url]) == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown and "1 alive, 1 not heard of" in shown and "takes them over: left" in shown


def test_top_once(url: str, shared: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """A store without schedulers, whose jobs are late, and one without a history."""
    frame = document(capsys, "top", url)
    assert frame["due"] == 2 and {one["id"] for one in frame["late"]} == {HOSTILE, "daily"}
    assert all(one["late_s"] > 1e6 for one in frame["late"]) and frame["health"]["ok"] is False
    assert frame["ended"] == {} and frame["failures"] == []  # not of the last hour
    assert frame["schedulers"] is None and "shared=True" in " ".join(frame["missing"])
    other = document(capsys, "top", shared[0])
    assert other["health"]["ok"] and [one["id"] for one in other["next"]] == ["daily"]
    assert [one["pid"] for one in other["schedulers"]] == [os.getpid()] and other["ended"] is None
    for one, words in ((url, "NOT OK"), (shared[0], "Schedulers")):
        assert main(["top", one, "--once"]) == 0
        shown = capsys.readouterr().out
        assert words in shown and "\x1b" not in shown


def test_top_counts_the_last_hour(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"sqlite:///{tmp_path}/now.sqlite"
    scheduler = ManualScheduler(datetime.now(timezone.utc) - timedelta(minutes=5), history="jobstore")
    scheduler.add_jobstore("sqlalchemy", url=url)
    scheduler.start()
    scheduler.add_job("os:getpid", "interval", minutes=1, id="well")
    scheduler.add_job(f"{__name__}:fail", "interval", minutes=2, id="bad")
    scheduler.advance(timedelta(minutes=4, seconds=30))
    scheduler.shutdown()
    frame = document(capsys, "top", url)
    assert frame["ended"] == {"done": 4, "failed": 2}
    assert [one["job_id"] for one in frame["failures"]] == ["bad", "bad"]
    assert main(["top", url, "--once"]) == 0
    shown = capsys.readouterr().out
    assert "4 done, 2 failed" in shown and "hush-hush" not in shown


def test_top_refuses_to_ask_all_the_time(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["top", url, "--interval", "0"]) == 2
    assert "--interval 0 is too short" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["runs", "peers", "top"])
def test_no_password_in_what_is_printed(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    url = "postgresql+psycopg://me:hush-hush@127.0.0.1:1/app?password=other-secret"
    for words in ([name, url], [name, url, "--json"]):
        assert main(words) == 2
        captured = capsys.readouterr()
        assert captured.err and not {"hush-hush", "other-secret"} & set(captured.err.split("'"))
        assert (
            "hush-hush" not in captured.out + captured.err
            and "other-secret" not in captured.out + captured.err
        )


def test_times_of_since() -> None:
    now = datetime(2025, 3, 1, 12, tzinfo=timezone.utc)
    assert since("90s", now) == now - timedelta(seconds=90)
    assert since(" 1.5h ", now) == now - timedelta(minutes=90)
    assert since("1w", now) == now - timedelta(days=7)
    assert since("2025-02-03") == datetime(2025, 2, 3, tzinfo=timezone.utc)
    assert since("2025-02-03T09:30:00+01:00") == datetime(2025, 2, 3, 8, 30, tzinfo=timezone.utc)
    for text in ("", "5", "h", "-3d", "5 fortnights"):
        with pytest.raises(ValueError, match="is no time"):
            since(text)


pty = pytest.importorskip("pty")


class Terminal:
    """`rapscheduler top` in a terminal of its own."""

    def __init__(self, *words: str) -> None:
        self._leader, follower = pty.openpty()
        environment = dict(
            os.environ, PYTHONPATH=os.pathsep.join(filter(None, sys.path)), TERM="xterm", COLUMNS="150"
        )
        command = [sys.executable, "-m", "rapscheduler", "top", *words]
        self.process = subprocess.Popen(
            command, stdin=follower, stdout=follower, stderr=follower, env=environment, start_new_session=True
        )
        os.close(follower)
        self.shown = b""

    def wait_for(self, text: bytes, times: int = 1) -> None:
        deadline = time.monotonic() + 60
        while self.shown.count(text) < times:
            assert time.monotonic() < deadline, (text, self.shown)
            assert self.read(), (text, self.shown)

    def read(self) -> bool:
        """False: it has ended."""
        if not select.select([self._leader], [], [], 1)[0]:
            return True
        try:
            more = os.read(self._leader, 65536)
        except OSError:
            return False
        self.shown += more
        return bool(more)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._leader)


def test_top_lives_until_ctrl_c(shared: Any) -> None:
    pytest.importorskip("rich")
    url, scheduler = shared
    terminal = Terminal(url, "--interval", "0.2")
    try:
        terminal.wait_for(b"daily")
        scheduler.add_job("os:getpid", "cron", hour=4, id="added-meanwhile", name=HOSTILE)
        terminal.wait_for(b"added-meanwhile")
        terminal.process.send_signal(signal.SIGINT)
        while terminal.read():
            pass
        assert terminal.process.wait(60) == 0
    finally:
        terminal.close()
    # the screen is given back
    assert terminal.shown.count(b"\x1b[?1049h") == terminal.shown.count(b"\x1b[?1049l") == 1
    assert b"Traceback" not in terminal.shown
