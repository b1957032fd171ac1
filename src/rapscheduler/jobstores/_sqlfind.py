"""Questions to the catalogue, answered by the database: `get_jobs(prefix=…, tag=…, …)`, `count_jobs`.

What lives here: their SELECTs. Ids are compared byte by byte, as Python does; where the database has another order for
its texts (PostgreSQL), the first question makes an index for it. Tags and owners are looked up in a table of
their own (`_sqltags`), or, where that can't be made, as text in the stored jobs, row by row. What is found is
looked at again, for the text may be something else.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import orjson
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from .._quoting import said
from .._states import PARKED, PAUSED
from . import _sqlbatch
from ._question import Question
from ._rowstore import RowStore
from ._sqltags import TagsTable
from ._sqlzones import _contains

if TYPE_CHECKING:
    from ..job import Job

_PAGE = 500
_LAST = chr(0x10FFFF)


class SQLFinder(RowStore):
    """A store in a SQL table, as far as it answers questions."""

    engine: Any
    jobs_t: Any
    _row_select: Any
    _asked = False
    _tags: TagsTable

    def _find_jobs(self, question: Question) -> list[Job]:
        if question.keys and self._tags.is_ready():
            return self._find_tagged(question)
        found: list[Job] = []
        after = question.after
        while question.limit is None or len(found) < question.limit:
            page = _PAGE
            if question.limit is not None:
                page = min(_PAGE, question.limit - len(found))
            statement = self._asking(self._row_select, question, after)
            rows = self._select(statement.order_by(self._id()).limit(page))
            found += [job for job in self._jobs(rows) if question.takes_extras(job)]
            if len(rows) < page:
                break
            after = rows[-1].id
        return found

    def _find_tagged(self, question: Question) -> list[Job]:
        found: list[Job] = []
        after, prefix = question.after, question.prefix or ""
        tags = self._tags.rarest_first(question.keys)
        while question.limit is None or len(found) < question.limit:
            page = _PAGE if question.limit is None else min(_PAGE, question.limit - len(found))
            asked = self._tags.page(tags, prefix, _beyond(prefix), after, page)
            rows = self._select(self._tags.rows_of(asked, self._row_select))
            parked = [row.id for row in rows if row.parked is not None]
            found += [job for job in self._jobs(rows) if question.takes(job, parked)]
            ids = [row.id for row in rows]
            if len(ids) < page:  # that is the end, or some of them are gone
                ids = self._transact(lambda connection: connection.execute(asked).scalars().all())  # noqa: B023
                self._forget_gone(set(ids).difference(row.id for row in rows))
                if len(ids) < page:
                    break
            after = ids[-1]
        return found

    def _forget_gone(self, ids: Collection[str]) -> None:
        if ids and self._tags.may_make:
            self._transact(lambda connection: self._tags.drop_ids(connection, sorted(ids), gone=True))

    def _count_jobs(self, question: Question) -> int:
        if question.tags or question.owner is not None:
            return len(self._find_jobs(question._replace(limit=None)))
        statement = self._asking(
            sa.select(sa.func.count()).select_from(self.jobs_t), question, question.after
        )
        count: int = self._transact(lambda connection: connection.execute(statement).scalar())
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

    def _asking(self, select: Any, question: Question, after: str | None) -> Any:
        if not self._asked:
            self._asked = True
            if self.engine.dialect.name == "postgresql":
                self._make_id_index()
        columns, key = self.jobs_t.c, self._id()
        if question.prefix:
            select = select.where(key >= question.prefix)
            beyond = _beyond(question.prefix)
            if beyond is not None:
                select = select.where(key < beyond)
        if after is not None:
            select = select.where(key > after)
        if question.state == PARKED:
            select = select.where(columns.parked.is_not(None))
        elif question.state is not None:
            time = columns.next_run_time
            select = select.where(columns.parked.is_(None))
            select = select.where(time.is_(None) if question.state == PAUSED else time.is_not(None))
        wanted = [*question.tags, *(() if question.owner is None else (question.owner,))]
        for text in wanted:
            condition = _contains(self.engine.dialect.name, columns.job_state, orjson.dumps(text))
            if condition is not None:
                select = select.where(condition)
        return select

    def _make_id_index(self) -> None:
        name = _sqlbatch.name_in_text(self.engine, self.jobs_t)
        index = f'"ix_{_sqlbatch.index_part(self.jobs_t.name)}_ids"'.replace(":", "\\:")
        statement = f'CREATE INDEX IF NOT EXISTS {index} ON {name} (id COLLATE "C")'
        try:
            self._transact(lambda connection: connection.execute(sa.text(statement)))
        except SQLAlchemyError as exc:
            self._logger.warning(
                "Job store %r would answer faster with an index it may not create: %s (%s)",
                self._alias,
                statement,
                said(exc),
            )

    def _select(self, statement: Any, many: bool = False) -> list[Any]:
        raise NotImplementedError

    def _transact(self, work: Any, retries: Any = None) -> Any:
        raise NotImplementedError


def _beyond(prefix: str) -> str | None:
    """The first text after all that begin with this one; None: there is none."""
    rest = prefix.rstrip(_LAST)
    if not rest:
        return None
    code = ord(rest[-1]) + 1
    return rest[:-1] + chr(0xE000 if 0xD800 <= code < 0xE000 else code)
