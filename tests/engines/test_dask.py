"""What a Dask cluster may do to a run: lose its worker, lose its scheduler, not be there."""

from __future__ import annotations

import os
import threading
from datetime import datetime, timezone

import dask
import distributed
import pytest
from tests.engines import distant_jobs as jobs
from tests.engines.conftest import DaskWorkers, until
from tests.stores.servers import free_port

from rapscheduler.errors import DecodeError, LostRunError
from rapscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED, EVENT_JOB_SUBMITTED
from rapscheduler.schedulers.background import BackgroundScheduler

pytestmark = [pytest.mark.servers, pytest.mark.faults, pytest.mark.timeout(180)]
ENDS = (EVENT_JOB_EXECUTED, EVENT_JOB_ERROR)
ALLOWED = {"DASK_RAPSCHEDULER__ALLOWED_CALLABLES": "['tests.engines.distant_jobs:*']"}


@pytest.fixture(scope="module")
def workers():
    workers = DaskWorkers(env=ALLOWED)
    yield workers
    workers.stop()


def test_a_worker_that_is_killed(workers, schedule, tmp_path):
    """Its run is lost and not made again, whatever Dask tries; its place is free; nothing is left at Dask."""
    scheduler, told = schedule(workers.executor())
    scheduler.add_job(jobs.kill_itself, "interval", hours=1, args=[str(tmp_path)], id="kill")
    scheduler.modify_job("kill", next_run_time=datetime.now(timezone.utc))
    error = told.wait("kill", *ENDS).exception
    assert isinstance(error, LostRunError)
    assert "by a worker that is gone" in str(error)
    until(lambda: len(scheduler._running_counts) == 0)
    assert len((tmp_path / "began").read_text().split()) == 1
    scheduler.add_job(jobs.add, args=[1], id="add")
    assert told.wait("add", *ENDS).retval == [1, None]
    assert len(told.of("kill", *ENDS)) == 1
    there = workers.cluster.scheduler
    until(lambda: not there.extensions["events"]._events)
    until(lambda: not [key for key in there.tasks if str(key).startswith("rapscheduler-")])


def test_callables_that_are_not_allowed(workers, schedule):
    scheduler, told = schedule(workers.executor())
    scheduler.add_job("os:getpid", id="pid")
    scheduler.add_job(jobs.add, args=[1], id="add")
    error = told.wait("pid", *ENDS).exception
    assert type(error) is DecodeError
    assert "isn't matched by allowed_callables" in str(error)
    assert told.wait("add", *ENDS).retval == [1, None]


def test_a_client_of_the_program_stays_open(workers, schedule):
    from rapscheduler.executors.dask import DaskExecutor

    with distributed.Client(workers.cluster, set_as_default=False) as client:
        scheduler, told = schedule(DaskExecutor(client, submit_options={"priority": 1}))
        scheduler.add_job(jobs.add, args=[1], id="add")
        assert told.wait("add", *ENDS).retval == [1, None]
        scheduler.shutdown()
        assert client.status == "running"
        assert client.submit(os.getpid).result(60) > 0


def test_a_cluster_that_ends_during_a_run(schedule, tmp_path):
    """Dask's client looks for its scheduler for a while; then every run is lost."""
    workers = DaskWorkers(n_workers=1, processes=False)
    with dask.config.set({"distributed.comm.timeouts.connect": "2s"}):
        scheduler, told = schedule(workers.executor())
        scheduler.add_job(jobs.hold, args=[str(tmp_path)], id="hold")
        until((tmp_path / "began").exists)
        workers.cluster.scheduler.loop.add_callback(workers.cluster.scheduler.close)
        try:
            assert isinstance(told.wait("hold", *ENDS).exception, LostRunError)
            until(lambda: len(scheduler._running_counts) == 0)
            scheduler.shutdown()
        finally:
            (tmp_path / "go").touch()
            workers.stop()


def test_a_cluster_that_is_not_there(schedule, monkeypatch, caplog):
    """The run stays due, and nothing is left behind by each try."""
    before = set(threading.enumerate())
    from rapscheduler.executors import dask as room

    monkeypatch.setattr(room, "CONNECT_S", 0.3)
    scheduler, told = schedule(room.DaskExecutor(f"tcp://127.0.0.1:{free_port()}"))
    scheduler.add_job(jobs.add, args=[1], id="add")
    until(lambda: caplog.text.count("still due, trying again") > 6)
    assert told.of("add", EVENT_JOB_SUBMITTED) == []
    until(lambda: len(scheduler._running_counts) == 0)  # between two tries
    assert len([one for one in threading.enumerate() if one.name == "IO loop" and one not in before]) <= 1
    scheduler.shutdown()
    until(lambda: before.issuperset(one for one in threading.enumerate() if one.name == "IO loop"))


@pytest.mark.parametrize("given", [None, 8786, ["tcp://host:8786"]])
def test_an_address_that_is_none(given):
    from rapscheduler.executors.dask import DaskExecutor

    with pytest.raises(TypeError, match="is neither: give the address"):
        DaskExecutor(given)


def test_by_a_configuration_of_texts():
    from rapscheduler.executors.dask import DaskExecutor

    scheduler = BackgroundScheduler(
        {
            "apscheduler.executors.default.type": "dask",
            "apscheduler.executors.default.address_or_client": "tcp://127.0.0.1:1",
            "apscheduler.executors.default.result_timeout": "60",
        }
    )
    scheduler.start()
    executor = scheduler._executors["default"]
    assert (type(executor), executor._result_timeout_s) == (DaskExecutor, 60.0)
    scheduler.shutdown()
