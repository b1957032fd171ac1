"""What an executor over another engine does as every executor does; on Celery over both brokers, and on Dask."""

from __future__ import annotations

import os
import threading
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest
from tests.engines import distant_jobs as jobs
from tests.engines.conftest import CeleryWorkers, DaskWorkers, until

from rapscheduler.errors import (
    DecodeError,
    LostRunError,
    LostValueError,
    RunCancelledError,
    RunTimeoutError,
)
from rapscheduler.events import (
    EVENT_JOB_ERROR,
    EVENT_JOB_EXECUTED,
    EVENT_JOB_MAX_INSTANCES,
    EVENT_JOB_MISSED,
    EVENT_JOB_PARKED,
    EVENT_JOB_RETRYING,
)

pytestmark = [pytest.mark.servers, pytest.mark.timeout(180)]


@pytest.fixture(scope="module", params=["rabbitmq", "redis", "dask"])
def workers(request, tmp_path_factory):
    if request.param == "dask":
        workers = DaskWorkers()
    else:
        url = request.getfixturevalue("server_url")(request.param)
        workers = CeleryWorkers(url, tmp_path_factory.mktemp("celery") / "log")
        workers.begin(control=True)
    yield workers
    workers.stop()


@pytest.fixture
def folder(tmp_path):
    yield str(tmp_path)
    (tmp_path / "go").touch()  # whatever still holds a thread of a worker


def own_threads():
    return [one for one in threading.enumerate() if one.name in ("rapscheduler-celery", "rapscheduler-dask")]


def test_what_a_job_returns_comes_back(workers, schedule):
    scheduler, told = schedule(workers.executor())
    when = datetime(2026, 1, 2, tzinfo=timezone.utc)
    scheduler.add_job(jobs.add, args=[when], kwargs={"b": (1, {"x"}, Decimal("1.10"))}, id="add")
    event = told.wait("add", EVENT_JOB_EXECUTED, EVENT_JOB_ERROR)
    assert event.retval == [when, (1, {"x"}, Decimal("1.10"))]
    assert len(told.of("add", EVENT_JOB_EXECUTED)) == 1
    scheduler.add_job(jobs.coroutine, args=[0], id="coroutine")
    assert told.wait("coroutine", EVENT_JOB_EXECUTED, EVENT_JOB_ERROR).retval == "awaited"


def test_what_a_job_raises_comes_back(workers, schedule):
    scheduler, told = schedule(workers.executor())
    scheduler.add_job(jobs.fail, args=["page", 7], id="fail")
    event = told.wait("fail", EVENT_JOB_EXECUTED, EVENT_JOB_ERROR)
    assert type(event.exception) is jobs.BookError
    assert event.exception.args == ("page", 7)
    assert "raise BookError(*args)" in event.traceback


def test_a_job_knows_its_run(workers, schedule):
    scheduler, told = schedule(workers.executor())
    due = datetime.now(timezone.utc)
    scheduler.add_job(jobs.who, "date", run_date=due, id="who")
    event = told.wait("who", EVENT_JOB_EXECUTED, EVENT_JOB_ERROR)
    assert event.retval[:4] == [event.run_id, "who", due, 1]
    assert event.retval[4] != os.getpid()
    run = scheduler.add_job(jobs.who, "interval", hours=1, id="now").run()
    value = run.result(60)
    assert (value[0], value[1]) == (run.id, run.job_id)
    assert run.state == "done"
    assert run.who.endswith(f":{value[4]}")


def test_a_run_that_comes_too_late_is_missed(workers, schedule):
    scheduler, told = schedule(workers.executor())
    due = datetime.now(timezone.utc) - timedelta(hours=1)
    scheduler.add_job(jobs.add, "date", run_date=due, args=[1], misfire_grace_time=5, id="late")
    event = told.wait("late", EVENT_JOB_EXECUTED, EVENT_JOB_ERROR, EVENT_JOB_MISSED)
    assert event.code == EVENT_JOB_MISSED
    assert 3600 <= event.lateness_s < 3900
    assert event.scheduled_run_time == due


