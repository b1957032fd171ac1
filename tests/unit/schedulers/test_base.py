"""The public methods of a scheduler, on the manual one: results, errors, texts and logs as in APScheduler."""

from __future__ import annotations

import functools
import io
import json
import logging
import pickle
import sys
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from rapscheduler import events
from rapscheduler.errors import (
    ConflictingIdError,
    DecodeError,
    JobLookupError,
    SchedulerAlreadyRunningError,
    SchedulerNotRunningError,
)
from rapscheduler.events import EVENT_ALL, EVENT_ALL_JOBS_REMOVED, EVENT_JOB_ADDED, EVENT_JOB_MODIFIED
from rapscheduler.executors.debug import DebugExecutor
from rapscheduler.jobstores.memory import MemoryJobStore
from rapscheduler.schedulers.background import BackgroundScheduler
from rapscheduler.testing import ManualScheduler
from rapscheduler.triggers.cron import CronTrigger
from rapscheduler.triggers.date import DateTrigger
from rapscheduler.triggers.interval import IntervalTrigger

START = datetime(2025, 3, 1, tzinfo=timezone.utc)
FAR = datetime(2035, 1, 1, tzinfo=timezone.utc)
NAMES = {
    code: name
    for name, code in vars(events).items()
    if name.startswith("EVENT_") and name not in ("EVENT_ALL", "EVENT_SCHEDULER_START")
}


def work(x=1):
    return x


@pytest.fixture
def stopped():
    return ManualScheduler(START)


@pytest.fixture
def scheduler():
    scheduler = ManualScheduler(START)
    scheduler.start()
    yield scheduler
    if scheduler.running:
        scheduler.shutdown()


@pytest.fixture
def told(scheduler):
    """Names and job ids of the events since now."""
    told = []
    scheduler.add_listener(
        lambda event: told.append((NAMES[event.code], getattr(event, "job_id", event.alias)))
    )
    return told


