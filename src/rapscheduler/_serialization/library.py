"""Types that rows know beyond the plain ones: the standard library's, and those of numpy, pandas and pendulum.

What lives here: their entries for the registry. What must not: types of programs, an import that a row could cause: a
library's types are known once the *program* has imported it.
Every ``decode`` gets what a row chose: it checks the shape, and calls nothing but the constructor it is about.
"""

from __future__ import annotations

import re
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from fractions import Fraction
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from types import SimpleNamespace
from typing import Any, NamedTuple

_FACTORIES: dict[str, Any] = {
    made.__name__: made
    for made in (
        list, dict, set, frozenset, tuple, str, bytes, bytearray, bool, int, float, complex,
        Counter, OrderedDict, deque,
    )
}  # fmt: skip
_FACTORY_NAMES = {made: name for name, made in _FACTORIES.items()}
_MOST_BITS = 10_000
_DATETIME64 = re.compile(r"<[mM]8(\[\d{0,9}(Y|M|W|D|h|m|s|ms|us|ns|ps|fs|as)\])?")


class Known(NamedTuple):
    """A type, the name that rows give it, and how it is written and read."""

    cls: type
    name: str
    encode: Callable[[Any], Any]
    decode: Callable[[Any], Any]
    fields: bool = False


def standard() -> Iterator[Known]:
    """The types of the standard library."""
    yield Known(OrderedDict, "collections:OrderedDict", dict, lambda content: OrderedDict(_dict(content)))
    yield Known(Counter, "collections:Counter", dict, lambda content: Counter(_dict(content)))
    yield Known(deque, "collections:deque", _deque_node, _deque)
    yield Known(defaultdict, "collections:defaultdict", _defaultdict_node, _defaultdict)
    yield Known(SimpleNamespace, "types:SimpleNamespace", vars, _namespace, fields=True)
    yield Known(
        Fraction,
        "fractions:Fraction",
        lambda value: _short([value.numerator, value.denominator]),
        lambda content: Fraction(*_short(_of(content, int, int))),
    )
    for cls in (IPv4Address, IPv6Address, IPv4Network, IPv6Network, IPv4Interface, IPv6Interface):
        yield Known(cls, f"ipaddress:{cls.__name__}", str, _from_text(cls))


def of_loaded(library: str) -> Iterator[Known]:
    """The types of a library that the program has imported; none where it has not, or for a library unknown here."""
    module = sys.modules.get(library)
    if module is not None and library in LIBRARIES:
        yield from LIBRARIES[library](module)


def _kind(content: Any, kind: type) -> Any:
    if type(content) is not kind:
        raise ValueError(f"expected a {kind.__name__}, not a {type(content).__name__}")
    return content


def _dict(content: Any) -> dict[Any, Any]:
    found: dict[Any, Any] = _kind(content, dict)
    return found


def _of(content: Any, *kinds: type) -> list[Any]:
    """A list of as many items of these types."""
    if type(content) is not list or [type(item) for item in content] != list(kinds):
        raise ValueError(f"expected a list of {', '.join(kind.__name__ for kind in kinds)}")
    return content


def _short(numbers: list[int]) -> list[int]:
    """Numbers whose greatest common divisor is found in no time."""
    if any(number.bit_length() > _MOST_BITS for number in numbers):
        raise ValueError(f"its numbers have more than {_MOST_BITS} bits")
    return numbers


def _from_text(make: Callable[[str], Any]) -> Callable[[Any], Any]:
    return lambda content: make(_kind(content, str))


def _deque_node(value: deque[Any]) -> Any:
    return list(value) if value.maxlen is None else {"maxlen": value.maxlen, "items": list(value)}


def _deque(content: Any) -> deque[Any]:
    if type(content) is list:
        return deque(content)
    return deque(_kind(_dict(content)["items"], list), _kind(content["maxlen"], int))


def _defaultdict_node(value: defaultdict[Any, Any]) -> dict[str, Any]:
    made = value.default_factory
    try:
        factory = None if made is None else _FACTORY_NAMES[made]
    except (KeyError, TypeError):
        raise ValueError(
            f"its default_factory is {made!r}; rows know only {', '.join(_FACTORIES)} and None there: pass a dict"
        ) from None
    return {"factory": factory, "items": dict(value)}


def _defaultdict(content: Any) -> defaultdict[Any, Any]:
    factory = _dict(content)["factory"]
    return defaultdict(None if factory is None else _FACTORIES[_kind(factory, str)], _dict(content["items"]))


def _namespace(content: Any) -> SimpleNamespace:
    value = SimpleNamespace()
    for name, item in _dict(content).items():
        vars(value)[_kind(name, str)] = item
    return value


