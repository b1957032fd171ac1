"""`overlap=` over all schedulers of a store: runs that wait in line there until one elsewhere has ended."""

from __future__ import annotations

import os
import threading
import time

import pytest
from tests.stores import shared_stores, shared_worker, test_shared
from tests.stores.shared_worker import work
from tests.stores.test_shared import LEASE_S, log, on, processes, soon, table, until, url  # noqa: F401 (fixtures)
from tests.stores.test_shared_groups import most_at_once

from rapscheduler._serialization.rows import RowChange
from rapscheduler.events import (
    EVENT_JOB_EXECUTED,
    EVENT_JOB_LOST,
    EVENT_JOB_MAX_INSTANCES,
    EVENT_JOB_MISSED,
    EVENT_JOB_REMOVED,
    EVENT_JOB_SUBMITTED,
)
from rapscheduler.jobstores._shared import NOBODY, WAITING, ClaimRow, InLine, Refused
from rapscheduler.runs import current_run

STEP_US = 1_000_000


class TestOfRows:
    """The operations, without schedulers."""

    store, member = test_shared.TestRows.store, test_shared.TestRows.member
    DUE, DUE_US = test_shared.TestRows.DUE, test_shared.TestRows.DUE_US

    def claim(self, store, me, job_id, number=0, places=1, **options):
        """The run number `number` of a job, a second after the one before."""
        due_us = self.DUE_US + number * STEP_US
        change = RowChange(job_id, due_us, due_us + STEP_US, None)
        row = ClaimRow(change, due_us, due_us, places, **({"from_us": due_us} | options))
        return store._shared.claim(me, [row], [])

    def line(self, store):
        return [(run.job_id, (run.run_us - self.DUE_US) // STEP_US) for run in store._shared.in_line()]

    def test_as_many_as_may_wait_get_in_line_and_nothing_overtakes_them(self, store):
        one, two = self.member(store), self.member(store)
        rows = store._shared
        assert rows.has_news() == frozenset()
        assert self.claim(store, one, "job00", waits=2) == Refused()
        for number in (1, 2):
            assert self.claim(store, two, "job00", number, waits=2) == Refused(waiting=frozenset(["job00"]))
        assert self.claim(store, two, "job00", 3, waits=2) == Refused(busy=frozenset(["job00"]))
        assert self.line(store) == [("job00", 1)]
        assert rows.has_news() == {WAITING}
        first = InLine("job00", self.DUE_US + STEP_US, 1)
        assert rows.begin(two, [first]) == []
        rows.write(one, [("job00", self.DUE_US)], [])
        assert self.claim(store, one, "job00", 4) == Refused(busy=frozenset(["job00"]))  # behind them
        (run,) = rows.begin(two, [first])
        assert (run.job_id, run.run_us, run.from_us, run.data) == ("job00", first.run_us, first.run_us, None)
        assert rows.own(two) == [("job00", first.run_us)]
        assert rows.begin(one, [first]) == []
        assert self.line(store) == [("job00", 2)]
        rows.write(two, [("job00", first.run_us)], [])
        assert len(rows.begin(one, [InLine("job00", self.DUE_US + 2 * STEP_US, 1)])) == 1
        assert (self.line(store), rows.has_news()) == ([], frozenset())

    def test_a_run_takes_the_place_of_those_in_line(self, store):
        one, two = self.member(store), self.member(store)
        options = {"waits": 1, "replaces": True}
        assert self.claim(store, one, "job00", **options) == Refused()
        assert self.claim(store, two, "job00", 1, **options) == Refused(waiting=frozenset(["job00"]))
        assert self.claim(store, two, "job00", 2, **options) == Refused(
            waiting=frozenset(["job00"]), replaced=(("job00", self.DUE_US + STEP_US),)
        )
        assert self.line(store) == [("job00", 2)]
        assert store._shared.own(one) == [("job00", self.DUE_US)]

    def test_a_line_of_a_group_is_one_of_all_its_jobs(self, store):
        one, two = self.member(store), self.member(store)
        rows, group = store._shared, {"group": "two words", "group_places": 1}
        assert self.claim(store, one, "job00", **group) == Refused()
        assert self.claim(store, two, "job01", waits=1, **group) == Refused(waiting=frozenset(["job01"]))
        rows.write(one, [("job00", self.DUE_US)], [])
        for options in (group, group | {"group_places": 5, "places": 5}):
            job_id = f"job0{options['group_places'] + 4}"
            assert self.claim(store, one, job_id, **options) == Refused(busy=frozenset([job_id]))
        assert self.claim(store, one, "job03", waits=1, **group).waiting == {"job03"}
        assert self.claim(store, one, "job04", group="other", group_places=1) == Refused()
        line = [InLine(f"job0{number}", self.DUE_US, 9, "two words", 1) for number in (1, 3)]
        assert [run.job_id for run in rows.begin(two, line)] == ["job01"]
        assert rows.begin(one, line[1:]) == []
        rows.write(two, [("job01", self.DUE_US)], [])
        (run,) = rows.begin(one, line[1:])
        assert (run.job_id, run.group) == ("job03", "two words")

    def test_the_last_run_of_a_job_keeps_its_job_in_line_and_may_go_back_there(self, store):
        one, two = self.member(store), self.member(store)
        rows = store._shared
        group = {"group": "g", "group_places": 1}
        assert self.claim(store, one, "job00", **group) == Refused()
        taken = rows.take(two, self.DUE_US, 1)
        change = RowChange(taken[0].id, self.DUE_US, None, None, True)
        row = ClaimRow(change, self.DUE_US, self.DUE_US, 1, waits=1, from_us=self.DUE_US, **group)
        assert rows.claim(two, [row], []).waiting == {taken[0].id}
        assert store._read([taken[0].id]) == []
        assert [(run.job_id, run.data) for run in rows.in_line()] == [(taken[0].id, taken[0].data)]
        rows.write(one, [("job00", self.DUE_US)], [])
        (run,) = rows.begin(two, [InLine(taken[0].id, self.DUE_US, 1, "g", 1)])
        assert run.data == taken[0].data
        rows.write(two, [], [((run.job_id, run.run_us), run.from_us, WAITING)])
        assert (rows.own(two), self.line(store)) == ([], [(run.job_id, 0)])
        (run,) = rows.begin(one, [InLine(run.job_id, self.DUE_US, 1)])
        rows.write(one, [], [((run.job_id, run.run_us), run.from_us, NOBODY)])
        assert rows.has_news() == {NOBODY}
        assert [run.data for run in rows.take_over(two, NOBODY, 0)] == [taken[0].data]

    def test_one_whose_lease_is_over_begins_none(self, store):
        one, late = self.member(store), self.member(store)
        assert self.claim(store, one, "job00") == Refused()
        assert self.claim(store, late, "job00", 1, waits=1).waiting == {"job00"}
        store._shared.write(one, [("job00", self.DUE_US)], [])
        shared_stores.let_lapse(store, late)
        store._shared.take_over(one, late.id, late.epoch)
        assert store._shared.begin(late, [InLine("job00", self.DUE_US + STEP_US, 1)]) == []
        assert self.line(store) == [("job00", 1)]
        assert store._shared.under_way(10) == []


def ends(log):  # noqa: F811
    return [line for line in shared_worker.lines(log) if line[0] == "E"]


def begins(log):  # noqa: F811
    return [line for line in shared_worker.lines(log) if line[0] == "B"]


def in_line(scheduler):
    return [(run.job_id, run.run_us) for run in scheduler._jobstores["default"]._shared.in_line()]


def every_second(scheduler, seconds, **options):
    scheduler.add_job(
        work,
        "interval",
        seconds=1,
        args=["slow", seconds],
        id="slow",
        **({"misfire_grace_time": 30} | options),
    )


@pytest.mark.parametrize("rule", ["queue_one", "queue_all"])
def test_runs_wait_for_those_elsewhere_and_are_made_one_after_another(on, log, rule):  # noqa: F811
    schedulers, told, submitted = [on(), on()], [], []
    for scheduler in schedulers:
        scheduler.add_listener(told.append, EVENT_JOB_MAX_INSTANCES | EVENT_JOB_MISSED)
        scheduler.add_listener(lambda event: submitted.extend(event.scheduled_run_times), EVENT_JOB_SUBMITTED)
        scheduler.start()
    every_second(schedulers[0], 2.2, overlap=rule, max_runs=3)
    until(lambda: len(ends(log)) == 3, 60)
    until(lambda: not schedulers[0].get_jobs() and not in_line(schedulers[0]))
    assert most_at_once(log) == 1
    assert len(begins(log)) == 3
    assert submitted == sorted(submitted) and len(submitted) == 3
    if rule == "queue_all":
        assert not [event for event in told if event.code == EVENT_JOB_MAX_INSTANCES]
        gaps = {(late - early).total_seconds() for early, late in zip(submitted, submitted[1:], strict=False)}
        assert gaps == {1.0}
    else:
        assert [event for event in told if event.code == EVENT_JOB_MAX_INSTANCES]


def test_a_process_is_killed_while_the_run_of_another_waits_for_it(on, processes, log):  # noqa: F811
    watching = on()
    lost, missed = [], []
    watching.add_listener(lost.append, EVENT_JOB_LOST)
    watching.add_listener(missed.append, EVENT_JOB_MISSED)
    watching.start(paused=True)
    options = {"group": "mail", "overlap": "queue_all", "misfire_grace_time": None}
    watching.add_job(work, "date", args=["first", 30], id="first", on_lost="skip", **options)
    (process,) = processes(1)
    until(lambda: len(begins(log)) == 1)
    watching.add_job(work, "date", args=["second", 0.1], id="second", **options)
    until(lambda: [job_id for job_id, _ in in_line(watching)] == ["second"])
    assert watching.get_jobs() == []
    process.kill()
    process.wait()
    watching.resume()
    until(lambda: ends(log), LEASE_S + 30)
    assert [(line[1], line[2]) for line in ends(log)] == [("second", os.getpid())]
    assert [event.job_id for event in lost] == ["first"]
    assert missed == []


def test_a_process_that_put_a_run_in_line_is_killed_and_another_makes_it(on, processes, log):  # noqa: F811
    running = on()
    running.start()
    options = {"group": "mail", "overlap": "queue_one", "misfire_grace_time": None}
    running.add_job(work, "date", args=["first", 8], id="first", **options)
    until(lambda: len(begins(log)) == 1)
    running.pause()
    (process,) = processes(1)
    until(lambda: len(running.peers()) == 2)
    running.add_job(work, "date", args=["second", 0], id="second", run_date=soon(0.1), **options)
    until(lambda: [job_id for job_id, _ in in_line(running)] == ["second"])
    process.kill()
    process.wait()
    running.resume()
    until(lambda: len(ends(log)) == 2, 40)
    assert [line[1:3] for line in ends(log)] == [("first", os.getpid()), ("second", os.getpid())]


def test_all_of_them_make_the_line_of_a_group_and_lose_no_run(on, processes, log):  # noqa: F811
    watching = on()
    watching.start()
    processes(2)
    until(lambda: len(watching.peers()) == 3)
    options = {"group": "mail", "max_instances": 2, "overlap": "queue_all", "misfire_grace_time": None}
    for number in range(12):
        name = f"mail{number}"
        watching.add_job(work, "date", run_date=soon(0.5), args=[name, 0.3], id=name, **options)
    until(lambda: len(ends(log)) == 12, 60)
    until(lambda: in_line(watching) == [])
    assert len({line[1] for line in begins(log)}) == len(begins(log)) == 12
    assert most_at_once(log) == 2
    assert watching.get_jobs() == []


cancelled: list[str] = []


def until_cancelled() -> None:
    run = current_run()
    _write = shared_worker._write
    _write(f"B {run.job_id} {os.getpid()} {time.time()}\n")
    end = time.monotonic() + 60
    while not run.cancelled and time.monotonic() < end and len(cancelled) < 2:
        time.sleep(0.02)
    _write(f"E {run.job_id} {os.getpid()} {time.time()}\n")
    if run.cancelled:
        cancelled.append(run.reason)
        run.check()


def test_cancel_other_ends_the_run_of_another_scheduler_and_waits_for_its_end(on, log):  # noqa: F811
    cancelled.clear()
    first, second = on(), on()
    first.start()
    second.start(paused=True)
    first.add_job(
        until_cancelled,
        "interval",
        seconds=2,
        id="job",
        next_run_time=soon(0),
        overlap="cancel_other",
        misfire_grace_time=30,
    )
    until(lambda: len(begins(log)) == 1)
    first.pause()
    second.resume()
    until(lambda: len(cancelled) == 2, 40)
    until(lambda: len(ends(log)) >= 3)
    first.remove_job("job")
    until(lambda: len(ends(log)) == len(begins(log)))
    assert most_at_once(log) == 1
    assert all("cancel_other" in reason for reason in cancelled)


def test_what_waits_for_a_job_that_was_removed_is_told_and_not_made(on, log):  # noqa: F811
    scheduler, missed = on(), []
    scheduler.add_listener(missed.append, EVENT_JOB_MISSED)
    scheduler.start()
    every_second(scheduler, 2.5, overlap="queue_one", next_run_time=soon(0))
    until(lambda: in_line(scheduler))
    scheduler.remove_job("slow")
    until(lambda: len(missed) == 1)
    assert (missed[0].job_id, missed[0].cause) == ("slow", "cancelled")
    until(lambda: len(ends(log)) == 1)
    assert len(begins(log)) == 1 and in_line(scheduler) == []


def test_a_shutdown_leaves_the_line_to_the_others(on, log):  # noqa: F811
    first, second, missed = on(), on(), []
    first.add_listener(missed.append, EVENT_JOB_MISSED)
    first.start()
    second.start(paused=True)
    every_second(first, 2.0, overlap="queue_one", next_run_time=soon(0))
    until(lambda: in_line(first))
    first.shutdown()
    assert missed == [] and len(ends(log)) == 1
    second.resume()
    until(lambda: len(begins(log)) >= 2, LEASE_S + 5)
    second.remove_job("slow")


_hold = threading.Event()


def held() -> None:
    _hold.wait(60)


def test_a_run_of_the_schedule_waits_behind_run_job(on):  # noqa: F811
    _hold.clear()
    scheduler, done = on(), []
    scheduler.add_listener(done.append, EVENT_JOB_EXECUTED)
    scheduler.add_listener(done.append, EVENT_JOB_REMOVED)
    scheduler.start()
    job = scheduler.add_job(
        held, "date", run_date=soon(1), id="held", overlap="queue_one", misfire_grace_time=30
    )
    run = job.run()
    until(lambda: [event.code for event in done] == [EVENT_JOB_REMOVED])
    assert [job_id for job_id, _ in in_line(scheduler)] == ["held"]
    _hold.set()
    run.result(30)
    until(lambda: [event.code for event in done].count(EVENT_JOB_EXECUTED) == 2)
    assert in_line(scheduler) == []


def test_a_run_in_line_whose_job_can_not_be_read_is_told_and_keeps_nobody_back(on, log):  # noqa: F811
    scheduler, lost = on(), []
    scheduler.add_listener(lost.append, EVENT_JOB_LOST)
    scheduler.start()
    options = {"group": "mail", "overlap": "queue_all", "misfire_grace_time": None}
    scheduler.add_job(work, "date", args=["first", 3], id="first", **options)
    until(lambda: len(begins(log)) == 1)
    for name in ("second", "third"):
        scheduler.add_job(work, "date", args=[name], id=name, **options)
    until(lambda: len(in_line(scheduler)) == 2)
    store = scheduler._jobstores["default"]
    read = store._try
    store._try = lambda row: (None, "it has no callable") if row.id == "second" else read(row)
    until(lambda: len(ends(log)) == 2)
    assert [(event.job_id, event.rerun) for event in lost] == [("second", False)]
    assert [line[1] for line in ends(log)] == ["first", "third"]
    until(lambda: shared_stores.runs_of(store) == set())
