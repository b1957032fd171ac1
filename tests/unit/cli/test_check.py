"""``rapscheduler check``: finds what breaks where it stands, says nothing of what does not, and runs nothing."""

from __future__ import annotations

import json
import pickle
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from rapscheduler.cli import main
from rapscheduler.cli.check import rules
from rapscheduler.executors.asyncio import AsyncIOExecutor
from rapscheduler.executors.pool import ThreadPoolExecutor
from rapscheduler.jobstores.memory import MemoryJobStore
from rapscheduler.schedulers.asyncio import AsyncIOScheduler
from rapscheduler.schedulers.background import BackgroundScheduler
from rapscheduler.triggers.cron import CronTrigger

ROOT = Path(__file__).resolve().parents[3]

PROGRAM = '''"""apscheduler.schedulers.nothing:Here is only named by a docstring."""
import logging
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger, NoSuchTrigger
import apscheduler.events

logging.getLogger("apscheduler.scheduler")
logging.getLogger("apschedulers")
raise RuntimeError("never run")

class Store(SQLAlchemyJobStore):
    def _reconstitute_job(self, state):
        return self._alias

class Mine(BaseTrigger):
    def _get_jobs(self):
        return self._get_jobs()

scheduler = BackgroundScheduler()
scheduler._lookup_job("a", None)
scheduler._shutdown()
executor = scheduler._executors["default"]._instances
pool._instances["other library"]
trigger = CronTrigger.from_crontab("0 9 * * 1-5")
trigger = CronTrigger.from_crontab("0 9 * * mon-fri/2")
SQLAlchemyJobStore(url="sqlite://", pickle_protocol=2)
settings = {"class": "apscheduler.jobstores.memory:MemoryJobStore", "bad": "apscheduler.jobstores.disk:DiskJobStore"}
'''


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / ".venv").mkdir(parents=True)
    (folder / ".venv" / "x.py").write_text("import apscheduler.nonsense")
    (folder / "program.py").write_text(PROGRAM)
    (folder / "other.py").write_text("class A:\n    def f(self):\n        return self.executor._instances\n")
    (folder / "old.py").write_text("print 'python 2'\n")
    (folder / "requirements.txt").write_text(
        "# apscheduler\nAPScheduler>=3.10,<4\nFlask-APScheduler==1.13\nrequests\n"
    )
    (folder / "pyproject.toml").write_text(
        '[project]\nname = "my-apscheduler"\ndependencies = ["python-telegram-bot[job-queue]>=20", "x"]\n'
    )
    return folder


