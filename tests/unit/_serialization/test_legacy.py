"""Rows pickled by APScheduler 3.11.3 itself become rows of ours; every other pickle is refused, and does nothing."""

from __future__ import annotations

import pickle
import struct
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from ipaddress import ip_network
from pathlib import Path, PureWindowsPath
from types import SimpleNamespace
from uuid import UUID
from zoneinfo import ZoneInfo

import apscheduler.job
import orjson
import pytest
import pytz
from apscheduler.triggers.calendarinterval import CalendarIntervalTrigger
from apscheduler.triggers.combining import AndTrigger, OrTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger
from hypothesis import given
from hypothesis import strategies as st
from tests.unit._serialization.samples import Access, Colour, Customer, Every, own_registry

from rapscheduler._serialization.codec import decode
from rapscheduler._serialization.legacy import is_pickled, load_state, row_from_pickle
from rapscheduler._serialization.registry import register_type
from rapscheduler._serialization.values import pack_at
from rapscheduler.errors import DecodeError, EncodeError
from rapscheduler.triggers.combining import OrTrigger as OurOrTrigger
from rapscheduler.triggers.cron.fields import BaseField

__all__ = ["own_registry"]

pytestmark = pytest.mark.usefixtures("own_registry")
BERLIN = ZoneInfo("Europe/Berlin")
RUN_TIME = datetime(2026, 3, 1, 2, 0, 0, 123456, tzinfo=BERLIN)


def task(*args, **kwargs):
    pass


def pickled(protocol=5, **values):
    """The bytes that APScheduler's stores write."""
    job = apscheduler.job.Job(
        SimpleNamespace(timezone=BERLIN),
        **(
            {
                "id": "j",
                "func": f"{__name__}:task" if values.get("args") is None else print,
                "trigger": IntervalTrigger(minutes=5, timezone=BERLIN),
                "args": (),
                "kwargs": {},
                "executor": "default",
                "name": "a name",
                "misfire_grace_time": 30,
                "coalesce": False,
                "max_instances": 3,
                "next_run_time": RUN_TIME,
            }
            | values
        ),
    )
    return pickle.dumps(job.__getstate__(), protocol)


def plain(**values):
    return pickled(func=print, **values)


@pytest.mark.parametrize("protocol", range(6))
def test_a_row_of_every_protocol_is_converted(protocol):
    row = row_from_pickle(plain(protocol=protocol, args=(1, b"\xff", None), kwargs={"sep": [1]}))
    state = decode(row.data)
    assert row.id == "j"
    assert row.run_at_us == round(RUN_TIME.timestamp() * 1_000_000)
    assert state["func"] == "builtins:print"
    assert state["args"] == (1, b"\xff", None)
    assert state["kwargs"] == {"sep": [1]}
    assert (state["name"], state["executor"]) == ("a name", "default")
    assert (state["misfire_grace_time"], state["coalesce"], state["max_instances"]) == (30, False, 3)


START, END = datetime(2026, 1, 1, 12, tzinfo=BERLIN), datetime(2031, 1, 1, tzinfo=BERLIN)
TRIGGERS = [
    DateTrigger(START),
    DateTrigger("2026-05-05 05:05:05", timezone="America/New_York"),
    IntervalTrigger(seconds=0.25, start_date=START, end_date=END, jitter=3),
    IntervalTrigger(weeks=2, days=3, hours=1, timezone=pytz.timezone("Asia/Tokyo")),
    CronTrigger(hour=2, timezone="UTC"),
    CronTrigger(
        month="jan-mar,12", day="last", hour="*/3", minute="5-50/15", timezone=BERLIN, start_date=START
    ),
    CronTrigger(day="2nd fri", day_of_week="mon-fri", hour="1,2", end_date=END, jitter=10),
    CronTrigger(
        year="2026-2030/2", week="1-52/4", day_of_week="sun", second="*/10", timezone="Asia/Kathmandu"
    ),
    CronTrigger.from_crontab("*/5 8-17 * * mon-fri", timezone="Europe/Berlin"),
    CalendarIntervalTrigger(
        months=1, days=2, hour=3, minute=4, start_date=date(2027, 1, 31), timezone=BERLIN
    ),
    AndTrigger([CronTrigger(hour=2, timezone="UTC"), CronTrigger(day_of_week="mon", hour=2, timezone="UTC")]),
    OrTrigger(
        [CronTrigger(hour=2, timezone="UTC"), AndTrigger([CronTrigger(minute=7, timezone="UTC")])], jitter=5
    ),
]


@pytest.mark.parametrize("protocol", [0, 2, 5])
@pytest.mark.parametrize("trigger", TRIGGERS, ids=str)
def test_a_trigger_of_apscheduler_keeps_its_schedule(trigger, protocol):
    ours = decode(row_from_pickle(plain(trigger=trigger, protocol=protocol)).data)["trigger"]
    assert type(ours).__module__ == type(trigger).__module__.replace("apscheduler", "rapscheduler", 1)
    assert str(ours) == str(trigger)
    assert getattr(ours, "jitter", None) == getattr(trigger, "jitter", None)
    now = datetime(2026, 6, 1, 0, 0, 0, 1, tzinfo=timezone.utc)
    if not getattr(trigger, "jitter", None):
        assert ours.get_next_fire_time(None, now) == trigger.get_next_fire_time(None, now)


