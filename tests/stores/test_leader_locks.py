"""The leader locks of servers: one has it, it is renewed, released, taken over, marked."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from itertools import count
from pathlib import Path
from uuid import uuid4

import pytest
from tests.stores import servers

from rapscheduler.leader import leader_lock
from rapscheduler.schedulers.background import BackgroundScheduler

pytestmark = pytest.mark.servers
ROOT = Path(__file__).resolve().parents[2]
KINDS = ("postgresql", "mariadb", "redis", "zookeeper", "etcd")
_number = count()


@pytest.fixture(params=KINDS)
def url(request, server_url):
    """Of a lock that no other test has."""
    if request.param == "etcd" and "etcd" not in servers.required():
        pytest.importorskip("rapscheduler.jobstores.etcd", exc_type=ImportError)
    return f"{server_url(request.param)}#leader_{uuid4().hex[:8]}_{next(_number)}"


@pytest.fixture
def lock_of(url):
    made = []

    def lock_of():
        lock = leader_lock(url)
        made.append(lock)
        return lock

    yield lock_of
    for lock in made:
        lock.release()


def test_one_has_it(lock_of):
    one, two = lock_of(), lock_of()
    assert one.acquire() and one.renew()
    assert not two.acquire() and one.renew()
    token = one.token
    one.release()
    assert two.acquire() and two.renew()
    assert token is None or two.token > token  # fencing
    two.release()
    assert one.acquire()


def test_a_mark_is_found_by_the_next(lock_of, url):
    one, two = lock_of(), lock_of()
    assert one.acquire()
    assert one.marked() is None
    one.mark(1_795_863_600_000_000)
    one.release()
    assert two.acquire()
    assert two.marked() == (None if url.startswith(("postgresql", "mysql")) else 1_795_863_600_000_000)


def test_it_is_taken_over_when_its_process_is_killed(lock_of, url):
    code = "import sys, time; from rapscheduler.leader import leader_lock\n"
    code += (
        "lock = leader_lock(sys.argv[1]); assert lock.acquire(); print('has it', flush=True); time.sleep(60)"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    process = subprocess.Popen([sys.executable, "-c", code, url], stdout=subprocess.PIPE, env=environment)
    mine = lock_of()
    try:
        assert process.stdout.readline() == b"has it\n"
        assert not mine.acquire()
    finally:
        process.kill()
        process.wait()
    began_s = time.monotonic()
    while not mine.acquire():
        assert time.monotonic() < began_s + mine.lease_s + 5
        time.sleep(0.2)


def test_a_scheduler_leads_by_it_and_hands_over(url):
    first, second = (BackgroundScheduler(timezone="UTC", leader=url) for _ in range(2))
    led = threading.Event()
    first.add_job(led.set, misfire_grace_time=None)
    first.start()
    assert led.wait(20) and first.is_leader
    second.start()
    led.clear()
    second.add_job(led.set, "interval", seconds=1, misfire_grace_time=None)
    assert not led.wait(2.5) and not second.is_leader
    first.shutdown()
    assert led.wait(20) and second.is_leader
    second.shutdown()


def test_a_session_that_ends_loses_it(url, lock_of):
    if not url.startswith(("postgresql", "mysql")):
        pytest.skip("a lock of a session")
    lock = lock_of()
    assert lock.acquire() and lock.renew()
    other = lock._engine.connect()
    import sqlalchemy as sa

    if url.startswith("postgresql"):
        pid = lock._ask("SELECT pg_backend_pid()")
        other.execute(sa.text(f"SELECT pg_terminate_backend({pid})"))
    else:
        pid = lock._ask("SELECT CONNECTION_ID()")
        other.execute(sa.text(f"KILL {pid}"))
    other.close()
    with pytest.raises(Exception, match=r"(?i)terminat|lost|gone|closed|kill|invalid"):
        lock.renew()
    assert not lock.renew()
    assert lock.acquire()
