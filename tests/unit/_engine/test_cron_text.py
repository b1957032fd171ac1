"""Schedules found again by what they were written as, on both twins."""

from __future__ import annotations

from typing import Any

import pytest

NAMES = 8
UNSET: tuple[Any, ...] = (None,) * NAMES
LIMITS = (0, 13, 32, 54, 7, 24, 60, 60)  # bits of each field's mask


def field(engine: Any, **bits: Any) -> Any:
    return engine.cron_text.FieldBits(**bits)


def table(engine: Any, kind: Any = None) -> Any:
    every = [field(engine, mask=(1 << bits) - 1) for bits in LIMITS]
    every[1] = field(engine, mask=engine.cron.ALL_MONTHS)
    every[2] = field(engine, mask=engine.cron.ALL_DAYS, every=True, starred=True)
    every[3] = field(engine, mask=engine.cron.ALL_WEEKS)
    every[4] = field(engine, mask=engine.cron.ALL_WEEKDAYS, starred=True)
    every[5:] = [field(engine, mask=every[i].mask, starred=True) for i in (5, 6, 7)]
    least = [*every]
    least[1], least[2] = field(engine, mask=2), field(engine, mask=2)
    least[5:] = [field(engine, mask=1)] * 3
    return engine.cron_text.TextTable(kind or engine.cron_text.ScheduleText, every, least)


def given(**values: Any) -> tuple[Any, ...]:
    names = ("year", "month", "day", "week", "day_of_week", "hour", "minute", "second")
    return tuple(values.get(name) for name in names)


def test_unset_fields_below_the_lowest_set_one_take_their_minimum(engine: Any) -> None:
    known = table(engine)
    known.known[5]["3"] = field(engine, mask=1 << 3)
    spec = known.of_known(*given(hour="3"), False, "once").spec
    assert (spec.hour, spec.minute, spec.second) == (8, 1, 1)
    assert (spec.day_any, spec.rhythm, spec.years) == (True, False, None)
    nothing = known.of_known(*UNSET, False, "once").spec
    assert nothing.second == engine.cron.ALL_SECONDS and nothing.rhythm
    assert spec is engine.cron.CronSpec.of(*spec.__reduce__()[1])


def test_only_known_texts_make_a_schedule(engine: Any) -> None:
    known = table(engine)
    known.known[5]["3"] = field(engine, mask=1 << 3)
    for value in (3, "4", True, ["3"]):
        assert known.of_known(*given(hour=value), False, "once") is None
    assert known.of_known(*given(hour="3", minute="1"), False, "once") is None


def test_rules_between_fields(engine: Any) -> None:
    known = table(engine)
    known.known[2]["1"] = field(engine, mask=2)
    known.known[4]["mon"] = field(engine, mask=1)
    known.known[4]["*"] = field(engine, mask=127, starred=True)
    known.known[0]["2030"] = field(engine, years=((2030, 2030, 1),))
    either = known.of_known(*given(day="1", day_of_week="mon"), 1, "shift")
    assert (either.day_or_weekday, either.dst, either.spec.weekday) == (True, "shift", 1)
    assert not known.of_known(*given(day="1", day_of_week="*"), True, "both").day_or_weekday
    assert known.of_known(*given(year="2030"), False, "both").spec.years == ((2030, 2030, 1),)
    with pytest.raises(ValueError, match="dst='never' is not a rule; give 'once'"):
        known.of_known(*UNSET, False, "never")


def test_every_kind_of_day_gets_into_the_spec(engine: Any) -> None:
    known = table(engine)
    known.known[2]["x"] = field(engine, mask=4, last_days=1, nth_weekdays=1 << 41, nearest_workdays=1 << 31)
    spec = known.of_known(*given(day="x"), False, "once").spec
    assert (spec.day, spec.last_day_offsets, spec.nth_weekdays, spec.nearest_workdays) == (
        4,
        1,
        1 << 41,
        1 << 31,
    )


def test_kept_schedules_are_found_by_their_very_values(engine: Any) -> None:
    class Text(engine.cron_text.ScheduleText):  # type: ignore[misc, name-defined]
        __slots__ = ()

    known = table(engine, Text)
    known.known[5]["1"] = field(engine, mask=2)
    made = known.of_known(*given(hour="1"), False, "once")
    assert type(made) is Text and len(made.parts) == NAMES and made.parts[5] is known.known[5]["1"]
    key = (*given(hour=1), False, "once")
    assert known.find(*key) is None
    known.keep(made, *key)
    assert known.find(*key) is made
    for hour in (True, 1.0, "1", [1]):
        assert known.find(*given(hour=hour), False, "once") is None
    for rules in ((0, "once"), (True, "once"), (False, "both"), ([], "once"), (False, None)):
        assert known.find(*given(hour=1), *rules) is None
    for hour in (True, 2.0, [2]):  # could be taken for others
        known.keep(made, *given(hour=hour), False, "once")
        assert known.find(*given(hour=hour), False, "once") is None
    assert known.find(*given(hour=2), False, "once") is None


def test_a_full_table_forgets_and_goes_on(engine: Any) -> None:
    known = table(engine)
    made = known.of_known(*UNSET, False, "once")
    for minute in range(65536):
        known.keep(made, *given(minute=minute), False, "once")
    assert known.find(*given(minute=0), False, "once") is made
    known.keep(made, *given(minute=-1), False, "once")
    assert known.find(*given(minute=0), False, "once") is None
    assert known.find(*given(minute=-1), False, "once") is made


def test_wrong_parts_are_refused(engine: Any) -> None:
    text = engine.cron_text
    with pytest.raises(ValueError, match="a schedule has 8 fields, not 1"):
        text.ScheduleText([text.FieldBits()], False, "once")
    with pytest.raises(ValueError, match="a schedule has 8 fields"):
        text.TextTable(text.ScheduleText, [], [])
    with pytest.raises(TypeError, match="kind must be a class of ScheduleText"):
        text.TextTable(int, [], [])


def test_triggers_begin_with_a_text_and_are_made_alike(engine: Any) -> None:
    text = table(engine).of_known(*UNSET, False, "once")
    zone = engine.job_core.UTC_ZONE
    first = engine.cron.CronCore(text.spec, zone, 5_000_000, 9_000_000, 7)
    first._text = text
    twin = engine.cron_text.alike(first)
    assert twin is not first and twin._text is text
    assert (twin.spec, twin.zone, twin.start_us, twin.end_us, twin.jitter_us) == (
        text.spec,
        zone,
        5_000_000,
        9_000_000,
        7,
    )
    engine.cron_text.begin(first, text, zone)
    assert (first.start_us, first.end_us, first.jitter_us, first._text) == (None, None, 0, text)
    assert twin.next_fire_us(None, 0) == 5_000_000 and first.next_fire_us(None, 0) == 0
