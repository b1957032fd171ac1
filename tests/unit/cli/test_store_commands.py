"""Commands on a store: what they show and change; that a look writes and imports nothing; no passwords."""

from __future__ import annotations

import json
import sqlite3
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from rapscheduler.cli import main
from rapscheduler.schedulers.background import BackgroundScheduler

pytest.importorskip("sqlalchemy")

HOSTILE = "<script>alert(1)</script>\x1b[31m\nline"


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Three jobs: daily at three, every three minutes, and one whose callable is nowhere.

    They are due in one order at whatever time of day.
    """
    path = tmp_path / "jobs.sqlite"
    url = f"sqlite:///{path}"
    scheduler = BackgroundScheduler(timezone="Europe/Berlin")
    scheduler.add_jobstore("sqlalchemy", url=url)
    scheduler.start(paused=True)
    scheduler.add_job(
        "time:sleep", "cron", hour=3, start_date="2036-01-01", args=[1], id="daily", name=HOSTILE
    )
    scheduler.add_job("os:getpid", "interval", minutes=3, id="often")
    scheduler.add_job(
        "os:getcwd", "cron", hour=4, start_date="2037-01-01", id="away", misfire_grace_time=None
    )
    scheduler.shutdown()
    with sqlite3.connect(path) as connection:
        connection.execute(
            "update apscheduler_jobs set job_state = replace(job_state, 'os:getcwd', 'gone.away:f') where id = 'away'"
        )
        state = connection.execute("select job_state from apscheduler_jobs where id = 'away'").fetchone()[0]
        connection.execute(
            "update apscheduler_jobs set job_state = ? where id = 'away'",
            (state.encode() if type(state) is str else state,),
        )
    connection.close()
    return url


def document(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> Any:
    capsys.readouterr()
    assert main([*words, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def ids(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    return [one["id"] for one in document(capsys, "jobs", *words)["jobs"]]


def test_jobs_in_order_filtered_and_limited(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert ids(capsys, url) == ["often", "daily", "away"]
    assert ids(capsys, url, "--limit", "1") == ["often"]
    assert ids(capsys, url, "--sort", "id") == ["away", "daily", "often"]
    assert ids(capsys, url, "--filter", "getpid") == ["often"]
    assert ids(capsys, url, "--filter", "hour=", "--filter", "AWAY") == ["away"]
    assert ids(capsys, url, "--state", "paused") == []
    assert document(capsys, "jobs", url, "--limit", "2")["more"] is True


def test_a_look_writes_and_imports_nothing(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "jobs.sqlite"
    before = path.read_bytes()
    path.chmod(0o444)
    for words in (
        ["jobs", url],
        ["show", url, "away"],
        ["health", url],
        ["export", url, str(tmp_path / "out")],
    ):
        assert main(words) == 0, words
    assert path.read_bytes() == before
    assert "gone.away:f" in capsys.readouterr().out


def test_names_of_others_stay_on_one_line(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["jobs", url]) == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown and len(shown.splitlines()) == 5


def test_show(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, "show", url, "daily", "nobody", code=1)
    assert found["missing"] == ["nobody"]
    (job,) = found["jobs"]
    assert job["words"].startswith("at 03:00 every day, Europe/Berlin")
    assert job["args"] == [1] and len(job["fires"]) == 10 and job["name"] == HOSTILE
    assert main(["show", url, "daily"]) == 0
    assert "at 03:00 every day" in capsys.readouterr().out


def test_pause_resume_remove_run(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pause", url, "daily", "nobody"]) == 1
    assert capsys.readouterr().out == "daily: paused\nnobody: there is no job by this id\n"
    assert ids(capsys, url, "--state", "paused") == ["daily"]
    assert main(["resume", url, "daily"]) == 0
    assert ids(capsys, url, "--state", "paused") == []
    assert main(["run", url, "away"]) == 0
    assert ids(capsys, url)[0] == "away"
    assert main(["remove", url, "away"]) == 0
    capsys.readouterr()
    assert ids(capsys, url) == ["often", "daily"]


def test_a_changed_job_is_run_by_a_scheduler(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", url, "often"]) == 0
    scheduler = BackgroundScheduler(timezone="UTC", job_defaults={"misfire_grace_time": None})
    scheduler.add_jobstore("sqlalchemy", url=url)
    scheduler.start(paused=True)
    job = scheduler.get_job("often")
    assert job is not None and job.next_run_time <= datetime.now(timezone.utc)
    scheduler.shutdown()


def test_add_as_a_scheduler_would(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["add", url, "math:sqrt", "--cron", "0 0 * * 1", "--tz", "UTC", "--id", "mon", "--args", "[2]"]
    job = document(capsys, *words)["job"]
    assert job["func"] == "math:sqrt" and job["trigger"].startswith("cron[")
    assert datetime.fromisoformat(job["next_run_time"]).weekday() == 0
    assert main(words) == 2  # the id is taken
    assert "conflicts" in capsys.readouterr().err
    assert main([*words, "--replace", "--paused"]) == 0
    capsys.readouterr()
    assert ids(capsys, url, "--state", "paused") == ["mon"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["nosuch:f", "--every", "5"], "nosuch"),
        (["math:sqrt", "--cron", "61 * * * *"], "61"),
        (["math:sqrt", "--every", "5", "--args", "{"], "--args: no JSON"),
        (["math:sqrt", "--every", "5", "--args", "{}"], "--args: give a JSON list"),
    ],
)
def test_add_refuses(url: str, more: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["add", url, *more]) == 2
    assert message in capsys.readouterr().err
    assert ids(capsys, url) == ["often", "daily", "away"]


def test_health_for_probes(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert document(capsys, "health", url)["ok"] is True
    with sqlite3.connect(tmp_path / "jobs.sqlite") as connection:
        connection.execute("update apscheduler_jobs set next_run_time = 1000000000 where id = 'often'")
    connection.close()
    report = document(capsys, "health", url, code=1)
    assert report["lag_s"] > 1e8 and "does a scheduler run?" in report["reason"]
    assert main(["health", url, "--max-lag", "1e10"]) == 0
    assert main(["health", f"sqlite:///{tmp_path}/none.sqlite"]) == 2


def test_export_and_import(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["remove", url, "away"]) == 0
    file, other = str(tmp_path / "jobs.json"), f"sqlite:///{tmp_path}/other.sqlite"
    assert main(["export", url, file]) == 0
    assert document(capsys, "import", other, file)["imported"] == ["often", "daily"]
    first, second = document(capsys, "jobs", url), document(capsys, "jobs", other)
    assert first == second
    assert main(["import", other, file]) == 2
    assert "nothing was imported" in capsys.readouterr().err
    assert main(["import", other, file, "--allow", "myapp:*"]) == 2


def test_an_export_is_what_a_scheduler_exports(url: str, tmp_path: Path) -> None:
    assert main(["remove", url, "away"]) == 0
    file = tmp_path / "jobs.json"
    assert main(["export", url, str(file)]) == 0
    scheduler = BackgroundScheduler(timezone="UTC")
    scheduler.add_jobstore("sqlalchemy", url=url)
    scheduler.start(paused=True)
    scheduler.export_jobs(str(tmp_path / "theirs.json"))
    scheduler.shutdown()
    assert json.loads(file.read_text()) == json.loads((tmp_path / "theirs.json").read_text())


def test_what_apscheduler_pickled_is_named_and_left(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with sqlite3.connect(tmp_path / "jobs.sqlite") as connection:
        connection.execute("update apscheduler_jobs set job_state = ? where id = 'away'", (b"\x80\x05...",))
    connection.close()
    views = document(capsys, "jobs", url)["jobs"]
    assert [one["state"] for one in views if one["id"] == "away"] == ["unreadable"]
    assert main(["export", url, str(tmp_path / "out.json")]) == 1
    assert "rapscheduler migrate" in capsys.readouterr().err
    assert main(["resume", url, "away"]) == 1


def test_parked_takes_a_url_too(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert document(capsys, "parked", url) == {"parked": []}
    scheduler = BackgroundScheduler(timezone="UTC")
    scheduler.add_jobstore("sqlalchemy", url=url)
    scheduler.start(paused=True)
    scheduler.get_jobs()  # parks what it can't read
    scheduler.shutdown()
    (one,) = document(capsys, "parked", url)["parked"]
    assert one["id"] == "away" and "gone" in one["reason"]
    assert main(["pause", url, "away"]) == 1
    assert "rapscheduler parked" in capsys.readouterr().out
    assert main(["parked", url, "--remove", "away"]) == 0


@pytest.mark.parametrize("name", ["jobs", "health", "export", "pause", "show", "add", "import", "parked"])
def test_no_password_in_what_is_printed(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = "postgresql+psycopg://me:hush-hush@127.0.0.1:1/app?password=other-secret"
    more = {
        "pause": ["a"],
        "show": ["a"],
        "add": ["math:sqrt", "--every", "5"],
        "import": [str(tmp_path / "x")],
    }
    for words in ([name, url], [name, url, "--json"]):
        assert main([*words, *more.get(name, [])]) == 2
        captured = capsys.readouterr()
        assert "hush-hush" not in captured.out + captured.err
        assert "other-secret" not in captured.out + captured.err
        assert captured.err


def test_an_empty_place_is_no_empty_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["jobs", f"sqlite:///{tmp_path}/mistyped.sqlite"]) == 2
    assert "mind the URL" in capsys.readouterr().err and not list(tmp_path.iterdir())
    assert main(["jobs", "jobs.sqlite"]) == 2
    assert "isn't a URL" in capsys.readouterr().err