class TestAddJob:
    def test_a_pending_job_has_no_run_time_and_no_defaults_yet(self, stopped):
        job = stopped.add_job(work, "date", run_date=FAR, id="a")
        assert (job.pending, job.id, job.name, job.executor, job.args, job.kwargs) == (
            True,
            "a",
            "work",
            "default",
            (),
            {},
        )
        assert not hasattr(job, "next_run_time")
        assert not hasattr(job, "coalesce")
        assert str(job) == "work (trigger: date[2035-01-01 00:00:00 UTC], pending)"
        stopped.start()
        assert (job.pending, job.next_run_time, job.coalesce, job.max_instances, job.misfire_grace_time) == (
            False, FAR, True, 1, 1,
        )  # fmt: skip

    def test_what_is_given_wins_over_the_defaults(self):
        with ManualScheduler(
            START, job_defaults={"coalesce": "no", "max_instances": "3", "misfire_grace_time": "7"}
        ) as s:
            job = s.add_job(work, "date", run_date=FAR)
            assert (job.coalesce, job.max_instances, job.misfire_grace_time) == (False, 3, 7)
            job = s.add_job(
                work, "date", run_date=FAR, coalesce=True, max_instances=2, misfire_grace_time=None
            )
            assert (job.coalesce, job.max_instances, job.misfire_grace_time) == (True, 2, None)

    def test_triggers_by_alias_instance_and_default(self, scheduler):
        assert type(scheduler.add_job(work).trigger) is DateTrigger
        assert type(scheduler.add_job(work, "interval", hours=1).trigger) is IntervalTrigger
        trigger = CronTrigger(hour=5, timezone="Europe/Berlin")
        assert scheduler.add_job(work, trigger).trigger is trigger

    def test_triggers_by_alias_are_in_the_zone_of_the_scheduler(self):
        with ManualScheduler(START, timezone="Asia/Tokyo") as scheduler:
            job = scheduler.add_job(work, "cron", hour=5)
            assert str(job.trigger.timezone) == "Asia/Tokyo"
            assert job.next_run_time.isoformat() == "2025-03-02T05:00:00+09:00"

    def test_a_combining_trigger_by_alias(self, scheduler):
        triggers = [DateTrigger(FAR), DateTrigger(FAR - timedelta(days=1))]
        assert scheduler.add_job(work, "or", triggers=triggers).next_run_time == FAR - timedelta(days=1)

    def test_a_trigger_of_another_family_is_taken_as_it_is(self, scheduler):
        class Foreign:
            def get_next_fire_time(self, previous, now):
                return FAR if previous is None else None

        assert scheduler.add_job(work, Foreign()).next_run_time == FAR

    def test_next_run_time_given(self, scheduler):
        assert scheduler.add_job(work, "cron", hour=5, next_run_time=None).next_run_time is None
        assert scheduler.add_job(work, "cron", hour=5, next_run_time="2035-01-01").next_run_time == FAR

    def test_a_callable_by_reference(self, scheduler):
        job = scheduler.add_job("os:getcwd")
        assert (job.func.__name__, job.func_ref, job.name) == ("getcwd", "os:getcwd", "getcwd")

    def test_closures_are_not_kept_by_the_scheduler(self, scheduler):
        from rapscheduler._callables import _known_functions

        def closure():
            return scheduler

        scheduler.add_job(closure)
        scheduler.add_job(work)
        assert closure not in _known_functions
        assert work in _known_functions

    def test_a_job_that_never_runs_is_kept_paused(self, scheduler):
        job = scheduler.add_job(work, "interval", seconds=5, start_date="2001-01-01", end_date="2001-01-02")
        assert job.next_run_time is None
        assert scheduler.get_jobs() == [job]

    def test_an_id_that_is_taken(self, scheduler):
        scheduler.add_job(work, "date", run_date=FAR, id="a")
        with pytest.raises(ConflictingIdError, match="Job identifier \\(a\\) conflicts with an existing job"):
            scheduler.add_job(work, "date", run_date=FAR, id="a")
        replacement = scheduler.add_job(len, "date", run_date=FAR, id="a", args=["x"], replace_existing=True)
        assert scheduler.get_job("a") is replacement

    def test_replacing_starts_the_interval_anew_and_keep_does_not(self, scheduler):
        def weekly(**kwargs):
            return scheduler.add_job(work, "interval", weeks=1, id="w", **kwargs)

        first = weekly().next_run_time
        scheduler.advance(timedelta(days=3))
        assert weekly(replace_existing="keep").next_run_time == first
        assert weekly(replace_existing=True).next_run_time == first + timedelta(days=3)

    def test_keep_computes_anew_when_the_schedule_is_another(self, scheduler):
        scheduler.add_job(work, "cron", hour=5, id="c")
        job = scheduler.add_job(work, "cron", hour=6, id="c", replace_existing="keep")
        assert job.next_run_time == START + timedelta(hours=6)

    def test_keep_leaves_a_paused_job_paused(self, scheduler):
        scheduler.add_job(work, "cron", hour=5, id="c").pause()
        assert scheduler.add_job(work, "cron", hour=5, id="c", replace_existing="keep").next_run_time is None

    def test_scheduled_job_replaces_and_returns_the_function(self, scheduler):
        for _ in range(2):
            decorated = scheduler.scheduled_job("cron", id="d", hour=5)(work)
        assert decorated is work
        assert [job.id for job in scheduler.get_jobs()] == ["d"]

    @pytest.mark.parametrize(
        ("wrong", "cls", "text"),
        [
            ({"func": 5}, TypeError, "func must be a callable or a textual reference to one"),
            ({"func": "nope:x"}, LookupError, "Error resolving reference nope:x: could not import module"),
            ({"func": "nope"}, ValueError, "Invalid reference"),
            ({"args": 5}, TypeError, "args=5"),
            ({"args": (1, 2)}, ValueError, "longer than the target callable can handle"),
            ({"kwargs": 5}, TypeError, "kwargs=5"),
            ({"kwargs": {"z": 1}}, ValueError, "does not accept the following keyword arguments: z"),
            ({"id": 5}, TypeError, "id must be a nonempty string, got 5"),
            ({"name": ""}, TypeError, "name must be a nonempty string"),
            (
                {"misfire_grace_time": 0},
                TypeError,
                "misfire_grace_time must be either None or a positive integer",
            ),
            ({"misfire_grace_time": "1"}, TypeError, "got '1'"),
            ({"max_instances": -1}, TypeError, "max_instances must be a positive integer"),
            ({"next_run_time": "soon"}, ValueError, "Invalid date string 'soon' for next_run_time"),
            ({"next_run_time": 5}, TypeError, "Unsupported type for next_run_time: int"),
            ({"jobstore": "defualt"}, KeyError, "No such job store: defualt; did you mean 'default'"),
            ({"executor": 5}, TypeError, "executor must be a string"),
            (
                {"trigger": "corn"},
                LookupError,
                "No trigger by the name \"corn\" was found; did you mean 'cron'",
            ),
            ({"trigger": 5}, TypeError, "Expected a trigger instance or string, got int instead"),
            ({"trigger": DateTrigger}, TypeError, "Expected a trigger instance"),
            ({"trigger": "interval", "secnds": 5}, TypeError, "secnds"),
            ({"replace_existing": "yes"}, ValueError, "replace_existing='yes'"),
            ({"timezone": "Europe/Berln"}, KeyError, "No time zone found with key Europe/Berln"),
        ],
    )
    def test_wrong_arguments(self, scheduler, wrong, cls, text):
        with pytest.raises(cls) as caught:
            scheduler.add_job(**{"func": work, **wrong})
        assert text in str(caught.value)
        assert scheduler.get_jobs() == []


