"""And, Or: sets of instants met and joined, bounded searches, states, jitter, foreign triggers."""

from __future__ import annotations

import pickle
import random
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from apscheduler.triggers import combining as theirs
from apscheduler.triggers.cron import CronTrigger as TheirCron

from rapscheduler._engine.interval import IntervalCore
from rapscheduler._engine.trigger import DateCore
from rapscheduler._zones import zone_table
from rapscheduler.errors import HorizonError
from rapscheduler.triggers.base import BaseTrigger
from rapscheduler.triggers.combining import AndTrigger, BaseCombiningTrigger, OrTrigger
from rapscheduler.triggers.cron import CronTrigger
from rapscheduler.triggers.date import DateTrigger
from rapscheduler.triggers.interval import IntervalTrigger

UTC = timezone.utc
BERLIN = ZoneInfo("Europe/Berlin")
START = datetime(2026, 1, 1, tzinfo=UTC)


def cron(**fields) -> CronTrigger:
    return CronTrigger(timezone="UTC", **fields)


def interval(start_date: object = "2026-01-01", **length) -> IntervalTrigger:
    return IntervalTrigger(start_date=start_date, timezone="UTC", **length)


def times(trigger: BaseTrigger, limit: int = 4, start: datetime = START) -> list[str]:
    return [moment.strftime("%m-%d %H:%M") for moment in trigger.fire_times(start, limit=limit)]


class EveryOtherHour(BaseTrigger):
    """A third party's trigger, to APScheduler's contract only."""

    def get_next_fire_time(self, previous_fire_time, now):
        after = now if previous_fire_time is None else previous_fire_time + timedelta(microseconds=1)
        floor = after.replace(minute=0, second=0, microsecond=0)
        floor = floor if floor == after else floor + timedelta(hours=1)
        return floor + timedelta(hours=floor.hour % 2)


class Slotted(EveryOtherHour):
    __slots__ = ("note",)


class Twice:
    """A trigger that only looks like one, and counts by the previous fire time."""

    def get_next_fire_time(self, previous_fire_time, now):
        if previous_fire_time is None:
            return now
        return previous_fire_time + timedelta(minutes=7) if previous_fire_time == now else None


def test_and_of_an_interval_and_a_cron_meets_on_the_intervals_grid() -> None:
    trigger = AndTrigger([interval(hours=7), cron(hour="0-8")])
    assert times(trigger) == ["01-01 00:00", "01-01 07:00", "01-02 04:00", "01-03 01:00"]
    first = trigger.get_next_fire_time(None, START)
    assert trigger.get_next_fire_time(first, first) == START + timedelta(hours=7)
    assert trigger.get_next_fire_time(first, START + timedelta(days=30)) == START + timedelta(hours=7)


def test_and_that_never_meets_says_so_within_its_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AndTrigger, "MAX_ROUNDS", 500)
    trigger = AndTrigger([interval("2026-01-01 00:00:00.5", hours=2), cron(hour="*")])
    with pytest.raises(HorizonError, match=r"agree on no time.*start_date=") as caught:
        trigger.get_next_fire_time(None, START)
    assert isinstance(caught.value, ValueError)
    previous = START
    with pytest.raises(HorizonError):
        trigger.get_next_fire_time(previous, START)
    with pytest.raises(HorizonError):
        trigger.get_previous_fire_time(START + timedelta(days=365_000))


def test_the_horizon_bounds_how_far_and_the_rounds_how_often(monkeypatch: pytest.MonkeyPatch) -> None:
    rare = [cron(month=2, day=29), cron(day_of_week="mon")]
    assert times(AndTrigger(rare), 1) == ["02-29 00:00"]
    with pytest.raises(HorizonError, match="between 2028"):
        AndTrigger(rare, horizon=timedelta(days=1000)).get_next_fire_time(None, START)
    monkeypatch.setattr(AndTrigger, "MAX_ROUNDS", 3)
    with pytest.raises(HorizonError):
        AndTrigger([interval(minutes=61), cron(minute=59)]).get_next_fire_time(None, START)


