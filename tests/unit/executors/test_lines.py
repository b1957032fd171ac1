"""The two log lines of a run that simply ran: as `logging` would write them, for less."""

from __future__ import annotations

import logging
import logging.handlers
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, ClassVar

import pytest

from rapscheduler._engine.log_lines import line_values
from rapscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED
from rapscheduler.executors import _lines
from rapscheduler.executors._home import Home
from rapscheduler.executors.base import BaseExecutor
from rapscheduler.executors.pool import ThreadPoolExecutor
from rapscheduler.job import Job
from rapscheduler.schedulers.background import BackgroundScheduler
from rapscheduler.schedulers.base import BaseScheduler

NAME = "rapscheduler.executors.default"
PATTERN = "%(asctime)s|%(levelname)s|%(name)s|%(threadName)s|%(message)s"


class Listening(logging.Handler):
    """Keeps the records."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    """The executor's logger, apart from pytest's handlers and set to INFO."""
    logger = logging.getLogger(NAME)
    before = logger.handlers[:], logger.filters[:], logger.level, logger.propagate
    logger.propagate = False
    logger.setLevel(logging.INFO)
    yield logger
    for handler in logger.handlers:
        handler.close()
    logger.handlers[:], logger.filters[:] = before[:2]
    logger.setLevel(before[2])
    logger.propagate = before[3]


def done() -> str:
    return "value"


def run(count: int = 1, workers: int = 1, listener: Any = None, executor: Any = None) -> None:
    executor = executor or ThreadPoolExecutor(workers)
    scheduler = BackgroundScheduler(timezone="UTC", executors={"default": executor})
    if listener is not None:
        scheduler.add_listener(listener, EVENT_JOB_EXECUTED | EVENT_JOB_ERROR)
    scheduler.start(paused=True)
    for i in range(count):
        scheduler.add_job(done, "date", name=f"job{i}", misfire_grace_time=None)
    scheduler.resume()
    while scheduler.get_jobs():
        threading.Event().wait(0.001)
    scheduler.shutdown()


def test_a_file_gets_the_lines_of_every_run(logger: logging.Logger, tmp_path: Path) -> None:
    handler = logging.FileHandler(tmp_path / "log")
    handler.setFormatter(logging.Formatter(PATTERN))
    logger.handlers[:] = [handler]  # without pytest's own
    run(300, workers=8)
    lines = (tmp_path / "log").read_text().splitlines()
    assert len(lines) == 600
    shape = re.compile(
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}\|INFO\|rapscheduler\.executors\.default\|ThreadPoolExecutor-\d+_\d\|"
        r'(?:Running job "(job\d+) \(trigger: .*\)" \(scheduled at .*\+00:00\)|Job "(job\d+) .*" executed successfully)'
    )
    begun: set[str] = set()
    ended: set[str] = set()
    for line in lines:
        found = shape.fullmatch(line)
        assert found, line
        if found[1]:
            begun.add(found[1])
        else:
            assert found[2] in begun
            ended.add(found[2])
    assert len(begun) == len(ended) == 300


def test_records_are_those_of_logging(logger: logging.Logger) -> None:
    """The same attributes, but for place and time, as `logger.info` gives them."""
    handler = Listening()
    logger.handlers[:] = [handler]  # without pytest's own
    for _ in range(2):
        _lines.RUN_LINES.ended(logger, "text", False)
    logger.info('Job "%s" executed successfully', "text")
    first, second, plain = handler.records
    assert second.getMessage() == plain.getMessage() == 'Job "text" executed successfully'
    place = {"created", "msecs", "relativeCreated", "pathname", "filename", "module", "lineno", "funcName"}
    for made in (first, second):
        assert vars(made).keys() == vars(plain).keys()
        assert {key: vars(made)[key] for key in vars(plain).keys() - place} == {
            key: vars(plain)[key] for key in vars(plain).keys() - place
        }
    assert 0 <= plain.created - second.created < 60
    assert abs(second.relativeCreated - plain.relativeCreated) < 60_000


def test_formatting_is_that_of_logging(logger: logging.Logger) -> None:
    values = line_values(logger, 'Job "%s" executed successfully', ("text",))
    for formatter in (
        None,
        logging.Formatter(PATTERN),
        logging.Formatter(PATTERN, "%H:%M"),
        logging.Formatter("{message} {created}", style="{"),
        logging.Formatter("%(message)s %(extra)s", defaults={"extra": "more"}),
    ):
        handler = logging.StreamHandler()
        handler.setFormatter(formatter)
        assert _lines._formatted(handler, dict(values)) == handler.format(_lines._made(dict(values)))


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The jobs that were asked for their text."""
    asked: list[str] = []
    whole = Job.__str__
    monkeypatch.setattr(Job, "__str__", lambda job: (asked.append(job.name), whole(job))[1])
    return asked


