"""Tags are found by an index: kept with each write, made for rows that were there before, and never wrong."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta, timezone

import pytest
import sqlalchemy as sa
from tests.stores import shared_stores
from tests.stores.test_conformance_servers import fresh_name
from tests.stores.test_work_counts import counted

from rapscheduler.jobstores.memory import MemoryJobStore
from rapscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from rapscheduler.schedulers.background import BackgroundScheduler
from rapscheduler.testing import ManualScheduler
from rapscheduler.testing.stores import noop

SERVERS = ("sqlite", "postgresql", "mariadb")
START = datetime(2025, 3, 1, tzinfo=timezone.utc)


def drop(url, name):
    store = SQLAlchemyJobStore(url, tablename=name, shared=True)
    store._shared.drop()
    store._tags.drop(store.engine)
    store._zones.drop(store.engine)
    store.jobs_t.drop(store.engine, checkfirst=True)
    store.shutdown()


@pytest.fixture(params=SERVERS)
def make(request, url_of):
    """``make(**options)``: another store object on the same table; all tables are dropped after the test."""
    url, name = url_of(request.param), fresh_name()
    yield lambda **options: SQLAlchemyJobStore(url, tablename=name, **options)
    drop(url, name)


@pytest.fixture(params=["memory", "redis", "redis shared", *SERVERS])
def scheduler(request, url_of):
    url, name = None, fresh_name()
    store = MemoryJobStore()
    if request.param.startswith("redis"):
        url = url_of("redis")
        store = shared_stores.make_store(url, name, shared="shared" in request.param)
    elif request.param != "memory":
        url = url_of(request.param)
        store = SQLAlchemyJobStore(url, tablename=name)
    made = BackgroundScheduler(timezone="UTC", jobstores={"default": store})
    made.start(paused=True)
    yield made
    made.shutdown()
    if request.param.startswith("redis"):
        shared_stores.drop(url, name)
    elif url is not None:
        drop(url, name)


def add(scheduler, job_id, *tags, **options):
    scheduler.add_job(print, "cron", hour=7, id=job_id, tags=tags or None, **options)


def ids(scheduler, tag, **more):
    return [job.id for job in scheduler.get_jobs(tag=tag, **more)]


def table_of(store):
    """What the table of tags says, without its mark; None: there is no table."""
    table = store._tags.table
    if not sa.inspect(store.engine).has_table(table.name):
        return None
    with store.engine.connect() as connection:
        found = connection.execute(sa.select(table.c.tag, table.c.job_id)).all()
    return sorted(tuple(one) for one in found if one[0])


def test_what_is_found_follows_each_kind_of_write(scheduler):
    assert ids(scheduler, "eu") == []  # from here on there is an index
    add(scheduler, "b", "eu", "mail")
    scheduler.add_jobs(
        [{"func": print, "trigger": "cron", "id": job_id, "tags": ["eu"]} for job_id in ("a", "c", "B")]
    )
    add(scheduler, "plain")
    assert ids(scheduler, "eu") == ["B", "a", "b", "c"] and ids(scheduler, ["eu", "mail"]) == ["b"]
    scheduler.modify_job("a", tags={"us"})
    scheduler.modify_job("plain", tags=["eu"])
    assert ids(scheduler, "eu") == ["B", "b", "c", "plain"] and ids(scheduler, "us") == ["a"]
    add(scheduler, "c", "us", replace_existing=True)
    scheduler.modify_jobs({"tags": {"new"}}, ["b", "a"])
    assert (ids(scheduler, "us"), ids(scheduler, "new")) == (["c"], ["a", "b"])
    scheduler.remove_job("c")
    scheduler.remove_jobs(["a"])
    assert (ids(scheduler, "us"), ids(scheduler, "new")) == ([], ["b"])
    add(scheduler, "c", "eu")  # its id comes again, with another tag
    assert ids(scheduler, "eu") == ["B", "c", "plain"] and ids(scheduler, "us") == []
    scheduler.remove_all_jobs()
    assert ids(scheduler, "eu") == ids(scheduler, "new") == []
    add(scheduler, "d", "eu")
    assert ids(scheduler, "eu") == ["d"]


def test_pages_prefixes_states_and_owners(scheduler):
    for number in range(150):
        add(scheduler, f"job{number:03}", "eu", f"n{number % 3}", owner="me" if number % 2 else None)
    add(scheduler, "x", "eu")
    scheduler.pause_jobs(["job010", "job020"])
    everything = [*(f"job{number:03}" for number in range(150)), "x"]
    seen, page = [], scheduler.get_jobs(tag="eu", limit=20)
    while page:
        seen += [job.id for job in page]
        page = scheduler.get_jobs(tag="eu", limit=20, after=page[-1].id)
    assert seen == everything
    assert ids(scheduler, "eu", prefix="job14") == everything[140:150]
    assert ids(scheduler, "eu", prefix="job14", limit=3, after="job142") == everything[143:146]
    assert ids(scheduler, "eu", prefix="job14", after="a", limit=1) == ["job140"]
    assert ids(scheduler, "eu", state="paused", limit=20) == ["job010", "job020"]
    assert ids(scheduler, "eu", owner="me", limit=2) == ["job001", "job003"]
    assert ids(scheduler, ["eu", "n1"], limit=2) == ["job001", "job004"]
    assert (
        scheduler.count_jobs(tag="eu") == 151 and scheduler.count_jobs(tag=["n0", "eu"], prefix="job00") == 4
    )
    assert ids(scheduler, "eu", limit=0) == []
    assert [job.id for job in scheduler.get_jobs(limit=2, after="job148")] == ["job149", "x"]
    assert [job.id for job in scheduler.get_jobs(prefix="job0", limit=2, state="paused")] == [
        "job010",
        "job020",
    ]


@pytest.mark.parametrize("tag", ["é", "a'b\"c\\", "x" * 300, "nul\0", "🎈", "eu "])
def test_any_text_is_a_tag(scheduler, tag):
    add(scheduler, "one", tag)
    add(scheduler, "other", tag[:-1] + "!")
    assert ids(scheduler, tag) == ["one"]


def test_a_store_without_tags_is_asked_and_written_as_ever(make):
    """No table, no statement."""
    store = make()
    scheduler = ManualScheduler(START, jobstores={"default": store})
    with counted(store.engine) as seen:
        scheduler.start()
    assert not any("tags" in word.lower() for word in seen)
    with counted(store.engine) as seen:
        scheduler.add_job(
            noop, "interval", hours=1, id="a", kwargs={"tags": ["eu"], "extras": {"tags": ["x"]}}
        )
    assert seen == ["INSERT", "COMMIT"]
    scheduler.add_job(print, "date", run_date=START + timedelta(minutes=1), id="once")
    scheduler.pause_job("a")
    scheduler.remove_job("a")
    scheduler.advance(120)
    assert table_of(store) is None
    scheduler.shutdown()


def test_a_pass_writes_nothing_of_tags_but_of_jobs_that_are_over(make):
    store = make()
    scheduler = ManualScheduler(START, jobstores={"default": store})
    scheduler.start()
    for number in range(5):
        scheduler.add_job(int, "interval", hours=1, id=f"a{number}", tags={"eu"})
    with counted(store.engine) as seen:
        scheduler.advance(timedelta(hours=1))
    assert seen.count("DELETE") == seen.count("INSERT") == 0 and "UPDATE" in seen
    scheduler.add_job(int, "date", run_date=START + timedelta(hours=1.5), id="once", tags={"eu", "us"})
    assert ("us", "once") in table_of(store)
    scheduler.advance(timedelta(minutes=40))
    assert scheduler.get_job("once") is None
    assert table_of(store) == [("eu", f"a{number}") for number in range(5)]
    scheduler.shutdown()


def test_rows_that_were_there_before_the_table_are_put_into_it(make, caplog):
    store = make()
    one = BackgroundScheduler(timezone="UTC", jobstores={"default": store})
    one.start(paused=True)
    for number in range(7):
        add(one, f"job{number}", "old", f"n{number}")
    store._tags.drop(store.engine)  # as an older version left it
    one.shutdown()
    two = BackgroundScheduler(timezone="UTC", jobstores={"default": make()})
    two.start(paused=True)
    assert table_of(two._jobstores["default"]) is None
    add(two, "new", "old")  # the first write of a tag makes it, and so does the first question
    assert ids(two, "old", limit=20) == [*(f"job{number}" for number in range(7)), "new"]
    assert ids(two, "n3") == ["job3"]
    two.shutdown()


def test_a_table_that_was_not_filled_to_the_end_is_filled(make):
    store = make()
    scheduler = BackgroundScheduler(timezone="UTC", jobstores={"default": store})
    scheduler.start(paused=True)
    add(scheduler, "a", "eu")
    with store.engine.begin() as connection:  # as a process left it that was killed while it filled it
        connection.execute(store._tags.table.delete())
    scheduler.shutdown()
    again = BackgroundScheduler(timezone="UTC", jobstores={"default": make()})
    again.start(paused=True)
    assert ids(again, "eu") == ["a"]
    again.shutdown()


def test_what_it_says_too_much_is_not_found_and_forgotten(make):
    store = make()
    scheduler = BackgroundScheduler(timezone="UTC", jobstores={"default": store})
    scheduler.start(paused=True)
    add(scheduler, "a", "eu")
    add(scheduler, "b", "eu")
    with store.engine.begin() as connection:  # somebody who knows of no tags
        connection.execute(store.jobs_t.delete().where(store.jobs_t.c.id == "a"))
    assert ids(scheduler, "eu", limit=1) == ["b"] and table_of(store) == [("eu", "b")]
    with store.engine.begin() as connection:
        connection.execute(store.jobs_t.delete())
    scheduler.shutdown()
    again = BackgroundScheduler(timezone="UTC", jobstores={"default": make()})
    again.start(paused=True)
    add(again, "c", "us")  # a process that begins to use it looks once for what is gone
    assert table_of(again._jobstores["default"]) == [("us", "c")]
    again.shutdown()


@pytest.mark.parametrize("limit", [2, 3])
def test_a_question_while_another_one_forgets_what_is_gone_leaves_no_job_out(make, monkeypatch, limit):
    """The rows of a page were those before, its ids those after: what moved up was passed over."""
    store = make()
    scheduler, other = (
        BackgroundScheduler(timezone="UTC", jobstores={"default": one}) for one in (store, make())
    )
    for one in (scheduler, other):
        one.start(paused=True)
    for job_id in "abcde":
        add(scheduler, job_id, "eu")
    assert ids(scheduler, "eu") == ids(other, "eu") == list("abcde")
    with store.engine.begin() as connection:  # somebody who knows of no tags
        connection.execute(store.jobs_t.delete().where(store.jobs_t.c.id == "a"))
    select = store._select

    def select_slowly(*asked, **values):
        rows = select(*asked, **values)
        monkeypatch.setattr(store, "_select", select)
        ids(other, "eu", limit=2)
        return rows

    monkeypatch.setattr(store, "_select", select_slowly)
    assert ids(scheduler, "eu", limit=limit) == list("bcde")[:limit]
    assert table_of(store) == [("eu", job_id) for job_id in "bcde"]
    for one in (scheduler, other):
        one.shutdown()


def test_a_claimed_last_run_takes_its_tags_along(make):
    store = make(shared=True, poll_interval=0.05)
    done = threading.Event()
    scheduler = BackgroundScheduler(timezone="UTC", jobstores={"default": store})
    scheduler.add_listener(lambda event: done.set())
    scheduler.start()
    scheduler.add_job(int, "date", id="once", tags={"eu"}, misfire_grace_time=None)
    deadline = threading.Event()
    for _ in range(600):
        if table_of(store) == [] and scheduler.get_job("once") is None:
            break
        deadline.wait(0.1)
    assert table_of(store) == [] and done.is_set()
    scheduler.shutdown()


def test_who_may_make_no_table_looks_at_every_row_and_says_so_once(make, caplog, monkeypatch):
    store = make()
    scheduler = BackgroundScheduler(timezone="UTC", jobstores={"default": store})
    scheduler.start(paused=True)

    def refused(*arguments, **options):
        raise sa.exc.ProgrammingError("CREATE TABLE", {}, Exception("permission denied"))

    monkeypatch.setattr(store._tags.table, "create", refused)
    add(scheduler, "a", "eu")
    add(scheduler, "b", "us")
    assert ids(scheduler, "eu", limit=20) == ["a"] and table_of(store) is None
    assert [record.getMessage().count("looks at every row for a tag") for record in caplog.records].count(
        1
    ) == 1
    scheduler.shutdown()


def test_a_write_of_a_tag_that_the_table_does_not_get_is_no_write(make, monkeypatch):
    """Else nobody would find the job by its tag; a question is answered all the same."""
    store = make()
    scheduler = BackgroundScheduler(timezone="UTC", jobstores={"default": store})
    scheduler.start(paused=True)
    add(scheduler, "a", "eu")
    store._tags.reopened(True)

    def broken():
        raise sa.exc.OperationalError("SELECT", {}, Exception("the server is going down"))

    with monkeypatch.context() as patch:
        patch.setattr(store._tags, "_is_full", broken)
        with pytest.raises(sa.exc.OperationalError):
            add(scheduler, "b", "eu")
        assert ids(scheduler, "eu") == ["a"]
    add(scheduler, "c", "eu")
    assert ids(scheduler, "eu") == ["a", "c"]
    scheduler.shutdown()


def test_of_several_tags_the_rarest_is_gone_through(make):
    store = make()
    scheduler = BackgroundScheduler(timezone="UTC", jobstores={"default": store})
    scheduler.start(paused=True)
    for number in range(9):
        add(scheduler, f"job{number}", "all", *(["few"] if number > 6 else []))
    assert store._tags.rarest_first(("all", "nobody", "few")) == ("nobody", "few", "all")
    assert ids(scheduler, ["all", "few"], limit=5) == ["job7", "job8"]
    asked: list[str] = []
    sa.event.listen(store.engine, "before_cursor_execute", lambda *of: asked.append(of[2]))
    assert ids(scheduler, ["few", "all"], limit=2) == ["job7", "job8"]
    # which one is the rarest is remembered
    assert len([one for one in asked if one.startswith("SELECT")]) == 1
    scheduler.shutdown()


def test_a_look_makes_nothing(make):
    store = make()
    scheduler = BackgroundScheduler(timezone="UTC", jobstores={"default": store})
    scheduler.start(paused=True)
    scheduler.add_job(print, "cron", id="a")
    scheduler.shutdown()
    look = make()
    look._open(write=False)
    from rapscheduler.jobstores._question import question

    assert look._find_jobs(question(tag="eu")) == [] and table_of(look) is None
    look.shutdown()


def test_an_index_in_memory_is_made_anew_when_most_of_it_is_gone():
    store = MemoryJobStore()
    scheduler = BackgroundScheduler(timezone="UTC", jobstores={"default": store})
    scheduler.start(paused=True)
    assert ids(scheduler, "eu") == []
    first = store._ids
    for _ in range(3):
        jobs = [f"job{number}" for number in range(4_000)]
        scheduler.add_jobs(
            [{"func": print, "trigger": "interval", "hours": 1, "id": i, "tags": ["eu"]} for i in jobs]
        )
        scheduler.remove_jobs(jobs[1:])
        scheduler.remove_job(jobs[0])
    add(scheduler, "a", "eu")
    assert ids(scheduler, "eu", limit=20) == ["a"] and store._ids is not first
    scheduler.shutdown()


@pytest.mark.parametrize("write", ["added", "changed", "added together"])
def test_an_index_in_memory_does_not_grow_while_nobody_asks(write):
    """A dashboard was looked at once, and the program adds and changes jobs for months."""
    store = MemoryJobStore()
    scheduler = BackgroundScheduler(timezone="UTC", jobstores={"default": store})
    scheduler.start(paused=True)
    add(scheduler, "a", "eu")
    assert ids(scheduler, "eu") == ["a"]
    for number in range(2, 12_000):
        if write == "changed":
            scheduler.modify_job("a", name=f"n{number}")
        elif write == "added":
            add(scheduler, "b", "eu")
            scheduler.remove_job("b")
        elif number % 10 == 0:
            scheduler.add_jobs([{"func": print, "trigger": "cron", "id": f"c{i}"} for i in range(10)])
            scheduler.remove_jobs([f"c{i}" for i in range(10)])
    assert store._ids is None or store._ids._noted < 1_990
    assert ids(scheduler, "eu") == ["a"]
    scheduler.shutdown()


def test_nothing_is_kept_in_memory_before_somebody_asks():
    store = MemoryJobStore()
    scheduler = BackgroundScheduler(timezone="UTC", jobstores={"default": store})
    scheduler.start(paused=True)
    add(scheduler, "a", "eu")
    scheduler.get_jobs(prefix="a")
    assert store._ids is None
    assert ids(scheduler, "eu") == ["a"] and store._ids is not None
    scheduler.shutdown()
    assert store._ids is None


def test_two_processes_make_the_table_of_tags_at_once(make):
    stores = make(), make()
    one, other = (BackgroundScheduler(timezone="UTC", jobstores={"default": store}) for store in stores)
    one.start(paused=True)
    other.start(paused=True)
    looked = stores[1]._tags.table  # the other has seen that there is none
    sa.event.listen(looked, "before_create", lambda *of, **more: add(one, "a", "eu"), once=True)
    add(other, "b", "eu")
    assert ids(one, "eu") == ids(other, "eu") == ["a", "b"]
    one.shutdown()
    other.shutdown()


def test_who_may_forget_nothing_is_answered_by_the_table(make, caplog):
    """What it says too much is looked at; a database that is only read, or a user who may not DELETE."""
    first = make()
    scheduler = BackgroundScheduler(timezone="UTC", jobstores={"default": first})
    scheduler.start(paused=True)
    add(scheduler, "a", "eu")
    add(scheduler, "b", "eu")
    with first.engine.begin() as connection:
        connection.execute(first._tags.table.insert(), [{"tag": "eu", "job_id": "gone"}])
    scheduler.shutdown()
    store = make()
    scheduler = BackgroundScheduler(timezone="UTC", jobstores={"default": store})
    scheduler.start(paused=True)

    def refuse(connection, cursor, statement, *rest):
        if statement.startswith("DELETE"):
            raise sa.exc.OperationalError(statement, {}, Exception("permission denied"))

    sa.event.listen(store.engine, "before_cursor_execute", refuse)
    for _ in range(2):
        assert ids(scheduler, "eu") == ["a", "b"] and scheduler.count_jobs(tag="eu") == 2
    assert store._tags.ready and "looks at every row" not in caplog.text
    scheduler.shutdown()


def test_tags_of_new_jobs_in_two_transactions_do_not_wait_for_each_other(make):
    """MySQL: a DELETE that finds nothing locks the gap into which the other one inserts."""
    store = make()
    scheduler = BackgroundScheduler(timezone="UTC", jobstores={"default": store})
    scheduler.start(paused=True)
    add(scheduler, "a", "eu")
    if store.engine.dialect.name != "sqlite":  # there one writes at a time
        with store.engine.connect() as one, store.engine.connect() as other, one.begin(), other.begin():
            if store.engine.dialect.name != "postgresql":
                other.exec_driver_sql("SET SESSION innodb_lock_wait_timeout = 1")
            store._tags.put(one, [("eu", "c")], True)
            store._tags.put(other, [("eu", "b")], True)
        assert table_of(store) == [("eu", "a"), ("eu", "b"), ("eu", "c")]
    scheduler.shutdown()
