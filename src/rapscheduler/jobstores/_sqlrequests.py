"""Requests to the schedulers of a shared table: one more table beside the jobs.

Here: `SQLRequests`. Not here: the tables of claims (`_sqlmembers`); who asks (`_scheduling.cancelling`).

    <table>_requests    number, scheduler (the key), run_id, asked_by, asked_us (by the database's clock), answer
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from .._instants import SECOND_US
from ._requests import KEPT_US, OPEN, Request, Requests
from ._sqlbatch import index_part

_KEPT_S = KEPT_US / SECOND_US


class SQLRequests(Requests):
    """`rows`: the `SQLMembers` of the store."""

    def __init__(self, rows: Any, metadata: Any, schema: str | None) -> None:
        self._rows = rows
        self.table = sa.Table(
            f"{index_part(rows._jobs.name)}_requests",
            metadata,
            sa.Column("number", sa.String(32), primary_key=True),
            sa.Column("scheduler", sa.String(32), primary_key=True),
            sa.Column("run_id", sa.String(64), nullable=False),
            sa.Column("asked_by", sa.Unicode(255), nullable=False),
            sa.Column("asked", sa.Float(53), nullable=False),
            sa.Column("answer", sa.String(16), nullable=False),
            schema=schema,
        )

    def are_there(self) -> bool:
        return bool(sa.inspect(self._rows._engine).has_table(self.table.name, schema=self.table.schema))

    def ask(self, request: Request, schedulers: Sequence[str]) -> None:
        table, now = self.table, self._rows._now
        forget = table.delete().where(table.c.asked < now - _KEPT_S)
        insert = table.insert().values(
            number=request.number,
            run_id=request.run_id,
            asked_by=request.by[:255],
            asked=now,
            answer=OPEN,
            scheduler=sa.bindparam("asked_one"),
        )

        def work(connection: Any) -> None:
            connection.execute(forget)
            connection.execute(insert, [{"asked_one": one} for one in sorted(schedulers)])

        self._rows._transact(self._rows.telling(work))

    def asked(self, scheduler: str) -> list[Request]:
        columns = self.table.c
        statement = sa.select(columns.number, columns.run_id, columns.asked_by).where(
            columns.scheduler == scheduler, columns.answer == OPEN
        )
        found = self._rows._transact(lambda connection: connection.execute(statement).all())
        return [Request(str(number), str(run_id), str(by)) for number, run_id, by in found]

    def answer(self, scheduler: str, answers: Mapping[str, str]) -> None:
        columns = self.table.c
        update = (
            self.table.update()
            .where(columns.number == sa.bindparam("of_number"), columns.scheduler == scheduler)
            .values(answer=sa.bindparam("its_answer"))
        )
        values = [{"of_number": number, "its_answer": answer} for number, answer in sorted(answers.items())]
        self._rows._transact(lambda connection: connection.execute(update, values))

    def answers(self, number: str) -> dict[str, str]:
        columns = self.table.c
        statement = sa.select(columns.scheduler, columns.answer).where(columns.number == number)
        found = self._rows._transact(lambda connection: connection.execute(statement).all())
        return {str(scheduler): str(answer) for scheduler, answer in found}

    def withdraw(self, number: str) -> None:
        columns = self.table.c
        answered = self.table.delete().where(columns.number == number, columns.answer != OPEN)
        self._rows._transact(lambda connection: connection.execute(answered))
