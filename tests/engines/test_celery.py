"""What Celery's workers and brokers may do to a run: die, revoke, be cut off, not be there; on both brokers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from datetime import datetime, timezone

import pytest
from tests.engines import distant_jobs as jobs
from tests.engines.conftest import ROOT, CeleryWorkers, until
from tests.engines.worker_app import app_of
from tests.faults.proxy import Proxy

from rapscheduler.errors import LostRunError, RunCancelledError
from rapscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED, EVENT_JOB_SUBMITTED
from rapscheduler.executors.celery import CeleryExecutor
from rapscheduler.schedulers.background import BackgroundScheduler

pytestmark = [pytest.mark.servers, pytest.mark.faults, pytest.mark.timeout(180)]
ENDS = (EVENT_JOB_EXECUTED, EVENT_JOB_ERROR)


@pytest.fixture(scope="module", params=["rabbitmq", "redis"])
def direct(request, server_url):
    return server_url(request.param)


@pytest.fixture(scope="module")
def broker(direct):
    proxy = Proxy("127.0.0.1", 5672 if direct.startswith("amqp") else 6379)
    yield proxy
    proxy.close()


@pytest.fixture(scope="module")
def cut_off(direct, broker, tmp_path_factory):
    """A worker, and schedulers, whose way to the broker can be cut."""
    url = direct.replace(":5672", f":{broker.port}").replace(":6379", f":{broker.port}")
    workers = CeleryWorkers(url, tmp_path_factory.mktemp("celery") / "log", direct)
    workers.begin()
    yield workers
    workers.stop()


@pytest.fixture
def workers(direct, tmp_path):
    """None, until a test begins some."""
    workers = CeleryWorkers(direct, tmp_path / "log")
    yield workers
    workers.stop()


@pytest.fixture
def folder(tmp_path):
    yield tmp_path
    (tmp_path / "go").touch()  # whatever still holds a thread of a worker


def test_a_worker_that_is_killed(workers, schedule, folder):
    """Its run is lost, its place free, and the next worker makes the next run: of this one nothing."""
    worker = workers.begin()
    scheduler, told = schedule(workers.executor(lost_after=2))
    scheduler.add_job(jobs.hold, "interval", hours=1, args=[str(folder)], id="hold")
    scheduler.modify_job("hold", next_run_time=datetime.now(timezone.utc))
    until((folder / "began").exists)
    os.killpg(worker.pid, signal.SIGKILL)
    error = told.wait("hold", *ENDS).exception
    assert isinstance(error, LostRunError)
    assert "has not been heard of for 2 s" in str(error)
    until(lambda: len(scheduler._running_counts) == 0)
    workers.begin("solo")
    (folder / "go").touch()
    scheduler.modify_job("hold", next_run_time=datetime.now(timezone.utc))
    assert told.wait("hold", EVENT_JOB_EXECUTED).retval == "held"
    assert len(told.of("hold", *ENDS)) == 2
    assert len((folder / "began").read_text().split()) == 2


def test_a_process_of_a_worker_that_is_killed(workers, schedule, folder):
    """Celery tells of it, long before it would be missed."""
    if workers.broker.startswith("amqp"):
        pytest.skip("the same as on Redis, and it takes long")
    workers.begin("prefork")
    scheduler, told = schedule(workers.executor(lost_after=3600))
    scheduler.add_job(jobs.kill_itself, args=[str(folder)], id="kill")
    error = told.wait("kill", *ENDS).exception
    assert isinstance(error, LostRunError)
    assert "exited" in str(error) or "SIGKILL" in str(error)
    scheduler.add_job(jobs.add, args=[1], id="add")
    assert told.wait("add", *ENDS).retval == [1, None]
    assert len((folder / "began").read_text().split()) == 1


def test_a_broker_that_restarts_during_a_run(cut_off, broker, schedule, folder, caplog):
    """The run is told of when the broker is there again; what could not be sent stays due, and is sent then."""
    scheduler, told = schedule(cut_off.executor(lost_after=60))
    scheduler.add_job(jobs.hold, args=[str(folder)], id="hold")
    until((folder / "began").exists)
    broker.cut()
    (folder / "go").touch()  # it ends while nobody can say so
    scheduler.add_job(jobs.add, args=[1], id="add")
    until(lambda: "still due, trying again" in caplog.text)
    assert told.of("add", EVENT_JOB_SUBMITTED) == []
    broker.heal()
    assert told.wait("hold", *ENDS).retval == "held"
    assert told.wait("add", *ENDS).retval == [1, None]
    assert len(told.of("hold", *ENDS)) == len(told.of("add", *ENDS)) == 1
    assert len((folder / "began").read_text().split()) == 1


def test_connections_that_are_cut_again_and_again(cut_off, broker, schedule):
    scheduler, told = schedule(cut_off.executor(lost_after=20))
    for i in range(5):
        scheduler.add_job(jobs.add, args=[i], id=f"add{i}")
        broker._cut()
    for i in range(5):
        assert told.wait(f"add{i}", *ENDS).retval == [i, None]
    until(lambda: len(scheduler._running_counts) == 0)


def test_shutdown_does_not_wait_for_a_broker_that_is_gone(cut_off, broker, schedule, folder):
    scheduler, told = schedule(cut_off.executor())
    scheduler.add_job(jobs.hold, args=[str(folder)], id="hold")
    until((folder / "began").exists)
    broker.cut()
    scheduler.shutdown(timeout=0.2)
    assert isinstance(told.wait("hold", *ENDS).exception, LostRunError)
    until(lambda: not [one for one in threading.enumerate() if one.name == "rapscheduler-celery"])
    broker.heal()


def test_a_run_that_nobody_takes_expires(workers, schedule, folder):
    """Told as lost, it is not made by a worker that comes later."""
    scheduler, told = schedule(workers.executor(result_timeout=0.5))
    scheduler.add_job(jobs.note, args=[str(folder), "made"], id="note")
    error = told.wait("note", *ENDS).exception
    assert "no worker has said that it began it" in str(error)
    workers.begin("solo")
    scheduler.shutdown()
    scheduler, told = schedule(workers.executor())
    scheduler.add_job(jobs.add, args=[1], id="add")  # behind it in the queue
    assert told.wait("add", *ENDS).retval == [1, None]
    assert not (folder / "made").exists()


def test_a_run_that_is_revoked(workers, schedule):
    scheduler, told = schedule(workers.executor())
    executor = scheduler._executors["default"]
    scheduler.add_job(jobs.add, args=[1], id="add")
    (run_id,) = until(lambda: list(executor._errands))
    executor._hear(f'{{"v":1,"kind":"lost","id":"{run_id}","reason":"it was revoked"}}')
    assert "it was revoked" in str(told.wait("add", *ENDS).exception)
    executor._hear(f'{{"v":1,"kind":"lost","id":"{run_id}","reason":"again"}}')
    executor._hear("{")
    executor._hear(None)
    assert len(told.of("add", *ENDS)) == 1


def test_a_run_whose_process_may_be_ended_is_cancelled(workers, schedule, folder):
    """A function that looks at nothing; the process of the pool ends, another takes its place."""
    workers.begin("prefork", control=True)
    scheduler, _ = schedule(workers.executor(terminate=True))
    run = scheduler.add_job(jobs.hold, "interval", hours=1, args=[str(folder)], id="hold").run()
    until((folder / "began").exists)
    assert scheduler.cancel_run(run.id)
    until(lambda: run.is_over)
    assert run.state == "cancelled"
    assert isinstance(run.exception, RunCancelledError)
    assert scheduler.add_job(jobs.add, "interval", hours=1, args=[1], id="next").run().result(60) == [1, None]


def test_nothing_is_left_at_the_broker(cut_off, schedule):
    workers = cut_off
    scheduler, told = schedule(workers.executor())
    answers = scheduler._executors["default"]._answers.name
    scheduler.add_job(jobs.add, args=[1], id="add")
    told.wait("add", *ENDS)
    scheduler.shutdown()
    with workers.app.connection_for_write() as connection:
        channel = connection.channel()
        if connection.transport.driver_type == "redis":
            assert channel.client.keys(f"*{answers}*") == []
        else:
            with pytest.raises(connection.channel_errors, match="no queue"):
                channel.queue_declare(answers, passive=True)


def test_a_queue_of_its_own(cut_off, schedule):
    """`queue` says where runs go: nobody takes them from there."""
    workers = cut_off
    elsewhere = f"{workers.queue}_elsewhere"
    scheduler, told = schedule(workers.executor(queue=elsewhere, result_timeout=1))
    scheduler.add_job(jobs.add, args=[1], id="add")
    assert isinstance(told.wait("add", *ENDS).exception, LostRunError)
    scheduler.shutdown()
    with workers.app.connection_for_write() as connection:
        channel = connection.channel()
        channel.queue_delete(elsewhere)
        if connection.transport.driver_type == "redis":
            channel.client.delete(f"_kombu.binding.{elsewhere}")


FORK = """
import os, sys
from tests.engines import distant_jobs as jobs
from tests.engines.conftest import Told, until
from tests.engines.worker_app import app_of
from rapscheduler.executors.celery import CeleryExecutor
from rapscheduler.schedulers.background import BackgroundScheduler
if __name__ == "__main__":
    scheduler = BackgroundScheduler(executors={"default": CeleryExecutor(app_of(*sys.argv[1:]))})
    told = Told()
    scheduler.add_listener(told.append)
    scheduler.start()
    def one(name):
        scheduler.add_job(jobs.add, args=[name], id=name, misfire_grace_time=None)
        assert told.wait(name, 4096, 8192).retval == [name, None]
    one("before")
    child = os.fork()
    if not child:
        scheduler.shutdown()
        scheduler.start()
        one("child")
        scheduler.shutdown()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    one("after")
    scheduler.shutdown()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks there")