VALUES = [
    {1, 2},
    frozenset({"x"}),
    bytearray(b"ab"),
    2j,
    range(3),
    Decimal("1.10"),
    UUID(int=5),
    timedelta(1, 2, 3),
    date(2026, 1, 1),
    time(1, 2, 3, tzinfo=timezone.utc),
    RUN_TIME,
    datetime(2026, 1, 1, tzinfo=timezone.utc),
    datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=2), "X")),
    pytz.timezone("Asia/Tokyo").localize(datetime(2026, 1, 1)),
    pytz.utc.localize(datetime(2026, 1, 1)),
    datetime(2026, 1, 1, tzinfo=pytz.FixedOffset(90)),
    Path("/a/b"),
    PureWindowsPath("c:\\x"),
    10**100,
    1.5,
    None,
    (1, ("2", [3])),
    b"",
    "\u20ac",
    Colour.RED,
    Access.WRITE,
    Customer("n", None, [1]),
    OrderedDict(b=1, a=2),
    Counter("aab"),
    deque([1, 2], maxlen=2),
    defaultdict(list, {"k": [1]}),
    SimpleNamespace(a=1),
    Fraction(1, 3),
    ip_network("10.0.0.0/8"),
]


@pytest.mark.parametrize("protocol", [2, 5])
@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_values_of_the_codec_come_out_of_pickles(value, protocol):
    found = decode(row_from_pickle(plain(args=(value,), protocol=protocol)).data)["args"][0]
    assert type(found) is type(value)
    assert found == value


def test_a_paused_job_stays_paused():
    assert row_from_pickle(plain(next_run_time=None)).run_at_us is None


def test_nodes_of_zookeeper_and_etcd_are_understood():
    state = pickle.loads(plain())
    assert load_state(pickle.dumps({"next_run_time": 1.5, "job_state": state}))["id"] == "j"


def test_the_callable_stays_a_text_that_nobody_imports():
    import sys

    sys.modules.pop("antigravity", None)
    state = pickle.loads(plain()) | {"func": "antigravity:fly"}
    assert decode(row_from_pickle(pickle.dumps(state)).data)["func"] == "antigravity:fly"
    assert "antigravity" not in sys.modules


@pytest.mark.parametrize(
    ("function", "args"),
    [
        (deque, (range(10**15),)),
        (Counter, (range(10**15),)),
        (Fraction, ("1e999999999",)),
        (defaultdict, (Counter,)),
    ],
)
def test_containers_are_made_from_containers_only(function, args):
    with pytest.raises(DecodeError):
        row_from_pickle(plain(args=(Call(function, *args),)))


class Unregistered:
    pass


def test_a_class_of_the_program_is_refused_by_name_with_the_cure():
    with pytest.raises(DecodeError, match=r"test_legacy:Unregistered.*register_type"):
        row_from_pickle(plain(args=(Unregistered(),)))


class Call:
    """Pickles to a call."""

    def __init__(self, function, *args):
        self.function, self.args = function, args

    def __reduce__(self):
        return self.function, self.args


def with_call(*call):
    return pickle.dumps(pickle.loads(plain()) | {"args": (Call(*call),)})


def opcodes(*parts):
    return b"\x80\x04" + b"".join(parts) + b"."


def changing(name, attribute):
    """A pickle that sets an attribute of a class or function of the list to `complex`."""
    short = len(attribute).to_bytes(1, "little")
    module, _, name = name.rpartition(".")
    return opcodes(
        f"c{module}\n{name}\nN}}\x8c".encode("latin-1"), short, attribute, b"cbuiltins\ncomplex\ns\x86b"
    )


