"""Many jobs are paused, resumed, changed and removed in few writes, and none is lost to a run in between."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta, timezone

import pytest
import sqlalchemy as sa
from tests.stores import shared_stores
from tests.stores.test_conformance_servers import fresh_name

from rapscheduler.errors import EncodeError
from rapscheduler.events import EVENT_JOB_MODIFIED, EVENT_JOB_REMOVED
from rapscheduler.jobstores.memory import MemoryJobStore
from rapscheduler.schedulers.background import BackgroundScheduler

SOON = datetime.now(timezone.utc) + timedelta(days=1)


@pytest.fixture(params=shared_stores.KINDS)
def store(request, url_of):
    url, name = url_of(request.param), fresh_name()
    yield shared_stores.make_store(url, name, shared=False)
    shared_stores.drop(url, name)


@pytest.fixture
def scheduler(store):
    made = BackgroundScheduler(timezone="UTC", jobstores={"default": store})
    made.start(paused=True)
    yield made
    made.shutdown()


def fill(scheduler, number, **options):
    ids = [f"job{i:04}" for i in range(number)]
    specs = [{"func": print, "trigger": "cron", "hour": 7, "id": job_id, **options} for job_id in ids]
    scheduler.add_jobs(specs)
    return ids


def asked_by(scheduler, call):
    """What a call asks of the store, and its answer. Calls before it have loaded the scripts."""
    with shared_stores.asked(scheduler._jobstores["default"]) as seen:
        answer = call()
    return sorted(one for one in seen if one not in ("BEGIN", "ROLLBACK")), answer


CHANGES = {
    "pause": lambda scheduler, ids: scheduler.pause_jobs(ids),
    "resume": lambda scheduler, ids: scheduler.resume_jobs(ids),
    "modify": lambda scheduler, ids: scheduler.modify_jobs({"name": "new", "args": iter((1, 2))}, ids),
    "remove": lambda scheduler, ids: scheduler.remove_jobs(ids),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_the_store_is_asked_does_not_depend_on_how_many_jobs_there_are(scheduler, change):
    counts = {}
    for number in (2, 500):
        ids = fill(scheduler, number)
        CHANGES[change](scheduler, ids[:1])
        counts[number], answer = asked_by(scheduler, lambda: CHANGES[change](scheduler, ids))  # noqa: B023
        assert answer == (ids[1:] if change == "remove" else ids)
        scheduler.remove_all_jobs()
    assert counts[2] == counts[500], counts
    assert len(counts[500]) <= 6 and counts[500].count("COMMIT") <= 2


def test_jobs_are_changed_as_one_by_one(scheduler):
    ids = fill(scheduler, 3)
    scheduler.add_job(print, "date", run_date=SOON, id="once")
    before = [job.next_run_time for job in scheduler.get_jobs(prefix="job")]
    told = []
    scheduler.add_listener(
        lambda event: told.append((event.code, event.job_id)), EVENT_JOB_MODIFIED | EVENT_JOB_REMOVED
    )
    assert scheduler.pause_jobs([*ids[:2], "gone", ids[0]]) == ids[:2]
    assert [job.next_run_time for job in scheduler.get_jobs(prefix="job")] == [None, None, before[2]]
    assert scheduler.resume_jobs(ids) == ids
    assert [job.next_run_time for job in scheduler.get_jobs(prefix="job")] == before
    assert scheduler.modify_jobs({"name": "x", "args": iter("ab"), "tags": {"t"}}, ids) == ids
    assert [(job.name, job.args, job.tags) for job in scheduler.get_jobs(tag="t")] == [
        ("x", ("a", "b"), {"t"})
    ] * 3
    assert scheduler.remove_jobs([ids[1], "gone"]) == [ids[1]]
    assert [job.id for job in scheduler.get_jobs(prefix="")] == [ids[0], ids[2], "once"]
    modified = [(EVENT_JOB_MODIFIED, job_id) for job_id in (*ids[:2], *ids, *ids)]
    assert told == [*modified, (EVENT_JOB_REMOVED, ids[1])]


def test_a_resumed_job_whose_schedule_is_over_is_removed(scheduler):
    ids = fill(scheduler, 2)
    scheduler.pause_jobs(ids)
    scheduler.add_job(print, "cron", id="over", next_run_time=None)
    store = scheduler._jobstores["default"]
    past = scheduler.get_job("over")
    past._take_over({"trigger": scheduler._create_trigger("cron", {"end_date": "2001-01-01"})})
    store.update_job(past)
    assert scheduler.resume_jobs(["over", *ids]) == ["over", *ids]
    assert [job.id for job in scheduler.get_jobs(prefix="")] == ids


def test_a_job_that_has_run_meanwhile_keeps_its_new_time(scheduler, monkeypatch):
    """Between the look-up and the write the loop, here or elsewhere, moves one of the jobs on."""
    ids = fill(scheduler, 3)
    store = scheduler._jobstores["default"]
    later, look, asked = SOON + timedelta(days=5), store._lookup_jobs, []

    def looked(wanted):
        found = look(wanted)
        asked.append(list(wanted))
        if len(asked) == 1:
            moved = store.lookup_job(ids[1])
            moved._take_over({"next_run_time": later})
            store.update_job(moved)
        return found

    monkeypatch.setattr(store, "_lookup_jobs", looked)
    assert scheduler.modify_jobs({"name": "new"}, ids) == [ids[0], ids[1], ids[2]]
    assert asked == [ids, [ids[1]]]
    job = scheduler.get_job(ids[1])
    assert (job.name, job.next_run_time) == ("new", later)


def test_a_job_that_moves_on_again_and_again_is_an_error(scheduler, monkeypatch):
    ids = fill(scheduler, 2)
    store = scheduler._jobstores["default"]
    monkeypatch.setattr(store, "_replace_many_if", lambda rows: [False] * len(rows))
    with pytest.raises(RuntimeError, match='Job "job0000" could not be changed'):
        scheduler.pause_jobs(ids)


@pytest.mark.parametrize("change", ["pause", "resume", "modify"])
def test_what_was_written_is_told_when_the_next_round_fails(scheduler, monkeypatch, change):
    """Listeners, and runs that wait, would else not know of a job that is paused."""
    ids = fill(scheduler, 3)
    store, told, rounds = scheduler._jobstores["default"], [], []
    write = store._replace_many_if

    def write_two(rows):
        rounds.append(len(rows))
        if len(rounds) == 2:
            raise OSError("the store is gone")
        return [*write(rows[:2]), False]

    monkeypatch.setattr(store, "_replace_many_if", write_two)
    scheduler.add_listener(lambda event: told.append(event.job_id), EVENT_JOB_MODIFIED)
    with pytest.raises(OSError, match="the store is gone"):
        CHANGES[change](scheduler, ids)
    assert (rounds, told) == ([3, 1], ids[:2])


def test_an_iterator_is_read_once_for_all_jobs(store, monkeypatch):
    """In memory jobs are changed one by one, in a database batch by batch."""
    made = BackgroundScheduler(timezone="UTC", jobstores={"default": store, "memory": MemoryJobStore()})
    made.start(paused=True)
    try:
        monkeypatch.setattr(store, "_bulk", 2)
        ids = fill(made, 3)
        for job_id in ("m1", "m2"):
            made.add_job(print, "cron", hour=7, id=job_id, jobstore="memory")
        changes = {"args": iter("ab"), "tags": iter(["t"])}
        assert made.modify_jobs(changes, ["m1", *ids, "m2"]) == ["m1", *ids, "m2"]
        assert [(job.args, job.tags) for job in made.get_jobs()] == [(("a", "b"), {"t"})] * 5
    finally:
        made.shutdown()


def test_a_batch_of_which_one_job_can_not_be_stored_is_not_written(scheduler):
    ids = fill(scheduler, 3)
    with pytest.raises(EncodeError):
        scheduler.modify_jobs({"kwargs": {"file": threading.Lock()}}, ids)
    assert [job.kwargs for job in scheduler.get_jobs()] == [{}] * 3


def test_jobs_in_several_stores_and_more_than_a_batch(store, monkeypatch):
    made = BackgroundScheduler(timezone="UTC", jobstores={"default": store, "memory": MemoryJobStore()})
    made.start(paused=True)
    try:
        monkeypatch.setattr(store, "_bulk", 2)
        ids = fill(made, 5)
        made.add_job(print, "cron", hour=7, id="mine", jobstore="memory")
        assert made.pause_jobs(["mine", *ids]) == ["mine", *ids]
        assert made.count_jobs(state="paused") == 6
        assert made.remove_jobs(ids, jobstore="memory") == []
        assert made.remove_jobs([*ids[1:], "mine"]) == [*ids[1:], "mine"]
        assert [job.id for job in made.get_jobs()] == ids[:1]
    finally:
        made.shutdown()


def test_what_somebody_overrides_is_called_for_each_job(store):
    class Noting(BackgroundScheduler):
        def remove_job(self, job_id, jobstore=None):
            noted.append(job_id)
            super().remove_job(job_id, jobstore)

    noted = []
    made = Noting(timezone="UTC", jobstores={"default": store})
    made.start(paused=True)
    ids = fill(made, 3)
    assert made.remove_jobs(ids) == ids == noted
    made.shutdown()


@pytest.mark.parametrize("method", ["lookup_job", "update_job", "remove_job"])
def test_a_store_that_overrides_a_public_method_is_asked_one_by_one(method):
    from rapscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore

    seen = []

    def own(self, one):
        seen.append(getattr(one, "id", one))
        return getattr(super(Own, self), method)(one)

    Own = type("Own", (SQLAlchemyJobStore,), {method: own})
    made = BackgroundScheduler(timezone="UTC", jobstores={"default": Own("sqlite://")})
    made.start(paused=True)
    ids = fill(made, 3)
    del seen[:]
    assert made.pause_jobs(ids) == ids and made.remove_jobs(ids) == ids
    assert set(ids) <= set(seen)
    made.shutdown()


def test_two_who_change_the_same_jobs_do_not_lock_each_other_out(store):
    """Rows are locked in one order, and SQLite's lock is taken before anything is read."""
    made = BackgroundScheduler(timezone="UTC", jobstores={"default": store})
    made.start(paused=True)
    ids = fill(made, 60)
    failed = []

    def change(wanted):
        try:
            for number in range(10):
                jobs = [(job, job.run_at_us) for job in store._lookup_jobs(wanted)]
                for job, _ in jobs:
                    job._take_over({"name": f"n{number}"})
                store._update_jobs_if(jobs)
        except Exception as exc:
            failed.append(exc)

    threads = [threading.Thread(target=change, args=(wanted,)) for wanted in (ids, ids[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not failed and {job.name for job in made.get_jobs()} == {"n9"}
    made.shutdown()


def test_an_engine_that_begins_its_transactions_itself_is_taken_as_it_is(tmp_path):
    """As SQLAlchemy advises for SQLite: BEGIN by an event, and none by the driver."""
    from rapscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore

    engine = sa.create_engine(f"sqlite:///{tmp_path}/own.db")
    sa.event.listen(engine, "connect", lambda connection, _: setattr(connection, "isolation_level", None))
    sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    made = BackgroundScheduler(timezone="UTC", jobstores={"default": SQLAlchemyJobStore(engine=engine)})
    made.start(paused=True)
    ids = fill(made, 3)
    assert made.pause_jobs(ids) == ids and made.remove_jobs(ids) == ids
    made.shutdown()
