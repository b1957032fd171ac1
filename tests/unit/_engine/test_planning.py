"""The rules of the loop on plain values, on both twins."""

from __future__ import annotations

import tracemalloc
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

S = 1_000_000
UTC = timezone.utc
EAST = timezone(timedelta(hours=2))


def at(time_us: int, tz: Any = UTC) -> datetime:
    return datetime.fromtimestamp(time_us // S, tz) + timedelta(microseconds=time_us % S)


def outcome(plan: Any) -> list[tuple[Any, ...]]:
    return [
        (tuple(one.run_times_us), change.expected_us, change.run_at_us, change.nominal_us, change.remove)
        for one, change in zip(plan.submissions, plan.changes, strict=True)
    ]


# seconds: interval, end of the trigger; the job's run time, now; coalesce -> run times, next run
RULES = [
    ("due now, next one later", 10, None, 100, 100, True, [100], 110),
    ("due a moment ago", 10, None, 100, 103, True, [100], 110),
    ("late by many, one run for the last", 10, None, 100, 1234, True, [1230], 1240),
    ("late by many, a run for each", 10, None, 100, 135, False, [100, 110, 120, 130], 140),
    ("late by none, a run for each", 10, None, 100, 105, False, [100], 110),
    ("last run before the end", 10, 105, 100, 100, True, [100], None),
    ("late past the end, one run for the last that was", 10, 125, 100, 999, True, [120], None),
    ("late past the end, a run for each that was", 10, 125, 100, 999, False, [100, 110, 120], None),
    ("a run time set by hand starts a new grid", 10, None, 103, 104, True, [103], 113),
]


@pytest.mark.parametrize(
    ("every_s", "end_s", "run_s", "now_s", "coalesce", "runs_s", "next_s"),
    [rule[1:] for rule in RULES],
    ids=[rule[0] for rule in RULES],
)
def test_rules(
    engine: Any,
    make: Any,
    every_s: int,
    end_s: int | None,
    run_s: int,
    now_s: int,
    coalesce: bool,
    runs_s: list[int],
    next_s: int | None,
) -> None:
    trigger = make.interval(every_s, end_us=None if end_s is None else end_s * S)
    job = make.job(trigger, run_s * S, coalesce=coalesce)
    plan = engine.planning.plan_due([job], now_s * S)
    next_us = None if next_s is None else next_s * S
    times_us = tuple(run * S for run in runs_s)
    assert outcome(plan) == [(times_us, run_s * S, next_us, next_us, next_us is None)]
    assert plan.submissions[0].run_times == [at(time_us) for time_us in times_us]
    assert plan.submissions[0].found_us == now_s * S
    assert job.run_at_us == run_s * S  # deciding changes nothing


@pytest.mark.parametrize("run_at_us", [None, 11 * S])
def test_what_is_not_due_is_left_out(engine: Any, make: Any, run_at_us: int | None) -> None:
    plan = engine.planning.plan_due([make.job(make.interval(1), run_at_us)], 10 * S)
    assert outcome(plan) == [] and plan.foreign == []


def test_a_date_job_is_removed_after_its_run(engine: Any, make: Any) -> None:
    job = make.job(make.date(5 * S), 5 * S)
    plan = engine.planning.plan_due([job], 999 * S)
    assert outcome(plan) == [((5 * S,), 5 * S, None, None, True)]


def test_a_week_of_seconds_coalesced_costs_one_look(engine: Any, make: Any) -> None:
    job = make.job(make.interval(1), 0)
    plan = engine.planning.plan_due([job], 604_800 * S)
    assert outcome(plan) == [((604_800 * S,), 0, 604_801 * S, 604_801 * S, False)] and plan.backlogs == []


def test_a_week_of_seconds_for_each_builds_no_times(engine: Any, make: Any) -> None:
    """Counted: nothing is built until somebody goes through the run times, and then one at a time."""
    job = make.job(make.interval(1), 0, coalesce=False)
    now_us = 604_800 * S
    tracemalloc.start()
    try:
        plan = engine.planning.plan_due([job], now_us)
        (submission,), (change,) = plan.submissions, plan.changes
        assert change.run_at_us == now_us + S and plan.skipped == []
        assert plan.backlogs == [submission]
        count, last_us = 0, -S
        for run_us in submission.times_us():
            assert run_us == last_us + S
            count, last_us = count + 1, run_us
            if count == 50_000:
                break
        assert submission.run_time(0, run_us) == at(run_us)
        assert tracemalloc.get_traced_memory()[1] < 200_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("grace_s", [1, 100])
def test_of_what_was_missed_long_ago_the_latest_are_told(engine: Any, make: Any, grace_s: int) -> None:
    told = engine.planning.MISSED_TOLD
    now_us = 604_800 * S
    job = make.job(make.interval(1), 0, coalesce=False, misfire_grace_time=grace_s)
    plan = engine.planning.plan_due([job], now_us)
    (submission,) = plan.submissions
    first_us = now_us - (grace_s + told) * S  # those not later than the grace time are run
    assert submission.run_times_us == tuple(range(first_us, now_us + 1, S))
    assert submission.run_times[0] == at(first_us)
    assert plan.skipped == [(submission, 0, first_us - S)] and plan.backlogs == [submission]


def test_what_was_missed_a_few_times_is_told_whole(engine: Any, make: Any) -> None:
    told = engine.planning.MISSED_TOLD
    for count, skipped in ((told - 1, 0), (told, 0), (told + 1, 1), (told + 2, 2)):
        # the job was set to a time off its grid: half a second, then every second after it
        job = make.job(make.interval(1), S // 2, coalesce=False, misfire_grace_time=1)
        plan = engine.planning.plan_due([job], (count + 1) * S + S // 4)
        ((times_us, _, next_us, _, _),) = outcome(plan)
        assert len(times_us) == count + 1 - skipped and next_us == times_us[-1] + S
        assert [(first, last) for _, first, last in plan.skipped] == [
            (S // 2, S // 2 + (skipped - 1) * S)
        ] * bool(skipped)


def test_times_that_are_walked_are_those_of_the_trigger(engine: Any, make: Any) -> None:
    spec = engine.cron.CronSpec.of(second=1 << 7)
    trigger = engine.cron.CronCore(spec, make.zone)
    job = make.job(trigger, 3 * S, coalesce=False)  # not a time of the trigger
    ((times_us, _, next_us, _, _),) = outcome(engine.planning.plan_due([job], 190 * S))
    assert times_us == (3 * S, 7 * S, 67 * S, 127 * S, 187 * S) and next_us == 247 * S
    jitter = make.interval(10, jitter_us=4 * S)
    job = make.job(jitter, 12 * S, 10 * S, coalesce=False)
    ((times_us, _, _, next_us, _),) = outcome(engine.planning.plan_due([job], 35 * S))
    assert times_us == (12 * S, 20 * S, 30 * S) and next_us == 40 * S


@pytest.mark.parametrize("coalesce", [True, False])
@pytest.mark.parametrize("now_s", [100, 103, 1234])
def test_after_the_end_one_run_is_due_and_the_next_counts_from_now(
    engine: Any, make: Any, coalesce: bool, now_s: int
) -> None:
    trigger = make.interval(10)
    trigger.skips = engine.trigger.Skips(after_end=True)
    job = make.job(trigger, 100 * S, coalesce=coalesce)
    plan = engine.planning.plan_due([job], now_s * S)
    # it began now, which its time of then says
    assert outcome(plan) == [((100 * S,), 100 * S, (now_s + 10) * S, now_s * S, False)]
    assert plan.backlogs == plan.submissions and not plan.skipped  # so that its end is known
    assert [one.run_time(0, 100 * S) for one in plan.submissions] == [at(100 * S)]
    job.run_at_us, job.nominal_us = (now_s + 10) * S, now_s * S  # that time comes
    again = engine.planning.plan_due([job], (now_s + 12) * S)
    assert outcome(again) == [
        (((now_s + 10) * S,), (now_s + 10) * S, (now_s + 22) * S, (now_s + 12) * S, False)
    ]


def test_after_the_end_the_last_run_is_that_before_the_end_of_the_trigger(engine: Any, make: Any) -> None:
    trigger = make.interval(10, end_us=112 * S)
    trigger.skips = engine.trigger.Skips(after_end=True)
    assert not engine.trigger.Skips().after_end and trigger.skips.after_end
    job = make.job(trigger, 100 * S)
    assert outcome(engine.planning.plan_due([job], 102 * S)) == [
        ((100 * S,), 100 * S, 112 * S, 102 * S, False)
    ]
    assert outcome(engine.planning.plan_due([job], 103 * S)) == [((100 * S,), 100 * S, None, None, True)]


def test_jitter_delays_the_dispatch_and_never_the_grid(engine: Any, make: Any) -> None:
    draws = iter([0.0, 0.5, 0.999999, 0.25])
    job = make.job(make.interval(10, jitter_us=4 * S), 0, 0)
    for nominal_us, delay_us in [(10 * S, 0), (20 * S, 2 * S), (30 * S, 3_999_996), (40 * S, S)]:
        (change,) = engine.planning.plan_due([job], job.run_at_us, lambda: next(draws)).changes
        assert (change.nominal_us, change.run_at_us) == (nominal_us, nominal_us + delay_us)
        job._advance(change.run_at_us, change.nominal_us)


def test_jitter_stays_within_the_end(engine: Any, make: Any) -> None:
    trigger = make.interval(10, end_us=21 * S, jitter_us=9 * S)
    assert engine.planning.dispatch_at_us(trigger, 20 * S, lambda: 0.9) == 21 * S
    (change,) = engine.planning.plan_due([make.job(trigger, 10 * S)], 10 * S, lambda: 0.9).changes
    assert (change.nominal_us, change.run_at_us) == (20 * S, 21 * S)


def test_a_trigger_with_its_own_answer_is_foreign(engine: Any, make: Any) -> None:
    class Own(engine.interval.IntervalCore):
        def get_next_fire_time(self, previous: Any, now: Any) -> Any:
            return None

    class Same(engine.interval.IntervalCore):
        extra = 1

    own = make.job(Own(10 * S, make.zone, 0), 0)
    same = make.job(Same(10 * S, make.zone, 0), 0)
    other = make.job(object(), 0)
    plan = engine.planning.plan_due([own, same, other], 0)
    assert plan.foreign == [own, other]
    assert [one.job for one in plan.submissions] == [same]
    assert [engine.job_core.is_native(job.trigger) for job in (own, same, other)] == [False, True, False]


def test_a_class_that_gets_its_own_answer_later_is_foreign_from_then_on(engine: Any, make: Any) -> None:
    class Kind(engine.interval.IntervalCore):
        pass

    class Below(Kind):
        pass

    triggers = [kind(10 * S, make.zone, 0) for kind in (Kind, Below, Kind)]
    judge = engine.job_core.is_native
    for _ in range(3):
        assert [judge(trigger) for trigger in triggers] == [True, True, True]
        Kind.get_next_fire_time = lambda self, previous, now: None  # type: ignore[attr-defined]
        assert [judge(trigger) for trigger in triggers] == [False, False, False]
        del Kind.get_next_fire_time  # type: ignore[attr-defined]


def test_split_by_executor(engine: Any, make: Any) -> None:
    for aliases in (["a", "b", "a"], ["a", "a"], []):
        jobs = [make.job(make.interval(1), 0, id=str(i), executor=alias) for i, alias in enumerate(aliases)]
        plan = engine.planning.plan_due(jobs, 0)
        groups = engine.planning.split_by_executor(plan.submissions, plan.changes)
        assert list(groups) == list(dict.fromkeys(aliases))
        for alias, (submissions, changes) in groups.items():
            assert [one.job.executor for one in submissions] == [alias] * aliases.count(alias)
            assert [one.job for one in submissions] == [one.job for one in changes]


def test_a_submission_unpacks_as_a_pair(engine: Any, make: Any) -> None:
    job = make.job(make.interval(1), 0, _jobstore_alias="here")
    submission = engine.planning.Submission(job, [5 * S], 6 * S)
    got, run_times = submission
    assert got is job and run_times == [at(5 * S)] and submission.alias == "here"
    given = [at(5 * S, EAST)]
    submission = engine.planning.Submission(job, [5 * S], 6 * S, given)
    assert submission.run_times is given
    assert submission.run_time(0, 0) is submission.run_time(-1, 0) is given[0]
    for outside in (1, -2, 10**9):  # it was a crash
        with pytest.raises(IndexError):
            submission.run_time(outside, 0)


@pytest.mark.parametrize(
    ("lateness_us", "grace_s", "late"),
    [
        (1_000_000, 1, False),
        (1_000_001, 1, True),
        (-5, 1, False),
        (10**15, None, False),
        (10**15, 10**30, False),
    ],
)
def test_the_misfire_rule(engine: Any, lateness_us: int, grace_s: int | None, late: bool) -> None:
    assert engine.planning.is_late(10**15 - lateness_us, 10**15, grace_s) is late
