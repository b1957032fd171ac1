"""A second scheduler on a store that is not shared is warned, and nobody else is."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time

import pytest
import sqlalchemy as sa
from tests.stores import shared_stores
from tests.stores.shared_stores import KINDS, is_redis, make_store
from tests.stores.test_conformance_servers import fresh_name
from tests.stores.test_shared import until

from rapscheduler._scheduling import presence
from rapscheduler.jobstores._presence import birth_of, this_user
from rapscheduler.schedulers.background import BackgroundScheduler
from rapscheduler.testing import ManualScheduler
from rapscheduler.testing.stores import noop

SAID = "is used by another scheduler"


@pytest.fixture(params=KINDS)
def url(request, url_of):
    return url_of(request.param)


@pytest.fixture
def name(url):
    name = fresh_name()
    yield name
    _change(url, name, None)
    shared_stores.drop(url, name)


@pytest.fixture
def on(url, name):
    """``on(...)`` — a scheduler on the store, noted there unless it is not running; shut down after the test."""
    made = []

    def on(start=True, noted=True, scheduler=None, **options):
        store = make_store(url, name, **{"shared": False} | options)
        scheduler = scheduler or BackgroundScheduler(timezone="UTC")
        scheduler.add_jobstore(store)
        made.append(scheduler)
        if start:
            scheduler.start()
        if start and noted:
            until(lambda: store._present is not None and store._present._noted)
        return scheduler

    yield on
    for scheduler in made:
        if scheduler.running:
            scheduler.shutdown()


def _notes(url, name):
    """Host, pid and age of each note."""
    store = make_store(url, name, shared=False)
    notes = store._notes()
    try:
        if is_redis(url):
            rows = [row.decode().split(" ", 5) for row in store.redis.hvals(notes.key)]
            return sorted((row[5], int(row[3]), int(row[0]) / 1e6) for row in rows)
        if not sa.inspect(store.engine).has_table(notes.table.name):
            return []
        columns = notes.table.c
        with store.engine.connect() as connection:
            found = connection.execute(
                sa.select(columns.host, columns.pid, columns.heartbeat).where(columns.store == name)
            )
            return sorted(tuple(row) for row in found)
    finally:
        store.shutdown()


def _change(url, name, host, pid=1, heard_s=0.0):
    """All notes of the store are gone, and one of another host, heard of so long ago, is there if it is named."""
    store = make_store(url, name, shared=False)
    notes = store._notes()
    notes.arrive(me := this_user(False)._replace(host=host or "x", pid=pid))
    if is_redis(url):
        row = store.redis.hget(notes.key, me.id).decode().split(" ", 1)
        store.redis.delete(notes.key)
        if host:
            store.redis.hset(notes.key, me.id, f"{int(row[0]) - round(heard_s * 1e6)} {row[1]}")
    else:
        table = notes.table
        with store.engine.begin() as connection:
            connection.execute(table.delete().where(table.c.store == name, table.c.id != me.id))
            connection.execute(
                table.update().where(table.c.id == me.id).values(heartbeat=table.c.heartbeat - heard_s)
            )
            if not host:
                connection.execute(table.delete().where(table.c.id == me.id))
    store.shutdown()


PROGRAM = """
import sys, time
from tests.stores.shared_stores import make_store
from rapscheduler.schedulers.background import BackgroundScheduler
store = make_store(sys.argv[1], sys.argv[2], shared=False)
BackgroundScheduler(jobstores={"default": store}).start()
time.sleep(60)
"""


@pytest.fixture
def process(url, name):
    """A process with a scheduler on the store, which is noted there."""
    command = [sys.executable, "-c", PROGRAM, str(url), name]
    process = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": "src:."})
    until(lambda: [pid for _, pid, _ in _notes(url, name)] == [process.pid])
    yield process
    process.kill()
    process.wait()


def test_a_second_scheduler_is_warned_at_once_by_host_and_pid_of_the_first(on, process, caplog):
    scheduler = on()
    assert caplog.text.count(SAID) == 1
    first = re.escape(f"in process {process.pid} on {socket.gethostname()}, heard of ")
    assert re.search(first + r"\d+ s ago", caplog.text)
    assert "shared=True" in caplog.text and "leader=" in caplog.text
    scheduler.wakeup()
    scheduler.shutdown()
    assert caplog.text.count(SAID) == 1


def test_none_after_a_crash_of_a_process_of_this_host(on, process, url, name, caplog):
    process.kill()
    process.wait()
    on()
    assert SAID not in caplog.text
    assert [pid for _, pid, _ in _notes(url, name)] == [os.getpid()]  # what was left over is forgotten


def test_none_after_a_clean_shutdown_and_none_for_a_new_start(on, url, name, caplog):
    scheduler = on()
    scheduler.shutdown()
    assert _notes(url, name) == []
    on()
    scheduler.start()
    until(lambda: scheduler._jobstores["default"]._present is not None)
    until(lambda: SAID in caplog.text)  # the two of them are at work at one time now
    assert f"in process {os.getpid()} on" in caplog.text


@pytest.mark.parametrize(("heard_s", "warns"), [(20, True), (61, False)])
def test_of_another_host_only_time_tells(on, url, name, caplog, heard_s, warns):
    _change(url, name, "elsewhere", 77, heard_s)
    on()
    assert (SAID in caplog.text) is warns
    if warns:
        (ago,) = re.findall(r"in process 77 on elsewhere, heard of (\d+) s ago", caplog.text)
        assert heard_s <= int(ago) <= heard_s + 30  # of a machine that is slow


def test_a_pid_that_was_given_again_is_somebody_else(on, url, name, caplog):
    store = make_store(url, name, shared=False)
    me = this_user(False)
    store._notes().arrive(me._replace(born="1"))
    store.shutdown()
    on()
    assert (SAID in caplog.text) is (birth_of(os.getpid()) == "")


def test_none_for_two_that_share_and_one_for_one_that_does_not(on, caplog):
    shared = {"shared": True, "lease": 5}
    on(**shared)
    on(**shared)
    assert SAID not in caplog.text
    on()
    assert caplog.text.count(SAID) == 1
    assert f"process {os.getpid()} on {socket.gethostname()} (and by 1 more)" in caplog.text


def test_paused_ones_leaders_and_virtual_clocks_are_not_noted(on, url, name, tmp_path):
    paused = on(start=False)
    paused.start(paused=True)
    leading = BackgroundScheduler(leader=f"file:{tmp_path}/lock")
    on(scheduler=leading, noted=False)
    until(lambda: leading.is_leader)
    before = leading.health()["passes"]
    leading.wakeup()
    until(lambda: leading.health()["passes"] > before)
    with ManualScheduler(jobstores={"default": make_store(url, name, shared=False)}) as manual:
        manual.advance(100)
        manual.wakeup()
    assert _notes(url, name) == []
    paused.resume()
    until(lambda: len(_notes(url, name)) == 1)


def test_it_is_one_write_now_and_then(on, url, name, monkeypatch):
    monkeypatch.setattr(presence, "BEAT_S", 0.2)
    scheduler = on()
    store = scheduler._jobstores["default"]
    first = _notes(url, name)[0][2]
    renewed = []
    plain = store._present.notes.renew
    monkeypatch.setattr(store._present.notes, "renew", lambda me: (renewed.append(1), plain(me)))
    until(lambda: len(renewed) >= 3)
    assert _notes(url, name)[0][2] > first
    monkeypatch.setattr(presence, "BEAT_S", 1000)  # so that the loop asks nothing while it is counted
    until(lambda: store._present.wait_s() > 100)

    def asked():
        with shared_stores.asked(store) as seen:
            plain(store._present.me)
        return seen

    once = (["UPDATE", "COMMIT"], ["PRAGMA", "PRAGMA", "UPDATE", "PRAGMA", "COMMIT"], ["EVALSHA"])
    until(lambda: asked() in once)  # the pass in which the last note was written may not be over yet


def test_where_nothing_can_be_noted_nobody_hears_of_it(url, name, on, monkeypatch, caplog):
    monkeypatch.setattr(presence, "AGAIN_S", 0.05)
    tried = []

    class Refusing:
        def arrive(self, me):
            tried.append(1)
            raise OSError("permission denied")

    store = make_store(url, name, shared=False)
    monkeypatch.setattr(type(store), "_notes", lambda self: Refusing())
    scheduler = on(noted=False)
    until(lambda: scheduler._jobstores["default"]._present is not None)
    until(lambda: scheduler._jobstores["default"]._present.notes is None)
    ran = []
    scheduler.add_listener(ran.append)
    scheduler.add_job(noop, "date", misfire_grace_time=None)
    until(lambda: ran)
    scheduler.shutdown()
    assert len(tried) == 3
    assert not [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")]
    store.shutdown()


def test_a_locked_file_of_sqlite_is_not_waited_for(tmp_path):
    store = make_store(f"sqlite:///{tmp_path}/jobs.db", "jobs", shared=False)
    with ManualScheduler() as scheduler:
        store.start(scheduler, "shelf")
        notes, me = store._notes(), this_user(False)
        notes.arrive(me)
        other = sa.create_engine(f"sqlite:///{tmp_path}/jobs.db").connect()
        other.exec_driver_sql("BEGIN IMMEDIATE")
        began_s = time.monotonic()
        with pytest.raises(sa.exc.OperationalError, match="locked"):
            notes.renew(me)
        assert time.monotonic() - began_s < 4  # of the five seconds that the store itself waits
        other.close()
        with store.engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 5000
        notes.renew(me)
    store.shutdown()
