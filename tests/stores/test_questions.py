"""Questions with odd values, pages while jobs come and go, and what a question costs: on every kind of store."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from tests.stores.test_tags import add, ids, make, scheduler  # noqa: F401

from rapscheduler._engine.planning import Change
from rapscheduler.jobstores._question import Question, question
from rapscheduler.jobstores.memory import MemoryJobStore
from rapscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from rapscheduler.schedulers.background import BackgroundScheduler

ODD = ["a'b", 'a"b', "a%", "a_", "a\\", "a*", "a[b]", "a?", "A", "aé", "a\U0010ffff", "a b", "-", "~"]


def asked_by(store, ask):
    """The statements that a question made, but for BEGIN and COMMIT."""
    seen: list[str] = []

    def note(*of):
        seen.append(of[2])

    sa.event.listen(store.engine, "before_cursor_execute", note)
    try:
        ask()
    finally:
        sa.event.remove(store.engine, "before_cursor_execute", note)
    return seen


def everything(scheduler, **filters):  # noqa: F811
    return [job.id for job in scheduler.get_jobs(**filters)]


def test_wildcards_and_quotes_are_letters(scheduler):  # noqa: F811
    scheduler.add_jobs(
        [
            {"func": print, "trigger": "cron", "id": f"{odd}{n}", "tags": [odd, "all"], "owner": odd}
            for odd in ODD
            for n in "12"
        ]
    )
    known = sorted(f"{odd}{n}" for odd in ODD for n in "12")
    assert everything(scheduler, prefix="") == known == everything(scheduler, tag="all")
    for odd in ODD:
        own = [f"{odd}1", f"{odd}2"]
        assert everything(scheduler, prefix=odd) == own, odd
        assert everything(scheduler, tag=odd) == everything(scheduler, owner=odd) == own, odd
        assert everything(scheduler, tag=[odd, "all"], prefix=odd, limit=1) == own[:1], odd
        assert scheduler.count_jobs(prefix=odd) == scheduler.count_jobs(tag=odd) == 2, odd
        assert everything(scheduler, after=odd) == [one for one in known if one > odd], odd


def test_values_at_the_ends(scheduler):  # noqa: F811
    for job_id in "abc":
        add(scheduler, job_id, "eu", "x" * 255 + job_id)
    for filters in ({}, {"tag": "eu"}, {"prefix": ""}, {"state": "scheduled"}):
        assert everything(scheduler, limit=0, **filters) == []
        assert everything(scheduler, limit=10**12, **filters) == ["a", "b", "c"]
        assert everything(scheduler, after="bb", **filters) == ["c"]  # there is none of this id
        assert everything(scheduler, after="", limit=2, **filters) == ["a", "b"]
        assert everything(scheduler, after="z", **filters) == []
    assert ids(scheduler, "") == ids(scheduler, "x" * 255) == [] and ids(scheduler, ()) == ["a", "b", "c"]
    assert ids(scheduler, "x" * 255 + "b") == ["b"]  # their keys in an index are one
    assert everything(scheduler, prefix="a" * 1000) == [] and ids(scheduler, "eu", after="a" * 1000) == [
        "b",
        "c",
    ]
    for wrong in (
        {"limit": -1},
        {"limit": 1.5},
        {"limit": True},
        {"state": "asleep"},
        {"tag": [None]},
        {"after": 7},
    ):
        with pytest.raises((TypeError, ValueError), match=next(iter(wrong))):
            scheduler.get_jobs(**wrong)
        with pytest.raises((TypeError, ValueError), match=next(iter(wrong))):
            scheduler.count_jobs(**wrong)


@pytest.mark.parametrize("filters", [{"tag": ["eu", "us"]}, {"prefix": "j", "state": "scheduled"}])
def test_pages_while_jobs_come_and_go(scheduler, filters):  # noqa: F811
    """Each job at most once; none that stayed is missed."""
    stay = [f"j{number:03}" for number in range(0, 90, 3)]
    leave = [f"j{number:03}" for number in range(1, 90, 3)]
    scheduler.add_jobs(
        [{"func": print, "trigger": "cron", "id": one, "tags": ["eu", "us"]} for one in (*stay, *leave)]
    )
    seen, page, number = [], everything(scheduler, limit=7, **filters), 0
    while page:
        seen += page
        for gone in leave[number * 4 : number * 4 + 4]:
            scheduler.remove_job(gone)
        if page[-1] in leave and scheduler.get_job(page[-1]) is not None:
            scheduler.remove_job(page[-1])  # what the next page is counted from
            leave.remove(page[-1])
        add(scheduler, f"j{number:03}-new", "eu", "us")
        number += 1
        page = everything(scheduler, limit=7, after=page[-1], **filters)
    assert seen == sorted(set(seen)) and set(stay) <= set(seen)


def test_a_tag_and_a_state_are_one_page(make, monkeypatch):  # noqa: F811
    """Not a page for each twenty jobs of the tag that are in another state."""
    store = make()
    scheduler = BackgroundScheduler(timezone="UTC", jobstores={"default": store})  # noqa: F811
    scheduler.start(paused=True)
    scheduler.add_jobs(
        [{"func": print, "trigger": "cron", "id": f"j{n:03}", "tags": ["eu"]} for n in range(100)]
    )
    scheduler.pause_jobs([f"j{n:03}" for n in range(60)] + ["j090"])
    for few in (True, False):
        if not few:
            monkeypatch.setattr("rapscheduler.jobstores._sqltags._COUNTED", 50)
            store._tags._few.clear()
        for state, expected in (
            ("paused", ["j057", "j058", "j059", "j090"]),
            ("scheduled", ["j096", "j097", "j098"]),
        ):
            found: list[list[str]] = []

            def ask(state=state, found=found):
                after = "j056" if state == "paused" else "j095"
                found.append(ids(scheduler, "eu", state=state, limit=len(expected), after=after))  # noqa: B023

            ask()
            assert len(asked_by(store, ask)) == 1, (few, state)
            assert found[-1] == (expected if state == "paused" else ["j096", "j097", "j098"])
        assert ids(scheduler, "eu", state="scheduled", limit=2) == ["j060", "j061"]
        assert ids(scheduler, "eu", state="parked", limit=2) == []
    assert len(asked_by(store, lambda: ids(scheduler, "eu", state="scheduled", limit=2))) == 1
    scheduler.shutdown()


def test_a_statement_is_made_once_and_asked_with_other_values(make):  # noqa: F811
    store = make()
    scheduler = BackgroundScheduler(timezone="UTC", jobstores={"default": store})  # noqa: F811
    scheduler.start(paused=True)
    for job_id in ("a1", "a2", "b1", "b2"):
        add(scheduler, job_id, "eu", job_id[0], owner=job_id[1])
    for letter in "ab":
        for number in "12":
            assert everything(scheduler, prefix=letter, after=f"{letter}1") == [f"{letter}2"]
            assert ids(scheduler, ["eu", letter], owner=number) == [f"{letter}{number}"]
            assert ids(scheduler, "eu", prefix=letter, limit=1) == [f"{letter}1"]
    assert len(store._pages) == 1 and len(store._tags._pages) == 2
    scheduler.shutdown()


def test_a_state_of_a_table_without_our_columns(tmp_path):
    """APScheduler's, which is only looked at."""
    url = f"sqlite:///{tmp_path}/jobs.db"
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TABLE apscheduler_jobs (id VARCHAR(191) PRIMARY KEY, next_run_time FLOAT, job_state BLOB)"
        )
    store = SQLAlchemyJobStore(url)
    store._open(write=False)
    for state in ("scheduled", "paused", "parked"):
        assert store._find_jobs(question(state=state)) == [] and store._count_jobs(question(state=state)) == 0
    store.shutdown()
    engine.dispose()


