"""A trigger unlike one that was read before in its wall time only: the same trigger or error as if none had been."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit._serialization.samples import own_registry, sample_state

from rapscheduler._serialization import codec, families
from rapscheduler._serialization.codec import ANY_CALLABLE, decode, encode
from rapscheduler.errors import DecodeError
from rapscheduler.triggers.date import DateTrigger
from rapscheduler.triggers.interval import IntervalTrigger

__all__ = ["own_registry"]

pytestmark = pytest.mark.usefixtures("own_registry")

BERLIN = ZoneInfo("Europe/Berlin")
START = datetime(2027, 3, 1, 12, 0, 0, 250)


def forget() -> None:
    for known in (codec._triggers, codec._alike, codec._kin, families._families):
        known.clear()
    codec._last_kin[0] = b""


def answer(read: Any, data: bytes) -> Any:
    """The state with its trigger as what it consists of, or the words of the error."""
    try:
        state = read(data, ANY_CALLABLE)
    except DecodeError as exc:
        return str(exc)
    trigger = state.pop("trigger")
    return type(trigger), str(trigger.__getstate__()), getattr(trigger, "timezone", None), state


def same_after(first: bytes, others: list[bytes]) -> None:
    """Others are read as they are when nothing was read before, also the second and the third time."""
    wanted = []
    for data in others:
        forget()
        wanted.append(answer(codec._decode_whole, data))
    forget()
    answer(decode, first)
    for _ in range(2):
        assert [answer(decode, data) for data in others] == wanted
    for data, right in zip(others, wanted, strict=True):
        assert [answer(decode, data) for _ in range(3)] == [right] * 3


INTERVALS: dict[str, dict[str, Any]] = {
    "plain": {"minutes": 5},
    "days": {"days": 2},
    "fractions": {"seconds": 0.25},
    "jitter": {"hours": 1, "jitter": 3},
    "end": {"hours": 1, "end_date": datetime(2027, 3, 2, tzinfo=BERLIN)},
    "after": {"hours": 1, "after": "end"},
    "left out": {"hours": 1, "exclude": ["sat", "2027-12-24"], "windows": ["08:00-18:00"]},
    "spread": {"hours": 1, "jitter": 60, "spread": "hash", "seed": "x"},
}
WALLS = [
    b"2027-03-01T12:00:00",
    b"2027-03-01T12:00:00.000001",
    b"2027-03-28T02:30:00",  # which Berlin skips
    b"2027-10-31T02:30:00",  # and has twice
    b"1900-01-01T00:00:00",
    b"0001-01-01T00:00:00",
    b"9999-12-31T23:59:59.999999",
    b"2027-13-01T12:00:00",
    b"2027-03-01T24:00:00",
    b"2027-03-01T12:00:00,000001",
    b"2027-03-01 12:00:00",
    b"2027-03-01T12:00+01:00",
    b"2027-03-01T12:00:00+00:00",
    b"2027-03-01T12:00:00Z",
    b"2027-03-01T12:00:0\n",
    b"2027-03-01T12:00:0\\",
    b"20270301T1200",
    "2027-03-01T12:00:0é".encode()[:19],
    b"now",
]


def with_walls(data: bytes, wall: bytes) -> list[bytes]:
    assert data.count(wall) >= 1
    return [data.replace(wall, other, 1) for other in WALLS]


@pytest.mark.parametrize("zone", [timezone.utc, BERLIN, timezone(timedelta(hours=2))], ids=str)
@pytest.mark.parametrize("options", INTERVALS.values(), ids=INTERVALS)
@pytest.mark.parametrize("args", [(), (1, "two")], ids=["no arguments", "arguments"])
def test_starts_of_intervals(zone, options, args):
    trigger = IntervalTrigger(**options, start_date=START.replace(tzinfo=zone), timezone=zone)
    data = encode(sample_state(trigger=trigger, args=args, kwargs={}))
    same_after(data, with_walls(data, START.isoformat().encode()))


@pytest.mark.parametrize("zone", [timezone.utc, BERLIN, timezone(timedelta(hours=2))], ids=str)
def test_dates(zone):
    data = encode(sample_state(trigger=DateTrigger(START.replace(tzinfo=zone)), args=(), kwargs={}))
    same_after(data, with_walls(data, START.isoformat().encode()))


def test_starts_in_another_zone_than_the_trigger():
    trigger = IntervalTrigger(hours=1, start_date=START.replace(tzinfo=BERLIN), timezone="UTC")
    data = encode(sample_state(trigger=trigger, args=(), kwargs={}))
    same_after(data, with_walls(data, START.isoformat().encode()))


WALL = b'{"$datetime":"2027-03-01T12:00:00","zone":"UTC"}'
ODD = [
    b'{"type":"interval","seconds":9,"start_date":' + WALL + b',"start_date":' + WALL + b',"timezone":"UTC"}',
    b'{"type":"interval","seconds":9,"end_date":' + WALL + b',"start_date":' + WALL + b',"timezone":"UTC"}',
    b'{"type":"interval","seconds":9,"start_date": ' + WALL + b',"timezone":"UTC"}',
    b'{"type":"interval","seconds":9,"start_date":' + WALL[:-1] + b',"fold":1},"timezone":"UTC"}',
    b'{"type":"interval","seconds":9,"start_date":' + WALL[:-1] + b',"offset_s":0},"timezone":"UTC"}',
    b'{"type":"interval","seconds":9,"start_date":{"$datetime":"2027-03-01T12:00:00"},"timezone":"UTC"}',
    b'{"type":"interval","seconds":9,"start_date":' + WALL + b"}",
    b'{"type":"interval","seconds":9,"exclude":{"start_date":' + WALL + b'},"timezone":"UTC"}',
    b'{"type":"interval","seconds":-9,"start_date":' + WALL + b',"timezone":"UTC"}',
    b'{"type":"date","run_date":' + WALL + b',"timezone":"Europe/Berlin"}',
    b'{"type":"date","run_date":' + WALL + b',"type":"interval"}',
    b'{"type":"cron","hour":"7","start_date":' + WALL + b',"timezone":"UTC"}',
    b'{"type":"or","triggers":[{"type":"date","run_date":' + WALL + b"}]}",
    b'{"type":"and","triggers":[{"type":"interval","seconds":9,"start_date":'
    + WALL
    + b',"timezone":"UTC"}]}',
    b'{"type":"x","state":' + WALL + b"}",
]


@pytest.mark.parametrize("written", ODD, ids=range(len(ODD)))
def test_what_looks_like_a_family_and_is_none(written):
    plain = encode(sample_state(trigger=IntervalTrigger(hours=1, start_date=START), args=(), kwargs={}))
    before, rest = plain.split(b',"trigger":')
    data = before + b',"trigger":' + written + rest[rest.index(b',"args":') :]
    same_after(data, with_walls(data, b"2027-03-01T12:00:00"))


@given(
    st.lists(
        st.datetimes(datetime(1950, 1, 1), datetime(2100, 1, 1)) | st.sampled_from([START]),
        min_size=1,
        max_size=8,
    ),
    st.sampled_from([BERLIN, timezone.utc, ZoneInfo("Australia/Lord_Howe")]),
)
def test_each_member_has_its_own_start_and_is_a_trigger_of_its_own(walls, zone):
    forget()
    for wall in walls:
        start = wall.replace(tzinfo=zone)
        written = IntervalTrigger(hours=1, start_date=start, timezone=zone)
        data = encode(sample_state(trigger=written, args=(), kwargs={}))
        one, another = decode(data)["trigger"], decode(data)["trigger"]
        assert one.__getstate__() == another.__getstate__() == written.__getstate__()
        assert one.start_date.timestamp() == start.timestamp() and one is not another


def test_members_are_not_read_as_a_whole(monkeypatch):
    """However many starts there are, one is."""
    forget()
    read: list[bytes] = []
    whole = codec._recipe_alone
    monkeypatch.setattr(codec, "_recipe_alone", lambda piece: read.append(piece) or whole(piece))
    for number, args in itertools.product(range(50), ((), (1,))):
        trigger = IntervalTrigger(hours=1, start_date=START + timedelta(seconds=number), timezone=BERLIN)
        state = decode(encode(sample_state(trigger=trigger, args=args, kwargs={})))
        assert state["trigger"].start_date == trigger.start_date and state["args"] == args
    assert len(read) == 1
    # what many rows say is remembered as a whole
    for _ in range(3):
        decode(encode(sample_state(trigger=trigger, args=(), kwargs={})))
    assert len(codec._alike) == 1