class TestAddJobs:
    def test_specs_over_shared_arguments(self, scheduler):
        trigger = CronTrigger(hour=5, timezone="UTC")
        specs = [
            {"args": (1,)},
            {"kwargs": {"x": 2}, "id": "two"},
            {"trigger": "interval", "hours": 1, "name": "n"},
        ]
        jobs = scheduler.add_jobs(specs, func=work, trigger=trigger, max_instances=4)
        assert [(job.args, job.kwargs, job.max_instances, job.coalesce) for job in jobs] == [
            ((1,), {}, 4, True), ((), {"x": 2}, 4, True), ((), {}, 4, True),
        ]  # fmt: skip
        assert jobs[0].trigger is jobs[1].trigger is trigger
        assert (jobs[1].id, jobs[2].name) == ("two", "n")
        assert [job.next_run_time - START for job in jobs] == [timedelta(hours=h) for h in (5, 5, 1)]
        assert sorted(job.id for job in scheduler.get_jobs()) == sorted(job.id for job in jobs)

    def test_before_the_start_they_wait(self, stopped):
        jobs = stopped.add_jobs(({"id": str(n)} for n in range(3)), func=work, trigger="cron", hour=5)
        assert all(job.pending for job in jobs)
        stopped.start()
        assert stopped.get_jobs() == jobs

    def test_one_call_to_each_store_and_events_in_order(self, scheduler, told):
        calls = []

        class Counting(MemoryJobStore):
            def _add_jobs(self, jobs):
                calls.append([job.id for job in jobs])
                super()._add_jobs(jobs)

        scheduler.add_jobstore(Counting(), "other")
        del told[:]
        scheduler.add_jobs(
            [{"id": "a"}, {"id": "b"}, {"id": "c"}], func=work, trigger="cron", hour=5, jobstore="other"
        )
        assert calls == [["a", "b", "c"]]
        assert told == [("EVENT_JOB_ADDED", "a"), ("EVENT_JOB_ADDED", "b"), ("EVENT_JOB_ADDED", "c")]

    @pytest.mark.parametrize(
        ("spec", "cls", "text"),
        [
            ({"args": (1, 2)}, ValueError, "longer than the target"),
            ({"kwargs": {"z": 1}}, ValueError, "does not accept"),
            ({"id": 5}, TypeError, "id must be a nonempty string"),
            ({"name": ""}, TypeError, "name must be a nonempty string"),
            (("work",), TypeError, "takes mappings of add_job"),
            ({"func": None}, TypeError, "func must be a callable"),
        ],
    )
    def test_nothing_is_added_when_one_is_wrong(self, scheduler, spec, cls, text):
        with pytest.raises(cls, match=text):
            scheduler.add_jobs([{}, spec], func=work, trigger=DateTrigger(FAR))
        assert scheduler.get_jobs() == []

    def test_func_is_needed(self, scheduler):
        with pytest.raises(TypeError, match='"func" is missing'):
            scheduler.add_jobs([{"trigger": "cron"}])

    def test_replacing(self, scheduler):
        scheduler.add_jobs([{"id": "a"}, {"id": "b"}], func=work, trigger=DateTrigger(FAR))
        with pytest.raises(ConflictingIdError):
            scheduler.add_jobs([{"id": "c"}, {"id": "a"}], func=work, trigger=DateTrigger(FAR))
        scheduler.add_jobs(
            [{"id": "a"}], func=len, args=["x"], trigger=DateTrigger(FAR), replace_existing=True
        )
        assert scheduler.get_job("a").func is len