@pytest.fixture
def looked(monkeypatch):
    """The ids of jobs in memory that a question looked at."""
    ids_of: list[str] = []
    takes = Question.takes

    def noting(self, job, *parked):
        ids_of.append(job.id)
        return takes(self, job, *parked)

    monkeypatch.setattr(Question, "takes", noting)
    return ids_of


@pytest.fixture
def in_memory():
    store = MemoryJobStore()
    made = BackgroundScheduler(timezone="UTC", jobstores={"default": store})
    made.start(paused=True)
    made.add_jobs(
        [
            {
                "func": print,
                "trigger": "interval",
                "hours": 1,
                "id": f"j{n:03}",
                "tags": ["eu"] if n % 9 else None,
            }
            for n in range(500)
        ]
    )
    yield made, store
    made.shutdown()
    store._check()


def test_paused_jobs_in_memory_are_found_without_a_look_at_the_others(in_memory, looked):
    scheduler, _ = in_memory  # noqa: F811
    scheduler.pause_job("j400")
    scheduler.pause_jobs(["j009", "j123"])
    for filters, expected in (
        ({"limit": 20}, ["j009", "j123", "j400"]),
        ({"limit": 2}, ["j009", "j123"]),
        ({}, ["j009", "j123", "j400"]),
        ({"tag": "eu", "limit": 20}, ["j123", "j400"]),
        ({"prefix": "j1"}, ["j123"]),
        ({"after": "j009", "prefix": "j"}, ["j123", "j400"]),
        ({"prefix": "k"}, []),
    ):
        looked.clear()
        assert everything(scheduler, state="paused", **filters) == expected
        assert len(looked) <= 3, filters
        filters.pop("limit", None)
        assert scheduler.count_jobs(state="paused", **filters) >= len(expected) and len(looked) <= 6
    looked.clear()
    assert scheduler.count_jobs(state="scheduled") == 497 and len(looked) == 3
    assert len(everything(scheduler, state="scheduled", limit=20)) == 20 and len(looked) <= 30


