"""Texts that PostgreSQL reads as the arrays they stand for."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from rapscheduler._serialization.rows import seconds_around, seconds_from_us
from rapscheduler.jobstores._sqlarrays import AROUND, SECONDS, int_array, text_array

TEXTS = [
    [],
    ["a"],
    ["a", "b c", "ü"],
    ['a"b', "c"],
    ["a\\", "\\b"],
    ['","', "x"],
    ["NULL", "", "{}", " x ", "a,b"],
    ["NULL", None, 'x"', "\\"],
    [None],
]
NUMBERS: list[list[int | None]] = [[], [1], [-5, 1 << 62, 0], [None, 7, None], [None]]
#: microseconds: today, before the epoch, and where half a microsecond is no float any more
TIMES = [1_780_000_000_123_457, 1_780_000_000_123_456, -1, 0, 1, 4_503_599_627_370_497, 7_999_999_999_999_999]


@pytest.fixture
def ask(server_url):
    engine = sa.create_engine(server_url("postgresql"))

    def ask(text, **values):
        with engine.connect() as connection:
            return connection.execute(sa.text(text), values).scalar()

    yield ask
    engine.dispose()


@pytest.mark.parametrize("texts", TEXTS)
def test_texts_come_back(ask, texts):
    assert ask("SELECT CAST(:array AS text[])", array=text_array(texts)) == texts


@pytest.mark.parametrize("numbers", NUMBERS)
def test_numbers_come_back(ask, numbers):
    assert ask("SELECT CAST(:array AS int8[])", array=int_array(numbers)) == numbers


@pytest.mark.parametrize("us", TIMES)
def test_the_server_computes_the_same_seconds(ask, us):
    """A row that was written by either is found by either."""
    assert ask(f"SELECT {SECONDS.format('CAST(:us AS int8)')}", us=us) == seconds_from_us(us)
    around = AROUND.format(column="CAST(:seconds AS float8)", us="CAST(:us AS int8)")
    assert ask(f"SELECT {around}", us=us, seconds=seconds_from_us(us))
    least, greatest = seconds_around(us)
    if us < 1 << 52:
        assert ask(f"SELECT {around}", us=us, seconds=least) and ask(
            f"SELECT {around}", us=us, seconds=greatest
        )
        assert not ask(f"SELECT {around}", us=us + 1, seconds=seconds_from_us(us))
        assert not ask(f"SELECT {around}", us=us - 1, seconds=seconds_from_us(us))