class TestChanging:
    def test_modify(self, scheduler, told):
        scheduler.add_job(work, "date", run_date=FAR, id="a")
        job = scheduler.modify_job("a", name="other", max_instances=3)
        assert (job.name, job.max_instances) == ("other", 3)
        assert told == [("EVENT_JOB_ADDED", "a"), ("EVENT_JOB_MODIFIED", "a")]

    @pytest.mark.parametrize(
        ("changes", "cls"),
        [({"id": "b"}, ValueError), ({"foo": 1}, AttributeError), ({"max_instances": 0}, TypeError)],
    )
    def test_a_refused_change_changes_nothing(self, scheduler, changes, cls):
        job = scheduler.add_job(work, "date", run_date=FAR, id="a")
        with pytest.raises(cls):
            scheduler.modify_job("a", **{"name": "other", **changes})
        assert job.name == "work"

    def test_pause_and_resume(self, scheduler):
        job = scheduler.add_job(work, "cron", hour=5, id="a")
        assert scheduler.pause_job("a").next_run_time is None
        scheduler.advance(timedelta(days=1))
        assert scheduler.resume_job("a").next_run_time == START + timedelta(days=1, hours=5)
        assert job.pause().resume() is job

    def test_a_job_whose_schedule_is_over_is_removed_by_resume(self, scheduler, told):
        scheduler.add_job(work, "cron", hour=5, end_date="2025-03-02", id="a").pause()
        scheduler.advance(timedelta(days=5))
        assert scheduler.resume_job("a") is None
        assert scheduler.get_job("a") is None
        assert told[-1] == ("EVENT_JOB_REMOVED", "a")

    def test_reschedule(self, scheduler):
        job = scheduler.add_job(work, "cron", hour=5, id="a")
        assert scheduler.reschedule_job("a", trigger="interval", hours=2) is job
        assert job.next_run_time == START + timedelta(hours=2)
        assert job.reschedule("cron", hour=3).next_run_time == START + timedelta(hours=3)

    def test_remove(self, scheduler, told):
        scheduler.add_job(work, "date", run_date=FAR, id="a")
        scheduler.add_job(work, "date", run_date=FAR, id="b").remove()
        scheduler.remove_job("a")
        assert scheduler.get_jobs() == []
        assert told[-2:] == [("EVENT_JOB_REMOVED", "b"), ("EVENT_JOB_REMOVED", "a")]

    @pytest.mark.parametrize(
        "method", ["modify_job", "pause_job", "resume_job", "reschedule_job", "remove_job"]
    )
    @pytest.mark.parametrize("started", [True, False])
    def test_an_unknown_job(self, stopped, method, started):
        if started:
            stopped.start()
        with pytest.raises(JobLookupError, match="No job by the id of nope was found"):
            getattr(stopped, method)("nope")
        assert stopped.get_job("nope") is None

    def test_pending_jobs_can_be_changed_and_removed(self, stopped):
        told = []
        stopped.add_listener(lambda event: told.append((event.code, event.jobstore)), EVENT_JOB_MODIFIED)
        stopped.add_job(work, "cron", hour=5, id="a")
        stopped.add_job(work, "cron", hour=5, id="b")
        stopped.modify_job("a", name="other")
        stopped.pause_job("a")
        stopped.remove_job("b")
        assert told == [(EVENT_JOB_MODIFIED, None)] * 2
        stopped.start()
        assert [(job.name, job.next_run_time) for job in stopped.get_jobs()] == [("other", None)]

    def test_stores_are_looked_through_in_order_or_as_told(self, scheduler):
        scheduler.add_jobstore("memory", "second")
        first = scheduler.add_job(work, "date", run_date=FAR, id="a")
        second = scheduler.add_job(work, "date", run_date=FAR, id="a", jobstore="second")
        assert scheduler.get_job("a") is first
        assert scheduler.get_job("a", "second") is second
        assert scheduler.get_jobs("second") == [second]
        assert scheduler.get_jobs("third") == []
        scheduler.remove_all_jobs("second")
        assert scheduler.get_jobs() == [first]

    def test_remove_all(self, stopped):
        told = []
        stopped.add_listener(lambda event: told.append(event.alias), EVENT_ALL_JOBS_REMOVED)
        stopped.add_job(work)
        stopped.remove_all_jobs("other")
        assert len(stopped.get_jobs()) == 1
        stopped.remove_all_jobs()
        stopped.start()
        stopped.add_job(work)
        stopped.remove_all_jobs()
        assert stopped.get_jobs() == []
        assert told == ["other", None, None]

    def test_get_jobs_warns_of_its_old_option(self, scheduler):
        with pytest.warns(DeprecationWarning, match="pending"):
            assert scheduler.get_jobs(pending=True) == []


