"""``rapscheduler parked`` lists what can't be run, resumes and removes by id, and runs nothing."""

from __future__ import annotations

import sqlite3
from datetime import datetime, timezone
from pathlib import Path

import pytest

from rapscheduler.cli import main
from rapscheduler.schedulers.background import BackgroundScheduler

pytest.importorskip("sqlalchemy")


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A store with two jobs; the row of `broken` can't be read."""
    path = tmp_path / "jobs.sqlite"
    url = f"sqlite:///{path}"
    scheduler = BackgroundScheduler(timezone="UTC")
    scheduler.add_jobstore("sqlalchemy", url=url)
    scheduler.start(paused=True)
    later = datetime(2050, 1, 1, tzinfo=timezone.utc)
    for job_id in ("broken", "sound"):
        scheduler.add_job(print, "date", run_date=later, id=job_id)
    scheduler.shutdown()
    with sqlite3.connect(path) as connection:
        connection.execute("update apscheduler_jobs set job_state = ? where id = 'broken'", (b"\x00garbage",))
    connection.close()
    parked_by_a_look = BackgroundScheduler(timezone="UTC")
    parked_by_a_look.add_jobstore("sqlalchemy", url=url)
    parked_by_a_look.start(paused=True)
    parked_by_a_look.get_jobs()
    parked_by_a_look.shutdown()
    return url


def test_lists_the_parked_job_with_its_reason(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["parked", "sqlalchemy", f"url={url}"]) == 0
    shown = capsys.readouterr().out
    assert "broken" in shown
    assert "sound" not in shown
    assert shown.endswith("1 parked\n")


def test_a_list_writes_nothing(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "jobs.sqlite"
    before = path.read_bytes()
    path.chmod(0o444)
    assert main(["parked", "sqlalchemy", f"url={url}"]) == 0
    assert capsys.readouterr().out.endswith("1 parked\n")
    assert path.read_bytes() == before and [one.name for one in tmp_path.iterdir()] == ["jobs.sqlite"]


def test_a_list_leaves_a_table_of_apscheduler_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "theirs.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute(
            "create table apscheduler_jobs (id varchar(191) primary key, next_run_time float, job_state blob)"
        )
    connection.close()
    before = path.read_bytes()
    assert main(["parked", "sqlalchemy", f"url=sqlite:///{path}"]) == 0
    assert capsys.readouterr().out == "0 parked\n" and path.read_bytes() == before


def test_a_mistyped_name_makes_no_store(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = tmp_path / "jobs.sqlit"
    assert main(["parked", "sqlalchemy", f"url=sqlite:///{wrong}"]) == 2
    assert "there is no database at" in capsys.readouterr().err and not wrong.exists()
    assert main(["parked", "sqlalchemy", f"url={url}", "tablename=others"]) == 2
    assert "has no table 'others'" in capsys.readouterr().err


def test_a_mistyped_table_is_not_made_to_remove_a_job_from_it(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        assert main(["parked", "sqlalchemy", f"url={url}", "tablename=others", "--remove", "a"]) == 2
        assert "has no table 'others'" in capsys.readouterr().err


def test_removes_a_parked_job_by_id(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["parked", "sqlalchemy", f"url={url}", "--remove", "broken"]) == 0
    assert "broken: removed" in capsys.readouterr().out
    assert main(["parked", "sqlalchemy", f"url={url}"]) == 0
    assert capsys.readouterr().out == "0 parked\n"


def test_says_when_a_job_still_cannot_be_run(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["parked", "sqlalchemy", f"url={url}", "--resume", "broken"]) == 1
    assert "broken: still can't be run" in capsys.readouterr().out


def test_only_parked_jobs_are_touched(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["parked", "sqlalchemy", f"url={url}", "--remove", "sound"]) == 1
    assert "no parked job by the id of sound" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["memory"], "gone with its process"),
        (["sqlalchemy", "jobs.sqlite"], "'jobs.sqlite' is no store argument"),
        (["nosuch"], "nosuch"),
    ],
)
def test_refuses_with_advice(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["parked", *words]) == 2
    assert message in capsys.readouterr().err


def test_a_mistyped_file_is_no_empty_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mistyped.sqlite"
    assert main(["parked", "sqlalchemy", f"url=sqlite:///{path}"]) == 2
    assert f"there is no database at sqlite:///{path}" in capsys.readouterr().err
    assert not path.exists()


@pytest.mark.parametrize("more", [[], ["--remove", "a"]])
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["rethinkdb", "host=127.0.0.1", "port=1"], "ReqlDriverError: "),
        (["sqlalchemy", "url=nonsense"], "ArgumentError: "),
    ],
)
def test_a_store_that_cannot_be_had_is_no_traceback(
    words: list[str], message: str, more: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip(words[0])
    assert main(["parked", *words, *more]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith(message)


def test_nothing_is_imported_to_list_or_to_remove(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = tmp_path / "made"
    (tmp_path / "effect_of_a_row.py").write_text(f"open({str(made)!r}, 'w').close()\n")
    monkeypatch.syspath_prepend(tmp_path)
    with sqlite3.connect(tmp_path / "jobs.sqlite") as connection:
        state = connection.execute("select job_state from apscheduler_jobs where id = 'sound'").fetchone()[0]
        state = state.replace(b"builtins:print", b"effect_of_a_row:x")
        connection.execute("update apscheduler_jobs set job_state = ?, parked = 'so'", (state,))
    connection.close()
    assert main(["parked", "sqlalchemy", f"url={url}"]) == 0
    assert main(["parked", "sqlalchemy", f"url={url}", "--remove", "broken"]) == 0
    allowed = "allowed_callables=mytasks:*"
    assert main(["parked", "sqlalchemy", f"url={url}", allowed, "--resume", "sound"]) == 1
    assert "broken: removed" in capsys.readouterr().out
    assert not made.exists()
    assert main(["parked", "sqlalchemy", f"url={url}", "--resume", "sound"]) == 1
    assert made.exists()
