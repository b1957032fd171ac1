"""`IntervalTrigger(…, after="end")`: the next run counts from the end of the one before, however that one ends."""

from __future__ import annotations

import logging
import threading
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from rapscheduler.events import (
    EVENT_JOB_ERROR,
    EVENT_JOB_EXECUTED,
    EVENT_JOB_MAX_INSTANCES,
    EVENT_JOB_MISSED,
    EVENT_JOB_REMOVED,
)
from rapscheduler.jobstores.memory import MemoryJobStore
from rapscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from rapscheduler.schedulers.background import BackgroundScheduler
from rapscheduler.testing import ManualScheduler, VirtualClock

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
LIMIT_S = 60
began: list[datetime] = []
clocks: list[Any] = []


def at(*times: str) -> list[datetime]:
    return [datetime.fromisoformat(f"2026-01-01T{time}+00:00") for time in times]


def takes(seconds: float, error: bool = False) -> None:
    """A job of so many seconds, by the clock of the test."""
    clock = clocks[0]
    began.append(clock.now())
    clock.advance(timedelta(seconds=seconds))
    if error:
        raise RuntimeError("as told")


def nothing() -> None:
    """A job that takes no time."""


@pytest.fixture(autouse=True)
def fresh() -> None:
    began.clear()
    clocks.clear()


@pytest.fixture(params=["memory", "sqlite"])
def store(request: Any, tmp_path: Any) -> Any:
    if request.param == "memory":
        return MemoryJobStore()
    return SQLAlchemyJobStore(f"sqlite:///{tmp_path}/jobs.db", shared=request.param == "shared")


@pytest.fixture
def manual(store: Any) -> Any:
    scheduler = ManualScheduler(START)
    scheduler.add_jobstore(store)
    clocks.append(scheduler.clock)
    scheduler.start()
    yield scheduler
    scheduler.shutdown()


def delayed(scheduler: Any, *args: Any, func: Any = takes, minutes: float = 10, **options: Any) -> Any:
    return scheduler.add_job(
        func, "interval", minutes=minutes, after="end", start_date=START, args=args, id="job", **options
    )


def test_the_delay_counts_from_the_end_of_each_run(manual: Any) -> None:
    delayed(manual, 240, misfire_grace_time=None)
    manual.run_until("2026-01-01T00:40:00+00:00")
    assert began == at("00:00", "00:14", "00:28")
    job = manual.get_job("job")
    assert (job.next_run_time, job.nominal_us) == (at("00:42")[0], job.run_at_us)


def test_a_run_longer_than_the_interval_is_followed_by_a_whole_delay(manual: Any) -> None:
    delayed(manual, 1800)
    manual.run_until("2026-01-01T01:30:00+00:00")
    assert began == at("00:00", "00:40", "01:20")


def test_an_error_is_an_end(manual: Any) -> None:
    told: list[Any] = []
    manual.add_listener(told.append, EVENT_JOB_ERROR)
    delayed(manual, 240, True)
    manual.run_until("2026-01-01T00:30:00+00:00")
    assert began == at("00:00", "00:14", "00:28")
    assert len(told) == 3


def test_a_missed_run_is_an_end_and_nothing_is_made_up(manual: Any) -> None:
    told: list[Any] = []
    manual.add_listener(told.append, EVENT_JOB_MISSED)
    delayed(manual, 240, coalesce=False, misfire_grace_time=1)
    manual.clock.advance(timedelta(hours=3, minutes=7))
    manual.run_until("2026-01-01T03:20:00+00:00")
    assert [event.scheduled_run_time for event in told] == at("00:00")
    assert began == at("03:17")


def test_jitter_and_exclusions_come_after_the_delay(manual: Any) -> None:
    delayed(manual, 240, windows=["00:00-00:20", "05:00-06:00"])
    manual.run_until("2026-01-01T05:03:00+00:00")
    assert began == at("00:00", "00:14", "05:00")
    manual.remove_job("job")
    delayed(manual, 60, jitter=5, spread="hash")
    manual.run_until("2026-01-01T06:00:00+00:00")
    first, second = began[3:5]
    late = first - at("05:10")[0]
    assert timedelta(0) < late <= timedelta(seconds=5)
    assert second == first + timedelta(minutes=11) + late


