"""The fuzz group "rules": its oracle, an honest core that agrees with it, a wrong one that is found out."""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta, timezone
from pathlib import Path
from random import Random
from typing import Any

import pytest

from rapscheduler._engine.cron import CronCore
from rapscheduler._engine.timezone import ZoneTable
from rapscheduler._fuzz import rules
from rapscheduler._fuzz.plain import CalendarInterval
from rapscheduler._fuzz.rules import Play, draw_play
from rapscheduler._fuzz.schedule import Schedule, Term, one
from rapscheduler._fuzz.stores import places_of
from rapscheduler._fuzz.tally import Tally
from rapscheduler._fuzz.walker import utc
from rapscheduler._fuzz.wishes import (
    CalendarWish,
    CronWish,
    DateWish,
    IntervalWish,
    Times,
    Wish,
    begin_of,
    instant_of,
    wall_of,
)
from rapscheduler._fuzz.zonefiles import (
    Change,
    Release,
    draw_made_up,
    edges_of,
    installed_releases,
    put_in_force,
    rules_put_back,
    tzif,
)
from rapscheduler._fuzz.zones import DAY, ZoneView

pytestmark = pytest.mark.forgets_zones

PLAIN = ZoneTable.fixed(0, timezone.utc)
SECOND = 1_000_000
WINTER = utc("2026-11-01T09:00")


@pytest.fixture(autouse=True)
def _put_back() -> Iterator[None]:
    with rules_put_back():
        yield


def change_between(
    folder: Path, old: tuple[list[int], list[int]], new: tuple[list[int], list[int]]
) -> Change:
    """A zone Made/Up with these rules in two folders."""
    views = []
    for name, written in (("old", old), ("new", new)):
        path = folder / name / "Made" / "Up"
        path.parent.mkdir(parents=True)
        path.write_bytes(tzif(*written))
        put_in_force(Release(name, folder / name))
        views.append(ZoneView("Made/Up"))
    edges = edges_of(views[0], views[1], sorted({*old[0], *new[0]}))
    return Change("Made/Up", Release("old", folder / "old"), Release("new", folder / "new"), *views, edges)


@pytest.fixture
def vancouver(tmp_path: Path) -> Change:
    """As in 2026: the clocks were to go back to -08 on 1 November, and stay at -07."""
    return change_between(tmp_path, ([WINTER], [-25200, -28800]), ([WINTER], [-25200, -25200]))


def times(made: str, changed: str, back: str, end: str) -> Times:
    return Times(utc(made), utc(changed), utc(back), utc(end))


AHEAD = times("2026-10-30T00:00", "2026-10-31T20:00", "2026-10-31T20:00", "2026-11-03T20:00")


def hours(*values: int) -> Schedule:
    return Schedule({"hour": tuple(Term("range", value, value) for value in values)})


def test_zone_files_are_what_was_written(tmp_path: Path) -> None:
    changes, offsets = [utc("2025-03-01T00:15"), utc("2025-09-01T12:00")], [-27900, 36000, 3601]
    change = change_between(tmp_path, (changes, offsets), ([], [900]))
    asked = [changes[0] - 1, changes[0], changes[1] - 1, changes[1], changes[1] + 999 * DAY]
    assert [change.old_view.offset(at_s) for at_s in asked] == [-27900, 36000, 36000, 3601, 3601]
    assert [change.new_view.offset(at_s) for at_s in asked] == [900] * 5
    zone = zoneinfo.ZoneInfo.no_cache("Made/Up")
    table = ZoneTable.from_tzif(tzif(changes, offsets), zone)
    assert [table.offset_at(at_s) for at_s in asked] == [-27900, 36000, 36000, 3601, 3601]


def test_made_up_rules_differ_somewhere(tmp_path: Path) -> None:
    for seed in range(40):
        change = draw_made_up(Random(seed), tmp_path)
        assert change.edges
        assert any(change.old_view.offset(at_s) != change.new_view.offset(at_s) for at_s in change.edges)