def test_each_way_to_pause_a_job_in_memory_is_known_to_the_index(in_memory):
    scheduler, store = in_memory  # noqa: F811
    assert everything(scheduler, state="paused") == []
    paused = ["j001", "j002", "j003", "j004", "j005", "new1", "new2"]
    scheduler.pause_job("j001")
    scheduler.get_job("j002").pause()
    scheduler.modify_job("j003", next_run_time=None)
    scheduler.pause_jobs(["j004"])
    add(scheduler, "j005", next_run_time=None, replace_existing=True)
    add(scheduler, "new1", next_run_time=None)
    scheduler.add_jobs([{"func": print, "trigger": "cron", "id": "new2", "next_run_time": None}])
    assert everything(scheduler, state="paused", limit=20) == paused
    due = store._take_due(2**60, 3)
    store._settle([Change(job, job.run_at_us) for job in due])  # no time, and not over
    assert everything(scheduler, state="paused") == sorted([*paused, *(job.id for job in due)])
    for job_id in ("j001", "new1", due[0].id):
        scheduler.resume_job(job_id)
    scheduler.remove_job("j002")
    left = sorted([*paused[2:5], "new2", *(job.id for job in due[1:])])
    assert everything(scheduler, state="paused") == left
    scheduler.pause_job("j001")  # again
    assert everything(scheduler, state="paused") == sorted([*left, "j001"])
    scheduler.remove_all_jobs()
    assert everything(scheduler, state="paused", limit=1) == []


def test_jobs_that_were_resumed_are_looked_at_once(in_memory, looked):
    scheduler, _ = in_memory  # noqa: F811
    scheduler.pause_jobs(["j450"])
    assert everything(scheduler, state="paused") == ["j450"]
    ids = [f"j{number:03}" for number in range(400)]
    for _ in range(2):
        scheduler.pause_jobs(ids)
        scheduler.resume_jobs(ids[10:])
    looked.clear()
    assert len(everything(scheduler, state="paused")) == 11 and len(looked) > 300
    looked.clear()
    assert everything(scheduler, state="paused") == [*ids[:10], "j450"] and len(looked) < 100


COUNTED = [
    {},
    *({"state": state} for state in ("scheduled", "paused", "parked")),
    *({"tag": tag} for tag in ("eu", "us", ["eu", "n1"], "x" * 300, "nul\0", "eu'", "")),
    *({"owner": owner} for owner in ("me", "ME", "nobody")),
    {"owner": "me", "tag": "eu"},
    {"tag": "eu", "state": "paused"},
    {"tag": "eu", "state": "scheduled", "prefix": "j0", "after": "j010"},
    {"prefix": "j0"},
    {"prefix": "j0", "state": "paused"},
    {"after": "j050", "state": "paused"},
    {"prefix": "j05", "tag": ["n2", "eu"]},
]


