"""A history of runs: in memory, in tables, in Redis; bounded, written in batches, never in a run's way."""

from __future__ import annotations

import os
import threading
import time
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import sqlalchemy as sa

from rapscheduler._runs import Record, new_run_id
from rapscheduler._scheduling import history as rooms
from rapscheduler.jobstores._history_redis import RedisPlace
from rapscheduler.jobstores._history_sql import SqlPlace
from rapscheduler.schedulers.background import BackgroundScheduler
from rapscheduler.testing import ManualScheduler


def until(wanted: Any) -> None:
    end_s = time.monotonic() + 20
    while not wanted():
        assert time.monotonic() < end_s, "it took too long"
        time.sleep(0.01)


def fail() -> None:
    raise ValueError("no " + "x" * 1100)


def manual(history: Any, **options: Any) -> Any:
    scheduler = ManualScheduler(history=history, **options)
    scheduler.add_job(len, "interval", minutes=1, args=["ab"], id="good")
    scheduler.add_job(fail, "interval", minutes=2, id="bad")
    scheduler.start()
    return scheduler


def test_without_the_setting_there_is_none() -> None:
    scheduler = ManualScheduler()
    with pytest.raises(RuntimeError, match='history="memory"'):
        scheduler.get_runs()
    assert not scheduler._watched.every


@pytest.mark.parametrize("place", ["memory", "url", "jobstore"])
def test_what_became_of_the_runs(place: str, tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path}/runs.db"
    stores = {"default": {"type": "sqlalchemy", "url": url}} if place == "jobstore" else {}
    scheduler = manual({"memory": "memory", "url": url, "jobstore": "jobstore"}[place], jobstores=stores)
    scheduler.advance(timedelta(minutes=4))
    assert scheduler.count_runs() == {"done": 4, "failed": 2}
    runs = scheduler.get_runs()
    assert [run.id for run in runs] == sorted((run.id for run in runs), reverse=True) and len(runs) == 6
    assert {run.job_id for run in scheduler.get_runs("bad")} == {"bad"}
    assert [run.state for run in scheduler.get_runs(state="failed", limit=1)] == ["failed"]
    bad = scheduler.get_job("bad")
    assert bad.last_run.state == "failed" and bad.last_error.startswith("ValueError: no xxx")
    assert len(bad.last_error) <= 1000
    good = scheduler.get_job("good")
    assert good.last_error is None and good.last_run.started is not None
    since = scheduler.clock.now() - timedelta(seconds=90)
    assert all(run.ended >= since for run in scheduler.get_runs(since=since))
    assert sum(scheduler.count_runs("good", since).values()) == 2
    scheduler.shutdown()


def test_memory_keeps_so_many() -> None:
    scheduler = manual({"keep": 3})
    scheduler.advance(timedelta(minutes=60))
    assert len(scheduler.get_runs()) == 3
    assert scheduler.get_runs()[0].retval is None


def test_a_shutdown_writes_what_waits(tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path}/runs.db"
    with BackgroundScheduler(history=url) as scheduler:
        scheduler.add_job(len, "interval", hours=1, args=["a"], id="a").run().result(10)
    again = BackgroundScheduler(history=url)
    assert [run.state for run in again.get_runs("a")] == ["done"]


def record(ended_us: int) -> Record:
    return Record(new_run_id(), "a", "default", 1, "done", 1, 2, ended_us, None, "me", None, None)


def test_two_processes_make_the_table_at_once(tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path}/runs.db"
    made: list[Any] = []

    def make_it_first(*of: Any, **more: Any) -> None:
        if not made:
            made.append(url)
            made.append(SqlPlace(url, "runs"))

    sa.event.listen(sa.Table, "before_create", make_it_first)
    try:
        made.append(SqlPlace(url, "runs"))
    finally:
        sa.event.remove(sa.Table, "before_create", make_it_first)
    assert [list(place.read(None, None, None, 10)) for place in made[1:]] == [[], []]


def test_the_table_is_swept(tmp_path: Any) -> None:
    place = SqlPlace(f"sqlite:///{tmp_path}/runs.db", "runs")
    place.write([record(ended_us) for ended_us in range(20)])
    place.sweep(15)
    assert place.count(None, None) == {"done": 5}


def test_redis_keeps_a_capped_stream() -> None:
    redis = pytest.importorskip("redis")
    url, key = "redis://127.0.0.1:6379/0", "test.rapscheduler.history"
    client = redis.Redis.from_url(url)
    try:
        client.ping()
    except redis.exceptions.ConnectionError:
        pytest.skip("no Redis here")
    client.delete(key)
    try:
        scheduler = manual({"place": url, "tablename": key})
        scheduler.advance(timedelta(minutes=4))
        assert scheduler.count_runs() == {"done": 4, "failed": 2}
        assert [run.job_id for run in scheduler.get_runs("bad", limit=1)] == ["bad"]
        scheduler.shutdown()
    finally:
        client.delete(key)


def numbered(number: int, job_id: str) -> Record:
    return Record(
        f"{number:04}", job_id, "default", 1, "done", number, number, number, None, "here:1", None, None
    )


@pytest.fixture(params=["memory", "sql", "redis"])
def place(request: Any) -> Any:
    if request.param == "memory":
        yield rooms.MemoryPlace(100)
    elif request.param == "sql":
        yield SqlPlace("sqlite://", "runs")
    else:
        redis = pytest.importorskip("redis")
        key = f"test.rapscheduler.history.{new_run_id()}"
        client = redis.Redis.from_url("redis://127.0.0.1:6379/0")
        try:
            client.ping()
        except redis.exceptions.ConnectionError:
            pytest.skip("no Redis here")
        yield RedisPlace(client, key, 10_000)
        client.delete(key)