def test_the_last_run_is_that_before_the_end_date(manual: Any) -> None:
    told: list[Any] = []
    manual.add_listener(told.append, EVENT_JOB_REMOVED)
    delayed(manual, 240, end_date="2026-01-01T00:25:00+00:00")
    manual.run_until("2026-01-01T02:00:00+00:00")
    assert began == at("00:00", "00:14")
    assert manual.get_job("job") is None and len(told) == 1


def test_max_runs_ends_it(manual: Any) -> None:
    delayed(manual, 240, max_runs=2)
    manual.run_until("2026-01-01T02:00:00+00:00")
    assert began == at("00:00", "00:14")
    assert manual.get_job("job") is None


def test_an_attempt_more_does_not_count(manual: Any) -> None:
    delayed(manual, 60, True, retry={"attempts": 2, "wait": "fixed", "first": 30})
    manual.run_until("2026-01-01T00:15:00+00:00")
    assert began == at("00:00", "00:01:30", "00:11", "00:12:30")


def test_run_now_is_beside_it(manual: Any) -> None:
    delayed(manual, 60)
    manual.run_until("2026-01-01T00:05:00+00:00")
    manual.run_job("job")
    manual.run_until("2026-01-01T00:12:00+00:00")
    assert began == at("00:00", "00:05", "00:11")


# While a run is under way


class Held:
    """A job in a thread that ends when it is told to."""

    def __init__(self, store: Any, tmp_path: Any = None, **options: Any) -> None:
        self.clock = VirtualClock(START)
        self.scheduler = BackgroundScheduler(timezone="UTC", clock=self.clock)
        self.scheduler.add_jobstore(store)
        self.events: list[Any] = []
        self.scheduler.add_listener(self.events.append)
        running.clear()
        may_end.clear()
        self.scheduler.start()
        self.job = delayed(self.scheduler, func=held, **options)
        self.began()
        assert self.next_is("00:10")  # should this process die; the pass that began it has written that

    def began(self) -> None:
        assert running.wait(LIMIT_S)
        running.clear()

    def until(self, time: str) -> None:
        """Let the clock show this, and the loop look at it."""
        self.clock.set(at(time)[0])
        self.scheduler.wakeup()

    def end(self) -> None:
        may_end.set()

    def next_is(self, time: str | None) -> bool:
        """Whether the job is due then, after a while."""
        wanted = None if time is None else at(time)[0]
        return eventually(lambda: self.scheduler.get_job("job").next_run_time == wanted)

    def has_ended(self, times: int = 1) -> bool:
        """Whether so many runs have ended, and the loop has seen it, after a while."""
        ends = lambda: [one for one in self.events if one.code == EVENT_JOB_EXECUTED]  # noqa: E731
        # the event is told before the end is noted, and the place is given back after that
        counts, noted = self.scheduler._running_counts, self.scheduler._backlogs.ends
        return eventually(lambda: len(ends()) == times and not len(counts) and not noted)

    def codes(self) -> set[int]:
        return {event.code for event in self.events}


running, may_end = threading.Event(), threading.Event()


def held() -> None:
    running.set()
    assert may_end.wait(LIMIT_S)
    may_end.clear()


def eventually(true: Any) -> bool:
    """Whether it is true within the limit."""
    look = threading.Event()
    for _ in range(LIMIT_S * 100):
        if true():
            return True
        look.wait(0.01)
    return False


@pytest.fixture
def hold(store: Any) -> Any:
    made: list[Held] = []

    def hold(**options: Any) -> Held:
        made.append(Held(store, **options))
        return made[-1]

    yield hold
    for one in made:
        may_end.set()
        one.scheduler.shutdown()