def test_a_count_is_that_of_the_jobs_that_are_found(scheduler):  # noqa: F811
    def same():
        for filters in COUNTED:
            found = everything(scheduler, **filters)
            assert scheduler.count_jobs(**filters) == len(found), filters
        return [scheduler.count_jobs(**filters) for filters in COUNTED[:5]]

    for number in range(60):
        tags = ["eu" if number % 2 else "EU", f"n{number % 3}", *(["x" * 300, "nul\0"] if number < 2 else [])]
        # the same text elsewhere in the row is no tag
        add(scheduler, f"j{number:03}", *tags, args=["eu", "us"], owner="me" if number % 4 else None)
    add(scheduler, "plain", kwargs={"sep": "eu"})
    assert same() == [61, 61, 0, 0, 30]
    scheduler.pause_job("j001")
    scheduler.pause_jobs(["j003", "j004", "plain"])
    assert same() == [61, 57, 4, 0, 30]
    scheduler.modify_job("j001", tags={"us"})
    scheduler.modify_job("j005", tags=None)
    scheduler.modify_job("j007", next_run_time=None)
    scheduler.remove_jobs(["j009", "j004"])
    add(scheduler, "j009")
    scheduler.resume_job("j003")
    assert same() == [60, 57, 3, 0, 27]
    scheduler.remove_all_jobs()
    assert same() == [0] * 5


def test_a_count_is_one_statement_that_reads_no_job(make, monkeypatch):  # noqa: F811
    store = make()
    scheduler = BackgroundScheduler(timezone="UTC", jobstores={"default": store})  # noqa: F811
    scheduler.start(paused=True)
    scheduler.add_jobs(
        [
            {"func": print, "trigger": "cron", "id": f"j{n}", "tags": ["eu", "a"], "owner": "me"}
            for n in range(9)
        ]
    )
    monkeypatch.setattr(store, "_jobs", None)  # who makes jobs of rows
    for filters in (
        {"tag": "eu"},
        {"tag": ["a", "eu"], "owner": "me", "state": "scheduled"},
        {"owner": "me"},
    ):
        counts = []
        statements = asked_by(store, lambda: counts.append(scheduler.count_jobs(**filters)))  # noqa: B023
        assert (len(statements), counts) == (1, [9]), filters
    monkeypatch.undo()
    scheduler.shutdown()


def test_rows_of_others_are_counted_by_reading_them(make):  # noqa: F811
    store = make()
    scheduler = BackgroundScheduler(timezone="UTC", jobstores={"default": store})  # noqa: F811
    scheduler.start(paused=True)
    for job_id in "abc":
        add(scheduler, job_id, "eu")
    with store.engine.begin() as connection:
        connection.execute(
            store.jobs_t.update().where(store.jobs_t.c.id == "b").values(job_state=b"\x80no JSON")
        )
    assert scheduler.count_jobs(tag="eu") == 2
    scheduler.shutdown()


@pytest.mark.parametrize("filters", [{}, {"prefix": "j"}, {"after": "j1"}], ids=str)
def test_paused_rows_are_found_in_order_by_an_index_of_their_own(tmp_path, filters):
    """Not all of them, which are put in order then."""
    store = SQLAlchemyJobStore(f"sqlite:///{tmp_path}/jobs.db")
    scheduler = BackgroundScheduler(timezone="UTC", jobstores={"default": store})  # noqa: F811
    scheduler.start(paused=True)
    scheduler.add_jobs([{"func": print, "trigger": "cron", "id": f"j{n}"} for n in range(30)])
    assert not any("paused" in one["name"] for one in sa.inspect(store.engine).get_indexes(store.jobs_t.name))
    scheduler.pause_jobs([f"j{n}" for n in range(20)])
    assert len(everything(scheduler, state="paused", limit=5, **filters)) == 5
    plans = []

    def note(connection, cursor, statement, parameters, *rest):
        plans.append(
            [row[3] for row in cursor.connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)]
        )

    sa.event.listen(store.engine, "before_cursor_execute", note)
    everything(scheduler, state="paused", limit=5, **filters)
    sa.event.remove(store.engine, "before_cursor_execute", note)
    assert len(plans) == len(plans[0]) == 1 and "_paused" in plans[0][0], plans
    scheduler.shutdown()