@pytest.mark.parametrize(
    ("wish", "next_run"),
    [
        (CronWish(hours(9), "once"), "2026-11-01T16:00"),  # 17:00 by the old rules
        (CronWish(hours(9), "both"), "2026-11-01T16:00"),
        (DateWish(datetime(2026, 11, 2, 9)), "2026-11-02T16:00"),
        (CalendarWish(CalendarInterval(0, 0, 0, 1, time(9), date(2026, 10, 1), None, "Made/Up")), "2026-11-01T16:00"),
        (CronWish(hours(3), "once", datetime(2026, 11, 2, 9)), "2026-11-02T16:00"),
    ],
)  # fmt: skip
def test_a_wall_time_stays_that_wall_time(vancouver: Change, wish: Wish, next_run: str) -> None:
    runs = wish.runs(vancouver, AHEAD)
    assert runs is not None and runs.moved
    assert runs.must[0] == runs.may[0] == utc(next_run)


def test_elapsed_time_goes_on(vancouver: Change) -> None:
    runs = IntervalWish(DAY, utc("2026-10-30T16:00")).runs(vancouver, AHEAD)
    assert runs is not None
    assert [*runs.before, *runs.must] == [utc(f"2026-10-{day}T16:00") for day in (30, 31)] + [
        utc(f"2026-11-0{day}T16:00") for day in (1, 2, 3)
    ]


def test_a_wall_time_that_has_run_does_not_run_again(tmp_path: Path) -> None:
    """The rules are learned late: what was 10:30 is 09:30 now, and 10:00 comes again."""
    change = change_between(tmp_path, ([0], [0, 3600]), ([0], [0, 0]))
    late = times("2026-06-01T06:00", "2026-06-01T09:30", "2026-06-01T09:30", "2026-06-02T12:00")
    runs = CronWish(hours(10), "once").runs(change, late)
    assert runs is not None
    assert runs.before == [utc("2026-06-01T09:00")]
    assert runs.may == runs.must == [utc("2026-06-02T10:00")]
    often = CronWish(Schedule({"minute": one(0)}), "once").runs(change, late)  # a rhythm goes on
    assert often is not None
    assert utc("2026-06-01T10:00") in often.may and utc("2026-06-01T11:00") in often.must


def test_what_has_come_to_lie_in_the_past_runs_late(tmp_path: Path) -> None:
    change = change_between(tmp_path, ([0], [0, 0]), ([0], [0, 3600]))
    late = times("2026-06-01T06:00", "2026-06-01T09:30", "2026-06-01T09:30", "2026-06-02T08:00")
    runs = CronWish(hours(10), "once").runs(change, late)
    assert runs is not None
    # half an hour ago by the new rules, and still to come by the old
    assert runs.must == [utc("2026-06-01T09:00")]


def test_a_run_that_a_gap_had_moved_is_at_its_own_time(tmp_path: Path) -> None:
    gap = utc("2026-06-02T02:00")
    change = change_between(tmp_path, ([gap], [0, 3600]), ([0], [0, 0]))
    window = times("2026-06-01T06:00", "2026-06-01T09:30", "2026-06-01T09:30", "2026-06-02T08:00")
    schedule = Schedule({"hour": one(2), "minute": one(30)})
    shifted = CronWish(schedule, "shift").runs(change, window)
    assert shifted is not None and shifted.must == [utc("2026-06-02T02:30")]
    skipped = CronWish(schedule, "once").runs(change, window)
    assert skipped is None or skipped.must == []  # the old rules knew no such time: it may run or not


# --- an honest core, without stores ---