class TestPrinting:
    def test_pending(self, stopped):
        out = io.StringIO()
        stopped.print_jobs(out=out)
        stopped.add_job(work, "date", run_date=FAR, id="a")
        stopped.print_jobs(out=out)
        assert out.getvalue() == (
            "Pending jobs:\n    No pending jobs\n"
            "Pending jobs:\n    work (trigger: date[2035-01-01 00:00:00 UTC], pending) [id: a]\n"
        )

    def test_running(self, scheduler, capsys):
        scheduler.add_job(work, "date", run_date=FAR, id="a")
        scheduler.add_job(work, "date", run_date=FAR, id="b").pause()
        scheduler.add_jobstore("memory", "alpha")
        scheduler.print_jobs()
        scheduler.print_jobs("alpha")
        assert capsys.readouterr().out == (
            "Jobstore alpha:\n    No scheduled jobs\n"
            "Jobstore default:\n"
            "    work (trigger: date[2035-01-01 00:00:00 UTC], next run at: 2035-01-01 00:00:00 UTC) [id: a]\n"
            "    work (trigger: date[2035-01-01 00:00:00 UTC], paused) [id: b]\n"
            "Jobstore alpha:\n    No scheduled jobs\n"
        )


class TestTransfer:
    def test_there_and_back(self, scheduler, tmp_path):
        scheduler.add_job(work, "cron", hour=5, id="a", args=(START,), max_instances=3)
        scheduler.add_job(work, "interval", hours=1, id="b").pause()
        path = tmp_path / "jobs.json"
        scheduler.export_jobs(path)
        before = [(job.__getstate__(), str(job)) for job in scheduler.get_jobs()]
        for state, _ in before:
            state.pop("trigger")
        scheduler.remove_all_jobs()
        scheduler.import_jobs(str(path))
        after = [(job.__getstate__(), str(job)) for job in scheduler.get_jobs()]
        for state, _ in after:
            state.pop("trigger")
        assert after == before
        with pytest.raises(ConflictingIdError):
            scheduler.import_jobs(str(path))

    def test_pending_jobs_too(self, stopped):
        file = io.StringIO()
        stopped.add_job(work, "cron", hour=5, id="a")
        stopped.export_jobs(file)
        file.seek(0)
        with ManualScheduler(START) as other:
            other.import_jobs(file)
            assert other.get_job("a").next_run_time == START + timedelta(hours=5)

    def test_an_export_leaves_pending_jobs_as_they_are(self, stopped):
        file = io.StringIO()
        job = stopped.add_job(work, "cron", hour=5, id="a")
        stopped.export_jobs(file)
        stopped.configure(job_defaults={"misfire_grace_time": 99})
        stopped.start(paused=True)
        assert job.misfire_grace_time == 99
        assert '"misfire_grace_time": 1,' in file.getvalue()

    @pytest.mark.parametrize(
        ("changes", "advice"),
        [
            ({"id": ""}, "jobs[0] is not an exported job: its id must be a nonempty text, not ''"),
            ({"id": None}, "nonempty text, not None"),
            ({"run_at_us": "soon"}, "jobs[0], 'a': run_at_us must be null or an integer"),
            ({"run_at_us": True}, "run_at_us must be"),
            ({"nominal_us": 1.5}, "nominal_us must be"),
            ({"run_at_us": 10**30}, "jobs[0], 'a': its next run time isn't between"),
            ({"job": {"v": 9}}, "jobs[0], 'a': the row has version 9"),
        ],
    )
    def test_what_is_wrong_with_an_entry_is_told_with_its_place(self, scheduler, changes, advice):
        file = io.StringIO()
        scheduler.add_job(work, "cron", hour=5, id="a")
        scheduler.export_jobs(file)
        scheduler.remove_all_jobs()
        document = json.loads(file.getvalue())
        document["jobs"][0].update(changes)
        with pytest.raises(DecodeError) as caught:
            scheduler.import_jobs(io.StringIO(json.dumps(document)))
        assert advice in str(caught.value)
        assert scheduler.get_jobs() == []

    @pytest.mark.parametrize(
        "text", ["{}", "[]", '{"version": 2}', '{"version": 1, "format": "x", "jobs": []}', "no json",
                 '{"version": 1, "scheduler_version": "3.11.3", "jobs": []}',
                 '{"format": "rapscheduler.jobs", "version": 1, "jobs": [{}]}',
                 '{"format": "rapscheduler.jobs", "version": 1, "jobs": [{"id": "a", "job": 5}]}'],
    )  # fmt: skip
    def test_what_is_no_export_is_a_value_error(self, scheduler, text):
        with pytest.raises(ValueError):
            scheduler.import_jobs(io.StringIO(text))
        assert scheduler.get_jobs() == []