def test_a_look_makes_no_index(make):  # noqa: F811
    first, looking = make(), make()
    scheduler = BackgroundScheduler(timezone="UTC", jobstores={"default": first})  # noqa: F811
    scheduler.start(paused=True)
    add(scheduler, "a", next_run_time=None)
    looking._open(write=False)
    assert [job.id for job in looking._find_jobs(question(state="paused"))] == ["a"]
    names = {one["name"] for one in sa.inspect(first.engine).get_indexes(first.jobs_t.name)}
    assert not {name for name in names if name.endswith(("_ids", "_paused"))}
    looking.shutdown()
    scheduler.shutdown()


def test_tags_that_look_like_marks_of_an_index_are_tags(scheduler):  # noqa: F811
    """Like an owner's, or like that of paused jobs in memory, whose list is made shorter when they were resumed."""
    scheduler.add_jobs(
        [{"func": print, "trigger": "cron", "id": f"j{n}", "tags": ["\1me", "\2"]} for n in range(70)]
    )
    add(scheduler, "owned", owner="me")
    assert everything(scheduler, state="paused") == []
    for filters, expected in (({"tag": "\2"}, 70), ({"tag": "\1me"}, 70), ({"owner": "me"}, 1)):
        assert len(everything(scheduler, **filters)) == scheduler.count_jobs(**filters) == expected, filters


def test_the_state_of_a_job_is_its_own(scheduler):  # noqa: F811
    """What jobs of the same tags have in common is read once."""
    for job_id in "abc":
        add(scheduler, job_id, "eu", metadata={"of": ["x"]} if job_id == "c" else None)
    for _ in range(2):
        for job in scheduler.get_jobs(tag="eu"):
            extras = job.__getstate__()["extras"]
            extras["tags"].append("us")
            extras.get("metadata", {})["of"] = "y"
    assert [(set(job.tags), job.metadata) for job in scheduler.get_jobs(prefix="")] == [
        ({"eu"}, {}),
        ({"eu"}, {}),
        ({"eu"}, {"of": ["x"]}),
    ]


def test_jobs_whose_arguments_are_too_deep_for_the_database_are_counted(scheduler):  # noqa: F811
    """MariaDB says nothing about JSON of more than 31 levels."""
    deep: list[object] = []
    for _ in range(50):
        deep = [deep]
    add(scheduler, "deep", "eu", args=[deep])
    add(scheduler, "flat", "eu")
    assert ids(scheduler, "eu") == ["deep", "flat"] and scheduler.count_jobs(tag="eu") == 2


@pytest.mark.parametrize("there", [False, True], ids=["missing", "there"])
def test_an_index_that_may_not_be_made_is_told_of_where_there_is_none(make, caplog, there):  # noqa: F811
    """Its owner may have made it, or another process at the same moment: PostgreSQL refuses all the same."""
    stores = make(), make()
    first, second = (BackgroundScheduler(timezone="UTC", jobstores={"default": store}) for store in stores)
    first.start(paused=True)
    add(first, "a", next_run_time=None)
    if there:
        assert everything(first, state="paused") == ["a"]
    second.start(paused=True)

    def refuse(connection, cursor, statement, *rest):
        if "CREATE INDEX" in statement:
            raise sa.exc.ProgrammingError(statement, {}, Exception("permission denied"))

    sa.event.listen(stores[1].engine, "before_cursor_execute", refuse)
    for _ in range(2):
        assert everything(second, state="paused") == ["a"]
    told = [one for one in caplog.records if "would answer faster with an index" in one.getMessage()]
    missing = {"sqlite": 1, "postgresql": 2}.get(stores[1].engine.dialect.name, 0)
    assert len(told) == (0 if there else missing)
    first.shutdown()
    second.shutdown()
