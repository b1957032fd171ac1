"""Rows of columns, and jobs of rows like known ones; that they are those of the long way is asked in test_reading."""

from __future__ import annotations

from typing import Any

import pytest

END = object()
DATA = b'..{"$datetime":"2027-03-01T12:00:00"}..'
START, STOP = DATA.index(b"2027"), DATA.index(b'"}')
MARCH_US = 1_803_902_400_000_000


class Five(tuple[Any, ...]):
    __slots__ = ()


def looked(*columns: Any) -> Any:
    return ("looked at", *columns)


@pytest.mark.parametrize("seconds", [1.5, 0.0, -1.25, 1.8e9, 1803902400.000001, None])
def test_plain_columns(engine: Any, seconds: Any) -> None:
    (row,) = engine.known_rows.rows_of([("a", seconds, 5, None, b"x")], Five, looked)
    if engine.NAME == "reference":
        assert row == ("looked at", "a", seconds, 5, None, b"x")
    else:
        time_us = None if seconds is None else round(seconds * 1_000_000)
        assert type(row) is Five and row == ("a", time_us, 5, None, b"x") and type(row[1]) is type(time_us)


class Text(str):
    pass


ODD_COLUMNS = [
    (Text("a"), 1.5, None, None, b"x"),
    (b"a", 1.5, None, None, b"x"),
    ("a", 1, None, None, b"x"),
    ("a", True, None, None, b"x"),
    ("a", float("nan"), None, None, b"x"),
    ("a", float("inf"), None, None, b"x"),
    ("a", 1e-7, None, None, b"x"),
    ("a", 4294967296.0, None, None, b"x"),
    ("a", 1803902400.0000007, None, None, b"x"),
    ("a", "1.5", None, None, b"x"),
    ("a", 1.5, 5.0, None, b"x"),
    ("a", 1.5, True, None, b"x"),
    ("a", 1.5, None, b"no", b"x"),
    ("a", 1.5, None, None, "x"),
    ("a", 1.5, None, None, None),
    ("a", 1.5, None, None),
    (),
]


@pytest.mark.parametrize("columns", ODD_COLUMNS, ids=range(len(ODD_COLUMNS)))
def test_others_are_looked_at(engine: Any, columns: Any) -> None:
    assert (
        engine.known_rows.rows_of(iter([columns, list(columns)]), Five, looked)
        == [("looked at", *columns)] * 2
    )


def test_rows_are_tuples(engine: Any) -> None:
    if engine.NAME == "compiled":
        with pytest.raises(TypeError, match="class of tuples"):
            engine.known_rows.rows_of([], list, looked)


def test_what_was_not_learned_is_given_back(engine: Any, make: Any) -> None:
    known = engine.known_rows.KnownRows(engine.job_core.JobCore)
    rows = [("a", None, None, None, b"x"), ("b", None, None, None, b"y")]
    rest, jobs = iter(rows), list[Any]()
    assert [known.read_on(rest, jobs, END) for _ in range(3)] == [*rows, END] and jobs == []


def taught(engine: Any, make: Any, trigger: Any, start: int = START, stop: int = STOP) -> Any:
    if engine.NAME == "reference":
        pytest.skip("the reference twin leaves all jobs to the long way")
    known = engine.known_rows.KnownRows(engine.job_core.JobCore)
    job = engine.job_core.JobCore()
    job._fill("scheduler", "model", print, "builtins:print", "own", (), {}, trigger, "pool", 5, False, 3)
    job._jobstore_alias = "store"
    assert known.learn(DATA, start, stop, job, trigger)
    return known


def read(known: Any, *rows: Any) -> tuple[list[Any], Any]:
    jobs: list[Any] = []
    return jobs, known.read_on(iter(rows), jobs, END)


def row(wall: bytes = b"2027-03-01T12:00:00", **changes: Any) -> tuple[Any, ...]:
    values = {"id": "a", "run": 7, "nominal": None, "parked": None, "data": DATA[:START] + wall + DATA[STOP:]}
    return tuple((values | changes).values())


