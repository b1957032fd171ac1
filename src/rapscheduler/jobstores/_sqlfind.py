"""Questions to the catalogue, answered by the database: `get_jobs(prefix=…, tag=…, …)`, `count_jobs`.

What lives here: their SELECTs. Ids are compared byte by byte, as Python does; where the database has another order for
its texts (PostgreSQL), the first question makes an index for it; the first one for paused jobs makes one of these (in
SQLite and PostgreSQL: others have no index of some rows). Tags and owners are looked up in a table of
their own (`_sqltags`), or, where that can't be made, as text in the stored jobs, row by row. What is found is
looked at again, for the text may be something else.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import orjson
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from .._quoting import said
from .._states import PARKED, PAUSED
from . import _sqlbatch
from ._question import Question
from ._rowstore import RowStore
from ._sqlrange import MOST, bounds, within
from ._sqltags import TagsTable
from ._sqlzones import _contains

if TYPE_CHECKING:
    from ..job import Job

_PAGE = 500
#: of an index of paused rows, by which the database finds them in the order of their ids; SQLite takes one for NULL
#: before it takes one for the order
_PAUSED_COLUMNS = {"sqlite": "next_run_time, id", "postgresql": 'id COLLATE "C"'}


class SQLFinder(RowStore):
    """A store in a SQL table, as far as it answers questions."""

    engine: Any
    jobs_t: Any
    _row_select: Any
    _tags: TagsTable
    _pages: dict[Any, Any] | None = None  # statements by what is asked for: making one costs more than asking
    _has_paused_index = False

    def _find_jobs(self, question: Question) -> list[Job]:
        if question.keys and self._tags.is_ready() and not self._is_rare(question.state):
            return self._find_tagged(question)
        found: list[Job] = []
        after = question.after
        while question.limit is None or len(found) < question.limit:
            page = _PAGE
            if question.limit is not None:
                page = min(_PAGE, question.limit - len(found))
            statement, values = self._asking(question, after)
            rows = self._select(statement, values=values | {"most": page})
            found += [job for job in self._jobs(rows) if question.takes_extras(job)]
            if len(rows) < page:
                break
            after = rows[-1].id
        return found

    def _is_rare(self, state: str | None) -> bool:
        """Whether so few jobs are paused, or parked, that they are looked at, not those with a tag."""
        return state in (PAUSED, PARKED) and self._tags.is_few(
            state, sa.select(self.jobs_t.c.id).where(*self._in_state(state))
        )

    def _find_tagged(self, question: Question) -> list[Job]:
        found: list[Job] = []
        after, prefix, state = question.after, question.prefix or "", question.state
        tags = self._tags.rarest_first(question.keys)
        while question.limit is None or len(found) < question.limit:
            page = _PAGE if question.limit is None else min(_PAGE, question.limit - len(found))
            asked, rows_of, values = self._tags.page(tags, prefix, after, page, state)
            rows = self._select(rows_of, values=values)
            ids = [row.id for row in rows]
            if len(ids) < page:  # that is the end, or some of them are gone
                ids = self._transact(lambda connection: connection.execute(asked, values).scalars().all())  # noqa: B023
                rows = self._with_late(rows, ids)
            parked = [row.id for row in rows if row.parked is not None]
            found += [job for job in self._jobs(rows) if question.takes(job, parked)]
            if len(ids) < page:
                break
            after = max(ids[-1], rows[-1].id) if rows else ids[-1]
        return found[: question.limit]

    def _with_late(self, rows: list[Any], ids: Sequence[str]) -> list[Any]:
        """The rows of a page, with those that are in it since it was read: others forgot some that are gone."""
        known = {row.id for row in rows}
        late = self._read([job_id for job_id in ids if job_id not in known])
        self._forget_gone(set(ids).difference(known, (row.id for row in late)))
        return sorted([*rows, *late], key=lambda row: row.id) if late else rows

    def _forget_gone(self, ids: Collection[str]) -> None:
        if ids:
            self._tags.forget_gone(sorted(ids))

    def _count_jobs(self, question: Question) -> int:
        if question.keys:
            number = self._tags.count(question) if self._tags.is_ready() else None
            return len(self._find_jobs(question._replace(limit=None))) if number is None else number
        self._known_pages(question.state)
        counted = sa.select(sa.func.count()).select_from(self.jobs_t)
        values = bounds(question.prefix or "", question.after)
        statement = self._limited(counted, question.state, values)
        count: int = self._transact(lambda connection: connection.execute(statement, values).scalar())
        return count

    def _count_parked(self) -> int:
        parked = self._row_select.selected_columns.parked.is_not(None)
        statement = sa.select(sa.func.count()).select_from(self.jobs_t).where(parked)
        count: int = self._transact(lambda connection: connection.execute(statement).scalar())
        return count

    def _id(self) -> Any:
        """The id, in the order of its bytes."""
        column = self.jobs_t.c.id
        return sa.collate(column, "C") if self.engine.dialect.name == "postgresql" else column

    def _asking(self, question: Question, after: str | None) -> tuple[Any, dict[str, Any]]:
        """The SELECT of a page of rows, and its values."""
        pages, values = self._known_pages(question.state), bounds(question.prefix or "", after)
        shape = self._row_select, question.state, frozenset(values)
        statement = pages.get(shape)
        if statement is None:
            select = self._limited(self._row_select, question.state, values)
            statement = pages[shape] = select.order_by(self._id()).limit(MOST)
        wanted = [*question.tags, *(() if question.owner is None else (question.owner,))]
        for text in wanted:
            condition = _contains(self.engine.dialect.name, self.jobs_t.c.job_state, orjson.dumps(text))
            if condition is not None:
                statement = statement.where(condition)
        return statement, values

    def _known_pages(self, state: str | None) -> dict[Any, Any]:
        if self._pages is None:
            self._pages = {}
            if self.engine.dialect.name == "postgresql":
                self._make_index("ids", 'id COLLATE "C"')
        if state == PAUSED and not self._has_paused_index:
            self._has_paused_index = True
            columns = _PAUSED_COLUMNS.get(self.engine.dialect.name)
            if columns is not None:
                self._make_index("paused", columns, " WHERE next_run_time IS NULL AND parked IS NULL")
        return self._pages

    def _limited(self, select: Any, state: str | None, values: Mapping[str, Any]) -> Any:
        return within(select, self._id(), values).where(*self._in_state(state))

    def _in_state(self, state: str | None) -> list[Any]:
        """The conditions of a job's row."""
        if state is None:
            return []
        parked, time = self._row_select.selected_columns.parked, self.jobs_t.c.next_run_time
        if state == PARKED:
            return [parked.is_not(None)]
        return [parked.is_(None), time.is_(None) if state == PAUSED else time.is_not(None)]

    def _make_index(self, ending: str, columns: str, condition: str = "") -> None:
        if not self._tags.may_make or (self.jobs_t.schema and self.engine.dialect.name == "sqlite"):
            return  # nothing may be made here, or where SQLite would look for the table
        table, schema = self.jobs_t.name, self.jobs_t.schema
        index = f"ix_{_sqlbatch.index_part(table)}_{ending}"
        name = _sqlbatch.name_in_text(self.engine, self.jobs_t)
        quoted = f'"{index}"'.replace(":", "\\:")
        statement = f"CREATE INDEX IF NOT EXISTS {quoted} ON {name} ({columns}){condition}"
        try:
            self._transact(lambda connection: connection.execute(sa.text(statement)))
        except SQLAlchemyError as exc:
            # PostgreSQL refuses also when its owner made it, or another process does at this moment.
            if any(one["name"] == index for one in sa.inspect(self.engine).get_indexes(table, schema=schema)):
                return
            self._logger.warning(
                "Job store %r would answer faster with an index it may not create: %s (%s)",
                self._alias,
                statement.replace("\\:", ":"),
                said(exc),
            )

    def _select(self, statement: Any, many: bool = False, values: Any = None) -> list[Any]:
        raise NotImplementedError

    def _transact(self, work: Any, retries: Any = None) -> Any:
        raise NotImplementedError
