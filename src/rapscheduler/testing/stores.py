"""The contract of a job store, as tests that every store runs: ours, and those of third parties.

What lives here: `JobStoreConformance`. What must not: anything about one database. Use, in a test file run by pytest:

    class TestMyStore(JobStoreConformance):
        def make_store(self):
            return MyStore(...)          # empty, not started

Stores that keep jobs outside the process also define ``reopen(self)``: another store object on the same jobs. A store
written to APScheduler's contract passes; ``keeps_rows = True`` adds what stores on `RowStore` promise beyond it.
"""

from __future__ import annotations

import pickle
import sys
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import orjson
import pytest

from rapscheduler._instants import SECOND_US, moment
from rapscheduler._serialization.registry import register_type
from rapscheduler.errors import ConflictingIdError, JobLookupError
from rapscheduler.job import Job
from rapscheduler.jobstores.base import BaseJobStore, Change
from rapscheduler.testing._rules_of_time import RulesOfTimeConformance
from rapscheduler.triggers.base import BaseTrigger

__all__ = ("JobStoreConformance", "JobStoreFixtures", "StepTrigger", "noop")

START_US = 1_767_225_600_000_000  # 2026-01-01T00:00:00Z


def noop(*args: Any, **kwargs: Any) -> None:
    """What the jobs of the suite call."""


@register_type(name="rapscheduler.testing:StepTrigger")
class StepTrigger(BaseTrigger):
    """Fires every ``seconds`` seconds: a trigger that no engine knows."""

    def __init__(self, seconds: float = 60) -> None:
        self.seconds = seconds

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        return (previous_fire_time or now) + timedelta(seconds=self.seconds)

    def __getstate__(self) -> dict[str, Any]:
        return {"seconds": self.seconds}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.seconds = state["seconds"]

    def __str__(self) -> str:
        return f"step[{self.seconds}]"


class _Scheduler:
    """As much of a scheduler as a store may ask for."""

    timezone = timezone.utc

    def __init__(self) -> None:
        self.events: list[Any] = []
        self._jobstores_lock = threading.RLock()

    def _dispatch_event(self, event: Any) -> None:
        self.events.append(event)

    def _create_lock(self) -> Any:
        return threading.RLock()


class JobStoreFixtures:
    """The pytest fixtures of the suite: ``store`` (started, emptied afterwards), ``scheduler`` and ``make_job``."""

    def make_store(self) -> BaseJobStore:
        """A new, empty store that was not started."""
        raise NotImplementedError("define make_store() to return an empty store that was not started")

    def reopen(self) -> BaseJobStore | None:
        """Another store object on the jobs of the last ``make_store``, or ``None`` if they live in that object."""
        return None

    @pytest.fixture
    def scheduler(self) -> Any:
        return _Scheduler()

    @pytest.fixture
    def store(self, scheduler: Any) -> Iterator[Any]:
        store = self.make_store()
        store.start(scheduler, "shelf")
        yield store
        store.remove_all_jobs()
        store.shutdown()

    @pytest.fixture
    def make_job(self, scheduler: Any) -> Any:
        """``make_job("id", seconds after the start | None: paused, **values)`` — a job not yet in a store."""

        def make_job(job_id: str, at_s: float | None = 0, **values: Any) -> Job:
            values = {
                "trigger": StepTrigger(),
                "func": noop,
                "args": (),
                "kwargs": {},
                "executor": "default",
                "misfire_grace_time": 1,
                "coalesce": True,
                "max_instances": 1,
            } | values
            next_run_time = None if at_s is None else moment(START_US + round(at_s * SECOND_US))
            job = Job(scheduler, id=job_id, next_run_time=next_run_time, **values)
            job._jobstore_alias = "shelf"
            return job

        return make_job


