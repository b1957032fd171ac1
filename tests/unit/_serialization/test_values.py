"""Values -> nodes -> JSON -> nodes -> values: nothing changes; what can't be written names its place."""

from __future__ import annotations

import fractions
import io
import ipaddress
import math
import struct
from collections import Counter, OrderedDict, defaultdict, deque
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path, PurePosixPath, PureWindowsPath
from types import SimpleNamespace
from uuid import UUID
from zoneinfo import ZoneInfo

import dateutil.tz
import orjson
import pytest
import pytz
from hypothesis import given
from hypothesis import strategies as st
from tests.unit._serialization.samples import Access, Address, Colour, Customer, Fraction, Point, own_registry

from rapscheduler._serialization.registry import register_type
from rapscheduler._serialization.values import MAX_DEPTH, pack_at, unpack
from rapscheduler.errors import DecodeError, EncodeError

__all__ = ["own_registry"]

pytestmark = pytest.mark.usefixtures("own_registry")
BERLIN = ZoneInfo("Europe/Berlin")


class OwnDict(OrderedDict):
    """A subclass of a type of the list, which nobody registered."""


def unnamed(key):
    """A zone from a file, as tzlocal makes one of /etc/localtime ("local") where nothing tells its name."""
    counts = struct.pack(">6I", 0, 0, 0, 0, 1, 4)
    return ZoneInfo.from_file(io.BytesIO(b"TZif".ljust(20, b"\0") + counts + bytes(6) + b"ABC\0"), key)


def there_and_back(value):
    node = pack_at(value, "args", strict=True)
    return unpack(orjson.loads(orjson.dumps(node, option=orjson.OPT_PASSTHROUGH_SUBCLASS)))


def identical(left, right):
    """Equal, of the same types all the way down, nan equal to nan, 0.0 unlike -0.0, fold and tzinfo included."""
    if type(left) is not type(right):
        return False
    if isinstance(left, float):
        return repr(left) == repr(right)
    if isinstance(left, complex):
        return repr(left) == repr(right)
    if isinstance(left, Decimal):
        return str(left) == str(right)
    if isinstance(left, deque) and (left.maxlen != right.maxlen or not identical(list(left), list(right))):
        return False
    if isinstance(left, defaultdict) and left.default_factory is not right.default_factory:
        return False
    if isinstance(left, dict):
        return len(left) == len(right) and all(
            identical(a, b) for a, b in zip(left.items(), right.items(), strict=True)
        )
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(identical(a, b) for a, b in zip(left, right, strict=True))
    if isinstance(left, (datetime, time)):
        same = left.replace(tzinfo=None) == right.replace(tzinfo=None) and left.fold == right.fold
        return same and repr(left.tzinfo) == repr(right.tzinfo) and left.utcoffset() == right.utcoffset()
    if isinstance(left, (Customer, Address)):
        return identical(vars(left), vars(right))
    return bool(left == right)


VALUES = [
    None,
    True,
    False,
    0,
    -1,
    2**63 - 1,
    -(2**63),
    2**63,
    -(2**64),
    10**1000,
    -(10**5000),
    0.0,
    -0.0,
    1e308,
    5e-324,
    math.inf,
    -math.inf,
    math.nan,
    "",
    "naïve \U0001f40d",
    "\ud800 alone",
    b"",
    b"\x00\xff",
    bytearray(b"ab"),
    1 + 2j,
    complex(-0.0, math.inf),
    range(1, 10, 3),
    range(10**30),
    timedelta.max,
    timedelta.min,
    timedelta(microseconds=-1),
    date(1, 1, 1),
    date.max,
    time(1, 2, 3, 4),
    time(2, 30, fold=1),
    time(1, tzinfo=timezone.utc),
    time(1, tzinfo=BERLIN),
    UUID(int=7),
    Decimal("1.10"),
    Decimal("NaN"),
    Decimal("-Infinity"),
    Decimal("1E+999999"),
    (),
    (1, (2, ())),
    [],
    [[]],
    set(),
    {1, "a", (2,)},
    frozenset({b"x"}),
    {},
    {"a": {"b": [1]}},
    {1: 2, None: 3, (1, 2): "t", 1.5: b""},
    {"$uuid": "not a uuid"},
    {"\udfff": 1},
    Path("/tmp/x"),
    PurePosixPath("a/b"),
    PureWindowsPath("c:\\x"),
    Path("\udcff"),
    Colour.RED,
    Colour.GREEN,
    Access.READ | Access.WRITE,
    Address("s", (1, b"2")),
    Customer("n", Address("x"), [Colour.RED]),
    Point(1, Point(2, 3)),
    Fraction(1, 3),
    BERLIN,
    timezone.utc,
    [{"deep": ({"er": {frozenset({1})}},)}],
    OrderedDict([("b", 1), ("a", OrderedDict())]),
    OrderedDict([(1, 2), ("$x", 3)]),
    Counter("abracadabra"),
    deque([1, deque()]),
    deque([1, 2], maxlen=2),
    defaultdict(None, {(1,): 2}),
    *(defaultdict(made, {"k": made()}) for made in (list, int, set, OrderedDict)),
    SimpleNamespace(a=1, b=SimpleNamespace()),
    fractions.Fraction(-1, 3),
    *(ipaddress.ip_address(text) for text in ("10.0.0.1", "fe80::1%eth0")),
    *(ipaddress.ip_network(text) for text in ("10.0.0.0/8", "::/0")),
    *(ipaddress.ip_interface(text) for text in ("10.0.0.1/8", "::1/64")),
]

