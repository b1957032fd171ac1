"""Jobs of an owner are found by the index of tags, and an owner is no tag."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from tests.stores import shared_stores
from tests.stores.test_conformance_servers import fresh_name
from tests.stores.test_tags import add, ids, make, scheduler, table_of
from tests.stores.test_work_counts import counted

from rapscheduler.errors import ConflictingIdError
from rapscheduler.schedulers.background import BackgroundScheduler

__all__ = ("make", "scheduler")  # fixtures


def spec(job_id, **more):
    return {"func": "shutil:which", "args": ["x"], "trigger": "cron", "hour": 7, "id": job_id} | more


def owned(scheduler, owner, **more):
    return [job.id for job in scheduler.get_jobs(owner=owner, **more)]


def test_what_is_found_follows_each_kind_of_write(scheduler):
    assert owned(scheduler, "me") == []  # from here on there is an index
    add(scheduler, "a", "eu", owner="me")
    scheduler.add_jobs([spec("b", owner="me"), spec("c", owner="you"), spec("d")])
    assert owned(scheduler, "me") == ["a", "b"] and owned(scheduler, "you") == ["c"]
    scheduler.modify_job("d", owner="me")
    scheduler.modify_job("a", owner=None)
    scheduler.modify_jobs({"owner": "you"}, ["b"])
    assert owned(scheduler, "me") == ["d"] and owned(scheduler, "you") == ["b", "c"]
    assert ids(scheduler, "eu") == ["a"]  # it lost its owner, and no tag
    scheduler.remove_job("b")
    add(scheduler, "b", owner="me")
    assert owned(scheduler, "me", limit=1, after="a") == ["b"] and owned(scheduler, "you") == ["c"]
    scheduler.remove_all_jobs()
    assert owned(scheduler, "me") == owned(scheduler, "you") == []


def test_an_owner_is_no_tag_and_a_tag_no_owner(scheduler):
    add(scheduler, "a", "x", owner="me")
    add(scheduler, "b", "me", "\1me")
    assert scheduler.get_job("a").tags == {"x"} and scheduler.get_job("b").owner is None
    assert owned(scheduler, "me") == ["a"] and owned(scheduler, "x") == owned(scheduler, "") == []
    assert ids(scheduler, "me") == ids(scheduler, "\1me") == ["b"]
    assert ids(scheduler, "x", owner="me") == ["a"] and ids(scheduler, "me", owner="me") == []


@pytest.mark.parametrize("owner", ["é", "a'b\"c\\\\", "x" * 300, "nul\0", " ", "🎈"])
def test_any_text_is_an_owner(scheduler, owner):
    add(scheduler, "one", owner=owner)
    add(scheduler, "other", owner=owner + "!")
    assert owned(scheduler, owner) == ["one"] and scheduler.count_jobs(owner=owner) == 1


def test_sync_jobs_tells_the_owners_jobs_from_all_others(scheduler):
    add(scheduler, "other", owner="shipping")
    add(scheduler, "nobody's", "billing")
    first = scheduler.sync_jobs([spec("a"), spec("b"), spec("c")], owner="billing")
    assert first == (["a", "b", "c"], [], [], [])
    second = scheduler.sync_jobs([spec("b"), spec("c", hour=8), spec("d")], owner="billing")
    assert second == (["d"], ["c"], ["b"], ["a"])
    with pytest.raises(ConflictingIdError):
        scheduler.sync_jobs([spec("other")], owner="billing")
    assert scheduler.sync_jobs([], owner="billing").removed == ["b", "c", "d"]
    assert [job.id for job in scheduler.get_jobs(prefix="")] == ["nobody's", "other"]


def test_a_table_of_the_version_without_owners_gets_them(make):
    store = make()
    one = BackgroundScheduler(timezone="UTC", jobstores={"default": store})
    one.start(paused=True)
    add(one, "a", "eu")
    add(one, "b", owner="me")
    table = store._tags.table
    with store.engine.begin() as connection:
        connection.execute(table.delete().where(sa.or_(table.c.job_id == "b", table.c.tag == "")))
        connection.execute(table.insert().values(tag="", job_id=""))  # its mark
    one.shutdown()
    two = BackgroundScheduler(timezone="UTC", jobstores={"default": make()})
    two.start(paused=True)
    assert owned(two, "me") == ["b"] and ids(two, "eu") == ["a"] and owned(two, "") == []
    assert table_of(two._jobstores["default"]) == [("\1me", "b"), ("eu", "a")]
    two.shutdown()


def test_a_question_for_an_owner_is_a_page_whatever_else_there_is(make):
    store = make()
    scheduler = BackgroundScheduler(timezone="UTC", jobstores={"default": store})
    scheduler.start(paused=True)
    scheduler.add_jobs([spec(f"j{number:04}") for number in range(1_500)])
    scheduler.sync_jobs([spec(f"o{number}") for number in range(5)], owner="me")
    read = []
    plain = store._select
    store._select = lambda *given, **more: read.extend(found := plain(*given, **more)) or found
    with counted(store.engine) as seen:
        assert len(owned(scheduler, "me")) == 5
    assert len(read) == 5 and seen.count("SELECT") == 2
    scheduler.shutdown()


def test_in_redis_too(server_url):
    url, name = server_url("redis"), fresh_name()
    store = shared_stores.make_store(url, name, shared=False)
    scheduler = BackgroundScheduler(timezone="UTC", jobstores={"default": store})
    scheduler.start(paused=True)
    try:
        scheduler.add_jobs([spec(f"j{number:04}") for number in range(1_500)])
        scheduler.sync_jobs([spec(f"o{number}") for number in range(5)], owner="me")
        with shared_stores.asked(store) as seen:
            assert len(owned(scheduler, "me")) == 5
        assert len(seen) == 1
    finally:
        scheduler.shutdown()
        shared_stores.drop(url, name)
