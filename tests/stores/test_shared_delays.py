"""`IntervalTrigger(…, after="end")` in a store that many schedulers share: one run at a time, counted from its end."""

from __future__ import annotations

import os
import threading
import time

import pytest
from tests.stores import shared_worker
from tests.stores.shared_stores import runs_of
from tests.stores.shared_worker import work
from tests.stores.test_shared import log, on, processes, table, until, url  # noqa: F401 (fixtures)

from rapscheduler.events import EVENT_JOB_EXECUTED, EVENT_JOB_LOST, EVENT_JOB_MAX_INSTANCES, EVENT_JOB_MISSED

DELAY_S = 1.0
RUN_S = 1.9  # counted from its beginning the next run would come a tenth of a delay after the end
LEAST_S = (
    0.3  # of the wait: each scheduler has its own idea of the store's clock, by how long an answer takes
)
spans: list[tuple[str, float]] = []
_places = threading.Lock()


def takes_longer_than_its_delay() -> None:
    with _places:  # two at a time would be seen
        spans.append(("begin", time.time()))
        time.sleep(RUN_S)
        spans.append(("end", time.time()))


@pytest.fixture(autouse=True)
def fresh() -> None:
    spans.clear()


def test_whoever_comes_first_a_run_begins_a_delay_after_the_end_of_the_one_before(on):  # noqa: F811
    told, done = [], []
    schedulers = [on() for _ in range(2)]
    for scheduler in schedulers:
        scheduler.add_listener(told.append, EVENT_JOB_MAX_INSTANCES | EVENT_JOB_MISSED)
        scheduler.add_listener(done.append, EVENT_JOB_EXECUTED)
        scheduler.start()
    schedulers[0].add_job(
        takes_longer_than_its_delay,
        "interval",
        seconds=DELAY_S,
        after="end",
        id="job",
        max_instances=5,
        misfire_grace_time=None,
    )
    until(lambda: len(done) >= 3, 60)
    schedulers[1].remove_job("job")
    until(lambda: len(spans) % 2 == 0)
    assert [word for word, _ in spans] == ["begin", "end"] * (len(spans) // 2)
    ends = [at for word, at in spans if word == "end"]
    begins = [at for word, at in spans if word == "begin"]
    waits = [begin - end for end, begin in zip(ends, begins[1:], strict=False)]
    assert min(waits) >= LEAST_S, waits
    assert told == []


def test_a_process_that_is_killed_in_a_run_leaves_the_job_to_the_others(on, processes, log):  # noqa: F811
    watching = on()
    lost = []
    watching.add_listener(lost.append, EVENT_JOB_LOST)
    watching.start(paused=True)
    watching.add_job(
        work,
        "interval",
        seconds=DELAY_S,
        after="end",
        args=["delayed", RUN_S],
        id="delayed",
        misfire_grace_time=None,
    )
    (process,) = processes(1)
    until(lambda: len(shared_worker.lines(log)) >= 1, 60)
    process.kill()
    process.wait()
    watching.resume()
    mine = lambda word: [one for one in shared_worker.lines(log) if one[0] == word and one[2] == os.getpid()]  # noqa: E731
    until(lambda: len(mine("E")) >= 2, 60)
    watching.pause_job("delayed")
    assert [event.job_id for event in lost] == ["delayed"]
    begins, ends = [float(at) for *_, at in mine("B")], [float(at) for *_, at in mine("E")]
    assert min(begin - end for end, begin in zip(ends, begins[1:], strict=False)) >= LEAST_S


class Held:
    """A run that ends when it is let."""

    def __init__(self) -> None:
        self.begun, self.go_on, self.begins = threading.Event(), threading.Event(), 0

    def __call__(self) -> None:
        self.begins += 1
        self.begun.set()
        self.go_on.wait(60)


held = Held()


def is_held() -> None:
    held()


@pytest.fixture
def one_run(on):  # noqa: F811
    """``one_run(lease)`` — a scheduler in whose run a job is that counts from its end, and its store."""

    def one_run(lease_s):
        held.__init__()
        scheduler = on(lease_s=lease_s)
        scheduler.start()
        scheduler.add_job(is_held, "interval", seconds=0.5, after="end", id="job", misfire_grace_time=None)
        assert held.begun.wait(30)
        return scheduler, scheduler._jobstores["default"]

    yield one_run
    held.go_on.set()


def test_nobody_begins_a_job_whose_run_has_ended_and_that_was_not_moved_yet(on, one_run):  # noqa: F811
    _, store = one_run(30)
    second, done = on(lease_s=30), []
    reached, open_gate, update = threading.Event(), threading.Event(), store._update_if

    def waits_at_the_gate(*args):
        reached.set()
        open_gate.wait(60)
        return update(*args)

    store._update_if = waits_at_the_gate
    second.add_listener(done.append, EVENT_JOB_EXECUTED)
    second.start()
    held.go_on.set()
    assert reached.wait(30)
    due = lambda: second.get_job("job").next_run_time  # noqa: E731
    times = {due()}
    until(lambda: times.add(due()) or len(times) > 2 or held.begins > 1)
    assert (held.begins, done) == (1, [])
    open_gate.set()
    until(lambda: held.begins > 1)
    second.remove_job("job")
    until(lambda: runs_of(store) == set())


@pytest.mark.parametrize("ends", ["paused", "stopped", "slow"])
def test_a_run_is_told_though_no_pass_moves_its_job(one_run, ends):
    scheduler, store = one_run(1.5)
    if ends == "paused":
        scheduler.pause()
    elif ends == "stopped":
        scheduler.shutdown(wait=False)
    else:
        store._update_if = lambda *args: False
    held.go_on.set()
    until(lambda: runs_of(store) == set())