WALL = datetime(2025, 10, 26, 2, 30, 0, 123456)
DATETIMES = [
    datetime(1, 1, 1),
    datetime.max,
    WALL,
    WALL.replace(fold=1),
    WALL.replace(tzinfo=BERLIN),
    WALL.replace(tzinfo=BERLIN, fold=1),
    datetime(2025, 3, 30, 2, 30, tzinfo=BERLIN),
    WALL.replace(tzinfo=timezone.utc),
    WALL.replace(tzinfo=timezone.utc, fold=1),
    WALL.replace(tzinfo=ZoneInfo("UTC")),
    WALL.replace(tzinfo=timezone(timedelta(hours=5, minutes=45))),
    WALL.replace(tzinfo=timezone(timedelta(hours=-3), "BRT")),
    WALL.replace(tzinfo=timezone(timedelta(seconds=-1, microseconds=5))),
    WALL.replace(tzinfo=timezone(timedelta(0), "GMT")),
    pytz.timezone("Europe/Berlin").localize(WALL, is_dst=True),
    pytz.timezone("Europe/Berlin").localize(WALL, is_dst=False),
    WALL.replace(tzinfo=pytz.timezone("Europe/Berlin")),
    pytz.utc.localize(WALL),
    WALL.replace(tzinfo=pytz.FixedOffset(-90)),
    WALL.replace(tzinfo=dateutil.tz.gettz("Europe/Berlin"), fold=1),
    WALL.replace(tzinfo=dateutil.tz.tzutc()),
    WALL.replace(tzinfo=dateutil.tz.tzoffset("X", 3600)),
    WALL.replace(tzinfo=dateutil.tz.tzoffset(None, -5)),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_every_known_type_comes_back_as_it_was(value):
    assert identical(there_and_back(value), value)


@pytest.mark.parametrize("moment", DATETIMES, ids=repr)
def test_datetimes_keep_zone_kind_offset_and_fold(moment):
    assert identical(there_and_back(moment), moment)


plain = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.binary(max_size=40)
)
zoned = st.datetimes(timezones=st.none() | st.timezones(), allow_imaginary=True)
timed = zoned | st.dates() | st.times() | st.timedeltas() | st.uuids() | st.decimals()
hashable = plain | timed | st.sampled_from(Colour) | st.tuples(plain, plain)
anything = st.recursive(
    hashable,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=6) | st.integers(), inner, max_size=4)
        | st.builds(Customer, st.text(), st.builds(Address, st.text()), st.lists(inner, max_size=2))
    ),
    max_leaves=12,
)


@pytest.mark.slow
@given(anything)
def test_any_nested_value_comes_back_as_it_was(value):
    assert identical(there_and_back(value), value)


class Unregistered:
    pass


def loop():
    value: list = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (Unregistered(), "kwargs"),
        ([0, Unregistered()], "kwargs[1]"),
        ({"opts": [1, 2, 3, Customer("n", tags=[{"x": Unregistered()}])]}, "kwargs['opts'][3].tags[0]['x']"),
        ({5: (Unregistered(),)}, "kwargs[5][0]"),
        (Point(1, {2, Unregistered}), "kwargs.y"),
        (OwnDict(a=1), "kwargs"),
        ([lambda: 1], "kwargs[0]"),
        ([len], "kwargs[0]"),
        ([datetime(2025, 1, 1, tzinfo=unnamed("local"))], "kwargs[0]"),
        ([datetime(2025, 1, 1, tzinfo=unnamed(None))], "kwargs[0]"),
        ([datetime(2025, 1, 1, tzinfo=dateutil.tz.tzlocal())], "kwargs[0]"),
    ],
)
def test_a_value_that_cannot_be_written_is_named_by_its_path(value, path):
    with pytest.raises(EncodeError) as caught:
        pack_at(value, "kwargs")
    assert caught.value.path.startswith(path)
    assert path in str(caught.value)


def test_a_value_that_contains_itself_is_refused():
    with pytest.raises(EncodeError, match="nested more than"):
        pack_at(loop(), "args")


@pytest.mark.parametrize(
    "wrap",
    [
        lambda inner: [inner],
        lambda inner: (inner,),
        lambda inner: {1: inner},
        lambda inner: Address("", inner),
        lambda inner: frozenset({inner}),
    ],
    ids=["list", "tuple", "dict", "dataclass", "frozenset"],
)
def test_the_deepest_accepted_value_can_be_written_and_read(wrap):
    value: object = 1
    for _ in range(MAX_DEPTH):
        value = wrap(value)
    assert identical(there_and_back(value), value)
    with pytest.raises(EncodeError, match="nested"):
        pack_at(wrap(value), "args")