HOSTILE = {
    "a class of the list changed": changing("apscheduler.triggers.cron.fields.BaseField", b"get_max"),
    "a registered class changed": changing(f"{Customer.__module__}.Customer", b"name"),
    "a zone's class changed": changing("dateutil.tz.tz.tzfile", b"__new__"),
    "a function of the list changed": changing("builtins.set", b"x"),
    "os.system": pickle.dumps(Call(__import__("os").system, "touch /tmp/rapscheduler-owned")),
    "eval": with_call(eval, "1"),
    "getattr": with_call(getattr, "", "join"),
    "exec in a method": opcodes(b"cbuiltins\nexec\n", b"(X\x01\x00\x00\x00atR"),
    "dotted name": opcodes(b"\x8c\x08datetime", b"\x8c\x19datetime.__class__.__base__", b"\x93"),
    "a memory bomb of a bytearray": with_call(bytearray, 10**12),
    "a set of a range": with_call(set, range(10**12)),
    "a frozenset of a set": with_call(frozenset, {1}),
    "memo bomb": opcodes(b"Nr" + struct.pack("<I", 2**31)),
    "length bomb": opcodes(b"\x8e" + struct.pack("<Q", 2**40)),
    "bytearray length bomb": b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b".",
    "persistent id": opcodes(b"Px\n"),
    "extension": opcodes(b"\x82\x01"),
    "old class opcode": opcodes(b"(ios\nsystem\n"),
    "zone file": with_call(ZoneInfo._unpickle, "../../etc/passwd", True),
    "a pytz zone of nonsense": with_call(pytz._p, "Nowhere", 1, 2, "X"),
    "an apscheduler class that is no trigger": opcodes(
        b"capscheduler.schedulers.background\nBackgroundScheduler\n"
    ),
    "a scheduler function": opcodes(b"capscheduler.util\nref_to_obj\n"),
    "not a job": pickle.dumps([1]),
    "a state without callable": pickle.dumps({"id": "x"}),
    "a later version": pickle.dumps(pickle.loads(plain()) | {"version": 2}),
    "truncated": plain()[:-20],
    "json": b"{}",
    "empty": b"",
    "args a number": pickle.dumps(pickle.loads(plain()) | {"args": 5}),
    "run time a text": pickle.dumps(pickle.loads(plain()) | {"next_run_time": "now"}),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_pickle_is_refused_and_does_nothing(name):
    with pytest.raises(DecodeError) as caught:
        row_from_pickle(HOSTILE[name])
    assert len(str(caught.value)) < 1000
    assert BaseField.get_max is not complex and not hasattr(Customer, "name")
    assert ("changed" in name) == ("itself, which no job" in str(caught.value))
    assert not Path("/tmp/rapscheduler-owned").exists()


@pytest.fixture
def trap(tmp_path, monkeypatch):
    """The name of a module whose import would be remembered."""
    name = "trap_of_a_hostile_row"
    (tmp_path / f"{name}.py").write_text("class Trigger: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield name
    assert name not in sys.modules


@pytest.mark.parametrize("depth", [0, 2])
@pytest.mark.parametrize("outer", [AndTrigger, OrTrigger])
def test_the_triggers_that_a_combination_names_are_on_the_list(trap, monkeypatch, outer, depth):
    members = [(f"{trap}:Trigger", {})]
    for _ in range(depth):
        state = {"version": 1, "triggers": members, "jitter": None}
        members = [("apscheduler.triggers.combining:OrTrigger", state)]
    trigger = outer([DateTrigger(RUN_TIME)])
    given = {"version": 1, "triggers": members, "jitter": None}
    monkeypatch.setattr(outer, "__getstate__", lambda self: given)
    with pytest.raises(DecodeError, match=rf"'{trap}:Trigger', which isn't registered"):
        row_from_pickle(plain(trigger=trigger))


@pytest.mark.parametrize(
    "reference", ["os:system", "apscheduler.util:ref_to_obj", "rapscheduler.job:Job", "x", "", 5, None]
)
def test_anything_else_that_a_combination_names_is_refused(monkeypatch, reference):
    trigger = OrTrigger([DateTrigger(RUN_TIME)])
    given = {"version": 1, "triggers": [(reference, {})], "jitter": None}
    monkeypatch.setattr(OrTrigger, "__getstate__", lambda self: given)
    with pytest.raises(DecodeError):
        row_from_pickle(plain(trigger=trigger))


def test_a_registered_trigger_in_a_combination_is_converted():
    state = decode(row_from_pickle(plain(trigger=OrTrigger([Every(7), DateTrigger(RUN_TIME)]))).data)
    assert [type(member).__name__ for member in state["trigger"].triggers] == ["Every", "DateTrigger"]


def test_a_row_names_no_class_through_a_registered_combination(trap):
    class Mine(OurOrTrigger):
        pass

    register_type(Mine, name="mine")
    content = {"version": 1, "triggers": [(f"{trap}:Trigger", {})], "jitter": None}
    document = orjson.loads(row_from_pickle(plain()).data)
    for change in (
        {"trigger": {"type": "mine", "state": pack_at(content, "")}},
        {"args": [{"$type": "mine", "value": pack_at(content, "")}]},
    ):
        with pytest.raises(DecodeError, match="which isn't registered"):
            decode(orjson.dumps(document | change))


def test_parts_shared_many_times_do_not_blow_up():
    value: list = [1]
    for _ in range(60):
        value = [value, value]
    with pytest.raises(EncodeError, match="more than"):
        row_from_pickle(plain(args=(value,)))


def test_pickles_are_told_from_json():
    assert all(is_pickled(plain(protocol=protocol)) for protocol in range(6))
    assert not is_pickled(row_from_pickle(plain()).data)


@given(st.data())
def test_no_damaged_pickle_does_anything_but_raise_or_return(data):
    whole = bytearray(plain(args=({1, 2}, RUN_TIME, Decimal(1))))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        row_from_pickle(bytes(whole))
    except (DecodeError, EncodeError):
        pass
