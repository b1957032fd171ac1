"""The index of tags in Redis: right after each kind of write, made for what was there, never believed."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta, timezone

import pytest
from tests.stores import shared_stores
from tests.stores.test_conformance_servers import fresh_name

from rapscheduler.jobstores._question import question
from rapscheduler.schedulers.background import BackgroundScheduler
from rapscheduler.testing import ManualScheduler
from rapscheduler.testing.stores import noop

START = datetime(2025, 3, 1, tzinfo=timezone.utc)


@pytest.fixture
def make(server_url):
    """``make(**options)``: another store object on the same keys, which are dropped after the test."""
    url, name = server_url("redis"), fresh_name()
    yield lambda **options: shared_stores.make_store(url, name, **{"shared": False} | options)
    shared_stores.drop(url, name)


@pytest.fixture
def started():
    """``started(store)``: a scheduler that runs nothing."""
    made = []

    def start(store):
        scheduler = BackgroundScheduler(timezone="UTC", jobstores={"default": store})
        scheduler.start(paused=True)
        made.append(scheduler)
        return scheduler

    yield start
    for scheduler in made:
        scheduler.shutdown()


def add(scheduler, job_id, *tags, **options):
    scheduler.add_job(print, "cron", hour=7, id=job_id, tags=tags or None, **options)


def ids(scheduler, tag, **more):
    return [job.id for job in scheduler.get_jobs(tag=tag, **more)]


def index_of(store):
    """What both keys say, which must be the same; without the mark."""
    index, of = store._keys[-2:]
    found = [member for member in store.redis.zrange(index, 0, -1) if member[:1] != b"\0"]
    pairs = {tuple(member.split(b"\0")) for member in found}
    told = {(tag, job_id) for job_id, tags in store.redis.hgetall(of).items() for tag in tags.split(b"\0")}
    assert pairs == told
    return sorted((tag.decode(), job_id.decode()) for tag, job_id in pairs)


@pytest.mark.parametrize("shared", [False, True])
def test_the_index_follows_each_kind_of_write(make, started, shared):
    store = make(shared=shared)
    scheduler = started(store)
    add(scheduler, "a", "eu", "mail")
    scheduler.add_jobs([{"func": print, "trigger": "cron", "id": i, "tags": ["eu"]} for i in ("b", "c", "d")])
    add(scheduler, "plain")
    assert index_of(store) == [("eu", "a"), ("eu", "b"), ("eu", "c"), ("eu", "d"), ("mail", "a")]
    scheduler.modify_job("a", tags={"us"})
    scheduler.modify_jobs({"tags": {"new"}}, ["b"])
    add(scheduler, "c", "us", replace_existing=True)
    assert index_of(store) == [("eu", "d"), ("new", "b"), ("us", "a"), ("us", "c")]
    scheduler.pause_job("a")
    scheduler.modify_job("d", tags=None)
    scheduler.remove_job("b")
    scheduler.remove_jobs(["c"])
    assert index_of(store) == [("us", "a")]
    scheduler.remove_all_jobs()
    assert index_of(store) == [] and ids(scheduler, "us") == []


def test_a_pass_takes_the_tags_of_jobs_that_are_over_and_of_no_others(make):
    store = make()
    scheduler = ManualScheduler(START, jobstores={"default": store})
    scheduler.start()
    scheduler.add_job(int, "interval", hours=1, id="goes on", tags={"eu"})
    scheduler.add_job(int, "date", run_date=START + timedelta(minutes=5), id="once", tags={"eu", "us"})
    scheduler.advance(timedelta(hours=2))
    assert index_of(store) == [("eu", "goes on")]
    scheduler.shutdown()


def test_a_claimed_last_run_takes_its_tags_along(make):
    store = make(shared=True, poll_interval=0.05)
    done = threading.Event()
    scheduler = BackgroundScheduler(timezone="UTC", jobstores={"default": store})
    scheduler.add_listener(lambda event: done.set(), 1 << 12)  # executed
    scheduler.start()
    scheduler.add_job(int, "date", id="once", tags={"eu"}, misfire_grace_time=None)
    assert done.wait(60)
    assert index_of(store) == [] and scheduler.get_job("once") is None
    scheduler.shutdown()


def test_a_row_of_an_older_version_is_put_in_by_the_first_question_and_once(make, started):
    store = make()
    scheduler = started(store)
    for number in range(2_100):
        scheduler.add_job(
            print, "cron", id=f"job{number:04}", tags={"old", f"n{number % 7}"} if number % 3 else None
        )
    store.redis.delete(*store._keys[-2:])  # as an older version left it
    wanted = [f"job{number:04}" for number in range(2_100) if number % 3]
    again = started(make())
    add(again, "new", "old")  # what is written before somebody asks is in it too
    assert ids(again, "old") == [*wanted, "new"]
    assert ids(again, ["old", "n3"], limit=2) == ["job0010", "job0017"]
    filled = index_of(store)
    assert len(filled) == 2 * len(wanted) + 1
    third = make()
    scheduler = started(third)
    with shared_stores.asked(third) as seen:
        assert ids(scheduler, "old", limit=3) == wanted[:3]
    assert len(seen) < 3 and not {"HSCAN", "HGETALL"} & set(seen)


def test_an_index_that_was_deleted_is_made_anew_under_a_running_scheduler(make, started):
    store = make()
    scheduler = started(store)
    add(scheduler, "a", "eu")
    assert ids(scheduler, "eu") == ["a"]
    store.redis.delete(store._keys[-2])
    add(scheduler, "b", "eu")
    assert ids(scheduler, "eu") == ["a", "b"]
    assert index_of(store) == [("eu", "a"), ("eu", "b")]


def test_what_a_writer_that_knows_of_no_index_did_makes_no_wrong_answer(make, started):
    store = make()
    scheduler = started(store)
    for job_id in "abcd":
        add(scheduler, job_id, "eu")
    assert ids(scheduler, "eu") == ["a", "b", "c", "d"]
    jobs, times = store._keys[:2]
    store.redis.hdel(jobs, "a")  # removed
    store.redis.zrem(times, "a")
    store.redis.hset(jobs, "b", store.redis.hget(jobs, "b").replace(b'"eu"', b'"us"'))  # another tag
    assert ids(scheduler, "eu", limit=1) == ["c"]
    assert ids(scheduler, "eu") == ["c", "d"]
    assert index_of(store) == [("eu", "b"), ("eu", "c"), ("eu", "d")]  # what was gone is forgotten
    scheduler.remove_job("c")
    assert ids(scheduler, "eu") == ["d"] and scheduler.count_jobs(tag="eu") == 1


def test_an_index_of_the_version_without_owners_gets_them(make, started):
    store = make()
    scheduler = started(store)
    add(scheduler, "a", "eu")
    add(scheduler, "b", owner="me")
    index, of = store._keys[-2:]
    store.redis.hdel(of, "b")
    store.redis.zrem(index, "\1me\0b", "\0owners")
    store.redis.zadd(index, {"\0": 0})  # its mark
    assert ids(scheduler, None, owner="me") == ["b"]
    assert index_of(store) == [("\1me", "b"), ("eu", "a")]


def test_no_job_has_the_tag_of_the_mark(make, started):
    store = make()
    scheduler = started(store)
    add(scheduler, "owners", "eu")
    assert ids(scheduler, "") == [] and ids(scheduler, ["eu", ""]) == []
    assert ids(scheduler, "eu") == ["owners"] and store.redis.zscore(store._keys[-2], "\0owners") == 0


def test_a_look_makes_nothing(make, started):
    store = make()
    scheduler = started(store)
    add(scheduler, "a", "eu")
    store.redis.delete(*store._keys[-2:])
    look = make()
    look._open(write=False)
    assert [job.id for job in look._find_jobs(question(tag="eu"))] == ["a"]
    assert not store.redis.exists(*store._keys[-2:])


def test_a_store_without_tags_gets_no_key(make, started):
    store = make()
    scheduler = started(store)
    scheduler.add_job(noop, "cron", hour=7, id="a", kwargs={"tags": ["eu"], "extras": {"tags": ["x"]}})
    scheduler.modify_job("a", name="b")
    scheduler.remove_job("a")
    assert not store.redis.exists(*store._keys[-2:])


def test_ids_and_pages_of_any_text(make, started):
    store = make()
    scheduler = started(store)
    names = ["", "nul\0nul", "é", "z\0", "z", "\x01", "🎈", "a b"]
    for name in names:
        if name:
            add(scheduler, name, "eu", "eu\x01")
    wanted = sorted(filter(None, names))
    assert ids(scheduler, "eu") == wanted
    assert ids(scheduler, ["eu", "eu\x01"], after="nul\0nul", limit=2) == ["z", "z\0"]
    assert ids(scheduler, "eu", prefix="z") == ["z", "z\0"]
    assert ids(scheduler, "eu", after="\ud800") == [name for name in wanted if name > "\ud800"]


def test_a_page_asks_redis_for_a_page(make, started):
    """However many jobs there are."""
    store = make()
    scheduler = started(store)
    scheduler.add_jobs(
        [{"func": print, "trigger": "cron", "id": f"j{n:04}", "tags": ["eu"]} for n in range(3_000)]
    )
    assert ids(scheduler, "eu", limit=2) == ["j0000", "j0001"]
    with shared_stores.asked(store) as seen:
        assert ids(scheduler, "eu", limit=20, after="j1000")[::19] == ["j1001", "j1020"]
    assert len(seen) == 1 and seen[0].startswith("EVAL")
    with shared_stores.asked(store) as seen:
        assert len(ids(scheduler, "eu")) == 3_000
    assert len(seen) < 10


def test_a_count_makes_no_jobs(make, started, monkeypatch):
    store = make()
    scheduler = started(store)
    for number in range(25):
        add(scheduler, f"j{number:02}", "eu", f"n{number % 2}", owner="me", args=["n1"])
    add(scheduler, "plain")
    scheduler.pause_jobs(["j01", "j02"])
    monkeypatch.setattr("rapscheduler.jobstores._redistags._AT_ONCE", 7)  # several calls
    monkeypatch.setattr(store, "_jobs", None)  # who makes jobs of rows
    for filters, expected in (
        ({}, 26),
        ({"state": "paused"}, 2),
        ({"state": "scheduled"}, 24),
        ({"state": "parked"}, 0),
        ({"tag": "eu"}, 25),
        ({"tag": ["eu", "n1"], "owner": "me"}, 12),
        ({"tag": "n1", "state": "paused"}, 1),
        ({"tag": "eu", "prefix": "j0", "after": "j03", "state": "scheduled"}, 6),
        ({"tag": "eu", "prefix": "\ud800"}, 0),  # no text that UTF-8 has
    ):
        assert scheduler.count_jobs(**filters) == expected, filters
    monkeypatch.undo()


def test_a_count_looks_at_rows_of_others(make, started):
    store = make()
    scheduler = started(store)
    for job_id in "abcde":
        add(scheduler, job_id, "eu", args=["eu"])
    jobs = store._keys[0]
    row = store.redis.hget(jobs, "b")
    store.redis.hset(jobs, "b", row.replace(b'"tags":["eu"]', b'"tags":["us"]'))
    store.redis.hset(jobs, "e", row.replace(b'"tags":["eu"]', b'"tags":[null,true,7]'))
    store.redis.hset(jobs, "c", b"\x80no JSON")
    store.redis.hset(jobs, "d", b'{"extras":null}')
    assert scheduler.count_jobs(tag="eu") == 1
