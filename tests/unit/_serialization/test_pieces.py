"""Rows are read in pieces that are remembered: the answer is that of reading them as a whole, always."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.unit._serialization.samples import Every, own_registry, sample_state

from rapscheduler._serialization import codec, registry
from rapscheduler._serialization.codec import ANY_CALLABLE, CallableRule, decode, encode
from rapscheduler._serialization.extras import known_extras
from rapscheduler.errors import DecodeError
from rapscheduler.triggers.combining import OrTrigger
from rapscheduler.triggers.cron import CronTrigger
from rapscheduler.triggers.date import DateTrigger
from rapscheduler.triggers.interval import IntervalTrigger

__all__ = ["own_registry"]

pytestmark = pytest.mark.usefixtures("own_registry")

START = datetime(2027, 3, 1, 12, tzinfo=timezone.utc)
TRIGGERS = (
    lambda: IntervalTrigger(hours=1, start_date=START),
    lambda: CronTrigger(hour="*/2", timezone="Europe/Berlin"),
    lambda: DateTrigger(START),
    lambda: OrTrigger([CronTrigger(day=1, timezone="UTC"), Every(3)]),
    lambda: Every(5),
)
KEYS = ("v", "func", "trigger", "args", "kwargs", "run_zone", "name", "executor", "type", "x")
TEXTS = st.sampled_from([*KEYS, ',"args":', ',"name":"', '"', "\\", "$dict", "ü", ""]) | st.text(max_size=5)
SCALARS = st.none() | st.booleans() | st.integers() | TEXTS
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
STATES = st.fixed_dictionaries(
    {
        "trigger": st.sampled_from(TRIGGERS).map(lambda make: make()),
        "args": st.lists(VALUES, max_size=2).map(tuple) | st.lists(VALUES, max_size=2),
        "kwargs": st.dictionaries(TEXTS, VALUES, max_size=3),
        "name": TEXTS.filter(bool),
        "executor": TEXTS,
        "coalesce": st.booleans(),
        "misfire_grace_time": st.none() | st.integers(1, 9),
    }
).map(lambda changes: sample_state(**changes))


def answer(read: Any, data: bytes) -> tuple[Any, ...]:
    """The state, its trigger as text (triggers made anew are never equal), or the error."""
    try:
        state = read(data, ANY_CALLABLE)
    except DecodeError as exc:
        return ("error", str(exc))
    trigger = state.pop("trigger")
    return (state, type(trigger), str(trigger.__getstate__()))


@given(STATES)
def test_what_is_written_comes_back_in_pieces_as_from_the_whole(state):
    data = encode(state)
    assert codec._cut(data) is not None
    for _ in range(3):  # unknown, seen, remembered
        assert answer(decode, data) == answer(codec._decode_whole, data)


@given(STATES, st.data())
def test_damaged_rows_get_the_answer_of_the_whole(state, data):
    row = bytearray(encode(state))
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(row)))
        end = min(len(row), start + data.draw(st.integers(0, 40)))
        other = data.draw(st.integers(0, len(row)))
        pieces = (b"", b"{", b"}", b'"', b",", b'"trigger":', b',"args":', bytes(row[other : other + 30]))
        row[start:end] = data.draw(st.sampled_from(pieces))
    assert answer(decode, bytes(row)) == answer(codec._decode_whole, bytes(row))


@given(st.permutations(range(10)), st.lists(st.tuples(st.sampled_from(KEYS), VALUES), max_size=3))
@example(list(range(10)), [("name", "again")])
@example(list(range(10)), [("func", "os:system"), ("args", [1])])
def test_keys_in_any_order_and_twice_get_the_answer_of_the_whole(order, more):
    pairs = list(orjson.loads(encode(sample_state())).items())
    members = [pairs[i] for i in order] + more
    row = (
        b"{"
        + b",".join(b'"%b":%b' % (key.encode(), json.dumps(value).encode()) for key, value in members)
        + b"}"
    )
    assert answer(decode, row) == answer(codec._decode_whole, row)


@pytest.mark.parametrize("key", [*KEYS, "coalesce"])
@pytest.mark.parametrize("before", ["trigger", "args", "kwargs", "name", "executor", "coalesce"])
def test_a_key_too_many_is_seen_wherever_it_is(key, before):
    row = encode(sample_state(args=(), kwargs={}))
    for value in (b"1", b'"x"', b"[]", b"{}", b"null", b"false"):
        more = row.replace(
            b',"%b":' % before.encode(), b',"%b":%b,"%b":' % (key.encode(), value, before.encode())
        )
        for _ in range(3):
            decode(row)
            assert answer(decode, more) == answer(codec._decode_whole, more)


def test_arguments_may_be_named_as_the_parts_of_a_row():
    kwargs = {"name": "x", "executor": {"v": 1}, "trigger": {}, "args": [1], "kwargs": {}}
    state = sample_state(args=('a,"args":[],"name":', {"name": "y", "executor": "z"}), kwargs=kwargs)
    assert decode(encode(state)) == state


def test_jobs_that_are_alike_share_nothing_that_can_be_changed():
    data = encode(sample_state(trigger=IntervalTrigger(hours=1, start_date=START), args=(), kwargs={}))
    states = [decode(data) for _ in range(4)]
    states[2]["trigger"].jitter = 5
    states[2]["kwargs"]["x"] = 1
    states[2]["name"] = "changed"
    states[2]["max_instances"] = 9
    for state in (states[0], states[1], states[3], decode(data)):
        assert (state["trigger"].jitter, state["kwargs"]) == (None, {})
        assert (state["name"], state["max_instances"]) == ("print", 1)
    assert len({id(state["trigger"]) for state in states}) == 4


def test_what_one_store_accepts_is_asked_again_by_another():
    data = encode(sample_state(args=(), kwargs={}))
    for _ in range(3):
        decode(data)
        with pytest.raises(DecodeError, match="allowed_callables"):
            decode(data, CallableRule(["other:*"]))


def test_a_type_that_is_gone_is_missed_by_rows_that_were_read_before():
    data = encode(sample_state(trigger=Every(1), args=(), kwargs={}))
    for _ in range(3):
        decode(data)
    registry._BY_NAME.pop("Every")
    with pytest.raises(DecodeError, match="isn't known"):
        decode(data)


def test_no_more_pieces_are_remembered_than_said(monkeypatch):
    monkeypatch.setattr(codec, "_PIECES_KEPT", 4)
    for memo in (codec._references, codec._triggers, codec._alike):
        memo.clear()
    for number in range(20):
        state = sample_state(
            func=f"m{number}:f", trigger=CronTrigger(minute=number, timezone="UTC"), args=(), kwargs={}
        )
        for _ in range(2):
            decode(encode(state))
        assert max(map(len, (codec._references, codec._triggers, codec._alike))) <= 4
    big = encode(sample_state(trigger=OrTrigger([CronTrigger(timezone="UTC")] * 200), args=(), kwargs={}))
    before = dict(codec._triggers), dict(codec._alike)
    assert answer(decode, big) == answer(decode, big) == answer(codec._decode_whole, big)
    assert (codec._triggers, codec._alike) == before


@pytest.mark.parametrize(
    "extras",
    [
        {"tags": ["$x", "eu", "n\u00fc"]},
        {"owner": "me"},
        {"tags": ["eu"], "owner": "me"},
        {"tags": ["eu"], "timeout": 30},
        {"metadata": {"a": [1]}},
        {"tags": ["eu"], "newer": 1},
    ],
    ids=str,
)
@pytest.mark.parametrize("call", [{}, {"args": (1,)}, {"kwargs": {"a": 1}}], ids=str)
def test_extras_that_rows_share_are_each_job_s_own(extras, call):
    known_extras.clear()
    state = sample_state(**{"args": (), "kwargs": {}, "extras": extras} | call)
    data = encode(state)
    assert b'"extras"' in data
    first, expected = decode(data), answer(codec._decode_whole, data)
    for state in (first, decode(data), decode(data)):
        assert state["extras"] == extras
        state["extras"]["group"] = "changed"
        state["kwargs"]["more"] = 1
    assert answer(decode, data) == answer(decode, data) == expected
    assert bool(known_extras) == (extras.keys() <= {"tags", "owner"} and not call)


def test_calls_with_tags_are_remembered_no_more_than_said(monkeypatch):
    monkeypatch.setattr("rapscheduler._serialization.extras._KEPT", 4)
    known_extras.clear()
    for number in range(20):
        decode(encode(sample_state(args=(), kwargs={}, extras={"tags": [f"t{number}"]})))
        assert 1 <= len(known_extras) <= 4
    known_extras.clear()
    decode(encode(sample_state(args=(), kwargs={}, extras={"tags": ["x" * 5000]})))
    bad = encode(sample_state(args=(), kwargs={}, extras={"tags": ["x"]})).replace(b'["x"]', b"[5]")
    for _ in range(2):
        with pytest.raises(DecodeError, match="tags"):
            decode(bad)
    assert not known_extras


def test_triggers_of_one_schedule_are_one_piece_and_seldom_ones_fill_no_memory():
    codec._alike.clear()
    rows = [
        encode(
            sample_state(trigger=DateTrigger(START + timedelta(seconds=i)), name=f"j{i}", args=(), kwargs={})
        )
        for i in range(50)
    ]
    for row in rows:
        decode(row)
    assert not codec._alike


class TestWhatIsWritten:
    def written(self, trigger):
        return orjson.loads(encode(sample_state(trigger=trigger)))["trigger"]

    @pytest.mark.parametrize(
        "change", [{"jitter": 5}, {"start_date": START + timedelta(hours=1)}, {"end_date": START}]
    )
    @pytest.mark.parametrize("make", TRIGGERS[:2])
    def test_a_trigger_that_was_changed_is_written_anew(self, make, change):
        trigger = make()
        before = self.written(trigger)
        for name, value in change.items():
            setattr(trigger, name, value)
        after = self.written(trigger)
        assert after != before
        assert {key for key in after if after[key] != before.get(key)} == set(change)
        assert self.written(make()) == before

    def test_equal_instants_of_other_zones_are_told_apart(self):
        elsewhere = [timezone.utc, timezone(timedelta(0)), timezone(timedelta(0), "X"), ZoneInfo("UTC")]
        zones = [
            self.written(IntervalTrigger(hours=1, start_date=START, timezone=zone))["timezone"]
            for zone in elsewhere
        ]
        assert zones[0] == "UTC"
        assert zones[2:] == ["+00:00 X", "zoneinfo:UTC"]
        for hours in (0, 5):
            start = START.astimezone(timezone(timedelta(hours=hours)))
            node = self.written(IntervalTrigger(hours=1, start_date=start, timezone="Europe/Berlin"))
            assert node["start_date"]["$datetime"] == start.replace(tzinfo=None).isoformat()

    def test_options_that_are_equal_in_python_are_told_apart(self):
        for most, grace in ((1, 1), (True, True), (1, 1)):
            options = orjson.loads(encode(sample_state(max_instances=most, misfire_grace_time=grace)))
            assert type(options["max_instances"]) is type(options["misfire_grace_time"]) is int
        for coalesce in (True, False, True):
            assert orjson.loads(encode(sample_state(coalesce=coalesce)))["coalesce"] is coalesce
        for value in (1, 1.0, 1):
            options = orjson.loads(encode(sample_state(misfire_grace_time=value, max_instances=value)))
            assert type(options["misfire_grace_time"]) is type(options["max_instances"]) is type(value)
        for value in (True, 1, True):
            assert type(orjson.loads(encode(sample_state(coalesce=value)))["coalesce"]) is type(value)
