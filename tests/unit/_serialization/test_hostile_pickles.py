"""Pickles of others: what they ask for is counted before it is done, and what they touch is their own."""

from __future__ import annotations

import dataclasses
import enum
import pickle
import uuid
from datetime import datetime, timezone
from typing import ClassVar

import pytest
import pytz
from apscheduler.triggers.calendarinterval import CalendarIntervalTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.date import DateTrigger
from tests.unit._serialization.samples import own_registry

from rapscheduler._serialization import unpickling
from rapscheduler._serialization.codec import CallableRule, decode
from rapscheduler._serialization.legacy import load_state
from rapscheduler._serialization.registry import register_type
from rapscheduler._serialization.rows import JobRow
from rapscheduler.cli.migrate.convert import CONVERTED, REFUSED, judge
from rapscheduler.errors import DecodeError

__all__ = ["own_registry"]
pytestmark = pytest.mark.usefixtures("own_registry")

PRIME = 2**61 - 1  # hash(n) == n % PRIME
STATE = {"version": 1, "id": "x", "func": "m:f", "executor": "default", "args": (), "kwargs": {}, "name": "n"}
STATE |= {"misfire_grace_time": 1, "coalesce": True, "max_instances": 1, "next_run_time": None}
STATE["trigger"] = DateTrigger(datetime(2030, 1, 1, tzinfo=timezone.utc))
DOUBLED = b"K\0" + b"2\x86" * 40  # a tuple of two times the tuple before, forty times
DEEP = b"K\1" + b"\x85" * 100_000
HUGE = b"\x8b\xa0\x86\1\0" + b"\x7f" * 100_000
LISTS = b"]K\0a" + b"".join(b"q%c](h%ch%ce" % (i, i, i) for i in range(1, 60))


def pickled(field, opcodes):
    return pickle.dumps({**STATE, field: "@@@"}, 2).replace(b"X\3\0\0\0@@@", opcodes)


def text(value):
    return b"X" + len(value).to_bytes(4, "little") + value


def fate(data):
    return judge(JobRow("x", None, None, None, data), CallableRule(), False)


class Counted:
    """A key whose hash is always the same."""

    def __init__(self, number):
        self.number = number

    def __hash__(self):
        return 7

    def __eq__(self, other):
        return self.number == other.number


@dataclasses.dataclass(frozen=True)
class Frozen:
    held: object


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Single:
    """A class of which there is one object."""

    only = None

    def __new__(cls):
        if cls.only is None:
            cls.only = super().__new__(cls)
            cls.only.mark = "as it was"
        return cls.only

    def __getstate__(self):
        return {}

    def __setstate__(self, state):
        vars(self).update(state)


class Alike:
    """A class whose objects have their attributes in common."""

    common: ClassVar = {"mark": "as it was"}

    def __new__(cls):
        made = super().__new__(cls)
        made.__dict__ = cls.common
        return made

    def __getstate__(self):
        return {}

    def __setstate__(self, state):
        vars(self).update(state)


HERE = __name__.encode()
COLOUR = b"c" + HERE + b"\nColour\n"
SOME = b"}" + text(b"mark") + text(b"changed") + b"sb"
COLLIDING = [b"\x8a\x0c" + (n * PRIME).to_bytes(12, "little") for n in range(1, 1000)]


class TestWhatAPickleTouches:
    @pytest.fixture(autouse=True)
    def registered(self):
        for cls in (Frozen, Colour, Single, Alike):
            register_type(cls)

    @pytest.mark.parametrize(
        "opcodes",
        [
            b"c" + HERE + b"\nColour\nK\1\x85R",
            b"c" + HERE + b"\nSingle\n)R",
            b"c" + HERE + b"\nSingle\n)\x81",
            b"c" + HERE + b"\nAlike\n)\x81",
            b"cpytz\n_p\n" + text(b"Europe/Berlin") + b"\x85R",
            b"cpytz\n_UTC\n)R",
            b"cuuid\nSafeUUID\nK\0\x85R",
            b"czoneinfo\nZoneInfo\n" + text(b"Europe/Berlin") + b"\x85R",
        ],
        ids=[
            "enum",
            "singleton by call",
            "singleton",
            "shared attributes",
            "pytz",
            "pytz UTC",
            "SafeUUID",
            "zoneinfo",
        ],
    )
    def test_what_it_shares_with_the_program_is_not_changed(self, opcodes):
        red, berlin = dict(vars(Colour.RED)), dict(vars(pytz.timezone("Europe/Berlin")))
        with pytest.raises(DecodeError, match="shares with the program"):
            load_state(pickled("args", b"(" + opcodes + SOME + b"t"))
        assert vars(Colour.RED) == red and vars(pytz.timezone("Europe/Berlin")) == berlin
        assert Single().mark == Alike().mark == "as it was"
        assert not hasattr(uuid.SafeUUID.safe, "mark")

    def test_an_offset_that_a_zone_of_pytz_does_not_have_is_not_added_to_it(self):
        zone = pytz.timezone("Europe/Berlin")
        known = dict(zone._tzinfos)
        opcodes = b"(cpytz\n_p\n(" + text(b"Europe/Berlin") + b"M\x39\x30K\0" + text(b"X") + b"tRt"
        assert fate(pickled("args", opcodes)).kind == REFUSED
        assert zone._tzinfos == known

    @pytest.mark.parametrize("zone", [pytz.timezone("Europe/Berlin"), pytz.utc, pytz.FixedOffset(90)])
    def test_times_of_pytz_come_back_with_their_offset(self, zone):
        moment = (
            zone.localize(datetime(2030, 7, 1))
            if hasattr(zone, "localize")
            else datetime(2030, 7, 1, tzinfo=zone)
        )
        made = fate(pickle.dumps(STATE | {"args": (moment,)})).row
        (back,) = decode(made.data)["args"]
        assert (back, back.utcoffset(), back.tzname()) == (moment, moment.utcoffset(), moment.tzname())

    @pytest.mark.parametrize("put", [b"K\1a", b"(K\1e", b"K\1K\2s", b"(K\1K\2u", b"(K\1\x90"], ids=str)
    @pytest.mark.parametrize(
        "target", [b"c" + HERE + b"\nColour\nK\1\x85R", b"c" + HERE + b"\nColour\n", b"N", b")"], ids=str
    )
    def test_items_go_into_its_own_containers_only(self, put, target):
        assert fate(pickled("args", b"(" + target + put + b"t")).kind == REFUSED

    def test_objects_of_its_own_take_their_state(self):
        value = (Frozen({1: [2, {3}]}), Colour.BLUE, [{}, (), frozenset((1,))])
        for protocol in range(6):
            assert decode(fate(pickle.dumps(STATE | {"args": value}, protocol)).row.data)["args"] == value