@pytest.mark.parametrize("most", [1, 3])
def test_it_is_not_begun_again_while_it_runs_and_nothing_is_told(hold: Any, most: int) -> None:
    run = hold(max_instances=most)
    for time, provisional in (("00:10", "00:20"), ("00:25", "00:35"), ("01:00", "01:10")):
        run.until(time)
        assert run.next_is(provisional)
    run.end()
    assert run.has_ended()
    assert run.next_is("01:10")
    run.until("01:05")
    assert not running.is_set()
    run.until("01:10")
    run.began()
    run.until("01:12")
    run.end()
    assert run.next_is("01:22")
    assert EVENT_JOB_MAX_INSTANCES not in run.codes() and EVENT_JOB_MISSED not in run.codes()


def test_the_end_comes_between_two_provisional_times(hold: Any) -> None:
    run = hold()
    run.until("00:13")
    assert run.next_is("00:23")
    run.until("00:17")
    run.end()
    assert run.next_is("00:27")


def test_a_job_that_was_paused_meanwhile_stays_paused(hold: Any) -> None:
    run = hold()
    run.scheduler.pause_job("job")
    run.end()
    assert run.has_ended()
    run.until("00:30")
    assert run.next_is(None)
    run.scheduler.resume_job("job")
    run.began()
    run.until("00:31")
    run.end()
    assert run.next_is("00:41")


def test_a_job_that_was_removed_meanwhile_stays_removed(hold: Any) -> None:
    run = hold()
    run.scheduler.remove_job("job")
    run.end()
    assert run.has_ended()
    run.until("00:30")
    assert run.scheduler.get_jobs() == []


def test_what_a_user_changed_meanwhile_stands(hold: Any) -> None:
    run = hold()
    run.scheduler.modify_job("job", name="other")
    run.until("00:04")
    run.end()
    assert run.next_is("00:14")
    assert run.scheduler.get_job("job").name == "other"
    run.until("00:14")
    run.began()
    run.scheduler.modify_job("job", next_run_time=at("00:50")[0])
    run.end()
    assert run.has_ended(2)
    assert run.next_is("00:50")


def test_a_job_that_was_rescheduled_meanwhile_keeps_the_new_time(hold: Any) -> None:
    run = hold()
    run.scheduler.reschedule_job("job", trigger="interval", hours=1, start_date=at("07:00")[0])
    run.until("00:04")
    run.end()
    assert run.has_ended()
    assert run.next_is("07:00")


def test_max_runs_counts_no_run_that_was_not_begun(hold: Any) -> None:
    run = hold(max_runs=2)
    run.until("00:10")
    assert run.next_is("00:20")
    run.until("00:12")
    run.end()
    assert run.next_is("00:22")
    run.until("00:22")
    run.began()
    run.end()
    assert eventually(lambda: run.scheduler.get_job("job") is None)


def test_a_process_that_dies_leaves_a_job_with_a_time(tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path}/jobs.db"
    run = Held(SQLAlchemyJobStore(url))
    try:
        run.until("00:15")
        assert run.next_is("00:25")
        other = ManualScheduler(at("00:20")[0])  # as after a restart
        other.add_jobstore(SQLAlchemyJobStore(url))
        other.start(paused=True)
        job = other.get_job("job")
        assert (job.next_run_time, job.trigger.after) == (at("00:25")[0], "end")
        other.shutdown()
    finally:
        run.end()
        run.scheduler.shutdown()


def test_a_shutdown_writes_the_ends_it_waited_for(tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path}/jobs.db"
    run = Held(SQLAlchemyJobStore(url))
    run.until("00:03")
    assert run.next_is("00:10")
    threading.Timer(0.05, run.end).start()
    run.scheduler.shutdown(wait=True)
    again = ManualScheduler(at("00:04")[0])
    again.add_jobstore(SQLAlchemyJobStore(url))
    again.start(paused=True)
    assert again.get_job("job").next_run_time == at("00:13")[0]
    again.shutdown()