def test_members_become_jobs(engine: Any, make: Any) -> None:
    known = taught(engine, make, make.interval(60, 5, 2 * MARCH_US, 9))
    jobs, end = read(known, row(), row(b"2027-03-01T12:00:01.000002", id="b", run=None, nominal=3))
    assert end is END
    assert [(job.id, job.run_at_us, job.nominal_us) for job in jobs] == [("a", 7, 7), ("b", None, 3)]
    for job, start_us in zip(jobs, (MARCH_US, MARCH_US + 1_000_002), strict=True):
        assert (job._scheduler, job._jobstore_alias, job.func, job.func_ref) == (
            "scheduler",
            "store",
            print,
            "builtins:print",
        )
        assert (job.name, job.args, job.kwargs, job.executor) == ("own", (), {}, "pool")
        assert (job.misfire_grace_time, job.coalesce, job.max_instances) == (5, False, 3)
        trigger = job.trigger
        assert (trigger.anchor_us, trigger.start_us, trigger.interval_us) == (start_us, start_us, 60_000_000)
        assert (trigger.end_us, trigger.jitter_us) == (2 * MARCH_US, 9)


def test_dates_and_rows_that_are_the_same(engine: Any, make: Any) -> None:
    jobs, end = read(taught(engine, make, make.date(3)), row())
    assert end is END and jobs[0].trigger.run_us == MARCH_US
    cron = engine.cron.CronCore(engine.cron.CronSpec.of(hour=8), make.zone)
    known = taught(engine, make, cron, 0, 0)
    other = row(b"2027-03-01T12:00:01")
    jobs, end = read(known, row(), row(id="b"), other)
    assert end is other and [job.id for job in jobs] == ["a", "b"]
    assert jobs[0].trigger is not jobs[1].trigger and jobs[0].trigger.spec is cron.spec


ODD_ROWS = [
    *(
        row(wall)
        for wall in (
            b"2027-02-29T12:00:00",
            b"0000-03-01T12:00:00",
            b"20xx-03-01T12:00:00",
            b"99//-03-01T12:00:00",
            b"xx27-03-01T12:00:00",
            b"2027-13-01T12:00:00",
            b"2027-xx-01T12:00:00",
            b"2027-03-01T24:00:00",
            b"2027-03-01T12:60:00",
            b"2027-03-01T12:00:60",
            b"2027-03-01 12:00:00",
            b"2027-03-01T12:00:0x",
            b"2027-03-01T12:00:00,000001",
            b"2027-03-01T12:00:00.00000x",
            b"2027-03-01T12:00:00.000",
            b"2027-03-01T12:00",
            b"",
        )
    ),
    row(id=Text("a")),
    row(id=5),
    row(run=7.0),
    row(run=True),
    row(run=1 << 62),
    row(run=1 << 80),
    row(nominal=-(1 << 62)),
    row(nominal="1"),
    row(data=DATA.decode()),
    row(data=bytearray(DATA)),
    row(data=b""),
    row(data=DATA + b"."),
    row(data=b"." + DATA),
    row()[:4],
    list(row()),
    None,
]


@pytest.mark.parametrize("odd", ODD_ROWS, ids=range(len(ODD_ROWS)))
@pytest.mark.parametrize("after_another", [False, True])
def test_other_rows_are_given_back(engine: Any, make: Any, odd: Any, after_another: bool) -> None:
    known = taught(engine, make, make.interval(60))
    if after_another:
        read(known, row())
    assert read(known, odd, row()) == ([], odd)


def test_what_cannot_be_learned(engine: Any, make: Any) -> None:
    if engine.NAME == "reference":
        pytest.skip("it learns nothing")
    known = engine.known_rows.KnownRows(engine.job_core.JobCore)
    job = make.job(make.interval(60), 1, name="x")
    assert not known.learn(DATA, 0, 0, job, make.interval(60))  # each of them begins at its own time
    assert not known.learn(
        DATA, START, STOP, job, engine.cron.CronCore(engine.cron.CronSpec.of(hour=8), make.zone)
    )
    assert not known.learn(DATA, START, STOP, job, object())
    for start, stop in ((START, len(DATA)), (-1, STOP), (START, len(DATA) + 9)):
        assert not known.learn(DATA, start, stop, job, make.interval(60))
    assert read(known, row())[0] == []
    with pytest.raises(TypeError, match="class of JobCore"):
        engine.known_rows.KnownRows(int)


def test_only_so_many_are_remembered(engine: Any, make: Any) -> None:
    if engine.NAME == "reference":
        pytest.skip("it learns nothing")
    known = engine.known_rows.KnownRows(engine.job_core.JobCore)
    job = make.job(make.interval(60), 1, name="x")
    learned = [
        known.learn(b"%d" % i + DATA, START + 4, STOP + 4, job, job.trigger) for i in range(1000, 6000)
    ]
    assert learned == [True] * 4096 + [False] * 904