BOMBS = {f"{name} {field}": pickled(field, code) for field in STATE for name, code in
         {"doubled": DOUBLED, "deep": DEEP, "huge": HUGE, "lists": LISTS}.items()}  # fmt: skip
BOMBS |= {
    "tuple in a set": pickled("args", b"(cbuiltins\nset\n]" + DOUBLED + b"a\x85Rt"),
    "tuple as a key": pickled("kwargs", b"}" + DOUBLED + b"K\1s"),
    "tuple in a frozenset": pickled("args", b"((" + DOUBLED + b"\x91t"),
    "tuple as a callable": pickled("args", b"(" + DOUBLED + b")Rt"),
    "tuple as a member": pickled("args", b"(c" + HERE + b"\nColour\n" + DOUBLED + b"\x85Rt"),
    "tuple in a hashed object": pickled(
        "args", b"((c" + HERE + b"\nFrozen\n)\x81}" + text(b"held") + DOUBLED + b"sb\x91t"
    ),
    "deep in a set": pickled("args", b"((" + DEEP + b"\x91t"),
    "itself": pickled("args", b"(]q\1h\1at"),
    "keys of one hash": pickled("kwargs", b"}(" + b"".join(key + b"N" for key in COLLIDING) + b"u"),
    "keys of one hash, one by one": pickled("kwargs", b"}" + b"".join(key + b"Ns" for key in COLLIDING)),
    "a set of one hash": pickled("args", b"(cbuiltins\nset\n](" + b"".join(COLLIDING) + b"e\x85Rt"),
    "a frozenset of one hash": pickled("args", b"((" + b"".join(COLLIDING) + b"\x91t"),
    "opcodes": pickled("args", b"N0" * unpickling.MAX_OPCODES + b")"),
    "a trigger called": pickled(
        "trigger", b"capscheduler.triggers.cron\nCronTrigger\n(NNNNN" + text(b"1," * 10_000) + b"tR"
    ),
}


def with_trigger(cls, **state):
    built = b"c" + cls.__module__.encode() + b"\n" + cls.__qualname__.encode() + b"\n)\x81"
    return pickled("trigger", built + pickle.dumps(state, 2)[2:-1] + b"b")


_ZONE = {"timezone": timezone.utc, "start_date": None, "end_date": None, "jitter": None}
BOMBS["a long field"] = with_trigger(CronTrigger, version=2, fields={"hour": "1," * 10_000 + "1"}, **_ZONE)
BOMBS["a range for numbers"] = with_trigger(
    CalendarIntervalTrigger, version=1, interval=range(10**17), time=range(10**17), **_ZONE
)


@pytest.mark.parametrize("name", BOMBS)
def test_a_pickle_that_asks_for_too_much_is_refused(name):
    for cls in (Frozen, Colour):
        register_type(cls)
    verdict = fate(BOMBS[name])
    assert verdict.kind == REFUSED and verdict.note
    assert len(verdict.note) < 20_000 and verdict.note.isprintable()


def test_the_work_of_a_pickle_is_counted_before_it_is_done(monkeypatch):
    hashed = []
    register_type(Counted, name="counted", encode=lambda c: c.number, decode=Counted)
    monkeypatch.setattr(Counted, "__hash__", lambda self: hashed.append(1) or 7)
    made = b"c" + HERE + b"\nCounted\n)\x81}" + text(b"number") + DOUBLED + b"sb"
    assert fate(pickled("args", b"((" + made + b"\x91t")).kind == REFUSED
    assert hashed == []


class Hostile(Exception):
    def __str__(self):
        raise MemoryError

    __repr__ = __str__


@pytest.mark.parametrize("error", [Hostile, MemoryError, RecursionError, SystemExit, ValueError])
def test_whatever_happens_is_the_fate_of_one_row(error, monkeypatch):
    class Bad:
        def __getstate__(self):
            return {"a": 1}

        def __setstate__(self, state):
            raise error("no")

    Bad.__qualname__ = "Bad"
    monkeypatch.setitem(globals(), "Bad", Bad)
    register_type(Bad)
    verdicts = [fate(pickle.dumps(STATE | {"args": (Bad(),)})), fate(pickle.dumps(STATE))]
    assert [verdict.kind for verdict in verdicts] == [REFUSED, CONVERTED]
    assert verdicts[0].note