class TestComponents:
    def test_adding_and_removing(self, scheduler, told):
        scheduler.add_executor("debug", "e2")
        scheduler.add_executor(DebugExecutor(), "e3")
        scheduler.add_jobstore("memory", "s2")
        scheduler.remove_executor("e2")
        scheduler.remove_jobstore("s2")
        assert told == [
            ("EVENT_EXECUTOR_ADDED", "e2"), ("EVENT_EXECUTOR_ADDED", "e3"), ("EVENT_JOBSTORE_ADDED", "s2"),
            ("EVENT_EXECUTOR_REMOVED", "e2"), ("EVENT_JOBSTORE_REMOVED", "s2"),
        ]  # fmt: skip
        assert list(scheduler._executors) == ["default", "e3"]

    @pytest.mark.parametrize(
        ("call", "cls", "text"),
        [
            (
                lambda s: s.add_jobstore("memory"),
                ValueError,
                'already has a job store by the alias of "default"',
            ),
            (
                lambda s: s.add_executor("debug"),
                ValueError,
                'already has an executor by the alias of "default"',
            ),
            (
                lambda s: s.add_jobstore("memroy", "x"),
                LookupError,
                'No jobstore by the name "memroy" was found; did you',
            ),
            (
                lambda s: s.add_executor("treadpool", "x"),
                LookupError,
                'No executor by the name "treadpool" was found',
            ),
            (
                lambda s: s.add_jobstore(5, "x"),
                TypeError,
                "Expected a job store instance or a string, got int instead",
            ),
            (
                lambda s: s.add_executor(5, "x"),
                TypeError,
                "Expected an executor instance or a string, got int instead",
            ),
            (lambda s: s.remove_jobstore("x"), KeyError, "No such job store: x"),
            (lambda s: s.remove_executor("x"), KeyError, "No such executor: x"),
        ],
    )
    def test_mistakes(self, scheduler, call, cls, text):
        with pytest.raises(cls) as caught:
            call(scheduler)
        assert text in str(caught.value)

    def test_a_store_that_does_not_start_is_not_added(self, scheduler):
        class Broken(MemoryJobStore):
            def start(self, scheduler, alias):
                raise OSError("no server")

        with pytest.raises(OSError, match="no server"):
            scheduler.add_jobstore(Broken(), "x")
        assert "x" not in scheduler._jobstores


