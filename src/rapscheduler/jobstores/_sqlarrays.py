"""Arrays of PostgreSQL as texts.

Here: `int_array`, `text_array`. Not here: statements. Why: a driver asks each item of a list how it is written (psycopg
0.6 to 1.2 µs an item, PostgreSQL's own reading of the text 0.05); a text is one parameter, which
``CAST(:name AS int8[])`` takes from every driver. ``unnest()`` of several arrays fills the shorter ones up with NULL,
so an array of nothing but NULL is ``{}``.
"""

from __future__ import annotations

from collections.abc import Sequence

#: SQL: the float seconds of microseconds, exactly as `rows.seconds_from_us` has them (until the year 2255)
SECONDS = "CAST({} AS float8) / 1e6"
#: SQL: whether a column's seconds are in `rows.seconds_around`
AROUND = "{column} BETWEEN CAST(2 * {us} - 1 AS float8) / 2e6 AND CAST(2 * {us} + 1 AS float8) / 2e6"


def int_array(values: Sequence[int | None]) -> str:
    """Of whole numbers; ``None`` is NULL."""
    if values and values[0] == values[-1] and values.count(values[0]) == len(values):
        one = "NULL" if values[0] is None else str(values[0])
        return "{" + ",".join([one] * len(values)) + "}"
    text = str(list(values))  # which costs a third of `str` of each
    return "{" + (text.replace("None", "NULL") if "None" in text else text)[1:-1] + "}"


def text_array(values: Sequence[str | None]) -> str:
    """Of texts; ``None`` is NULL."""
    if not values:
        return "{}"
    if None in values:
        return "{" + ",".join("NULL" if one is None else f'"{_escaped(one)}"' for one in values) + "}"
    joined = '","'.join(values)  # type: ignore[arg-type]
    if "\\" in joined or joined.count('"') != 2 * (len(values) - 1):
        joined = '","'.join([_escaped(one) for one in values])  # type: ignore[arg-type]
    return f'{{"{joined}"}}'


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