def test_values_that_cannot_travel(workers, schedule):
    scheduler, told = schedule(workers.executor())
    scheduler.add_job(jobs.unwritable, id="back")
    scheduler.add_job(jobs.add, args=[object()], id="there")
    scheduler.add_job(lambda: None, id="nameless")
    error = told.wait("back", EVENT_JOB_EXECUTED, EVENT_JOB_ERROR).exception
    assert isinstance(error, LostValueError)
    assert "what the job returned" in str(error)
    assert "args[0]" in told.wait("there", EVENT_JOB_PARKED).reason
    assert "no importable name" in told.wait("nameless", EVENT_JOB_PARKED).reason


def test_no_more_runs_at_once_than_allowed(workers, schedule, folder):
    scheduler, told = schedule(workers.executor())
    scheduler.add_job(jobs.hold, "interval", seconds=0.1, args=[folder], id="hold", max_instances=1)
    told.wait("hold", EVENT_JOB_MAX_INSTANCES, count=3)
    until(Path(folder, "began").exists)
    scheduler.pause_job("hold")
    Path(folder, "go").touch()
    assert told.wait("hold", EVENT_JOB_EXECUTED, EVENT_JOB_ERROR).retval == "held"
    until(lambda: len(scheduler._running_counts) == 0)
    assert len(Path(folder, "began").read_text().split()) == 1


def test_a_failed_run_is_tried_again(workers, schedule, folder):
    scheduler, told = schedule(workers.executor())
    retry = {"attempts": 3, "first": 0.05, "on": ["tests.engines.distant_jobs:BookError"]}
    scheduler.add_job(jobs.fail_first, args=[folder], id="twice", retry=retry)
    scheduler.add_job(jobs.later_first, args=[folder], id="later")
    assert told.wait("twice", EVENT_JOB_EXECUTED).retval == 2
    assert told.wait("later", EVENT_JOB_EXECUTED).retval == 2
    assert len(told.of("twice", EVENT_JOB_ERROR)) == len(told.of("twice", EVENT_JOB_RETRYING)) == 1
    assert told.of("later", EVENT_JOB_ERROR) == []


def test_a_run_that_takes_too_long(workers, schedule, folder):
    scheduler, told = schedule(workers.executor())
    scheduler.add_job(jobs.hold_checked, args=[folder], id="thread", timeout=0.3)
    scheduler.add_job(jobs.coroutine, args=[60], id="coroutine", timeout=0.3)
    for job_id in ("thread", "coroutine"):
        assert isinstance(told.wait(job_id, EVENT_JOB_EXECUTED, EVENT_JOB_ERROR).exception, RunTimeoutError)
    until(lambda: len(scheduler._running_counts) == 0)  # the thread was let go too
    assert len(told.of("thread", EVENT_JOB_EXECUTED, EVENT_JOB_ERROR)) == 1


def test_a_run_under_way_that_is_cancelled(workers, schedule, folder):
    """A function finds it in `current_run()`; a coroutine is interrupted."""
    scheduler, told = schedule(workers.executor())
    for func, args in ((jobs.hold_checked, [folder]), (jobs.coroutine, [60, folder])):
        run = scheduler.add_job(func, "interval", hours=1, args=args, id=func.__name__).run()
        until(Path(folder, "began").exists)
        assert scheduler.cancel_run(run.id)
        until(lambda: run.is_over)  # noqa: B023
        assert (run.state, run.reason) == ("cancelled", "cancelled by cancel_run()")
        assert isinstance(told.wait(func.__name__, EVENT_JOB_ERROR).exception, RunCancelledError)
        Path(folder, "began").unlink()
    until(lambda: len(scheduler._running_counts) == 0)
    assert not scheduler.cancel_run(run.id)


def test_a_run_that_waits_is_cancelled_and_not_begun(workers, schedule, folder):
    scheduler, told = schedule(workers.executor())
    held = [
        scheduler.add_job(jobs.hold, "interval", hours=1, args=[folder], id=f"hold{n}").run()
        for n in range(4)
    ]
    until(lambda: Path(folder, "began").exists() and len(Path(folder, "began").read_text().split()) == 4)
    waits = scheduler.add_job(jobs.note, "interval", hours=1, args=[folder, "made"], id="waits").run()
    assert scheduler.cancel_run(waits.id)
    Path(folder, "go").touch()
    assert [run.result(60) for run in held] == ["held"] * 4
    until(lambda: waits.is_over)
    assert waits.state == "cancelled"
    assert isinstance(told.wait("waits", EVENT_JOB_ERROR).exception, RunCancelledError)
    after = scheduler.add_job(jobs.add, "interval", hours=1, args=[1], id="after").run()
    assert after.result(60) == [1, None]
    assert not Path(folder, "made").exists()
    until(lambda: len(scheduler._running_counts) == 0)


