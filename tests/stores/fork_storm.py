"""A program: a busy scheduler forks children, each of which uses, ends and starts the scheduler it inherited.

    python tests/stores/fork_storm.py STORE URL NAME CHILDREN ADDS HOW

HOW: "os" (os.fork) or "c" (fork(2) behind Python's back, as uWSGI does: no handler of os.register_at_fork runs).
Prints one line of JSON: how the children ended, and which acknowledged jobs the store does not have.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import threading
import time
import warnings
from typing import Any

CHILD_S = 60
AT_ONCE = 6


def nothing() -> None:
    pass


def store_of(kind: str, url: str, name: str) -> Any:
    """A store of this kind that makes its own client."""
    where, _, port = url.rpartition("://")[2].rpartition(":")
    if kind == "memory":
        from rapscheduler.jobstores.memory import MemoryJobStore

        return MemoryJobStore()
    if kind == "redis":
        import redis

        from rapscheduler.jobstores.redis import RedisJobStore

        options = redis.connection.parse_url(url)
        return RedisJobStore(jobs_key=f"{name}.jobs", run_times_key=f"{name}.run_times", **options)
    if kind == "zookeeper":
        from rapscheduler.jobstores.zookeeper import ZooKeeperJobStore

        return ZooKeeperJobStore(f"/{name}", hosts=f"{where}:{port}", close_connection_on_exit=True)
    if kind == "etcd":
        from rapscheduler.jobstores.etcd import EtcdJobStore

        return EtcdJobStore(f"/{name}", host=where, port=int(port))
    if kind == "mongodb":
        from rapscheduler.jobstores.mongodb import MongoDBJobStore

        return MongoDBJobStore(name, host=url)
    from rapscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore

    return SQLAlchemyJobStore(url, tablename=name)


def main(kind: str, url: str, name: str, children: int, adds: int, how: str) -> None:
    warnings.simplefilter("ignore", DeprecationWarning)  # of os.fork() in a process with threads
    from rapscheduler.events import EVENT_JOB_EXECUTED
    from rapscheduler.schedulers.background import BackgroundScheduler

    fork = os.fork if how == "os" else ctypes.PyDLL(None).fork
    scheduler = BackgroundScheduler(timezone="UTC", jobstores={"default": store_of(kind, url, name)})
    ran = threading.Event()
    scheduler.add_listener(lambda event: ran.set(), EVENT_JOB_EXECUTED)
    busy = {"seconds": 0.2} if how == "os" else {"hours": 1}
    # busy: the loop, and a thread of the program's, use the store while children are forked
    for i in range(5):
        scheduler.add_job(nothing, "interval", id=f"busy-{i}", **busy)
    scheduler.add_job(nothing)
    scheduler.start()
    assert ran.wait(CHILD_S)
    ended = threading.Event()

    def use() -> None:
        while not ended.is_set():
            scheduler.get_job("busy-0")
            scheduler.add_job(nothing, "interval", hours=1, id="parents", replace_existing=True)

    user = threading.Thread(target=use)
    if how == "os":
        user.start()
    else:  # a thread that waits for the interpreter at a fork behind its back would leave the child waiting for ever
        time.sleep(0.5)
    pids: dict[int, int] = {}
    codes: dict[int, int] = {}

    def wait_for_one() -> None:
        pid, status = os.waitpid(-1, 0)
        codes[pids.pop(pid)] = os.waitstatus_to_exitcode(status)

    for number in range(children):
        if len(pids) >= AT_ONCE:
            wait_for_one()
        pid = fork()
        if pid == 0:
            _child(scheduler, number, adds)
        pids[pid] = number
    while pids:
        wait_for_one()
    ended.set()
    if user.ident is not None:
        user.join(CHILD_S)
    alive = scheduler.health()["alive"] and not user.is_alive()
    present = {job.id for job in scheduler.get_jobs()}
    wanted: set[str] = set()
    if kind != "memory":  # where each child has jobs of its own
        wanted = {f"child-{n}-{i}" for n, code in codes.items() if code == 0 for i in range(2 * adds)}
    ran.clear()
    scheduler.add_job(nothing)
    goes_on = ran.wait(CHILD_S)
    scheduler.remove_all_jobs()
    scheduler.shutdown()
    result = {
        "codes": sorted(set(codes.values())),
        "alive": alive and goes_on,
        "acknowledged": len(wanted),
        "lost": sorted(wanted - present),
    }
    print(json.dumps(result), flush=True)


def _child(scheduler: Any, number: int, adds: int) -> None:
    signal.alarm(CHILD_S)  # one that hangs is killed, and counted
    code = 1
    try:
        began = time.monotonic()
        health = scheduler.health()
        assert not health["alive"] and health["due"] == {}, health
        assert time.monotonic() - began < 5
        assert scheduler.get_job("busy-0") is not None
        for i in range(adds):
            scheduler.add_job(nothing, "interval", hours=1, id=f"child-{number}-{i}")
        if number % 2:
            scheduler.shutdown()
        ran = threading.Event()
        scheduler.start()
        scheduler.add_listener(lambda event: ran.set())
        for i in range(adds, 2 * adds):
            scheduler.add_job(nothing, "interval", hours=1, id=f"child-{number}-{i}")
        assert scheduler.health()["alive"]
        assert ran.wait(CHILD_S / 2)
        scheduler.shutdown()
        code = 0
    except BaseException as exc:
        import traceback

        traceback.print_exception(exc)
    finally:
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]), sys.argv[6])