def checked(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    capsys.readouterr()
    code = main(["check", *words, "--json"])
    found = json.loads(capsys.readouterr().out)
    assert code == (1 if found["counts"]["breaks"] or any(one["refused"] for one in found["stored"]) else 0)
    return found


def test_what_is_found_and_what_is_not(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = checked(capsys, str(project))
    seen = {
        (one["file"], one["line"], one["kind"], one["what"])
        for one in found["findings"]
        if one["kind"] != "same"
    }
    program = {
        (6, "breaks", "apscheduler.triggers.cron:NoSuchTrigger"),
        (9, "differs", "apscheduler.scheduler"),
        (14, "breaks", "Store._reconstitute_job"),
        (17, "differs", "Mine"),
        (23, "breaks", "_shutdown"),
        (24, "breaks", "_instances"),
        (26, "differs", "0 9 * * 1-5"),
        (28, "differs", "pickle_protocol"),
        (29, "breaks", "apscheduler.jobstores.disk:DiskJobStore"),
    }
    assert seen == {("program.py", *one) for one in program} | {
        ("requirements.txt", 2, "differs", "APScheduler>=3.10,<4"),
        ("requirements.txt", 3, "differs", "flask-apscheduler"),
        ("pyproject.toml", 3, "differs", "python-telegram-bot"),
    }
    same = {one["what"] for one in found["findings"] if one["kind"] == "same"}
    assert {"_lookup_job", "_executors", "_alias", "apscheduler.events"} <= same
    assert [one["file"] for one in found["unread"]] == ["old.py"]
    assert found["steps"][0].startswith("Change what is not here: program.py:6, program.py:14")
    assert "flask-apscheduler, python-telegram-bot" in found["steps"][1]
    assert "--jobs URL" in found["steps"][2]


def test_the_lines_for_people_name_place_and_row(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(project)]) == 1
    said = capsys.readouterr().out
    assert "program.py:14: breaks: Store._reconstitute_job is not called" in said
    assert "docs/migration.md, Methods that subclasses override: `_get_jobs`" in said
    assert "Steps:\n  1. " in said


def test_counts_of_an_executor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = tmp_path / "p.py"
    program.write_text(
        "import apscheduler\ndef f(executor, redis):\n    return executor._instances, redis._instances\n"
    )
    (one,) = [one for one in checked(capsys, str(program))["findings"] if one["kind"] == "breaks"]
    assert one["line"] == 3 and "count(job_id)" in one["text"]


def test_a_scheduler_that_hands_on_to_another(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "p.py").write_text(
        "from apscheduler.schedulers.base import BaseScheduler\n"
        "class Wraps(BaseScheduler):\n"
        "    def remove_job(self, job_id, jobstore=None):\n"
        '        """See there."""\n'
        "        return self._inner.remove_job(job_id, jobstore)\n"
        "class Counts(BaseScheduler):\n"
        "    def remove_job(self, job_id, jobstore=None):\n"
        "        return super().remove_job(job_id, jobstore)\n"
    )
    found = checked(capsys, str(tmp_path))["findings"]
    assert [one["what"] for one in found if one["kind"] != "same"] == ["Counts.remove_job"]


def test_a_store_by_the_name_of_its_module(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "p.py").write_text(
        "from apscheduler.jobstores import sqlalchemy as s\nclass Mine(s.SQLAlchemyJobStore):\n    pass\n"
    )
    assert any("--jobs URL" in step for step in checked(capsys, str(tmp_path))["steps"])


def test_apscheduler_4_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = tmp_path / "p.py"
    program.write_text("from apscheduler import AsyncScheduler\n")
    (tmp_path / "requirements.txt").write_text("apscheduler>=4.0.0a5\n")
    found = checked(capsys, str(tmp_path))
    assert [one["kind"] for one in found["findings"]] == ["breaks", "breaks"]
    assert all("APScheduler 4" in one["text"] for one in found["findings"])


def test_a_project_without_it_needs_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.py").write_text("import requests\nself._instances = executor._instances\n")
    found = checked(capsys, str(tmp_path))
    assert found["findings"] == [] and found["steps"] == ["Nothing: it does not touch APScheduler"]
    assert main(["check", str(tmp_path / "nowhere")]) == 2


def test_stored_jobs_are_judged_and_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("sqlalchemy")
    path = tmp_path / "jobs.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute(
            "create table apscheduler_jobs (id varchar(191) primary key, next_run_time float, job_state blob)"
        )
        connection.execute("insert into apscheduler_jobs values ('bad', 1.0, ?)", (pickle.dumps(Path),))
    connection.close()
    before = path.read_bytes()
    (tmp_path / "empty").mkdir()
    found = checked(capsys, str(tmp_path / "empty"), "--jobs", f"sqlite:///{path}")
    (store,) = found["stored"]
    assert store["to_convert"] == 0 and store["refused"][0]["id"] == "bad"
    assert path.read_bytes() == before
    assert main(["check", str(tmp_path / "empty"), "--jobs", f"sqlite:///{tmp_path}/none.sqlite"]) == 2


def test_every_row_is_in_the_page() -> None:
    page = (ROOT / "docs" / "migration.md").read_text()
    rows = [value for value in vars(rules).values() if isinstance(value, rules.Row)]
    assert len(rows) > 8
    for row in rows:
        assert f"\n## {row.section}\n" in page, row
        section = page.split(f"\n## {row.section}\n", 1)[1].split("\n## ", 1)[0]
        assert f"\n| {row.begins}" in section, row


def test_what_is_said_to_be_gone_is_gone_and_what_is_kept_is_here() -> None:
    """On instances, as most of these are set when they are made."""
    scheduler, loop = BackgroundScheduler(), AsyncIOScheduler()
    things: dict[str, list[Any]] = {
        "sched": [scheduler, loop],
        "store": [MemoryJobStore()],
        "executor": [ThreadPoolExecutor(), AsyncIOExecutor()],
        "trigger": [CronTrigger()],
        "job": [scheduler.add_job(print)],
    }
    for name, (words, rule) in rules.GONE.items():
        if rule.kind == rules.BREAKS:
            assert not any(hasattr(thing, name) for word in words for thing in things[word]), name
    everything = [one for some in things.values() for one in some]
    elsewhere = {"_reactor", "_greenlet", "_eventloop"}  # set at the start, or of other schedulers
    for name in {*rules.KEPT_ANYWHERE, *rules.KEPT_OF} - elsewhere:
        assert any(hasattr(thing, name) for thing in everything), name