def test_nothing_is_made_when_no_handler_takes_it(logger: logging.Logger, told: list[str]) -> None:
    handler = Listening()
    handler.setLevel(logging.WARNING)
    logger.handlers[:] = [handler]  # without pytest's own
    run(3)
    assert told == [] and handler.records == []


def test_the_text_of_a_job_is_made_once_for_both_lines(logger: logging.Logger, told: list[str]) -> None:
    handler = Listening()
    logger.handlers[:] = [handler]  # without pytest's own
    run(3)
    assert sorted(told) == ["job0", "job1", "job2"] and len(handler.records) == 6


def test_a_record_that_one_handler_had_is_the_next_one_s(logger: logging.Logger, tmp_path: Path) -> None:
    """As filters of handlers that add to a record expect, of plain streams too."""
    adding, stream = Listening(), logging.FileHandler(tmp_path / "log")
    adding.addFilter(lambda record: setattr(record, "added", "more") or True)
    stream.setFormatter(logging.Formatter("%(added)s %(levelname)s"))
    logger.handlers[:] = [adding, stream]  # without pytest's own
    run()
    assert (tmp_path / "log").read_text() == "more INFO\nmore INFO\n"


def test_filters_factories_and_queues_have_their_say(logger: logging.Logger) -> None:
    class Factory(logging.LogRecord):
        pass

    waiting: queue.SimpleQueue[Any] = queue.SimpleQueue()
    logger.handlers[:] = [logging.handlers.QueueHandler(waiting)]  # without pytest's own
    logger.addFilter(lambda record: "Running" not in record.msg)
    run()
    assert waiting.get_nowait().getMessage().endswith("executed successfully") and waiting.empty()
    logger.filters.clear()
    logging.setLogRecordFactory(Factory)
    try:
        run()
    finally:
        logging.setLogRecordFactory(logging.LogRecord)
    assert type(waiting.get_nowait()) is type(waiting.get_nowait()) is Factory