def test_parent_and_child_of_a_fork(cut_off, direct):
    done = subprocess.run(
        [sys.executable, "-c", FORK, direct, cut_off.queue], cwd=ROOT, capture_output=True, text=True,
        timeout=120, check=False, env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_a_message_that_comes_twice_is_taken_up_once(folder):
    from rapscheduler._serialization.callables import CallableRule
    from rapscheduler.executors._celery_worker import Worker
    from rapscheduler.executors._wire import dumps

    worker = Worker(app_of("memory://", "none"), CallableRule(["tests.engines.distant_jobs:*"]))
    heard = []
    worker.sender.answer = lambda queue, text, patience_s=0.0: heard.append((queue, text))
    text = dumps(
        {
            "func": "tests.engines.distant_jobs:note", "args": [str(folder), "made"], "kwargs": {}, "job": "note",
            "text": "note", "alias": "default", "logger": "tests", "grace_s": None, "timeout_s": None, "run_us": 0,
            "found_us": 0, "run": ["some-id", "note", 0, 1], "reply": ["answers", 60],
        }
    )  # fmt: skip
    worker.perform(text)
    worker.perform(text)
    assert len((folder / "made").read_text().split()) == 1
    assert [queue for queue, _ in heard] == ["answers", "answers"]  # begun, ended


def test_a_run_that_a_worker_gave_back(cut_off, schedule, folder):
    """It is sent again if it was not begun, and never a second time if it was."""
    executor = cut_off.executor(queue=f"{cut_off.queue}")
    scheduler, told = schedule(executor)
    sent = []
    send = executor._send
    # it is with nobody
    executor._send = lambda errand, text: sent.append(text) if not sent else send(errand, text)
    scheduler.add_job(jobs.hold, args=[str(folder)], id="hold")
    (run_id,) = until(lambda: list(executor._errands))
    again = f'{{"v":1,"kind":"again","id":"{run_id}"}}'
    executor._hear(again)
    until((folder / "began").exists)
    until(lambda: executor._errands[run_id].begun)
    executor._hear(again)
    (folder / "go").touch()
    assert told.wait("hold", *ENDS).retval == "held"
    scheduler.add_job(jobs.add, args=[1], id="add")  # it would come behind another
    assert told.wait("add", *ENDS).retval == [1, None]
    assert len((folder / "began").read_text().split()) == 1


@pytest.mark.parametrize(
    "given, error",
    [
        ((None,), "app=None is no Celery app"),
        (("os:getpid",), "is no Celery app"),
    ],
)
def test_an_app_that_is_none(given, error):
    with pytest.raises(TypeError, match=error):
        CeleryExecutor(*given)


@pytest.mark.parametrize("option", ["result_timeout", "lost_after"])
@pytest.mark.parametrize("value", [0, -1, "soon", float("nan")])
def test_lengths_of_time_that_are_none(option, value):
    with pytest.raises(ValueError, match=f"{option}={value!r} is no number of seconds"):
        CeleryExecutor(app_of("memory://", "none"), **{option: value})


def test_a_dead_worker_is_always_missed_some_day():
    with pytest.raises(ValueError, match="lost_after=None would keep"):
        CeleryExecutor(app_of("memory://", "none"), lost_after=None)


def test_by_a_configuration_of_texts(monkeypatch):
    monkeypatch.setenv("RAPSCHEDULER_TEST_BROKER", "memory://")
    import tests.engines.worker_app as worker_app

    monkeypatch.setattr(worker_app, "app", app_of("memory://", "none"), raising=False)
    scheduler = BackgroundScheduler(
        {
            "apscheduler.executors.default.type": "celery",
            "apscheduler.executors.default.app": "tests.engines.worker_app:app",
            "apscheduler.executors.default.result_timeout": "60",
        }
    )
    scheduler.start()
    executor = scheduler._executors["default"]
    assert (type(executor), executor._result_timeout_s) == (CeleryExecutor, 60.0)
    scheduler.shutdown()