def test_one_run_and_those_of_its_job_around_it(place: Any) -> None:
    place.write([numbered(number, "even" if number % 2 == 0 else "odd") for number in range(40)])
    assert place.find("0021") == numbered(21, "odd") and place.find("nobody") is None
    assert [one.id for one in place.near("odd", "0021", 2)] == ["0017", "0019", "0021", "0023", "0025"]
    assert [one.id for one in place.near("even", "0000", 1)] == ["0000", "0002"]
    assert [one.id for one in place.near("odd", "0039", 1)] == ["0037", "0039"]
    assert [one.id for one in place.near("odd", "0020", 1)] == ["0019", "0021", "0023"]  # not among them yet
    assert list(place.near("nobody", "0021", 5)) == []


class Broken:
    """A place that can't be written for a while."""

    def __init__(self, times: int) -> None:
        self.times, self.written = times, []  # type: ignore[var-annotated]

    def write(self, records: Any) -> None:
        self.times -= 1
        if self.times >= 0:
            raise OSError("disk full")
        self.written += records

    def sweep(self, before_us: int) -> None:
        pass


def test_what_can_not_be_written_is_kept_and_written_later(monkeypatch: Any, caplog: Any) -> None:
    broken = Broken(2)
    monkeypatch.setattr(rooms, "_sql", lambda *args: broken)
    monkeypatch.setattr(rooms, "FLUSH_S", 0.01)
    with BackgroundScheduler(history="sqlite://") as scheduler:
        for _ in range(3):
            scheduler.add_job(len, "interval", hours=1, args=["a"]).run().result(10)
        end = time.monotonic() + 10
        while len(broken.written) < 3 and time.monotonic() < end:
            time.sleep(0.01)
    assert len(broken.written) == 3
    assert "can't be written: disk full" in caplog.text


def test_too_many_that_wait_are_given_up_and_counted(monkeypatch: Any, caplog: Any) -> None:
    monkeypatch.setattr(rooms, "_sql", lambda *args: Broken(10**9))
    monkeypatch.setattr(rooms, "MOST_WAITING", 5)
    scheduler = manual("sqlite://")
    scheduler._history._begin = lambda: None
    scheduler.advance(timedelta(minutes=20))
    assert not scheduler._history.flush()
    assert len(scheduler._history._waiting) == 5 and scheduler._history.lost == 25
    assert "25 were given up" in caplog.text


def test_the_writer_ends_when_there_is_nothing_to_do(monkeypatch: Any, tmp_path: Any) -> None:
    monkeypatch.setattr(rooms, "FLUSH_S", 0.01)
    with BackgroundScheduler(history=f"sqlite:///{tmp_path}/runs.db") as scheduler:
        job = scheduler.add_job(len, "interval", hours=1, args=["a"])
        for number in (1, 2):
            job.run().result(10)
            end = time.monotonic() + 10
            while "rapscheduler-history" in {thread.name for thread in threading.enumerate()}:
                assert time.monotonic() < end
                time.sleep(0.01)
            assert len(scheduler.get_runs()) == number


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ("tape", "not understood"),
        ({"keep": 0}, "keep"),
        ({"keep_days": "x"}, "keep_days"),
        ({"size": 1}, "size"),
    ],
)
def test_wrong_settings_are_named(setting: Any, named: str) -> None:
    with pytest.raises((TypeError, ValueError), match=named):
        BackgroundScheduler(history=setting)


def test_wrong_questions_are_named() -> None:
    scheduler = manual("memory")
    with pytest.raises(ValueError, match="state='ok'"):
        scheduler.get_runs(state="ok")
    with pytest.raises(ValueError, match="no time zone"):
        scheduler.get_runs(since=datetime(2025, 1, 1))
    assert scheduler.get_runs(since=datetime(2025, 1, 1, tzinfo=timezone.utc)) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_writes_its_own_runs_once(tmp_path: Any, monkeypatch: Any) -> None:
    """What waited in the parent is the parent's to write, and its lock may have been held by its writer."""
    monkeypatch.setattr(rooms, "FLUSH_S", 0.05)
    url = f"sqlite:///{tmp_path}/runs.db"
    scheduler: Any = BackgroundScheduler(history=url, timezone="UTC")
    scheduler.start()
    scheduler.add_job(len, args=["a"], id="parent")
    until(lambda: scheduler.count_runs() == {"done": 1})
    history = scheduler._history
    waiting = Record(new_run_id(), "waits", None, 1, "done", 1, 1, 2, None, "here", None, None)
    with history._write_lock:
        history._waiting.append(waiting)
        pid = os.fork()
        if pid == 0:
            try:
                scheduler.start()
                scheduler.add_job(len, args=["a"], id="child")
                until(lambda: scheduler.get_runs("child"))
                scheduler.shutdown()
                os._exit(0)
            finally:
                os._exit(1)
        assert os.waitpid(pid, 0)[1] == 0
        written = [run.job_id for run in SqlPlace(url, "rapscheduler_history").read(None, None, None, 10)]
    assert sorted(written) == ["child", "parent"]
    assert scheduler.count_runs("waits") == {"done": 1}
    scheduler.shutdown()