NODES = [
    {"$nothing": 1},
    {"$type": "os:system", "value": []},
    {"$type": 5},
    {"$type": "Customer", "value": {"nme": "x"}},
    {"$type": "Customer", "value": {}},
    {"$type": "Customer"},
    {"$type": "Colour", "value": "BLUE"},
    {"$type": "Colour", "value": ["RED"]},
    {"$type": "Point", "value": [1, 2]},
    {"$type": "Fraction", "value": 1},
    {"$type": "Access", "value": "x"},
    {"$tuple": "abc"},
    {"$set": [[]]},
    {"$set": {"a": 1}},
    {"$dict": [[1]]},
    {"$dict": [[[], 1]]},
    {"$dict": 5},
    {"$int": "1_0"},
    {"$int": "0b1"},
    {"$int": 5},
    {"$int": "9" * 5000},
    {"$float": "1e5"},
    {"$float": []},
    {"$str": "%"},
    {"$bytes": "not base64"},
    {"$bytes": 1},
    {"$datetime": "yesterday"},
    {"$datetime": "2025-01-01T00:00:00+01:00"},
    {"$datetime": 0},
    {"$datetime": "2025-01-01T00:00:00", "zone": "../../etc/passwd"},
    {"$datetime": "2025-01-01T00:00:00", "zone": "/etc/passwd"},
    {"$datetime": "2025-01-01T00:00:00", "zone": "Nowhere/City"},
    {"$datetime": "2025-01-01T00:00:00", "zone": "+99:99"},
    {"$datetime": "2025-01-01T00:00:00", "zone": []},
    {"$datetime": "2025-01-01T00:00:00", "zone": "dateutil:../x"},
    {"$datetime": "2025-01-01T00:00:00", "zone": "pytz:x"},
    {"$datetime": "2025-01-01T00:00:00", "zone": "pytz:Europe/Berlin", "offset_s": 7},
    {"$datetime": "2025-01-01T00:00:00", "zone": "os:system"},
    {"$date": "2025-13-01"},
    {"$time": "25:00"},
    {"$timedelta": [1e300, 0, 0]},
    {"$timedelta": [10**10, 0, 0]},
    {"$timedelta": 5},
    {"$uuid": "x"},
    {"$decimal": "x"},
    {"$decimal": {}},
    {"$complex": ["x", "y"]},
    {"$complex": []},
    {"$range": ["1", "2", "0"]},
    {"$zone": ""},
    {"$path": 5},
    {"$callable": "os:system"},
    *(
        {"$type": name, "value": value}
        for name, value in {
            "collections:OrderedDict": [1],
            "collections:Counter": {"$range": ["0", "1000000000000000", "1"]},
            "collections:deque": {"$range": ["0", "1000000000000000", "1"]},
            "collections:defaultdict": {"factory": "os:system", "items": {}},
            "types:SimpleNamespace": {"$dict": [[1, 2]]},
            "fractions:Fraction": [{"$int": "0x" + "f" * 100_000}, {"$int": "0x" + "e" * 99_999}],
            "ipaddress:IPv4Network": 5,
        }.items()
    ),
    {"$path": "\x00" and {"$bytes": ""}},
]


@pytest.mark.parametrize("node", NODES, ids=lambda node: repr(node)[:50])
def test_a_hostile_node_gets_the_one_error(node):
    with pytest.raises(DecodeError):
        unpack(node)


def test_decoding_registers_and_imports_nothing(own_registry):
    import sys

    sys.modules.pop("antigravity", None)
    with pytest.raises(DecodeError, match="isn't registered"):
        unpack({"$type": "antigravity:geohash", "value": []})
    assert "antigravity" not in sys.modules


def test_a_dataclass_that_gained_a_field_reads_older_rows():
    node = pack_at(Customer("n"), "args")
    del node["value"]["tags"]
    assert unpack(node) == Customer("n")


class TestRegisterType:
    def test_works_as_a_decorator_with_and_without_a_name(self):
        @register_type
        class A(Point):
            pass

        @register_type(name="bee")
        class B(Point):
            pass

        assert there_and_back([A(1, 2), B(3, 4)]) == [A(1, 2), B(3, 4)]
        assert type(there_and_back(B(3, 4))) is B
        assert pack_at(B(1, 2), "")["$type"] == "bee"

    def test_refuses_a_class_it_could_not_rebuild(self):
        with pytest.raises(TypeError, match="encode= and decode="):
            register_type(Unregistered)
        with pytest.raises(TypeError, match="both"):
            register_type(Unregistered, encode=vars)
        with pytest.raises(TypeError, match="takes a class"):
            register_type(Unregistered())  # type: ignore[arg-type]

    def test_refuses_a_name_that_another_class_has(self):
        with pytest.raises(ValueError, match="already registered"):
            register_type(Unregistered, name="Point", encode=vars, decode=vars)

    def test_a_failing_encode_function_names_the_place(self):
        register_type(Unregistered, encode=lambda value: value.missing, decode=vars)
        with pytest.raises(EncodeError, match=r"args\[0\].*AttributeError"):
            pack_at([Unregistered()], "args")
