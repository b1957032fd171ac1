"""The eight fields of a cron schedule: their names, limits, defaults and words.

Here: constants and the sentence that tells what a field accepts. Not here: any parsing.
Order matters: `FIELD_NAMES` goes from the most to the least significant field.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Final

#: what a field may be given: "*/2", 5, [7, 8], range(9, 18)
FieldValue = int | str | Sequence[int | str] | AbstractSet[int | str] | None

FIELD_NAMES: Final = ("year", "month", "day", "week", "day_of_week", "hour", "minute", "second")
MIN_VALUES: Final = {
    "year": 1970,
    "month": 1,
    "day": 1,
    "week": 1,
    "day_of_week": 0,
    "hour": 0,
    "minute": 0,
    "second": 0,
}
MAX_VALUES: Final = {
    "year": 9999,
    "month": 12,
    "day": 31,
    "week": 53,
    "day_of_week": 6,
    "hour": 23,
    "minute": 59,
    "second": 59,
}
DEFAULT_VALUES: Final[dict[str, int | str]] = {
    **MIN_VALUES,
    "year": "*",
    "week": "*",
    "day_of_week": "*",
}
WEEKDAYS: Final = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
MONTHS: Final = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]

_WORDS: Final = {
    "month": f", or names ({MONTHS[0]} to {MONTHS[-1]})",
    "day_of_week": f" (0 is Monday), or names ({WEEKDAYS[0]} to {WEEKDAYS[-1]})",
    "day": ", '2nd fri', 'last fri', 'last', 'last-3', '15W' or 'LW'",
}


def accepted(name: str) -> str:
    """What the field takes, as the end of an error sentence."""
    limits = f"{MIN_VALUES[name]} to {MAX_VALUES[name]}" if name in MIN_VALUES else "a number"
    return f"write '*', '*/2', '1-5', '1-9/2' or a list such as '1,5', of {limits}{_WORDS.get(name, '')}"