def test_and_ends_when_a_part_ends() -> None:
    ends = cron(hour=1, end_date="2026-01-02 12:00:00")
    assert times(AndTrigger([ends, cron(minute=0)])) == ["01-01 01:00", "01-02 01:00"]
    past = DateTrigger(START - timedelta(days=1))
    assert AndTrigger([past, cron(hour=1)]).get_next_fire_time(None, START) is None


def test_and_does_not_let_the_jitter_of_its_parts_part_them() -> None:
    trigger = AndTrigger([cron(hour="*/2", jitter=500), cron(hour="*/3", jitter=500)])
    assert trigger.get_next_fire_time(None, START) == START
    assert times(trigger, 2) == ["01-01 00:00", "01-01 06:00"]


def test_or_keeps_every_parts_own_grid() -> None:
    trigger = OrTrigger([interval(hours=2), cron(minute=30)])
    assert times(trigger, 5) == ["01-01 00:00", "01-01 00:30", "01-01 01:30", "01-01 02:00", "01-01 02:30"]


def test_or_does_not_lose_a_date_because_another_part_fired_first() -> None:
    trigger = OrTrigger([DateTrigger(START + timedelta(hours=3)), cron(hour="*/2")])
    assert times(trigger) == ["01-01 00:00", "01-01 02:00", "01-01 03:00", "01-01 04:00"]


def test_or_gives_a_date_that_is_already_past_as_the_date_itself_does() -> None:
    past = START - timedelta(hours=1)
    trigger = OrTrigger([DateTrigger(past), cron(hour="*/2")])
    assert trigger.get_next_fire_time(None, START) == past
    assert trigger.get_next_fire_time(past, START) == START


def test_or_answers_in_the_zone_of_the_part_that_fires() -> None:
    trigger = OrTrigger([CronTrigger(hour=12, timezone=BERLIN), cron(hour=11, minute=30)])
    zones = [moment.tzinfo for moment in trigger.fire_times(START, limit=3)]
    assert zones == [BERLIN, UTC, BERLIN]


def test_both_compare_instants_in_a_fold() -> None:
    first_pass = datetime(2026, 10, 25, 2, 50, tzinfo=BERLIN)
    later = CronTrigger(minute=10, timezone=BERLIN)
    trigger = OrTrigger([CronTrigger(minute=50, timezone=BERLIN), later])
    answer = trigger.get_next_fire_time(first_pass, first_pass)
    assert (answer.fold, answer.minute) == (1, 10)
    together = AndTrigger([later, CronTrigger(minute="*/10", timezone="UTC")])
    assert together.get_next_fire_time(first_pass, first_pass) == answer


def test_they_nest() -> None:
    inner = OrTrigger([cron(hour=1), cron(hour=5)])
    trigger = AndTrigger(
        [inner, OrTrigger([AndTrigger([cron(hour=5), cron(day="2,4", hour="*")]), cron(hour=1, day=3)])]
    )
    assert times(trigger) == ["01-02 05:00", "01-03 01:00", "01-04 05:00", "02-02 05:00"]
    assert trigger.get_previous_fire_time(datetime(2026, 1, 3, tzinfo=UTC)).day == 2


def test_foreign_triggers_take_part() -> None:
    assert times(AndTrigger([EveryOtherHour(), cron(hour="3-5")]), 2) == ["01-01 04:00", "01-02 04:00"]
    assert times(OrTrigger([EveryOtherHour(), cron(hour=1)]), 3) == [
        "01-01 00:00",
        "01-01 01:00",
        "01-01 02:00",
    ]
    assert times(OrTrigger([Twice(), cron(hour=1)]), 3) == ["01-01 00:00", "01-01 00:07", "01-01 00:14"]
    before = datetime(2026, 1, 1, 5, tzinfo=UTC)
    assert AndTrigger([EveryOtherHour(), cron(hour="*")]).get_previous_fire_time(before).hour == 4
    assert OrTrigger([EveryOtherHour(), cron(minute=59)]).get_previous_fire_time(before).hour == 4


def test_kernels_themselves_take_part() -> None:
    zone = zone_table(UTC)
    start_us = int(START.timestamp()) * 1_000_000
    assert times(
        OrTrigger([IntervalCore(3_600_000_000, zone, start_us), DateCore(start_us + 60_000_000, zone)]), 3
    ) == [
        "01-01 00:00",
        "01-01 00:01",
        "01-01 01:00",
    ]