class TestListeners:
    def test_only_what_the_mask_says(self, scheduler):
        told = []
        scheduler.add_listener(told.append, EVENT_JOB_ADDED)
        scheduler.add_job(work, "date", run_date=FAR).remove()
        assert [event.code for event in told] == [EVENT_JOB_ADDED]

    def test_removing_one(self, scheduler):
        told = []
        listener = told.append
        scheduler.add_listener(listener)
        scheduler.remove_listener(listener)
        scheduler.remove_listener(listener)
        scheduler.add_job(work, "date", run_date=FAR)
        assert told == []

    @pytest.mark.parametrize("error", [ValueError, SystemExit, StopIteration])
    def test_one_that_raises_is_logged_and_the_others_are_told(self, scheduler, caplog, error):
        told = []

        def fail(event):
            raise error

        scheduler.add_listener(fail)
        scheduler.add_listener(told.append)
        scheduler.add_job(work, "date", run_date=FAR)
        assert len(told) == 1
        assert "Error notifying listener" in caplog.text

    def test_a_listener_that_would_never_be_awaited(self, scheduler, caplog):
        async def listener(event):
            pass

        scheduler.add_listener(Mock())
        assert caplog.messages == []
        scheduler.add_listener(listener, events.EVENT_EXECUTOR_ADDED)
        assert "is a coroutine function, and listeners are not awaited" in caplog.text

    def test_a_run_is_told_in_order(self, scheduler, told):
        scheduler.add_job(work, id="a")
        scheduler.advance(timedelta(0))
        assert [name for name, _ in told if "REMOVED" not in name] == [
            "EVENT_JOB_ADDED", "EVENT_JOB_SUBMITTED", "EVENT_JOB_EXECUTED",
        ]  # fmt: skip


class TestLifecycle:
    def test_what_is_told_and_logged(self, stopped, caplog):
        caplog.set_level(logging.INFO, "rapscheduler")
        told = []
        stopped.add_listener(lambda event: told.append(NAMES[event.code]), EVENT_ALL)
        stopped.add_job(work, "date", run_date=FAR, id="a")
        stopped.start(paused=True)
        stopped.resume()
        stopped.resume()
        stopped.pause()
        stopped.pause()
        stopped.remove_job("a")
        stopped.shutdown()
        assert told == [
            "EVENT_EXECUTOR_ADDED", "EVENT_JOBSTORE_ADDED", "EVENT_JOB_ADDED", "EVENT_SCHEDULER_STARTED",
            "EVENT_SCHEDULER_RESUMED", "EVENT_SCHEDULER_PAUSED", "EVENT_JOB_REMOVED", "EVENT_SCHEDULER_SHUTDOWN",
        ]  # fmt: skip
        assert [
            record.getMessage() for record in caplog.records if record.name == "rapscheduler.scheduler"
        ] == [
            "Adding job tentatively -- it will be properly scheduled when the scheduler starts",
            'Added job "work" to job store "default"',
            "Scheduler started",
            "Resumed scheduler job processing",
            "Paused scheduler job processing",
            "Removed job a",
            "Scheduler has been shut down",
        ]

    def test_wrong_states(self, scheduler):
        with pytest.raises(SchedulerAlreadyRunningError, match="Scheduler is already running"):
            scheduler.start()
        scheduler.shutdown()
        with pytest.raises(SchedulerNotRunningError, match="Scheduler is not running"):
            scheduler.shutdown()

    def test_a_start_that_fails_leaves_it_stopped_and_the_jobs_pending(self, stopped):
        stopped.add_job(work, "date", run_date=FAR, jobstore="other")
        with pytest.raises(KeyError, match="No such job store: other"):
            stopped.start()
        assert not stopped.running
        stopped.add_jobstore("memory", "other")
        stopped.start()
        assert len(stopped.get_jobs("other")) == 1

    def test_everything_is_shut_down_whatever_raises(self, scheduler, caplog):
        class Stubborn(DebugExecutor):
            def shutdown(self, wait=True):
                raise OSError("stuck")

        ended = []

        class Store(MemoryJobStore):
            def shutdown(self):
                ended.append(1)

        scheduler.add_executor(Stubborn(), "stubborn")
        scheduler.add_jobstore(Store(), "s")
        scheduler.shutdown()
        assert ended == [1]
        assert not scheduler.running
        assert "stuck" in caplog.text

    def test_timeout_reaches_executors_that_take_one(self, scheduler):
        seen = []

        class Old(DebugExecutor):
            def shutdown(self, wait=True):
                seen.append(("old", wait))

        class New(DebugExecutor):
            def shutdown(self, wait=True, timeout=None):
                seen.append(("new", wait, timeout))

        scheduler.add_executor(Old(), "old")
        scheduler.add_executor(New(), "new")
        scheduler.shutdown(True, 0)
        assert seen == [("old", False), ("new", True, 0.0)]

    @pytest.mark.parametrize("timeout", ["5", timedelta(seconds=5), float("nan")])
    def test_a_timeout_that_is_no_number_stops_nothing(self, scheduler, timeout):
        with pytest.raises(TypeError, match="timeout must be a number of seconds"):
            scheduler.shutdown(timeout=timeout)
        assert scheduler.running

    @pytest.mark.parametrize("timeout", [-1, float("inf"), 10**12])
    def test_timeouts_that_are_over_or_endless(self, timeout):
        scheduler = BackgroundScheduler(timezone="UTC")
        scheduler.start()
        scheduler.shutdown(timeout=timeout)
        assert not scheduler.running

    def test_uwsgi_without_threads(self, stopped, monkeypatch):
        monkeypatch.setitem(sys.modules, "uwsgi", SimpleNamespace(has_threads=False))
        with pytest.raises(RuntimeError, match="--enable-threads"):
            stopped.start()
        assert not stopped.running
        monkeypatch.setitem(sys.modules, "uwsgi", SimpleNamespace(has_threads=True))
        stopped.start()

    def test_the_context_starts_and_stops(self):
        with ManualScheduler(START) as scheduler:
            assert scheduler.running
        assert not scheduler.running
        with ManualScheduler(START) as scheduler:
            scheduler.shutdown()  # leaving the block afterwards is no error

    def test_schedulers_do_not_pickle(self, scheduler):
        with pytest.raises(TypeError, match="Schedulers cannot be serialized"):
            pickle.dumps(scheduler)

    def test_health(self, scheduler):
        scheduler.add_job(work, "date", run_date=FAR)
        scheduler.advance(timedelta(0))
        health = scheduler.health()
        assert (health["state"], health["alive"], health["lag_s"], health["parked"]) == (
            "running",
            True,
            0.0,
            {"default": 0},
        )
        scheduler.shutdown()
        assert (scheduler.health()["state"], scheduler.health()["alive"]) == ("stopped", False)

    def test_health_does_not_raise(self, caplog):
        class Broken(MemoryJobStore):
            def get_next_run_time(self):
                raise OSError("the disk is gone")

        scheduler = ManualScheduler(START, jobstores={"bad": Broken(), "good": MemoryJobStore()})
        assert scheduler.health()["due"] == {}  # the stores are not open yet
        scheduler.start()
        health = scheduler.health()
        assert (health["failing_stores"], health["due"]) == (["bad"], {"good": 0, "default": 0})
        assert "Error asking job store 'bad' for its health: the disk is gone" in caplog.messages