class JobStoreConformance(RulesOfTimeConformance, JobStoreFixtures):
    """Subclass it, define ``make_store`` (and ``reopen``), and run it with pytest."""

    keeps_rows = False  # what RowStore promises beyond the contract: batches, conditional writes, parked rows
    makes_places = False  # each test has a table, collection or path of its own, made by `_open(write=True)`
    most_jobs = 500
    longest_id = 191  # characters that every id may have

    # A look, before anything was made

    def test_a_look_makes_nothing(self) -> None:
        if not self.makes_places:
            pytest.skip("nothing has to be made here, or another test may have made it")
        for _ in range(2):
            store: Any = self.make_store()
            with pytest.raises(LookupError, match=r"there is no|has no"):
                store._open(write=False)
            store.shutdown()

    def test_a_look_reads_what_another_store_wrote(self, store: Any, make_job: Any) -> None:
        other: Any = self.reopen()
        if other is None or not self.keeps_rows:
            pytest.skip("only rows outside of the store are looked at")
        store._add_jobs([make_job("bad", 0), make_job("good", 1)])
        store._set_parked({"bad": "why"})
        other._open(write=False)
        assert sorted(row.id for row in other._read_all()) == ["bad", "good"]
        assert [row.parked for row in other._read(["bad"])] == ["why"]
        assert [(row.id, row.run_at_us) for row in other._read_parked()] == [("bad", START_US)]
        other.shutdown()

    # One job

    def test_looks_up_nothing_in_an_empty_store(self, store: Any) -> None:
        assert store.lookup_job("a") is None
        assert store.get_all_jobs() == []
        assert store.get_due_jobs(moment(START_US)) == []
        assert store.get_next_run_time() is None

    def test_gives_back_a_job_as_it_was_added(self, store: Any, make_job: Any, scheduler: Any) -> None:
        store.add_job(
            make_job(
                "a",
                1.000001,
                args=(1, "zwei", (3.5, None)),
                kwargs={"at": moment(5), "deep": {"list": [1]}},
                name="näme",
                executor="other",
                misfire_grace_time=None,
                coalesce=False,
                max_instances=7,
                trigger=StepTrigger(1.5),
            )
        )
        job = store.lookup_job("a")
        assert (job.id, job.name, job.executor) == ("a", "näme", "other")
        assert job.func is noop
        assert tuple(job.args) == (1, "zwei", (3.5, None))
        assert job.kwargs == {"at": moment(5), "deep": {"list": [1]}}
        assert (job.misfire_grace_time, job.coalesce, job.max_instances) == (None, False, 7)
        assert job.trigger.seconds == 1.5
        assert job.next_run_time == moment(START_US + 1_000_001)
        assert job._scheduler is scheduler
        assert job._jobstore_alias == "shelf"

    def test_refuses_a_second_job_of_one_id_and_keeps_the_first(self, store: Any, make_job: Any) -> None:
        store.add_job(make_job("a", 1, name="first"))
        with pytest.raises(ConflictingIdError) as caught:
            store.add_job(make_job("a", 2, name="second"))
        assert "a" in str(caught.value)
        assert store.lookup_job("a").name == "first"
        assert store.get_next_run_time() == moment(START_US + SECOND_US)

    def test_replaces_a_job(self, store: Any, make_job: Any) -> None:
        store.add_job(make_job("a", 1, name="old", args=(1,)))
        store.add_job(make_job("b", 5))
        store.update_job(make_job("a", 9, name="new", args=(2,)))
        job = store.lookup_job("a")
        assert (job.name, tuple(job.args)) == ("new", (2,))
        assert job.next_run_time == moment(START_US + 9 * SECOND_US)
        assert [job.id for job in store.get_all_jobs()] == ["b", "a"]

    def test_replaces_a_job_by_one_just_like_it(self, store: Any, make_job: Any) -> None:
        store.add_job(make_job("a", 1))
        store.update_job(make_job("a", 1))
        assert store.lookup_job("a").next_run_time == moment(START_US + SECOND_US)

    def test_pauses_and_resumes_a_job(self, store: Any, make_job: Any) -> None:
        store.add_job(make_job("a", 1))
        store.update_job(make_job("a", None))
        assert store.lookup_job("a").next_run_time is None
        assert store.get_due_jobs(moment(START_US + 99 * SECOND_US)) == []
        assert store.get_next_run_time() is None
        store.update_job(make_job("a", 2))
        assert store.get_next_run_time() == moment(START_US + 2 * SECOND_US)

    def test_removes_a_job(self, store: Any, make_job: Any) -> None:
        store.add_job(make_job("a", 1))
        store.add_job(make_job("b", 2))
        store.remove_job("a")
        assert [job.id for job in store.get_all_jobs()] == ["b"]
        assert store.get_next_run_time() == moment(START_US + 2 * SECOND_US)
        store.add_job(make_job("a", 3))
        assert store.lookup_job("a") is not None

    def test_updating_or_removing_an_unknown_job_is_an_error(self, store: Any, make_job: Any) -> None:
        with pytest.raises(JobLookupError):
            store.update_job(make_job("a", 1))
        with pytest.raises(JobLookupError):
            store.remove_job("a")
        assert store.get_all_jobs() == []

    def test_removes_all_jobs(self, store: Any, make_job: Any) -> None:
        for number in range(5):
            store.add_job(make_job(str(number), number or None))
        store.remove_all_jobs()
        assert store.get_all_jobs() == []
        assert store.get_next_run_time() is None
        store.add_job(make_job("1", 1))
        assert len(store.get_all_jobs()) == 1

    @pytest.mark.parametrize(
        "job_id", ["Ünïcode \U0001f40d", "with/slash", "../up", ".", "a b\tc", "%2F", "longest", "0", "A"]
    )
    def test_takes_any_text_as_id(self, store: Any, make_job: Any, job_id: str) -> None:
        if job_id == "longest":
            job_id = "x" * self.longest_id
        store.add_job(make_job(job_id, 1))
        store.add_job(make_job("a", 2))
        assert store.lookup_job(job_id).id == job_id
        assert [job.id for job in store.get_all_jobs()] == [job_id, "a"]
        assert [job.id for job in store.get_due_jobs(moment(START_US + SECOND_US))] == [job_id]
        with pytest.raises(ConflictingIdError):
            store.add_job(make_job(job_id, 1))
        store.remove_job(job_id)
        assert store.lookup_job(job_id) is None
        assert store.lookup_job("a") is not None

    # Times and order

    def test_due_jobs_come_earliest_first_with_the_present_included(self, store: Any, make_job: Any) -> None:
        for job_id, at_s in [("late", 3), ("now", 2), ("past", 1), ("paused", None), ("soon", 2.000001)]:
            store.add_job(make_job(job_id, at_s))
        due = store.get_due_jobs(moment(START_US + 2 * SECOND_US))
        assert [job.id for job in due] == ["past", "now"]
        assert store.get_next_run_time() == moment(START_US + SECOND_US)

    def test_all_jobs_come_by_run_time_with_paused_ones_last(self, store: Any, make_job: Any) -> None:
        for job_id, at_s in [("p1", None), ("c", 3), ("a", 1), ("p2", None), ("b", 2)]:
            store.add_job(make_job(job_id, at_s))
        ids = [job.id for job in store.get_all_jobs()]
        assert ids[:3] == ["a", "b", "c"]
        assert set(ids[3:]) == {"p1", "p2"}

    @pytest.mark.parametrize(
        "time_us", [START_US + 1, START_US + 999_999, 4_102_444_800_000_001, 1, -1, -86_400_000_000, 0]
    )
    def test_keeps_every_microsecond(self, store: Any, make_job: Any, time_us: int) -> None:
        store.add_job(make_job("a", (time_us - START_US) / SECOND_US))
        store.update_job(_at(make_job("a"), time_us))
        assert store.lookup_job("a").next_run_time == moment(time_us)
        assert store.get_next_run_time() == moment(time_us)
        assert store.get_due_jobs(moment(time_us - 1)) == []
        assert [job.id for job in store.get_due_jobs(moment(time_us))] == ["a"]

    def test_jobs_due_at_one_instant_are_all_found(self, store: Any, make_job: Any) -> None:
        ids = {f"job{number}" for number in range(20)}
        for job_id in sorted(ids):
            store.add_job(make_job(job_id, 1))
        assert {job.id for job in store.get_due_jobs(moment(START_US + SECOND_US))} == ids

    def test_its_repr_names_its_class(self, store: Any) -> None:
        assert type(store).__name__ in repr(store)

    # What the loop asks

    def test_the_loop_takes_due_jobs_in_batches_and_they_stay_due(self, store: Any, make_job: Any) -> None:
        for number in range(10):
            store.add_job(make_job(str(number), number))
        assert [job.id for job in store._take_due(START_US + 7 * SECOND_US, 5)] == ["0", "1", "2", "3", "4"]
        assert [job.id for job in store._take_due(START_US + 7 * SECOND_US, 100)] == list("01234567")
        assert store._take_due(START_US - 1, 100) == []
        assert store._earliest_us() == START_US

    def test_a_settled_batch_moves_and_removes(self, store: Any, make_job: Any) -> None:
        for number in range(4):
            store.add_job(make_job(str(number), number, args=(number,)))
        due = store._take_due(START_US + 3 * SECOND_US, 10)
        later_us = START_US + 60 * SECOND_US
        changes = [Change(job, job.run_at_us, later_us, later_us) for job in due[:2]]
        changes += [Change(due[2], due[2].run_at_us, remove=True)]
        store._settle(changes)
        assert [job.id for job in store._take_due(later_us - 1, 10)] == ["3"]
        assert {job.id for job in store.get_all_jobs()} == {"0", "1", "3"}
        moved = store.lookup_job("1")
        assert moved.next_run_time == moment(later_us)
        assert tuple(moved.args) == (1,)

    def test_settling_leaves_alone_what_a_user_changed_meanwhile(self, store: Any, make_job: Any) -> None:
        for job_id in ("moved", "removed", "paused", "finished"):
            store.add_job(make_job(job_id, 0))
        later_us = START_US + SECOND_US
        changes = [
            Change(job, START_US, remove=True)
            if job.id == "finished"
            else Change(job, START_US, later_us, later_us)
            for job in store._take_due(START_US, 10)
        ]
        store.update_job(make_job("moved", 500, name="by the user"))
        store.update_job(make_job("paused", None))
        store.update_job(make_job("finished", 900))
        store.remove_job("removed")
        store._settle(changes)
        assert store.lookup_job("moved").next_run_time == moment(START_US + 500 * SECOND_US)
        assert store.lookup_job("moved").name == "by the user"
        assert store.lookup_job("paused").next_run_time is None
        assert store.lookup_job("removed") is None
        assert store.lookup_job("finished").next_run_time == moment(START_US + 900 * SECOND_US)

    def test_a_change_is_written_only_while_the_job_is_due_as_it_was_found(
        self, store: Any, make_job: Any
    ) -> None:
        """The loop may run a job between a user's look at it and the write: the old time must not come back."""
        store.add_job(make_job("a", 0, name="old"))
        later_us, last_us = START_US + 60 * SECOND_US, START_US + 90 * SECOND_US
        due = store._take_due(START_US, 10)[0]
        found = make_job("a", 0, name="too late")
        store._settle([Change(due, START_US, later_us, later_us)])
        assert store._update_if(found, START_US) is False
        assert (store.lookup_job("a").name, store._earliest_us()) == ("old", later_us)
        found = _at(make_job("a", name="in time"), later_us)
        assert store._update_if(found, later_us) is True
        assert (store.lookup_job("a").name, store._earliest_us()) == ("in time", later_us)
        assert store._update_if(found, later_us) is True  # nothing new is no failure
        assert store._update_if(found, later_us, (last_us, last_us, None)) is True
        assert store._earliest_us() == last_us
        assert store._update_if(found, later_us, (START_US, START_US, None)) is False
        assert store._earliest_us() == last_us
        store.remove_job("a")
        with pytest.raises(JobLookupError):
            store._update_if(found, last_us)

    def test_a_paused_job_is_changed_only_while_it_is_paused(self, store: Any, make_job: Any) -> None:
        store.add_job(make_job("a", None))
        times = (START_US, START_US, None)
        assert store._update_if(make_job("a", None), START_US, times) is False
        assert store._update_if(make_job("a", None), None, times) is True
        assert store._earliest_us() == START_US
        assert store._update_if(make_job("a", 5), None) is False
        assert store._earliest_us() == START_US

    def test_changing_a_parked_job_under_its_time_ends_parking(self, store: Any, make_job: Any) -> None:
        store.add_job(make_job("bad", 1))
        bad = store._take_due(START_US + SECOND_US, 10)[0]
        store._settle([Change(bad, bad.run_at_us, park="why")])
        assert store._update_if(make_job("bad", 2), START_US) is False
        assert [one.job_id for one in store._get_parked()] == ["bad"]
        assert store._update_if(make_job("bad", 2), START_US + SECOND_US) is True
        assert [job.id for job in store._take_due(START_US + 9 * SECOND_US, 10)] == ["bad"]
        assert store._get_parked() == []

    def test_a_parked_job_is_kept_but_not_due(self, store: Any, make_job: Any) -> None:
        store.add_job(make_job("bad", 1))
        store.add_job(make_job("good", 2))
        bad = store._take_due(START_US + SECOND_US, 10)[0]
        store._settle([Change(bad, bad.run_at_us, park="its executor is gone")])
        assert [job.id for job in store._take_due(START_US + 9 * SECOND_US, 10)] == ["good"]
        assert store._earliest_us() == START_US + 2 * SECOND_US
        parked = store._get_parked()
        assert [(one.job_id, one.reason, one.run_at_us) for one in parked] == [
            ("bad", "its executor is gone", START_US + SECOND_US)
        ]
        assert store.lookup_job("bad").id == "bad"
        assert [job.id for job in store.get_all_jobs()] == ["bad", "good"]
        assert store._unpark() == ["bad"]
        assert [job.id for job in store._take_due(START_US + 9 * SECOND_US, 10)] == ["bad", "good"]
        assert store._get_parked() == []

    def test_changing_the_time_of_a_parked_job_ends_parking(self, store: Any, make_job: Any) -> None:
        store.add_job(make_job("bad", 1))
        bad = store._take_due(START_US + SECOND_US, 10)[0]
        store._settle([Change(bad, bad.run_at_us, park="why")])
        store.update_job(make_job("bad", 3))
        assert [job.id for job in store._take_due(START_US + 9 * SECOND_US, 10)] == ["bad"]
        assert store._get_parked() == []

    def test_adds_many_jobs_at_once(self, store: Any, make_job: Any) -> None:
        store._add_jobs(make_job(f"job{number}", number) for number in range(self.most_jobs))
        assert len(store.get_all_jobs()) == self.most_jobs
        due = store._take_due(START_US + self.most_jobs * SECOND_US, self.most_jobs + 1)
        assert [job.id for job in due] == [f"job{number}" for number in range(self.most_jobs)]
        store._settle([Change(job, job.run_at_us, remove=True) for job in due])
        assert store.get_all_jobs() == []

    def test_adding_many_with_one_taken_id_is_a_conflict(self, store: Any, make_job: Any) -> None:
        store.add_job(make_job("b", 1, name="first"))
        with pytest.raises(ConflictingIdError):
            store._add_jobs([make_job("a", 2), make_job("b", 2, name="second"), make_job("c", 3)])
        assert store.lookup_job("b").name == "first"
        assert store.lookup_job("c") is None
        if self.keeps_rows:
            assert store.lookup_job("a") is None

    def test_of_two_threads_that_add_one_id_one_wins(self, store: Any, make_job: Any) -> None:
        results: list[str] = []
        ready = threading.Barrier(4)

        def add(number: int) -> None:
            job = make_job("a", number, name=f"from {number}")
            ready.wait(10)
            try:
                store.add_job(job)
            except ConflictingIdError:
                results.append("conflict")
            else:
                results.append(job.name)

        threads = [threading.Thread(target=add, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        winners = [result for result in results if result != "conflict"]
        assert len(results) == 4
        assert [store.lookup_job("a").name] == winners

    # What stores outside the process add

    def other(self, scheduler: Any) -> Any:
        """A second store on the same jobs, started; skips when there can be none."""
        other = self.reopen()
        if other is None:
            pytest.skip("the jobs live in the store object")
        other.start(scheduler, "shelf")
        return other

    def test_it_can_be_started_again_after_a_shutdown(
        self, store: Any, make_job: Any, scheduler: Any
    ) -> None:
        store.shutdown()
        store.start(scheduler, "shelf")
        store.add_job(make_job("a", 1))
        assert [job.id for job in store.get_all_jobs()] == ["a"]

    def test_another_process_finds_the_jobs(self, store: Any, make_job: Any, scheduler: Any) -> None:
        store.add_job(make_job("a", 1, args=([1],)))
        other = self.other(scheduler)
        assert [job.id for job in other.get_all_jobs()] == ["a"]
        with pytest.raises(ConflictingIdError):
            other.add_job(make_job("a", 2))
        other.update_job(make_job("a", 5))
        assert store.get_next_run_time() == moment(START_US + 5 * SECOND_US)
        other.shutdown()

    def test_arguments_changed_by_a_run_do_not_come_back(self, store: Any, make_job: Any) -> None:
        if self.reopen() is None:
            pytest.skip("the jobs live in the store object")
        store.add_job(make_job("a", 1, args=([1],)))
        store._take_due(START_US + SECOND_US, 1)[0].args[0].append(2)
        assert store.lookup_job("a").args[0] == [1]

    def test_nominal_time_is_kept_beside_a_jittered_run_time(self, store: Any, make_job: Any) -> None:
        if not self.keeps_rows:
            pytest.skip("the contract of APScheduler has no nominal time")
        store.add_job(make_job("a", 1))
        job = store._take_due(START_US + SECOND_US, 1)[0]
        store._settle([Change(job, job.run_at_us, START_US + 61_500_000, START_US + 61_000_000)])
        job = store.lookup_job("a")
        assert (job.run_at_us, job.nominal_us) == (START_US + 61_500_000, START_US + 61_000_000)
        store._settle([Change(job, job.run_at_us, START_US + 70_000_000, START_US + 70_000_000)])
        assert store.lookup_job("a").nominal_us == START_US + 70_000_000

    def test_times_of_the_far_future_can_be_settled(self, store: Any, make_job: Any) -> None:
        far_us = 253_402_300_799_000_001
        store.add_job(_at(make_job("a"), far_us))
        job = store._take_due(far_us + 100, 1)[0]
        store._settle([Change(job, job.run_at_us, START_US, START_US)])
        assert store._earliest_us() == START_US

    def test_the_last_instant_of_the_calendar_can_be_stored(self, store: Any, make_job: Any) -> None:
        store.add_job(_at(make_job("never"), 253_402_300_799_999_999))
        assert [job.id for job in store.get_all_jobs()] == ["never"]
        assert store.lookup_job("never").next_run_time.year == 9999

    def test_a_deferred_job_is_left_out_until_then(self, store: Any, make_job: Any) -> None:
        store._add_jobs([make_job("a", 0), make_job("b", 1)])
        first = store._take_due(START_US + SECOND_US, 1)
        if not store._defer(first, START_US + 5 * SECOND_US):
            pytest.skip("this store leaves deferring to the loop")
        assert [job.id for job in store._take_due(START_US + SECOND_US, 9)] == ["b"]
        assert {job.id for job in store._take_due(START_US + 5 * SECOND_US, 9)} == {"a", "b"}

    # Rows that can't be read

    def damage(self, store: Any, job_id: str, data: bytes) -> None:
        """Put other bytes in the place of a stored job."""
        row = store._read([job_id])[0]
        assert store._replace([row._replace(data=data)]) == []

    def test_an_unreadable_row_is_parked_never_deleted(
        self, store: Any, make_job: Any, scheduler: Any
    ) -> None:
        if not self.keeps_rows:
            pytest.skip("only rows can be unreadable")
        store._add_jobs([make_job("pickled", 0), make_job("garbled", 1), make_job("good", 2)])
        pickled = pickle.dumps({"version": 1, "id": "pickled"})
        self.damage(store, "pickled", pickled)
        self.damage(store, "garbled", b"{")
        assert [job.id for job in store._take_due(START_US + 9 * SECOND_US, 1)] == ["good"]
        assert [job.id for job in store.get_all_jobs()] == ["good"]
        assert store.lookup_job("garbled") is None
        reasons = {one.job_id: (one.reason, one.job) for one in store._get_parked()}
        assert reasons.keys() == {"pickled", "garbled"}
        assert "rapscheduler migrate" in reasons["pickled"][0]
        assert reasons["pickled"][1] is None
        assert store._read(["pickled"])[0].data == pickled
        assert store._read(["pickled"])[0].run_at_us == START_US
        assert sorted(event.job_id for event in scheduler.events) == ["garbled", "pickled"]
        with pytest.raises(ConflictingIdError):
            store.add_job(make_job("garbled", 1))
        assert store._unpark() == []
        assert store._count_parked() == len(store._get_parked()) == 2

    def test_a_row_that_quotes_badly_does_not_keep_the_others_from_running(
        self, store: Any, make_job: Any
    ) -> None:
        if not self.keeps_rows:
            pytest.skip("only rows can be unreadable")
        store._add_jobs([make_job("nul", 0), make_job("long", 1), make_job("good", 2)])
        for job_id, hour in (("nul", "\0"), ("long", {"$datetime": "\U000e0001" * 12_000})):
            data = orjson.loads(store._read([job_id])[0].data)
            self.damage(store, job_id, orjson.dumps(data | {"trigger": {"type": "cron", "hour": hour}}))
        assert [job.id for job in store._take_due(START_US + 9 * SECOND_US, 9)] == ["good"]
        reasons = {one.job_id: one.reason for one in store._get_parked()}
        assert 'Unrecognized expression "\\x00"' in reasons["nul"]
        assert "isoformat" in reasons["long"] and len(reasons["long"]) <= 1000
        assert store._unpark() == []

    def test_a_row_that_can_be_read_again_comes_back_at_start(
        self, store: Any, make_job: Any, scheduler: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if not self.keeps_rows:
            pytest.skip("only rows can be unreadable")
        store._add_jobs([make_job("a", 0), make_job("broken", 0)])
        self.damage(store, "broken", b"null")
        with monkeypatch.context() as gone:
            gone.delattr(sys.modules[__name__], "noop")
            assert store._take_due(START_US, 10) == []
        assert "noop" in {one.job_id: one.reason for one in store._get_parked()}["a"]
        other = self.other(scheduler)
        assert [job.id for job in other._take_due(START_US, 10)] == ["a"]
        assert [one.job_id for one in other._get_parked()] == ["broken"]
        other.remove_job("broken")
        assert other._get_parked() == []
        other.shutdown()

    def test_a_row_that_was_replaced_meanwhile_is_not_parked(
        self, store: Any, make_job: Any, scheduler: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As `rapscheduler migrate` does it while a scheduler looks at the rows."""
        if not self.keeps_rows:
            pytest.skip("only rows can be unreadable")
        store._add_jobs([make_job("mended", 0), make_job("broken", 1), make_job("gone", 2)])
        for job_id in ("mended", "broken", "gone"):
            self.damage(store, job_id, b"{")
        park = store._park_rows

        def park_later(reasons: Any, *seen: Any) -> None:
            if "mended" in reasons:
                store.update_job(make_job("mended", 0))
                store.remove_job("gone")
            park(reasons, *seen)

        monkeypatch.setattr(store, "_park_rows", park_later)
        assert store._take_due(START_US + 9 * SECOND_US, 10) == []
        assert [one.job_id for one in store._get_parked()] == ["broken"]
        assert [event.job_id for event in scheduler.events] == ["broken"]
        assert [job.id for job in store._take_due(START_US + 9 * SECOND_US, 10)] == ["mended"]

    def test_replacing_an_unreadable_row_makes_it_a_job_again(self, store: Any, make_job: Any) -> None:
        if not self.keeps_rows:
            pytest.skip("only rows can be unreadable")
        store.add_job(make_job("a", 0))
        self.damage(store, "a", b"")
        assert store._take_due(START_US, 10) == []
        store.update_job(make_job("a", 0))
        assert [job.id for job in store._take_due(START_US, 10)] == ["a"]
        assert store._get_parked() == []


def _at(job: Job, time_us: int) -> Job:
    """The job, due at exactly this microsecond."""
    job.next_run_time = moment(time_us)
    return job
