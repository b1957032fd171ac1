"""`exclude=`, `windows=`, `spread=` and `after=` of a trigger: arguments in, what the engine skips out.

Here: reading these arguments, their written forms and words. Not here: sets of days (`calendars`), the search
(`Skips` in `_engine.trigger`).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, NamedTuple
from zlib import crc32

from rapscheduler._engine.trigger import Skips
from rapscheduler.calendars import FIRST_DAY, Days, days

_WINDOW = re.compile(r"(\d{1,2}):(\d\d)(?::(\d\d))?-(\d{1,2}):(\d\d)(?::(\d\d))?")
_DAY_S = 86_400


class Source(NamedTuple):
    """What people gave."""

    exclude: Days | None = None
    windows: tuple[str, ...] = ()
    spread: str | None = None
    seed: str | None = None
    after: str | None = None


def skips_of(
    exclude: Any, windows: Any, spread: Any = None, seed: Any = None, after: Any = None
) -> Skips | None:
    """What is to be left out; None: nothing. ValueError, TypeError: an argument makes no sense."""
    left_out = None if exclude is None or (not isinstance(exclude, Days) and not exclude) else days(exclude)
    if spread not in (None, "hash"):
        raise ValueError(f"spread={spread!r} is not known; give 'hash', or None for chance")
    if seed is not None and not isinstance(seed, str):
        raise TypeError(
            f"seed={seed!r} is not a text; give what the delay is drawn from, such as the job's id"
        )
    if after not in (None, "end"):
        raise ValueError(
            f"after={after!r} is not known; give 'end' to count from the end of each run, or None"
        )
    source = Source(left_out, _texts(windows), spread, seed, after)
    return _made(source) if source != Source() else None


@lru_cache(maxsize=1024)
def _made(source: Source) -> Skips:
    bits, weekdays = (b"", 0) if source.exclude is None else source.exclude.bits()
    share = None
    if source.spread is not None and source.seed is not None:
        share = crc32(source.seed.encode("utf-8", "surrogatepass")) / 2**32
    return Skips(FIRST_DAY, bits, weekdays, _seconds(source.windows), source, share, source.after is not None)


def for_job(trigger: Any, job_id: str) -> Any:
    """The trigger, or, when its spread has no seed yet, one like it whose seed is the job's id."""
    source: Source = trigger.skips.source
    if source.spread is None or source.seed is not None:
        return trigger
    return trigger._seeded(job_id)


def state_of_skips(trigger: Any) -> dict[str, Any]:
    """What a pickled state has more because of these arguments."""
    if trigger.skips is None:
        return {}
    source: Source = trigger.skips.source
    state: dict[str, Any] = {
        "windows": list(source.windows) or None,
        "spread": source.spread,
        "seed": source.seed,
        "after": source.after,
    }
    if source.exclude is not None:
        state["exclude"] = source.exclude
    return {name: value for name, value in state.items() if value is not None}


def options_text(skips: Skips | None) -> list[str]:
    """For `repr`."""
    if skips is None:
        return []
    source: Source = skips.source
    options = [] if source.exclude is None else [f"exclude='{source.exclude}'"]
    if source.windows:
        options.append(f"windows={list(source.windows)!r}")
    if source.spread is not None:
        options.append(f"spread={source.spread!r}")
    if source.after is not None:
        options.append(f"after={source.after!r}")
    return options


def skips_text(skips: Skips | None) -> str:
    """For `explain`: `, but not on sat, sun; only in 08:00-18:00`."""
    if skips is None:
        return ""
    source: Source = skips.source
    text = "" if source.exclude is None else f", but not on {source.exclude}"
    if source.windows:
        text += f", only in {', '.join(source.windows)}"
    if source.spread is not None:
        text += ", always as late as its id says"
    return text


def _texts(windows: Any) -> tuple[str, ...]:
    if not windows:
        return ()
    given = (windows,) if isinstance(windows, str) else tuple(windows)
    for window in given:
        _span(window)
    return given


def _span(window: Any) -> tuple[int, int]:
    found = _WINDOW.fullmatch(window.replace(" ", "")) if isinstance(window, str) else None
    if found is None:
        raise ValueError(f"windows: {window!r} is no span of the day; write '08:00-18:00' or '22:00-06:00'")
    numbers = [int(number or 0) for number in found.groups()]
    from_s, to_s = (h * 3600 + m * 60 + s for h, m, s in (numbers[:3], numbers[3:]))
    if max(numbers[1], numbers[2], numbers[4], numbers[5]) > 59 or from_s >= _DAY_S or to_s > _DAY_S:
        raise ValueError(f"windows: {window!r} has a time that is none; they go from 00:00 to 24:00")
    if from_s == to_s:
        raise ValueError(f"windows: {window!r} is empty; leave it out for the whole day")
    return from_s, to_s


def _seconds(windows: tuple[str, ...]) -> list[tuple[int, int]]:
    """Spans of seconds of the day, in order, those that touch made one."""
    spans: list[tuple[int, int]] = []
    for from_s, to_s in map(_span, windows):
        spans += [(from_s, to_s)] if from_s < to_s else [(from_s, _DAY_S), (0, to_s)]
    joined: list[tuple[int, int]] = []
    for from_s, to_s in sorted(span for span in spans if span[0] < span[1]):
        if joined and from_s <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], to_s))
        else:
            joined.append((from_s, to_s))
    return joined