def _numpy(numpy: Any) -> Iterator[Known]:
    numbers = (
        "bool_ int8 int16 int32 int64 longlong uint8 uint16 uint32 uint64 ulonglong float16 float32 float64"
    )
    for name, kinds in (
        *((number, (bool, int, float)) for number in numbers.split()),
        *((number, (complex,)) for number in ("complex64", "complex128")),
        ("str_", (str,)),
        ("bytes_", (bytes,)),
    ):
        yield Known(
            getattr(numpy, name), f"numpy:{name}", lambda value: value.item(), _item(numpy, name, kinds)
        )
    for cls in (numpy.datetime64, numpy.timedelta64):
        yield Known(cls, f"numpy:{cls.__name__}", _numpy_time_node, _numpy_time(numpy))


def _item(numpy: Any, name: str, kinds: tuple[type, ...]) -> Callable[[Any], Any]:
    cls = getattr(numpy, name)

    def decode(content: Any) -> Any:
        if type(content) not in kinds:
            raise ValueError(f"a numpy.{name} is not made from a {type(content).__name__}")
        return cls(content)

    return decode


def _numpy_time_node(value: Any) -> list[Any]:
    return [value.dtype.newbyteorder("<").str, int(value.astype("i8"))]


def _numpy_time(numpy: Any) -> Callable[[Any], Any]:
    def decode(content: Any) -> Any:
        kind, number = _of(content, str, int)
        if not _DATETIME64.fullmatch(kind):
            raise ValueError(f"{kind[:60]!r} is no type of a time")
        return numpy.array(number, "i8").view(kind)[()]

    return decode


def _pandas(pandas: Any) -> Iterator[Known]:
    numpy = sys.modules["numpy"]  # pandas has imported it
    times = _numpy_time(numpy)

    def timestamp(content: Any) -> Any:
        value = pandas.Timestamp(times(_dict(content)["utc"]))
        zone = content["zone"]
        return value if zone is None else value.tz_localize("UTC").tz_convert(zone)

    yield Known(
        pandas.Timestamp,
        "pandas:Timestamp",
        lambda value: {"utc": _numpy_time_node(value.asm8), "zone": value.tz},
        timestamp,
    )
    yield Known(
        pandas.Timedelta,
        "pandas:Timedelta",
        lambda value: _numpy_time_node(value.asm8),
        lambda content: pandas.Timedelta(times(content)),
    )
    yield Known(type(pandas.NaT), "pandas:NaT", lambda value: None, lambda content: pandas.NaT)


def _pendulum(pendulum: Any) -> Iterator[Known]:
    def zone_node(zone: Any) -> Any:
        if zone is None or type(zone) is pendulum.Timezone:
            return None if zone is None else zone.key
        if type(zone) is pendulum.FixedTimezone:
            return zone.offset
        raise ValueError(f"its time zone {zone!r} is none of pendulum's: use in_timezone('Area/City')")

    def moment(content: Any) -> Any:
        at, zone = _kind(_dict(content)["at"], datetime), content["zone"]
        if type(zone) not in (str, int, type(None)):
            raise ValueError("a zone of pendulum is a text, a number of seconds, or none")
        known = None if zone is None else pendulum.timezone(zone)
        return pendulum.DateTime.combine(at.date(), at.time()).replace(tzinfo=known, fold=at.fold)

    def plain(value: Any) -> Any:
        day = (value.year, value.month, value.day)
        return datetime(*day, value.hour, value.minute, value.second, value.microsecond, fold=value.fold)

    yield Known(
        pendulum.DateTime,
        "pendulum:DateTime",
        lambda value: {"at": plain(value), "zone": zone_node(value.tzinfo)},
        moment,
    )
    yield Known(
        pendulum.Date,
        "pendulum:Date",
        lambda value: value.isoformat(),
        lambda content: pendulum.Date.fromisoformat(_kind(content, str)),
    )
    yield Known(
        pendulum.Duration,
        "pendulum:Duration",
        lambda value: [value.years, value.months, value.as_timedelta()],
        lambda content: _duration(pendulum, content),
    )


def _duration(pendulum: Any, content: Any) -> Any:
    years, months, whole = _of(content, int, int, timedelta)
    rest = whole - timedelta(365 * years + 30 * months)
    return pendulum.Duration(rest.days, rest.seconds, rest.microseconds, years=years, months=months)


#: name of the package -> its types
LIBRARIES: dict[str, Callable[[Any], Iterator[Known]]] = {
    "numpy": _numpy,
    "pandas": _pandas,
    "pendulum": _pendulum,
}
