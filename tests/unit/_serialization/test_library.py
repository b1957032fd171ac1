"""Values that rows know from libraries once the program has imported them, and functions and classes by reference."""

from __future__ import annotations

import subprocess
import sys

import orjson
import pytest
from tests.unit._serialization.samples import sample_state

from rapscheduler._serialization.callables import CallableRule
from rapscheduler._serialization.codec import decode, encode
from rapscheduler._serialization.values import pack_at, unpack
from rapscheduler.errors import DecodeError, EncodeError


def there_and_back(value):
    return unpack(orjson.loads(orjson.dumps(pack_at(value, "args"))))


def helper() -> None:
    """A function that jobs have as an argument."""


class Shape:
    """A class that jobs have as an argument."""

    def area(self) -> None:
        pass


def test_numpy_scalars_keep_their_type():
    numpy = pytest.importorskip("numpy")
    times = [
        numpy.datetime64("2025-01-01T00:00:00.5", "ms"),
        numpy.datetime64("NaT"),
        numpy.timedelta64(3, "D"),
    ]
    texts = [numpy.str_("ä"), numpy.bytes_(b"x\xff"), numpy.bool_(True)]
    numbers = [
        numpy.int8(-1),
        numpy.uint64(2**64 - 1),
        numpy.longlong(5),
        numpy.float32(0.1),
        numpy.float64("inf"),
    ]
    for value in [*times, *texts, *numbers, numpy.complex64(1 + 2j)]:
        found = there_and_back(value)
        assert (type(found), found.dtype, repr(found)) == (type(value), value.dtype, repr(value))


def test_times_of_pandas_keep_unit_and_zone():
    pandas = pytest.importorskip("pandas")
    stamp = pandas.Timestamp("2025-10-26T02:30:00.123456789")
    for value in [
        stamp,
        stamp.as_unit("s"),
        pandas.Timestamp("2025-10-26T00:30Z").tz_convert("Europe/Berlin"),
        pandas.Timestamp("2025-10-26T01:30Z").tz_convert("Europe/Berlin"),
        pandas.Timedelta(5, "ns"),
        pandas.NaT,
    ]:
        found = there_and_back(value)
        assert (type(found), repr(found)) == (type(value), repr(value))
        assert getattr(found, "unit", None) == getattr(value, "unit", None)
        assert getattr(found, "fold", None) == getattr(value, "fold", None)


def test_times_of_pendulum_keep_their_zone():
    pendulum = pytest.importorskip("pendulum")
    for value in [
        pendulum.datetime(2025, 10, 26, 2, 30, 1, 5, tz="Europe/Paris", fold=0),
        pendulum.datetime(2025, 10, 26, 2, 30, 1, 5, tz="Europe/Paris", fold=1),
        pendulum.datetime(2025, 1, 1, tz="UTC"),
        pendulum.datetime(2025, 1, 1, tz=pendulum.FixedTimezone(5400)),
        pendulum.naive(2025, 1, 1),
        pendulum.date(2025, 2, 3),
        pendulum.duration(years=1, months=2, days=-3, seconds=4.5),
    ]:
        found = there_and_back(value)
        assert (type(found), repr(found), found) == (type(value), repr(value), value)
        assert repr(getattr(found, "tzinfo", None)) == repr(getattr(value, "tzinfo", None))


def test_a_row_imports_no_library():
    program = (
        "import sys\n"
        "from rapscheduler._serialization.values import unpack\n"
        "for name in ('numpy:int8', 'pandas:Timestamp', 'pendulum:Date'):\n"
        "    try: unpack({'$type': name, 'value': 1})\n"
        "    except ValueError as exc: print(str(exc).partition(': ')[2])\n"
        "print({'numpy', 'pandas', 'pendulum'} & set(sys.modules))\n"
    )
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    *told, imported = out.splitlines()
    assert imported == "set()"
    assert told == [
        f"import {name} in this process before the scheduler starts"
        for name in ("numpy", "pandas", "pendulum")
    ]


@pytest.mark.parametrize("value", [helper, Shape, Shape.area, len, dict])
def test_functions_and_classes_among_the_arguments_come_back_as_themselves(value):
    state = sample_state(args=(value, [value]), kwargs={"by": value})
    found = decode(encode(state))
    assert found["args"] == (value, [value]) and found["kwargs"] == {"by": value}


def test_the_rule_for_callables_holds_for_arguments():
    here = CallableRule([f"{__name__}:*", "builtins:print"])
    data = encode(sample_state(args=(helper,)), here)
    assert decode(data, here)["args"] == (helper,)
    with pytest.raises(DecodeError, match="allowed_callables"):
        decode(data, CallableRule(["builtins:print"]))
    with pytest.raises(EncodeError, match="allowed_callables") as caught:
        encode(sample_state(kwargs={"x": [len]}), here)
    assert caught.value.path == "kwargs['x'][0]"


def test_what_no_name_finds_is_refused_with_its_path():
    def nested() -> None:
        pass

    for value in (nested, lambda: 1, type("Made", (), {}), [].append):
        with pytest.raises(EncodeError) as caught:
            encode(sample_state(args=([value],)))
        assert caught.value.path == "args[0][0]"


def test_the_factory_of_a_defaultdict_is_of_the_list():
    from collections import defaultdict

    with pytest.raises(EncodeError, match="default_factory"):
        pack_at(defaultdict(helper), "args")
