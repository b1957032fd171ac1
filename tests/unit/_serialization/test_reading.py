"""Many rows become the jobs that each of them becomes alone, and most are made without being read."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit._serialization.samples import Every, own_registry, sample_state

from rapscheduler import _engine
from rapscheduler._serialization import reading
from rapscheduler._serialization.callables import CallableRule
from rapscheduler._serialization.codec import ANY_CALLABLE, encode
from rapscheduler._serialization.reading import jobs_from_rows
from rapscheduler._serialization.rows import NO_TIME_US, JobRow, OddId, job_from_row, row_of, rows_of
from rapscheduler.errors import DecodeError
from rapscheduler.triggers.calendarinterval import CalendarIntervalTrigger
from rapscheduler.triggers.combining import OrTrigger
from rapscheduler.triggers.cron import CronTrigger
from rapscheduler.triggers.date import DateTrigger
from rapscheduler.triggers.interval import IntervalTrigger

__all__ = ["own_registry"]

pytestmark = pytest.mark.usefixtures("own_registry")

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = (timezone.utc, BERLIN, ZoneInfo("Australia/Lord_Howe"), timezone(timedelta(hours=2)))
FUNCS = ("builtins:print", "os:getcwd", "no_such_module:f", "os:sep", "os:__dict__")
WALLS = st.datetimes(datetime(1890, 1, 1), datetime(9999, 12, 31, 23)) | st.sampled_from(
    [datetime(2027, 3, 28, 2, 30), datetime(2027, 10, 31, 2, 30), datetime(2027, 3, 1)]
)


@st.composite
def triggers(draw: Any) -> Any:
    zone = draw(st.sampled_from(ZONES))
    at = draw(WALLS).replace(tzinfo=zone)
    kind = draw(st.integers(0, 8))
    if kind < 3:
        more = draw(
            st.sampled_from(
                [
                    {},
                    {"jitter": 3},
                    {"after": "end"},
                    {"exclude": ["sat"]},
                    {"end_date": datetime(9000, 1, 1)},
                ]
            )
        )
        return IntervalTrigger(
            hours=draw(st.integers(1, 2)),
            start_date=at,
            timezone=draw(st.sampled_from([zone, zone, BERLIN])),
            **more,
        )
    if kind < 5:
        return DateTrigger(at)
    if kind < 7:
        start = at if draw(st.booleans()) else None
        return CronTrigger(
            hour=draw(st.sampled_from(["1", "*/2"])), start_date=start, timezone=zone, jitter=5
        )
    others = [
        CalendarIntervalTrigger(days=1, start_date=at.date(), timezone=zone),
        OrTrigger([DateTrigger(at)]),
        Every(3),
    ]
    return draw(st.sampled_from(others))


@st.composite
def all_rows(draw: Any) -> list[JobRow]:
    """Several of each kind, mixed, some of them damaged."""
    rows = []
    few = draw(st.lists(triggers(), min_size=1, max_size=4))
    args = st.sampled_from([(), (), (), (1,)])
    for number in range(draw(st.integers(2, 24))):
        state = sample_state(
            func=draw(st.sampled_from((FUNCS[0], FUNCS[0], *FUNCS))),
            trigger=draw(st.sampled_from(few) | triggers()),
            args=draw(args),
            kwargs={},
            name=draw(st.sampled_from(["a", '{"$datetime":"'])),
        )
        try:
            data = encode(state)
        except Exception:  # a name that no row may have: written by somebody else
            data = encode(state | {"func": FUNCS[0]}).replace(FUNCS[0].encode(), state["func"].encode())
        if draw(st.integers(0, 5)) == 0:
            at = draw(st.integers(0, len(data) - 1))
            data = data[:at] + draw(st.binary(max_size=2)) + data[at + draw(st.integers(0, 2)) :]
        times = st.none() | st.sampled_from([0, 1_803_902_400_000_000, -(10**14), NO_TIME_US, 1 << 80])
        job_id = draw(st.sampled_from([f"j{number}", OddId.of(5)]) if number == 5 else st.just(f"j{number}"))
        rows.append(JobRow(job_id, draw(times), draw(times), draw(st.sampled_from([None, "parked"])), data))
    return rows


def said(job: Any) -> tuple[Any, ...]:
    trigger = job.trigger
    return (
        (
            job.id,
            job.func,
            job.func_ref,
            job.name,
            job.args,
            job.kwargs,
            job.executor,
            job.misfire_grace_time,
        ),
        (job.coalesce, job.max_instances, job._extras, job._scheduler, job._jobstore_alias, type(job)),
        (job.run_at_us, job.nominal_us, str(job.next_run_time), type(trigger), str(trigger.__getstate__())),
        (getattr(trigger, "timezone", None), getattr(trigger, "_dates", None)),
    )


@settings(max_examples=60, deadline=None)
@given(all_rows(), st.sampled_from([ANY_CALLABLE, CallableRule(["builtins:*"])]))
def test_each_is_the_job_of_its_row(rows, rule):
    wanted, refused = [], []
    for row in rows:
        try:
            wanted.append(said(job_from_row(row, "scheduler", "alias", rule)))
        except DecodeError as exc:
            refused.append((row, str(exc)))
    unread: list[Any] = []
    for _ in range(2):
        jobs = jobs_from_rows(
            rows, "scheduler", "alias", rule, lambda row, exc: unread.append((row, str(exc)))
        )
        assert [said(job) for job in jobs] == wanted
    assert unread == refused * 2


def interval(number: int) -> Any:
    start = datetime(2027, 3, 1, tzinfo=BERLIN) + timedelta(seconds=number)
    return IntervalTrigger(hours=1, start_date=start, timezone=BERLIN)


def count_read(monkeypatch: Any, rows: list[JobRow]) -> int:
    read: list[JobRow] = []

    def counted(row: JobRow, *others: Any) -> Any:
        read.append(row)
        return job_from_row(row, *others)

    monkeypatch.setattr(reading, "job_from_row", counted)
    jobs = jobs_from_rows(rows, None, "alias", ANY_CALLABLE, lambda row, exc: pytest.fail(str(exc)))
    assert [job.id for job in jobs] == [row.id for row in rows]
    return len(read)


def rows_with(make: Any, count: int = 1000, **values: Any) -> list[JobRow]:
    return [
        JobRow(str(n), n, None, None, encode(sample_state(trigger=make(n), args=(), kwargs={}, **values)))
        for n in range(count)
    ]


@pytest.mark.parametrize(
    ("make", "at_most"),
    [
        (interval, 2),
        (lambda n: DateTrigger(datetime(2027, 3, 1, tzinfo=BERLIN) + timedelta(seconds=n)), 2),
        (lambda n: IntervalTrigger(hours=1 + n % 30, start_date=datetime(2027, 3, 1), timezone=BERLIN), 60),
        (lambda n: CronTrigger(hour=n % 24, timezone=BERLIN), 80),
    ],
    ids=["intervals", "dates", "30 intervals", "24 cron schedules"],
)
def test_few_rows_are_read(monkeypatch, make, at_most):
    read = count_read(monkeypatch, rows_with(make))
    assert read <= at_most if _engine.NAME == "compiled" else read == 1000


def test_where_no_two_are_alike_few_are_looked_at_for_it(monkeypatch):
    looks: list[bytes] = []
    look = reading.place_of_difference
    monkeypatch.setattr(reading, "place_of_difference", lambda data: looks.append(data) or look(data))
    rows = [
        JobRow(str(n), n, None, None, encode(sample_state(trigger=interval(n), args=(n,), kwargs={})))
        for n in range(400)
    ]
    assert count_read(monkeypatch, rows) == 400
    assert len(looks) <= 16 + 400 / 4 + 1


def test_triggers_are_each_jobs_own():
    for make in (interval, lambda n: CronTrigger(hour=3, timezone=BERLIN)):
        jobs = jobs_from_rows(
            rows_with(make, 40), None, "alias", ANY_CALLABLE, lambda row, exc: pytest.fail(str(exc))
        )
        assert len({id(job.trigger) for job in jobs}) == 40
        before = str(jobs[30].trigger.__getstate__())
        jobs[20].trigger.timezone = timezone.utc
        jobs[10].kwargs["x"] = 1
        assert str(jobs[30].trigger.__getstate__()) == before and jobs[30].kwargs == {}


@pytest.mark.parametrize("head", [b'"extras":{"timeout":30}', b'"run_zone":"Asia/Tokyo"'])
@pytest.mark.parametrize("make", [interval, lambda n: CronTrigger(hour=3, timezone=BERLIN)])
def test_what_stands_before_the_callable_is_read_too(make, head):
    """Other programs write keys in another order, and what follows then is what follows in rows without these."""
    plain = rows_with(make, 4)
    odd = [row._replace(data=row.data.replace(b'"func":', head + b',"func":', 1)) for row in plain]
    rows = plain + odd
    jobs = jobs_from_rows(rows, None, "alias", ANY_CALLABLE, lambda row, exc: pytest.fail(str(exc)))
    assert [said(job) for job in jobs] == [said(job_from_row(row, None, "alias")) for row in rows]


@pytest.mark.parametrize("year", [b"20xx", b"20/7", b"xx27"])
def test_a_year_that_is_none_is_no_year(year):
    rows = rows_with(interval, 4)
    rows[3] = rows[3]._replace(data=rows[3].data.replace(b"2027", year, 1))
    unread: list[Any] = []
    jobs = jobs_from_rows(rows, None, "alias", ANY_CALLABLE, lambda row, exc: unread.append(row))
    assert [job.id for job in jobs] == ["0", "1", "2"] and unread == [rows[3]]


VALUES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.floats(-5e9, 5e9)
    | st.text(max_size=3)
    | st.binary(max_size=3)
    | st.integers(-(10**16), 10**16).map(lambda us: us / 1_000_000)
)


@given(
    st.lists(st.tuples(st.text(max_size=2) | VALUES, VALUES, VALUES, VALUES, st.binary(max_size=2) | VALUES))
)
def test_rows_are_the_same_as_one_by_one(found):
    made, wanted = rows_of(found), [row_of(*columns) for columns in found]
    assert made == wanted
    assert [list(map(type, row)) for row in made] == [list(map(type, row)) for row in wanted]
    assert {type(row) for row in made} <= {JobRow}