def test_a_store_that_fails_is_asked_again(monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    scheduler = ManualScheduler(START, jobstore_retry_interval=5)
    store = MemoryJobStore()
    scheduler.add_jobstore(store)
    clocks.append(scheduler.clock)
    scheduler.start()
    delayed(scheduler, 240)
    broken = [2]
    lookup = store.lookup_job

    def failing(job_id: str) -> Any:
        if broken[0]:
            broken[0] -= 1
            raise OSError("no answer")
        return lookup(job_id)

    monkeypatch.setattr(store, "lookup_job", failing)
    with caplog.at_level(logging.WARNING):
        scheduler.run_until("2026-01-01T00:20:00+00:00")
    assert began == at("00:00", "00:14")
    assert caplog.text.count("The end of a run") == 2
    scheduler.shutdown()


@pytest.mark.parametrize("rule", ["queue_one", "queue_all", "cancel_other"])
@pytest.mark.parametrize("beyond", [False, True])
def test_a_run_that_waited_behind_run_job_is_counted_from_its_end(hold: Any, rule: str, beyond: bool) -> None:
    run = hold(overlap=rule)
    run.until("00:01")
    run.end()
    assert run.next_is("00:11")
    run.job.run()
    run.began()
    run.until("00:11")
    assert run.next_is("00:21")  # it waits; should this process die, the job is due then
    if beyond:
        run.until("00:21")
        assert run.next_is("00:31")  # one waits, and no other gets in line
    run.end()
    run.began()
    run.until("00:24")
    run.end()
    assert run.next_is("00:34")
    assert run.has_ended(3)
    assert EVENT_JOB_MAX_INSTANCES not in run.codes() and EVENT_JOB_MISSED not in run.codes()


def test_a_run_that_ends_while_a_pass_looks_at_the_provisional_time_is_counted_from_its_end(
    hold: Any,
) -> None:
    """After the pass has written the ends of runs, and before it asks whether this one is under way."""
    run = hold()
    backlogs = run.scheduler._backlogs
    counting = backlogs.counting

    def ends_meanwhile(*which: Any) -> bool:
        run.end()
        assert eventually(lambda: backlogs.ends)
        del backlogs.counting
        return bool(counting(*which))

    backlogs.counting = ends_meanwhile
    run.until("00:14")
    assert run.next_is("00:24")
    assert run.has_ended()
    assert EVENT_JOB_MISSED not in run.codes()


@pytest.mark.parametrize("rule", ["skip", "queue_one"])
@pytest.mark.parametrize("store", ["shared"], indirect=True)
def test_a_claimed_run_that_ends_while_its_provisional_time_is_claimed_is_counted_from_its_end(
    hold: Any, monkeypatch: Any, store: Any, rule: str
) -> None:
    """After the pass has written the ends of runs, and before it asks for a place."""
    run = hold(overlap=rule)
    claims, backlogs = store._claims, run.scheduler._backlogs
    claim = claims.claim

    def ends_meanwhile(*told: Any) -> Any:
        monkeypatch.undo()
        run.end()
        assert eventually(lambda: backlogs.ends)
        return claim(*told)

    monkeypatch.setattr(claims, "claim", ends_meanwhile)
    run.until("00:14")
    assert run.next_is("00:24")
    assert run.has_ended()
    assert EVENT_JOB_MISSED not in run.codes() and EVENT_JOB_MAX_INSTANCES not in run.codes()


@pytest.mark.parametrize("store", ["shared"], indirect=True)
def test_the_end_of_a_claimed_run_is_noted_in_the_step_that_forgets_the_run(hold: Any, store: Any) -> None:
    """Else a pass in between finds neither, and begins its provisional time."""
    run = hold()
    backlogs, seen = run.scheduler._backlogs, []
    wake = store._claims.wake

    def looks() -> None:
        seen.append(backlogs.counting("job", "default"))
        wake()

    store._claims.wake = looks
    run.end()
    assert eventually(lambda: seen)
    assert seen[0] is True


def test_a_run_that_waited_and_is_not_made_leaves_its_job_to_its_provisional_time(hold: Any) -> None:
    run = hold(overlap="queue_one")
    run.until("00:01")
    run.end()
    assert run.next_is("00:11")
    run.job.run()
    run.began()
    run.until("00:11")
    assert run.next_is("00:21")
    run.scheduler.pause_job("job")
    assert eventually(lambda: EVENT_JOB_MISSED in run.codes())
    run.scheduler.resume_job("job")
    run.end()
    assert run.has_ended(2)
    due = run.scheduler.get_job("job").next_run_time
    run.until(f"{due:%H:%M}")
    run.began()
