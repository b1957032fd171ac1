"""Crontab lines that leave values open, `H` of Jenkins and `~` of cronie: the values are drawn here.

Here: from such a line to one of plain numbers. Not here: what plain numbers mean (`_crontab`).

* jenkins: `H` is one value of its field, `H(0-29)` one of a range, `H/15` and `H(0-29)/10` every 15th or 10th from
  a drawn start. `@daily` and the like are lines of `H`. The values follow from a seed, the job's name: they are those
  that Jenkins itself draws for a job of this name, so that a job that moves here keeps its minutes.
* cronie (and OpenBSD): `0~59`, `10~`, `~30`, `~` is one value of the range, anew each time that the line is read;
  `~/10` every 10th from a drawn start. With a seed it is the same value each time.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Callable

from rapscheduler.triggers.cron._bounds import MAX_VALUES, MIN_VALUES
from rapscheduler.triggers.cron._crontab import split_zone
from rapscheduler.triggers.cron._items import number, open_value, refused

OPEN_DIALECTS = ("jenkins", "cronie")
JENKINS_MACROS = {
    "@hourly": "H * * * *",
    "@daily": "H H * * *",
    "@midnight": "H H(0-2) * * *",
    "@weekly": "H H * * H",
    "@monthly": "H H H * *",
    "@yearly": "H H H H *",
    "@annually": "H H H H *",
}
_NAMES = ("minute", "hour", "day", "month", "day_of_week")
_HASH = re.compile(r"H(?:\(([0-9]{1,2})-([0-9]{1,2})\))?(?:/([0-9]{1,4}))?\Z", re.IGNORECASE)
_TILDE = re.compile(r"([0-9]{1,2}|[a-z]{3})?~([0-9]{1,2}|[a-z]{3})?(?:/([0-9]{1,4}))?\Z", re.IGNORECASE)
_MULTIPLIER, _STATE_BITS = 0x5DEECE66D, (1 << 48) - 1


class Draws:
    """Whole numbers that follow from a seed: the generator that Java documents, seeded as Jenkins seeds it."""

    def __init__(self, seed: str) -> None:
        digest = hashlib.md5(seed.encode("utf-8", "surrogatepass"), usedforsecurity=False).digest()
        folded = int.from_bytes(digest[:8], "big") ^ int.from_bytes(digest[8:], "big")
        self._state = (folded ^ _MULTIPLIER) & _STATE_BITS

    def __call__(self, count: int) -> int:
        """One of 0 to count - 1."""
        bits = self._bits()
        if count & (count - 1) == 0:
            return (count * bits) >> 31
        # Bits beyond the last whole multiple would favour low values.
        while bits - bits % count + count > 1 << 31:
            bits = self._bits()
        return bits % count

    def _bits(self) -> int:
        self._state = (self._state * _MULTIPLIER + 0xB) & _STATE_BITS
        return self._state >> 17


def draws_of(seed: str | None) -> Callable[[int], int] | None:
    """What draws by this seed; `None` for no seed."""
    if seed is None:
        return None
    if not isinstance(seed, str):
        raise TypeError(f"seed={seed!r} is not a text; give the job's id")
    return Draws(seed)


def drawn(expr: str, dialect: str, draw: Callable[[int], int] | None) -> str:
    """The line with every open value drawn; the line itself when it has none.

    :raises ValueError: if an item makes no sense, or `H` has no seed to be drawn from
    """
    if dialect not in OPEN_DIALECTS:
        return expr
    rest = split_zone(expr)[1]
    words = rest.split()
    if dialect == "jenkins" and len(words) == 1:
        words = JENKINS_MACROS.get(words[0].lower(), words[0]).split()
    mark = "h" if dialect == "jenkins" else "~"
    if len(words) != len(_NAMES) or not any(mark in word.lower() for word in words):
        return expr
    if draw is None:
        draw = random.randrange
        if dialect == "jenkins":
            draw = _no_seed(expr)
    try:
        plain = [_field(dialect, name, word, draw) for name, word in zip(_NAMES, words, strict=True)]
    except ValueError as exc:
        raise ValueError(f"{exc} (in {expr!r}, {dialect} dialect)") from None
    return expr[: len(expr) - len(rest)] + " ".join(plain)


def _no_seed(expr: str) -> Callable[[int], int]:
    """What to say when something is to be drawn (`thu` has an h, too, and needs no seed)."""

    def refuse(count: int) -> int:
        raise ValueError("'H' is a value that follows from the job: pass seed='the id of the job'")

    return refuse


def _field(dialect: str, name: str, text: str, draw: Callable[[int], int]) -> str:
    item_of = _hashed if dialect == "jenkins" else _tilde
    return ",".join([item_of(name, item, draw) for item in text.split(",")])


def _hashed(name: str, item: str, draw: Callable[[int], int]) -> str:
    match = _HASH.match(item)
    if match is None:
        if "~" not in item and open_value(item):
            raise refused(name, item, "write 'H', 'H(0-7)', 'H/3' or 'H(0-7)/3'")
        return item
    first, last, step = match.groups()
    if first is None:  # 29 to 31 are not in every month, and Sunday is 0 and 7
        highest = {"day": 28, "day_of_week": 6}.get(name, MAX_VALUES[name])
        return _value(name, item, MIN_VALUES[name], highest, step, draw)
    low, high = number("jenkins", name, first, item), number("jenkins", name, last, item)
    return _value(name, item, low, high, step, draw)


def _tilde(name: str, item: str, draw: Callable[[int], int]) -> str:
    match = _TILDE.match(item)
    if match is None:
        if "~" in item:
            raise refused(name, item, "write '~', '0~7', '3~' or '~/3'")
        return item
    first, last, step = match.groups()
    low = number("cronie", name, first.lower(), item) if first else MIN_VALUES[name]
    high = number("cronie", name, last.lower(), item) if last else MAX_VALUES[name]
    return _value(name, item, low, high, step, draw)


def _value(
    name: str, item: str, low: int, high: int, step_text: str | None, draw: Callable[[int], int]
) -> str:
    """One value of a range, or with a step a range whose start is drawn."""
    step = 1 if step_text is None else int(step_text)
    if high < low:
        raise refused(name, item, f"the range goes from {low} down to {high}; write the lower number first")
    if not 1 <= step <= high - low + 1:
        raise refused(name, item, f"a step of this range is one of 1 to {high - low + 1}")
    if step == 1:
        return str(low + draw(high - low + 1))
    return f"{low + draw(step)}-{high}/{step}"
