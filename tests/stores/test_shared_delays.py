"""`IntervalTrigger(…, after="end")` in a store that many schedulers share: one run at a time, counted from its end."""

from __future__ import annotations

import os
import threading
import time

import pytest
from tests.stores import shared_worker
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
