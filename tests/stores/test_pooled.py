"""What a store says behind a pooler that gives each transaction to another connection (pgbouncer)."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import DBAPIError

from rapscheduler.jobstores._sqlerrors import cure_of, is_transient


class Unprepared(Exception):
    def __init__(self, text: str, sqlstate: str) -> None:
        super().__init__(text)
        self.sqlstate = sqlstate


@pytest.mark.parametrize(
    ("text", "sqlstate"),
    [
        ('prepared statement "_pg3_1" does not exist', "26000"),
        ('prepared statement "_pg3_1" already exists', "42P05"),
    ],
)
def test_a_prepared_statement_of_another_connection(text, sqlstate):
    error = DBAPIError("SELECT 1", {}, Unprepared(text, sqlstate))
    assert "prepare_threshold" in cure_of(error) and is_transient(error)


def test_a_table_that_is_not_there_is_another_thing():
    error = DBAPIError("SELECT 1", {}, Unprepared('relation "jobs" does not exist', "42P01"))
    assert "start the scheduler again" in cure_of(error) and not is_transient(error)
