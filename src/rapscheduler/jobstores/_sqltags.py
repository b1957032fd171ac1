"""Which jobs of a table have a tag, or an owner: a table beside the jobs, by which no question looks at each row.

Here: `TagsTable`. Not here: questions (`_sqlfind`), what the jobs are.

    <table>_tags    tag, job_id (the key, in the order of bytes); and an empty tag of `_FULL` when all rows are in it

An owner stands among the tags, see `_tagkeys`.

Invariant: what a job's row says, the table says; it may say more (of a job that is gone, or lost a tag), so whatever is
found is read and looked at. So nothing is written for jobs without tags, and a pass that moves times writes nothing. It
is made when somebody first writes a tag, or asks for one, and then filled from the rows that are there. A tag is kept
by its first characters, for a key has a longest length.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.schema import CreateTable

from .._quoting import said
from .._serialization.rows import JobRow
from ._question import Question
from ._sqlarrays import text_array
from ._sqlbatch import index_part, name_in_text
from ._sqlindex import make_table
from ._sqlrange import MOST, bounds, within
from ._sqlzones import _contains
from ._tagkeys import EXTRAS, key_of, pairs_of
from ._tagkeys import LENGTH as _LENGTH

_AT_ONCE = 500
_FULL = "owners"  # when these were not in it yet, it was ""
_COUNTED = 1000  # at most, of a tag that is asked for with others
_KNOWN_S = 60.0  # how long it is remembered which of several tags is the rarest; it only says where to begin
_MOST_KNOWN = 256
_DATABASES = ("sqlite", "postgresql", "mysql", "mariadb")
_MYSQL_TYPE = mysql.VARCHAR(_LENGTH, charset="utf8mb4", collation="utf8mb4_bin")
#: of a text that is a key, in the order of bytes
KEY_TYPE = (
    sa.Unicode(_LENGTH)
    .with_variant(_MYSQL_TYPE, "mysql")
    .with_variant(_MYSQL_TYPE, "mariadb")
    .with_variant(postgresql.VARCHAR(_LENGTH, collation="C"), "postgresql")
)
# MariaDB says nothing about a row that is no JSON, or has more than 31 levels: then the sum is less than nothing
_CONTAINS = "COALESCE(JSON_CONTAINS(CONVERT({data} USING utf8mb4), :wanted), -1000000000000)"
#: 1: a job has the tags and the owner of `:wanted`, a JSON text like its own; 0: it has not
_HAS = {
    "mysql": _CONTAINS,
    "mariadb": _CONTAINS,
    "postgresql": "CAST(CAST(convert_from({data}, 'UTF8') AS jsonb) @> CAST(:wanted AS jsonb) AS integer)",
    "sqlite": (
        "NOT EXISTS (SELECT 1 FROM json_each(:wanted, '$.extras.tags') AS w WHERE w.value NOT IN "
        "(SELECT h.value FROM json_each(CAST({data} AS TEXT), '$.extras.tags') AS h)) AND COALESCE("
        "json_extract(:wanted, '$.extras.owner') IS json_extract(CAST({data} AS TEXT), '$.extras.owner') "
        "OR json_extract(:wanted, '$.extras.owner') IS NULL, 0)"
    ),
}


class TagsTable:
    """Of the jobs in one table. `ready`: it is there, and says all."""

    def __init__(self, store: Any, metadata: Any, schema: str | None) -> None:
        self._store, self._jobs = store, store.jobs_t
        self.table = sa.Table(
            f"{index_part(store.jobs_t.name)}_tags",
            metadata,
            sa.Column("tag", KEY_TYPE, primary_key=True),
            sa.Column("job_id", KEY_TYPE, primary_key=True),
            schema=schema,
            sqlite_with_rowid=False,
        )
        sa.Index(f"ix_{self.table.name}_jobs", self.table.c.job_id)
        self._insert_many = sa.text(
            f"INSERT INTO {name_in_text(store.engine, self.table)} (tag, job_id) SELECT * FROM "
            "unnest(CAST(:tags AS text[]), CAST(:ids AS text[])) ON CONFLICT DO NOTHING"
        )
        self._is_known = store.engine.dialect.name in _DATABASES
        self._told = False
        self._forgets = True  # until it may not
        self._orders: dict[frozenset[str], tuple[float, tuple[str, ...]]] = {}
        self._few: dict[str, tuple[float, bool]] = {}
        self._pages: dict[
            Any, tuple[Any, Any]
        ] = {}  # by what is asked for: making a statement costs more than asking
        self.may_make = True
        self.ready = False

    def reopened(self, write: bool) -> None:
        """The store was opened; `write`: what is missing may be made, when it is needed."""
        self.may_make, self.ready, self._told, self._forgets = write, False, False, True
        self._pages = {}

    def is_ready(self, writing: bool = False) -> bool:
        """Whether it can be asked; makes and fills it if it may. `writing`: of tags, which a table that is there must
        get, so an error is raised then."""
        if not self.ready and self._is_known:
            try:
                self._make_ready()
            except SQLAlchemyError as exc:
                if writing and self._is_there():
                    raise
                self._tell(exc)
        return self.ready

    def _is_there(self) -> bool:
        return bool(sa.inspect(self._store.engine).has_table(self.table.name, schema=self.table.schema))

    def _make_ready(self) -> None:
        if not self._is_there():
            if not self.may_make or self._told:
                return
            make_table(self._store.engine, self.table)
        self.ready = self._is_full()
        if self.ready:
            self.forget(self._is_gone())  # once in the life of a process
        elif self.may_make:
            self._fill()
            self.ready = True

    def _tell(self, exc: SQLAlchemyError) -> None:
        store = self._store
        if not self._told:
            self._told = True
            statement = " ".join(str(CreateTable(self.table).compile(dialect=store.engine.dialect)).split())
            store._logger.warning(
                "Job store %r looks at every row for a tag, without a table that it may not make or fill: %s (%s)",
                store._alias,
                statement,
                said(exc),
            )

    def _is_full(self) -> bool:
        mark = sa.select(self.table.c.job_id).where(self.table.c.tag == "", self.table.c.job_id == _FULL)
        return self._store._transact(lambda connection: connection.execute(mark).first()) is not None

    def _fill(self) -> None:
        """From the rows that were there before it was."""
        jobs = self._jobs.c
        named = _contains(self._store.engine.dialect.name, jobs.job_state, EXTRAS)
        statement = sa.select(jobs.id).where(named)
        ids = self._store._transact(lambda connection: connection.execute(statement).scalars().all())
        for first in range(0, len(ids), _AT_ONCE):
            pairs = pairs_of(self._store._read(ids[first : first + _AT_ONCE]))
            self._store._transact(lambda connection: self.put(connection, pairs, False))  # noqa: B023
        self._store._transact(lambda connection: self.put(connection, [("", _FULL)], False))

    def forget(self, where: Any) -> None:
        """Say less that is too much, if that may be done: who may only look is answered all the same."""
        if self.may_make and self._forgets:
            try:
                self._store._transact(lambda connection: connection.execute(self.table.delete().where(where)))
            except SQLAlchemyError as exc:
                self._forgets = False
                self._store._logger.debug(
                    "Job store %r can't forget tags of jobs that are gone: %s", self._store._alias, said(exc)
                )

    def _is_gone(self) -> Any:
        here = sa.exists().where(self._jobs.c.id == self._as_key(self.table.c.job_id)).correlate(self.table)
        return sa.and_(self.table.c.tag != "", ~here)

    # Writing, in the transaction that writes the jobs

    def put(self, connection: Any, pairs: Sequence[tuple[str, str]], new: bool) -> None:
        """These tags of these jobs; `new`: jobs, so that what is there of them is of others that had their ids."""
        if not pairs:
            return
        if new:
            self.drop_ids(connection, sorted({job_id for _, job_id in pairs}))
        pairs = sorted(pairs)
        database = self._store.engine.dialect.name
        if database == "postgresql":
            tags, ids = zip(*pairs, strict=True)
            connection.execute(self._insert_many, {"tags": text_array(tags), "ids": text_array(ids)})
        else:  # what is there already is left
            insert = self.table.insert().prefix_with("OR IGNORE" if database == "sqlite" else "IGNORE")
            connection.execute(insert, [{"tag": tag, "job_id": job_id} for tag, job_id in pairs])

    def drop_ids(self, connection: Any, ids: Sequence[str], gone: bool = False) -> None:
        """Forget these jobs; `gone`: only those that are not there; else they are new, and mostly nothing is known."""
        for first in range(0, len(ids), _AT_ONCE):
            part = ids[first : first + _AT_ONCE]
            if (
                not gone
            ):  # a DELETE that finds nothing locks the gap in MySQL, into which others insert: a deadlock
                known = sa.select(self.table.c.job_id).where(self._are(part, gone)).distinct()
                part = connection.execute(known).scalars().all()
            if part:
                connection.execute(self.table.delete().where(self._are(part, gone)))

    def forget_gone(self, ids: Sequence[str]) -> None:
        """Those of a page of ids that are not there."""
        self.forget(self._are(ids, gone=True))

    def _are(self, ids: Sequence[str], gone: bool) -> Any:
        are = self.table.c.job_id.in_(ids)
        return sa.and_(are, self._is_gone()) if gone else are

    def clear(self, connection: Any) -> None:
        connection.execute(self.table.delete().where(self.table.c.tag != ""))

    def drop(self, engine: Any) -> None:
        self.table.drop(engine, checkfirst=True)

    # Asking

    def rarest_first(self, tags: Sequence[str]) -> tuple[str, ...]:
        """The tags, by how many jobs have each: the first is gone through, the others are looked up."""
        if len(tags) < 2:
            return tuple(tags)
        asked, now_s = frozenset(tags), time.monotonic()
        known_s, known = self._orders.get(asked, (0.0, ()))
        if known and now_s - known_s < _KNOWN_S:
            return known
        numbers = []
        for tag in tags:
            some = (
                sa.select(self.table.c.job_id)
                .where(self.table.c.tag == key_of(tag))
                .limit(_COUNTED)
                .subquery()
            )
            numbers.append(sa.select(sa.func.count()).select_from(some).scalar_subquery())
        found = self._store._transact(lambda connection: connection.execute(sa.select(*numbers)).first())
        order = tuple(tag for _, tag in sorted(zip(found, tags, strict=True)))
        if len(self._orders) >= _MOST_KNOWN:
            self._orders = {}
        self._orders[asked] = now_s, order
        return order

    def is_few(self, name: str, ids: Any) -> bool:
        """Whether a SELECT of jobs finds no more than would be counted of a tag; remembered for a while, by a name."""
        now_s = time.monotonic()
        known_s, few = self._few.get(name, (0.0, None))
        if few is None or now_s - known_s >= _KNOWN_S:
            count = sa.select(sa.func.count()).select_from(ids.limit(_COUNTED).subquery())
            few = self._store._transact(lambda connection: connection.execute(count).scalar()) < _COUNTED
            self._few[name] = now_s, few
        return few

    def page(
        self, tags: Sequence[str], prefix: str, after: str | None, limit: int, state: str | None
    ) -> tuple[Any, Any, dict[str, Any]]:
        """Two SELECTs and their values: of the ids, and of the rows, of jobs of this state that may have all these
        tags, within `prefix`, after `after`; in their order."""
        values: dict[str, Any] = {f"tag{number}": key_of(tag) for number, tag in enumerate(tags)}
        values |= bounds(prefix, after)
        ids, rows = self._made((state, frozenset(values)), lambda: self._page_of(len(tags), values, state))
        return ids, rows, values | {"most": limit}

    def _made(self, shape: Any, make: Callable[[], Any]) -> Any:
        made = self._pages.get(shape)
        if made is None:
            if len(self._pages) >= _MOST_KNOWN:
                self._pages = {}
            made = self._pages[shape] = make()
        return made

    def count(self, question: Question) -> int | None:
        """How many jobs a question is for, whatever its limit: the database looks at the rows that have these keys.
        None: it can't, for a row among them or a tag that is no text to it."""
        names = question.keys
        if any(key_of(name) != name for name in names):
            return None
        values: dict[str, Any] = {f"tag{number}": name for number, name in enumerate(names)}
        values |= bounds(question.prefix or "", question.after)
        statement = self._made(
            ("count", question.state, frozenset(values)), lambda: self._count_of(question, values)
        )
        wanted = {"tags": question.tags, "owner": question.owner}
        given = {name: value for name, value in wanted.items() if value}
        values["wanted"] = orjson.dumps({"extras": given}).decode()
        try:
            number = self._store._transact(lambda connection: connection.execute(statement, values).scalar())
        except DBAPIError:  # of somebody's row that is no JSON; of another reason, reading fails, too
            return None
        return None if number < 0 else int(number)

    def _count_of(self, question: Question, values: Mapping[str, Any]) -> Any:
        engine, jobs = self._store.engine, self._jobs
        ids = self._ids_of(len(question.keys), values, question.state).subquery()
        has = _HAS[engine.dialect.name].format(data=f"{name_in_text(engine, jobs)}.job_state")
        rows = ids.join(jobs, jobs.c.id == self._as_key(ids.c.job_id))
        return sa.select(sa.func.coalesce(sa.func.sum(sa.text(has)), 0)).select_from(rows)

    def _page_of(self, tags: int, values: Mapping[str, Any], state: str | None) -> tuple[Any, Any]:
        ids = self._ids_of(tags, values, state)
        page = ids.order_by(ids.selected_columns.job_id).limit(MOST)
        return page, self._rows_of(page)

    def _ids_of(self, tags: int, values: Mapping[str, Any], state: str | None) -> Any:
        first, *others = [self.table.alias(f"t{number}") for number in range(tags)]
        key = first.c.job_id
        statement = sa.select(key).where(first.c.tag == sa.bindparam("tag0"), key != "")
        for number, other in enumerate(others, 1):
            has = sa.exists().where(other.c.tag == sa.bindparam(f"tag{number}"), other.c.job_id == key)
            statement = statement.where(has.correlate(first))
        if state is not None:
            is_so = sa.exists().where(self._jobs.c.id == self._as_key(key), *self._store._in_state(state))
            statement = statement.where(is_so.correlate(first))
        return within(statement, key, values)

    def _rows_of(self, page: Any) -> Any:
        """The SELECT of the rows of a page, by their keys: the page comes first, whatever a planner thinks."""
        part = page.subquery()
        select = self._store._row_select
        return select.join(part, self._jobs.c.id == self._as_key(part.c.job_id)).order_by(part.c.job_id)

    def _as_key(self, job_id: Any) -> Any:
        """An id as the key of the jobs has it, which PostgreSQL may keep in another order than that of bytes."""
        return sa.collate(job_id, "default") if self._store.engine.dialect.name == "postgresql" else job_id


class SQLTags:
    """A part of `SQLAlchemyJobStore`: its writes, with the tags of what is written."""

    _tags: TagsTable

    def _with_tags(
        self, rows: Sequence[JobRow], work: Callable[[Any], Any], new: bool = False
    ) -> Callable[[Any], Any]:
        """The work of a transaction that writes these rows."""
        pairs = pairs_of(rows)
        if not pairs or not self._tags.is_ready(writing=True):
            return work

        def both(connection: Any) -> Any:
            result = work(connection)
            self._tags.put(connection, pairs, new)
            return result

        return both

    def _forget_tags(self, connection: Any, ids: Sequence[str]) -> None:
        """These jobs were removed, if they were."""
        if self._tags.ready:
            self._tags.drop_ids(connection, sorted(ids), gone=True)