def test_a_stream_that_fails_costs_no_run(logger: logging.Logger, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def write(self, text: str) -> None:
            raise OSError("disk full")

        def flush(self) -> None:
            pass

    failed: list[Any] = []
    monkeypatch.setattr(logging.Handler, "handleError", lambda handler, record: failed.append(record))
    logger.handlers[:] = [logging.StreamHandler(Broken())]  # without pytest's own
    events: list[Any] = []
    run(listener=events.append)
    assert [event.code for event in events] == [EVENT_JOB_EXECUTED] and failed


def test_lines_left_for_later_are_written_by_whoever_is_idle(logger: logging.Logger, tmp_path: Path) -> None:
    logger.handlers[:] = [logging.FileHandler(tmp_path / "log")]  # without pytest's own
    _lines.RUN_LINES.ended(logger, "one", later=True)
    assert (tmp_path / "log").read_text() == ""
    _lines.flush()
    assert (tmp_path / "log").read_text() == 'Job "one" executed successfully\n'
    _lines.flush()
    assert len((tmp_path / "log").read_text().splitlines()) == 1


PATCHED_EARLY = """
import functools, logging, threading
from rapscheduler.schedulers.background import BackgroundScheduler

seen, whole = [], logging.Logger.callHandlers

@functools.wraps(whole)
def watch(self, record):
    seen.append(record.getMessage())
    whole(self, record)

logging.Logger.callHandlers = watch
logging.basicConfig(level=logging.INFO)
with BackgroundScheduler(timezone="UTC") as scheduler:
    ended = threading.Event()
    scheduler.add_listener(lambda event: ended.set(), 4096)
    scheduler.add_job("builtins:int", id="a")
    assert ended.wait(60)
print(any("executed successfully" in text for text in seen))
"""


RECORDS_OF_A_FUNCTION = """
import logging, threading

class_of_records = logging.LogRecord

def make(*args, **options):
    record = class_of_records(*args, **options)
    record.added = "more"
    return record

{first}logging.LogRecord = make
{first}logging.setLogRecordFactory(make)
from rapscheduler.schedulers.background import BackgroundScheduler

logging.basicConfig(level=logging.INFO, style="{{", format="{{message}}")
told = []
with BackgroundScheduler(timezone="UTC") as scheduler:
    ended = threading.Semaphore(0)
    scheduler.add_listener(lambda event: [told.append(event.code), ended.release()], 4096 + 8192)
    for job_id in "ab":
        scheduler.add_job("builtins:int", id=job_id)
        assert ended.acquire(timeout=60)
        {then}logging.LogRecord = make
print(set(told) == {{4096}})
"""


def printed(program: str) -> str:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False
    )
    return done.stdout or done.stderr


def test_what_was_put_in_place_of_logging_before_a_scheduler_is_made_sees_the_lines() -> None:
    """Error trackers do so after the imports of a program, under the name of what they replace."""
    assert printed(PATCHED_EARLY) == "True\n"


@pytest.mark.parametrize(("first", "then"), [("", "# "), ("# ", "")], ids=["first", "then"])
def test_a_function_in_the_place_of_the_class_of_records_costs_no_run(first: str, then: str) -> None:
    assert printed(RECORDS_OF_A_FUNCTION.format(first=first, then=then)) == "True\n"


def test_success_is_told_with_its_value_once_the_place_is_free() -> None:
    counts: list[int] = []
    events: list[Any] = []
    scheduler = BackgroundScheduler(timezone="UTC")

    def listen(event: Any) -> None:
        counts.append(scheduler._running_counts.count(event.job_id))
        events.append(event)

    scheduler.add_listener(listen, EVENT_JOB_EXECUTED)
    scheduler.start()
    due = datetime.now(timezone.utc)
    scheduler.add_job(done, "date", run_date=due, id="a", max_instances=2, misfire_grace_time=None)
    while not events:
        threading.Event().wait(0.001)
    scheduler.shutdown()
    assert counts == [0]
    assert (events[0].retval, events[0].job_id, events[0].scheduled_run_time) == ("value", "a", due)


