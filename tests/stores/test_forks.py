"""Forks of a program whose scheduler runs: every store, by `os.fork` and behind Python's back, as uWSGI forks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from itertools import count
from pathlib import Path
from uuid import uuid4

import pytest
from tests.stores import servers

ROOT = Path(__file__).resolve().parents[2]
# each child adds ADDS jobs before it ends and starts the scheduler, and as many afterwards
CHILDREN, ADDS = 40, 4
STORES = ("memory", "sqlite", "postgresql", "mariadb", "redis", "zookeeper", "etcd", "mongodb")
_number = count()

pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here"),
]


def run(*command: str, timeout: float = 110) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
    )


@pytest.mark.parametrize("how", ["os", "c"])
@pytest.mark.parametrize("kind", STORES)
def test_a_storm_of_forks(kind, how, server_url, tmp_path, scratch):
    """No child hangs, none disturbs the parent, and every acknowledged job is in the store."""
    if kind == "etcd" and "etcd" not in servers.required():
        pytest.importorskip("rapscheduler.jobstores.etcd", exc_type=ImportError)
    local = {"memory": "", "sqlite": f"sqlite:///{tmp_path / 'jobs.sqlite'}"}
    url = local[kind] if kind in local else server_url(kind)
    name = f"rapscheduler_forks_{uuid4().hex[:8]}_{next(_number)}"
    if kind in ("postgresql", "mariadb"):
        scratch(lambda: drop(url, name))
    done = run("tests/stores/fork_storm.py", kind, url, name, str(CHILDREN), str(ADDS), how)
    assert done.stdout, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    if (kind, how) == ("etcd", "c"):  # gRPC can't be used there, and each child says so at once
        assert found["codes"] == [1] and done.stderr.count("(uWSGI: lazy-apps)") >= CHILDREN
        assert found["alive"]
        return
    assert found["codes"] == [0], done.stderr[-3000:]
    assert found["alive"] and found["lost"] == []
    assert found["acknowledged"] == (0 if kind == "memory" else 2 * CHILDREN * ADDS)
    # each child says once, of the first kind of change, that nothing runs its jobs
    assert done.stderr.count("This scheduler was started before os.fork()") == CHILDREN


def drop(url: str, name: str) -> None:
    import sqlalchemy as sa

    engine = sa.create_engine(url)
    with engine.begin() as connection:
        for table in (name, f"{name}_zones"):
            connection.execute(sa.text(f"DROP TABLE IF EXISTS {table}"))
    engine.dispose()


def program(tmp_path: Path, code: str) -> subprocess.CompletedProcess[str]:
    path = tmp_path / "program.py"
    path.write_text(textwrap.dedent(PRELUDE) + textwrap.dedent(code))
    return run(str(path), timeout=60)


PRELUDE = """
    import ctypes, faulthandler, logging, os, sys, threading, time, warnings
    warnings.simplefilter("ignore", DeprecationWarning)  # of fork() in a process with threads
    faulthandler.dump_traceback_later(40, exit=True)
    from rapscheduler.schedulers.background import BackgroundScheduler
    c_fork = ctypes.PyDLL(None).fork

    def in_child(work, fork=os.fork):
        pid = fork()
        if pid == 0:
            code = 1
            try:
                work()
                code = 0
            except BaseException:
                import traceback
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                os._exit(code)
        assert os.waitpid(pid, 0)[1] == 0
