"""Any text makes a trigger or one of the documented errors; what is written again means the same."""

from __future__ import annotations

import pickle
import warnings
from datetime import datetime, timezone

import pytest
from apscheduler.triggers.cron import CronTrigger as Theirs
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rapscheduler.triggers.cron import CronTrigger
from rapscheduler.triggers.cron._bounds import FIELD_NAMES, MAX_VALUES, MIN_VALUES, MONTHS, WEEKDAYS
from rapscheduler.triggers.cron._compile import FieldText
from rapscheduler.triggers.cron.fields import BaseField

pytestmark = pytest.mark.slow

UTC = timezone.utc
START = datetime(2026, 1, 1, tzinfo=UTC)
FEW = settings(max_examples=150, deadline=None)

words = st.sampled_from(
    [
        *WEEKDAYS,
        *MONTHS,
        "last",
        "1st",
        "2nd",
        "5th",
        "L",
        "W",
        "#",
        "?",
        "*",
        "/",
        "-",
        ",",
        " ",
        "~",
        "@",
        "=",
        "TZ=",
    ]
)
pieces = st.one_of(words, st.integers(-3, 70).map(str), st.text(max_size=3))
near_texts = st.lists(pieces, max_size=7).map("".join)
any_text = st.one_of(near_texts, st.text(max_size=12))
odd_values = st.one_of(
    any_text, st.integers(), st.floats(), st.booleans(), st.binary(max_size=3), st.lists(st.integers())
)
names = st.sampled_from(FIELD_NAMES)


@st.composite
def field_texts(draw: st.DrawFn, name: str) -> str:
    """A text that the field takes."""
    low, high = MIN_VALUES[name], MAX_VALUES[name]
    item = st.one_of(
        st.just("*"),
        st.integers(1, high - low).map(lambda step: f"*/{step}"),
        st.integers(low, high).map(str),
        st.tuples(st.integers(low, high), st.integers(low, high)).map(
            lambda ends: f"{min(ends)}-{max(ends)}"
        ),
        st.integers(low, high - 1).map(lambda first: f"{first}/{max(1, (high - first) // 3)}"),
    )
    if name == "month":
        item |= st.sampled_from([*MONTHS, "jan-dec/2", "feb-apr"])
    if name == "day_of_week":
        item |= st.sampled_from([*WEEKDAYS, "mon-fri", "tue/2"])
    if name == "day":
        item |= st.sampled_from(["last", "last-3", "LW", "15W", "2nd fri", "last sun"])
    return ",".join(draw(st.lists(item, min_size=1, max_size=3)))


def made(**fields: object) -> CronTrigger | None:
    try:
        return CronTrigger(timezone=UTC, **fields)
    except ValueError as error:
        assert str(error)
        return None


@FEW
@given(name=names, value=odd_values)
@example(name="day", value="1st mon\n")
@example(name="hour", value="9" * 5000)
@example(name="hour", value="\ud800")
@example(name="minute", value="1-5/0")
def test_any_value_of_a_field_is_taken_or_refused(name: str, value: object) -> None:
    trigger = made(**{name: value})
    if trigger is not None:
        trigger.get_next_fire_time(None, START)
        repr(trigger), trigger.explain(START)


@FEW
@given(
    expr=st.one_of(st.lists(any_text, max_size=8).map(" ".join), any_text),
    dialect=st.sampled_from(["apscheduler", "vixie", "quartz"]),
)
@example(expr="CRON_TZ=../../etc/passwd * * * * *", dialect="vixie")
@example(expr="TZ=\x00 * * * * *", dialect="vixie")
@example(expr="0 0 * * \u0665", dialect="vixie")
@example(expr="0 0 \u00b2W * *", dialect="vixie")
@example(expr="\u0131 0 * * *", dialect="vixie")
def test_any_crontab_line_is_taken_or_refused(expr: str, dialect: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            trigger = CronTrigger.from_crontab(expr, None if "TZ=" in expr else UTC, dialect)
        except (ValueError, KeyError) as error:  # KeyError: no zone of that name, as zoneinfo has it
            assert str(error)
            assert "TZ=" in expr or isinstance(error, ValueError)
            return
    trigger.get_next_fire_time(None, START)
    twin = pickle.loads(pickle.dumps(trigger))
    assert (repr(twin), twin.spec) == (repr(trigger), trigger.spec)


@FEW
@given(data=st.data(), name=names)
def test_a_field_written_again_is_the_same_field(data: st.DataObject, name: str) -> None:
    field = CronTrigger.FIELDS_MAP[name](name, data.draw(field_texts(name)))
    twin = CronTrigger.FIELDS_MAP[name](name, str(field))
    assert (str(twin), twin) == (str(field), field)
    ours, theirs = FieldText(field), FieldText(twin)
    names = "custom every last_days mask nearest_workdays nth_weekdays starred years".split()
    assert all(getattr(ours, name) == getattr(theirs, name) for name in names)


@FEW
@given(data=st.data(), name=names, day=st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1)))
def test_the_bits_of_a_field_are_its_values(data: st.DataObject, name: str, day: datetime) -> None:
    field = CronTrigger.FIELDS_MAP[name](name, data.draw(field_texts(name)))
    bits = FieldText(field)
    value = field.get_value(day)
    if name == "year":
        assert bits.years is None or (field.get_next_value(day) == value) == any(
            first <= value <= last and (value - first) % step == 0 for first, last, step in bits.years
        )
    elif not (bits.last_days or bits.nth_weekdays or bits.nearest_workdays):
        assert (field.get_next_value(day) == value) == bool(bits.mask >> value & 1)


@FEW
@given(data=st.data())
def test_what_apscheduler_takes_means_the_same_fields_here(data: st.DataObject) -> None:
    chosen = data.draw(st.lists(names, unique=True, max_size=4))
    fields = {name: data.draw(field_texts(name)) for name in chosen}
    try:
        theirs = Theirs(timezone=UTC, **fields)
    except ValueError:
        return
    if any("/" in text and any(word in text for word in (*MONTHS, *WEEKDAYS)) for text in fields.values()):
        return  # it drops the step after a name
    ours = CronTrigger(timezone=UTC, **fields)
    if "last-" not in str(fields):  # it reads `last-3` as `last`
        assert [str(field) for field in ours.fields] == [str(field) for field in theirs.fields]


@pytest.mark.parametrize("name", FIELD_NAMES)
def test_every_field_refuses_the_same_nonsense(name: str) -> None:
    for nonsense in (
        "",
        ",",
        "-",
        "/",
        "*/",
        "/2",
        "1-",
        "-1",
        "1//2",
        "1-2-3",
        "**",
        "* *",
        "0x1",
        "1e1",
        "\x00",
    ):
        with pytest.raises(ValueError, match=name):
            BaseField(name, nonsense)