class TestParking:
    def test_a_job_without_executor_is_parked_and_comes_back(self, scheduler, told):
        seen = []
        scheduler.add_job(seen.append, args=[1], executor="later", id="a", misfire_grace_time=None)
        scheduler.advance(timedelta(0))
        (parked,) = scheduler.get_parked_jobs()
        assert parked.job_id == "a"
        assert "later" in parked.reason
        assert ("EVENT_JOB_PARKED", "a") in told
        scheduler.add_executor("debug", "later")
        scheduler.advance(timedelta(0))
        assert seen == [1]
        assert scheduler.get_parked_jobs() == []

    def test_resume_parked(self, scheduler):
        scheduler.add_job(work, executor="later", id="a")
        scheduler.advance(timedelta(0))
        with pytest.raises(JobLookupError):
            scheduler.resume_parked("b")
        assert scheduler.resume_parked("a") == ["a"]
        scheduler.advance(timedelta(0))
        assert scheduler.resume_parked() == ["a"]


async def coroutine(seen):
    seen.append("awaited")


@pytest.mark.parametrize("func", [coroutine, functools.partial(coroutine)])
def test_a_coroutine_function_is_awaited(scheduler, func):
    seen = []
    scheduler.add_job(func, args=[seen])
    scheduler.advance(timedelta(0))
    assert seen == ["awaited"]


class Generates:
    def lines(self):
        yield 1


def generator():
    yield 1


async def async_generator():
    yield 1


@pytest.mark.parametrize("func", [generator, async_generator, Generates().lines])
def test_a_function_of_which_a_call_runs_nothing_is_told(scheduler, caplog, func):
    scheduler.add_job(func)
    assert f"The job function {func!r} is a generator function" in caplog.text