"""


@pytest.mark.parametrize("fork", ["os.fork", "c_fork"])
def test_each_kind_of_change_warns_once(tmp_path, fork):
    done = program(
        tmp_path,
        f"""
        logging.basicConfig(stream=sys.stdout, format="%(message).54s|%(args)s", level=logging.WARNING)
        scheduler = BackgroundScheduler(timezone="UTC")
        scheduler.add_job(print, "interval", hours=1, id="job")
        scheduler.start()
        time.sleep(0.3)
        def child():
            for i in range(2):
                scheduler.get_job("job"), scheduler.get_jobs(), scheduler.health()
            for i in range(2):
                scheduler.add_job(print, "interval", hours=1, id=f"a{{i}}")
                scheduler.add_jobs([{{"func": print, "id": f"b{{i}}", "trigger": "interval", "hours": 1}}])
                scheduler.modify_job("job", name="other")
                scheduler.reschedule_job("job", trigger="interval", hours=2)
                scheduler.pause_job("job")
                scheduler.resume_job("job")
                scheduler.remove_job(f"a{{i}}")
            scheduler.pause()
        in_child(child, {fork})
        scheduler.add_job(print, "interval", hours=1)  # and the parent hears nothing of it
        scheduler.shutdown()
        """,
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert {line.partition("|")[0] for line in lines} == {
        "This scheduler was started before os.fork(), so nothing"[:54]
    }
    kinds = [
        "a job was added",
        "jobs were added",
        "a job was changed",
        "a job was removed",
        "the scheduler was paused",
    ]
    assert [line.rpartition(", ")[2].strip("')") for line in lines] == kinds


@pytest.mark.parametrize("fork", ["os.fork", "c_fork"])
@pytest.mark.parametrize("held", ["_jobstores_lock", "_executors_lock", "_listeners_lock", "_lifecycle.lock"])
def test_a_lock_that_a_thread_of_the_parent_held_is_free_in_the_child(tmp_path, fork, held):
    done = program(
        tmp_path,
        f"""
        scheduler = BackgroundScheduler(timezone="UTC")
        scheduler.start()
        holding, end = threading.Event(), threading.Event()
        def hold():
            with scheduler.{held}:
                holding.set()
                end.wait()
        threading.Thread(target=hold).start()
        holding.wait()
        time.sleep(0.2)
        def child():
            ran = threading.Event()
            scheduler.add_listener(lambda event: None)
            scheduler.add_job(print, "interval", hours=1)
            scheduler.add_executor("threadpool", "second")
            scheduler.shutdown()
            scheduler.add_job(ran.set, misfire_grace_time=None)
            scheduler.start()
            assert ran.wait(20)
            scheduler.shutdown()
        in_child(child, {fork})
        end.set()
        scheduler.shutdown()
        """,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("fork", ["os.fork", "c_fork"])
def test_shutdown_in_a_child_waits_for_nothing_of_the_parent(tmp_path, fork):
    """Neither for the loop's thread nor for jobs under way, in threads and in processes."""
    done = program(
        tmp_path,
        f"""
        if __name__ == "__main__":
            scheduler = BackgroundScheduler(timezone="UTC", executors={{"processes": {{"type": "processpool"}}}})
            begun, end = threading.Event(), threading.Event()
            def job():
                begun.set()
                end.wait()
            scheduler.start()
            scheduler.add_job(job, misfire_grace_time=None)
            scheduler.add_job("time:sleep", args=[3], executor="processes", misfire_grace_time=None)
            begun.wait()
            time.sleep(1)
            def child():
                began = time.monotonic()
                scheduler.shutdown()
                assert time.monotonic() - began < 2 and scheduler.state == 0
                ran = threading.Event()
                scheduler.add_job(ran.set, misfire_grace_time=None)
                scheduler.start()
                assert ran.wait(20)
                scheduler.shutdown()
            in_child(child, {fork})
            assert scheduler.health()["alive"]
            end.set()
            scheduler.shutdown()
        """,
    )
    assert done.returncode == 0, done.stderr


def test_a_scheduler_that_was_not_started_is_the_childs(tmp_path):
    """Made before the fork and started after it, in parent and child: nothing to warn of; ids are not given twice."""
    done = program(
        tmp_path,
        """
        logging.basicConfig(stream=sys.stdout, format="%(message)s", level=logging.WARNING)
        scheduler = BackgroundScheduler(timezone="UTC")
        first = scheduler.add_job(print, "interval", hours=1).id
        def child():
            mine = scheduler.add_job(print, "interval", hours=1).id
            scheduler.start()
            assert len(scheduler.get_jobs()) == 2 and scheduler.health()["alive"]
            print(mine)
            scheduler.shutdown()
        in_child(child, c_fork)
        print(scheduler.add_job(print, "interval", hours=1).id)
        """,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(set(done.stdout.split())) == 2


def test_a_client_that_was_given_says_that_it_stayed_in_the_parent(tmp_path, server_url):
    url = server_url("zookeeper").rpartition("//")[2]
    done = program(
        tmp_path,
        f"""
        from kazoo.client import KazooClient
        from rapscheduler.jobstores.zookeeper import ZooKeeperJobStore
        client = KazooClient({url!r})
        store = ZooKeeperJobStore("/rapscheduler_given", client=client)
        scheduler = BackgroundScheduler(timezone="UTC", jobstores={{"default": store}})
        scheduler.start()
        def child():
            assert not scheduler.health()["alive"]
            try:
                scheduler.get_jobs()
            except RuntimeError as exc:
                assert "name the servers (hosts=) in place of client=" in str(exc), exc
            else:
                raise AssertionError
        in_child(child)
        assert scheduler.get_jobs() == []
        scheduler.shutdown()
        client.stop()
        """,
    )
    assert done.returncode == 0, done.stderr