def by_kernels(kept: Callable[[Wish, Any, int, Play], int]) -> Callable[..., Any]:
    """What plays the jobs by asking triggers alone; `kept` turns the stored instant into the one by the new rules."""

    def runs_of(play: Play, place: Any) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
        span, found, stored = play.times, ([], []), {}
        put_in_force(play.change.old)
        for job_id, wish in play.wishes.items():
            trigger = rules._trigger(wish, play.change.key)
            set_wall = getattr(wish, "set_wall", None)
            if set_wall is not None:
                stored[job_id] = instant_of(set_wall, play.change.old_view) * SECOND
            else:
                first_us = trigger.next_fire_us(None, span.made_s * SECOND)
                stored[job_id] = _chain(job_id, trigger, first_us, span.changed_s, found[0])
        put_in_force(play.change.new)
        for job_id, wish in play.wishes.items():
            if stored[job_id] is not None:
                trigger = rules._trigger(wish, play.change.key)
                at_s = kept(wish, trigger, stored[job_id] // SECOND, play)
                _chain(job_id, trigger, at_s * SECOND, span.end_s, found[1])
        return found

    return runs_of


def _chain(
    job_id: str, trigger: Any, fire_us: int | None, end_s: int, found: list[tuple[str, int]]
) -> int | None:
    while fire_us is not None and fire_us <= end_s * SECOND:
        found.append((job_id, fire_us // SECOND))
        fire_us = trigger.next_fire_us(fire_us, fire_us)
    return fire_us


def by_wall_time(wish: Wish, trigger: Any, at_s: int, play: Play) -> int:
    """The first fire time from the stored wall time on, or from the last matching one that a gap had moved there."""
    old, new = play.change.old_view, play.change.new_view
    if isinstance(wish, IntervalWish):
        return at_s
    wall = wall_of(at_s, old)
    if isinstance(wish, DateWish) or getattr(wish, "set_wall", None) is not None:
        return instant_of(wall, new)
    if old.offset(at_s) == new.offset(at_s):
        return at_s
    if isinstance(wish, CronWish) and wish.schedule.rhythm:
        begin_s = min(at_s, play.times.back_s + 1)
    elif isinstance(wish, CronWish):
        wall_us = (wall.replace(fold=0) - datetime(1970, 1, 1)) // timedelta(microseconds=1)
        matching_us = CronCore(trigger.spec, PLAIN).previous_fire_us(wall_us + 1)
        assert matching_us is not None
        matching = (datetime(1970, 1, 1) + timedelta(microseconds=matching_us)).replace(fold=wall.fold)
        begin_s = begin_of(matching, new)
    else:
        begin_s = begin_of(wall, new)
    fire_us = trigger.next_fire_us(None, begin_s * SECOND)
    return (utc("2200-01-01") * SECOND if fire_us is None else fire_us) // SECOND


def played(seed: int, plays: int) -> Tally:
    total, places = Tally(), places_of(["memory", "sqlite"])
    for number in range(plays):
        total.add(rules.examine(seed, number, places, installed_releases()))
    return total


@pytest.mark.slow
def test_the_oracle_agrees_with_an_honest_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "runs_of", by_kernels(by_wall_time))
    total = played(20261128, 25)
    assert [(found.said, found.line) for found in total.disagreements] == []
    assert total.cases > 150 and total.crossed > total.cases // 4


@pytest.mark.slow
def test_a_core_that_keeps_the_instant_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "runs_of", by_kernels(lambda wish, trigger, at_s, play: at_s))
    total = played(20261128, 4)
    assert len(total.disagreements) > 5
    assert "lost [" in total.disagreements[0].said and "zone=" in total.disagreements[0].line


def test_a_seed_gives_the_same_plays(tmp_path: Path) -> None:
    texts = [str(draw_play(Random("7"), [], tmp_path)) for _ in range(2)]
    assert texts[0] == texts[1]


@pytest.mark.parametrize("name", ["memory", "sqlite"])
def test_the_same_on_real_schedulers_and_stores_while_the_rules_stay(name: str, tmp_path: Path) -> None:
    """Plays whose new rules are the old ones: every way, before the change and after it."""
    (place,) = places_of([name])
    change = change_between(tmp_path, ([WINTER], [-25200, -28800]), ([WINTER], [-25200, -28800]))
    wishes: dict[str, Wish] = {
        "cron": CronWish(hours(9, 17), "once"),
        "date": DateWish(datetime(2026, 11, 2, 9)),
        "set": CronWish(hours(3), "once", datetime(2026, 11, 2, 9)),
        "interval": IntervalWish(DAY, utc("2026-10-30T16:00")),
        "calendar": CalendarWish(CalendarInterval(0, 0, 0, 1, time(9), date(2026, 10, 1), None, "Made/Up")),
    }
    right = {job_id: wish.runs(change, AHEAD) for job_id, wish in wishes.items()}
    for way in ("restart", "export", "running"):
        if place.takes(way):
            assert rules.wrong_jobs(Play(change, AHEAD, way, wishes, right), place) == {}  # type: ignore[arg-type]