@pytest.mark.parametrize("where", ["object", "class"])
def test_what_was_put_in_place_of_telling_gets_the_events(
    where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when it comes while runs are told by the engine."""
    scheduler, seen, heard = BackgroundScheduler(timezone="UTC"), [], threading.Semaphore(0)
    whole = BaseScheduler._dispatch_event

    def watch(event: Any) -> None:
        seen.append(event.code)
        whole(scheduler, event)

    scheduler.add_listener(lambda event: heard.release(), EVENT_JOB_EXECUTED)
    scheduler.start()
    scheduler.add_job(done, misfire_grace_time=None)
    assert heard.acquire(timeout=60)
    if where == "object":
        scheduler._dispatch_event = watch  # type: ignore[method-assign]
    else:
        monkeypatch.setattr(BaseScheduler, "_dispatch_event", lambda self, event: watch(event))
    scheduler.add_job(done, misfire_grace_time=None)
    assert heard.acquire(timeout=60)
    scheduler.shutdown()
    assert EVENT_JOB_EXECUTED in seen


@pytest.mark.parametrize("kept", ["by a keeper of runs", "by claims of a shared store"])
def test_a_run_that_somebody_keeps_goes_through_the_run_loop(kept: str) -> None:
    executor = ThreadPoolExecutor(1)
    assert executor._is_plain()
    executor._home = Home()
    executor._home.watched.every = kept == "by a keeper of runs"
    executor._home.backlogs.claims = kept == "by claims of a shared store"
    assert not executor._is_plain()
    executor.shutdown()


def test_a_class_that_looks_at_events_gets_them(logger: logging.Logger) -> None:
    class Looking(ThreadPoolExecutor):
        seen: ClassVar[list[Any]] = []

        def _run_job_success(self, job_id: str, events: Any) -> None:
            self.seen.extend(events)
            super()._run_job_success(job_id, events)

    logger.handlers[:] = [Listening()]
    run(executor=Looking(1))
    assert [event.retval for event in Looking.seen] == ["value"]


@pytest.mark.parametrize("cls", [BaseExecutor, ThreadPoolExecutor])
def test_a_run_job_success_that_is_put_on_a_class_gets_the_events(
    cls: type[BaseExecutor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As tools that count runs do, also while runs are told by the engine and nobody listens."""
    whole, seen, ended = BaseExecutor._run_job_success, [], threading.Semaphore(0)

    def ends() -> None:
        ended.release()

    def watch(self: Any, job_id: str, events: Any) -> None:
        seen.extend(event.code for event in events)
        whole(self, job_id, events)
        ended.release()

    with BackgroundScheduler(timezone="UTC") as scheduler:
        scheduler.add_job(ends, misfire_grace_time=None)
        assert ended.acquire(timeout=60)
        monkeypatch.setattr(cls, "_run_job_success", watch)
        scheduler.add_job(done, misfire_grace_time=None)
        assert ended.acquire(timeout=60)
    assert EVENT_JOB_EXECUTED in seen


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("behind_its_back", [False, True])
def test_a_child_writes_its_own_pid(logger: Any, tmp_path: Path, behind_its_back: bool) -> None:
    """Also where no handler of a fork runs, as under uWSGI, and while a thread of the parent's writes."""
    import ctypes

    path = tmp_path / "log.txt"
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(process)d|%(message)s"))
    logger.addHandler(handler)
    scheduler: Any = BackgroundScheduler(timezone="UTC")
    scheduler.start()
    run_in(scheduler, "parent", path)
    for writer in _lines._writers.values():
        writer._busy.acquire()  # as if a thread wrote at this very moment
    fork = ctypes.PyDLL(None).fork if behind_its_back else os.fork
    for _ in range(3):
        pid = fork()
        if pid == 0:
            try:
                scheduler.start()
                run_in(scheduler, "child", path)
                os._exit(0)
            finally:
                os._exit(1)
        status = ended(pid)
        # a fork behind its back may take the interpreter's own lock along, which no thread of the child holds
        if not behind_its_back or status != signal.SIGKILL:
            break
    assert status == 0
    for writer in _lines._writers.values():
        writer._busy.release()
    lines = path.read_text().splitlines()
    assert {line.partition("|")[0] for line in lines if "child" in line} == {str(pid)}
    assert {line.partition("|")[0] for line in lines if "parent" in line} == {str(os.getpid())}
    scheduler.shutdown()


def ended(pid: int) -> int:
    """How a child ended. One that hangs is killed from here: it may not get as far as to an alarm of its own."""
    end_s = time.monotonic() + 30
    while True:
        gone, status = os.waitpid(pid, os.WNOHANG)
        if gone:
            return status
        if time.monotonic() > end_s:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)


def run_in(scheduler: Any, name: str, path: Path) -> None:
    """Run a job of this name, until its second line is written."""
    scheduler.add_job(print, name=name, misfire_grace_time=None)
    end_s = time.monotonic() + 20
    while not re.search(f'Job "{name} .* executed successfully', path.read_text()):
        assert time.monotonic() < end_s, path.read_text()
        time.sleep(0.01)