def test_the_runs_of_a_backlog_come_one_after_another(workers, schedule):
    scheduler, told = schedule(workers.executor())
    first = datetime.now(timezone.utc) - timedelta(seconds=30)
    scheduler.add_job(
        jobs.who, "interval", hours=1, start_date=first - timedelta(hours=3), next_run_time=first
        - timedelta(hours=3), coalesce=False, id="backlog",
    )  # fmt: skip
    told.wait("backlog", EVENT_JOB_EXECUTED, EVENT_JOB_ERROR, count=4)
    events = told.of("backlog", EVENT_JOB_EXECUTED, EVENT_JOB_ERROR)
    times = [event.scheduled_run_time for event in events]
    assert times == [first - timedelta(hours=hours) for hours in (3, 2, 1, 0)]
    assert [event.retval[2] for event in events] == times


def test_a_result_that_never_comes(workers, schedule, folder):
    scheduler, told = schedule(workers.executor(result_timeout=1))
    scheduler.add_job(jobs.hold, "interval", hours=1, args=[folder], id="hold", next_run_time=None)
    scheduler.modify_job("hold", next_run_time=datetime.now(timezone.utc))
    error = told.wait("hold", EVENT_JOB_EXECUTED, EVENT_JOB_ERROR).exception
    assert isinstance(error, LostRunError)
    assert "result_timeout=1 s" in str(error)
    until(lambda: len(scheduler._running_counts) == 0)
    Path(folder, "go").touch()
    scheduler.modify_job("hold", next_run_time=datetime.now(timezone.utc))  # its place is free
    assert told.wait("hold", EVENT_JOB_EXECUTED).retval == "held"


def test_shutdown_waits(workers, schedule, folder):
    scheduler, told = schedule(workers.executor())
    scheduler.add_job(jobs.hold, args=[folder], id="hold")
    until(Path(folder, "began").exists)
    threading.Timer(0.3, Path(folder, "go").touch).start()
    scheduler.shutdown()
    assert told.wait("hold", EVENT_JOB_EXECUTED, EVENT_JOB_ERROR).retval == "held"
    assert not own_threads()


def test_shutdown_tells_what_is_left(workers, schedule, folder, caplog):
    scheduler, told = schedule(workers.executor())
    scheduler.add_job(jobs.hold, args=[folder], id="hold")
    until(Path(folder, "began").exists)
    scheduler.shutdown(timeout=0.2)
    assert "1 job was still running or queued after 0." in caplog.text
    error = told.wait("hold", EVENT_JOB_EXECUTED, EVENT_JOB_ERROR).exception
    assert isinstance(error, LostRunError)
    assert "shut down before it ended" in str(error)
    assert not own_threads()
    Path(folder, "go").touch()
    scheduler.start()
    scheduler.add_job(jobs.add, args=[1], id="again")
    assert told.wait("again", EVENT_JOB_EXECUTED, EVENT_JOB_ERROR).retval == [1, None]


def test_a_listener_may_shut_the_scheduler_down(workers, schedule):
    scheduler, _ = schedule(workers.executor())
    done = threading.Event()

    def ends(event):
        scheduler.shutdown()
        done.set()

    scheduler.add_listener(ends, EVENT_JOB_EXECUTED)
    scheduler.add_job(jobs.add, args=[1], id="add")
    assert done.wait(60)
    until(lambda: len(scheduler._running_counts) == 0)


def test_callables_that_are_not_allowed(workers, schedule):
    if isinstance(workers, DaskWorkers):
        pytest.skip("the setting of a Dask worker is tried in test_dask.py")
    scheduler, told = schedule(workers.executor())
    scheduler.add_job("os:getpid", id="pid")
    error = told.wait("pid", EVENT_JOB_EXECUTED, EVENT_JOB_ERROR).exception
    assert type(error) is DecodeError
    assert "isn't matched by allowed_callables" in str(error)