def test_chains_agree_with_brute_force() -> None:
    for seed in range(30):
        rng = random.Random(seed)
        parts = [
            cron(hour=f"*/{rng.randint(2, 5)}", minute=rng.choice([0, 30])),
            interval(minutes=rng.choice([30, 60, 90, 210])),
            cron(hour="1-22", minute="0,30"),
        ]
        end = START + timedelta(days=2)
        sets = [set(part.fire_times(START, end)) for part in parts]
        assert list(OrTrigger(parts).fire_times(START, end)) == sorted(set.union(*sets))
        both = sorted(set.intersection(*sets))
        assert list(AndTrigger(parts).fire_times(START, limit=len(both))) == both
        if both:
            assert AndTrigger(parts).get_previous_fire_time(end + timedelta(microseconds=1)) == both[-1]
        assert OrTrigger(parts).get_previous_fire_time(end) == sorted(set.union(*sets) - {end})[-1]


def test_jitter_of_the_combination_and_of_its_parts() -> None:
    trigger = OrTrigger([cron(hour=1, jitter=10), cron(hour=2)], jitter=10)
    nominal = START + timedelta(hours=1)
    delays = {trigger.get_next_fire_time(None, START) - nominal for _ in range(200)}
    assert timedelta(0) <= min(delays) and timedelta(seconds=10) < max(delays) <= timedelta(seconds=20)
    assert next(trigger.fire_times(START)) == nominal
    late = AndTrigger([cron(hour=1)], jitter=5).get_next_fire_time(None, START) - nominal
    assert timedelta(0) <= late <= timedelta(seconds=5)


@pytest.mark.parametrize(("ours", "their"), [(AndTrigger, theirs.AndTrigger), (OrTrigger, theirs.OrTrigger)])
def test_words_and_states_are_those_of_apscheduler(ours: type, their: type) -> None:
    fields = {"hour": "1-5", "timezone": "UTC"}
    mine, reference = ours([CronTrigger(**fields)], jitter=2), their([TheirCron(**fields)], jitter=2)
    assert (repr(mine), str(mine)) == (repr(reference), str(reference))
    restored = ours.__new__(ours)
    restored.__setstate__(reference.__getstate__())
    assert repr(restored) == repr(mine)
    assert type(restored.triggers[0]) is CronTrigger


def test_pickles_keep_everything() -> None:
    trigger = AndTrigger(
        [OrTrigger([cron(hour=1), interval(hours=1)]), EveryOtherHour()], jitter=3, horizon=timedelta(days=5)
    )
    twin = pickle.loads(pickle.dumps(trigger))
    assert (twin.jitter, twin.horizon, str(twin.triggers[0])) == (
        3,
        timedelta(days=5),
        str(trigger.triggers[0]),
    )
    assert times(twin, 3) == times(trigger, 3)
    assert pickle.loads(pickle.dumps(OrTrigger([cron(hour=1)]))).jitter is None
    foreign = [Slotted(), Twice()]
    foreign[0].note, foreign[0].more, foreign[1].count = "slot", "dict", 2
    slotted, twice = pickle.loads(pickle.dumps(OrTrigger(foreign))).triggers
    assert (slotted.note, slotted.more, twice.count) == ("slot", "dict", 2)
    with pytest.raises(ValueError, match="version 2"):
        twin.__setstate__({"version": 2})


def test_wrong_arguments() -> None:
    with pytest.raises(TypeError, match=r"triggers\[1\] is 5"):
        OrTrigger([cron(hour=1), 5])
    with pytest.raises(TypeError):
        OrTrigger(None)
    with pytest.raises(ValueError, match="one trigger or more"):
        AndTrigger([])
    with pytest.raises(ValueError, match="horizon"):
        AndTrigger([cron(hour=1)], horizon=timedelta(0))
    assert OrTrigger([]).get_next_fire_time(None, START) is None
    assert OrTrigger([]).get_previous_fire_time(START) is None
    assert isinstance(OrTrigger(iter([cron(hour=1)])).triggers, list)
    assert issubclass(AndTrigger, BaseCombiningTrigger)
