"""`limits=`: how many runs of a group may begin in a length of time.

Here: reading ``"10/minute"``, counting what was begun, and what to say of a run that was not. Not here: places
(`_engine.running`, which asks `Rates.take` when it gives one), runs that wait (`overlap`).

Each scheduler counts for itself, also those that share a store, which says so when it is opened (`warn_if_shared`): a
rate over all of them would be the times of up to 100,000 runs, read and written by each batch. What is begun by all is
at most the rate times the number of schedulers.

A rate holds for every window of its length: a run may begin when the tenth before it began a minute ago or longer. Time
is that of the scheduler's steady clock, in whole microseconds.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping
from typing import Any

from rapscheduler._clock import Clock
from rapscheduler._instants import SECOND_US
from rapscheduler._quoting import one_line

MOST = 100_000  # times that are kept for one group
_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
_RATE = re.compile(rf"(\d{{1,9}}) ?/ ?(?:(\d{{1,6}}) ?)?({'|'.join(_SECONDS)})s?", re.ASCII)


def read_rate(name: str, text: Any) -> tuple[int, int]:
    """How many runs in how many microseconds. ValueError: the text says nothing such."""
    match = _RATE.fullmatch(text.strip()) if isinstance(text, str) else None
    many, length = (int(match[1]), int(match[2] or 1)) if match else (0, 0)
    if match is None or not 0 < many <= MOST or not length:
        raise ValueError(
            f"limits[{name!r}]={text!r} is no rate: give how many runs (1 to {MOST:,}) may begin in how long, such as "
            "'10/minute' or '100/15 minutes'; units are second, minute, hour, day"
        )
    return many, length * _SECONDS[match[3]] * SECOND_US


class Rates:
    """`_begun`: when the latest runs of each group began; `refused`: groups that were asked in vain of late."""

    def __init__(self, limits: Mapping[str, str], clock: Clock) -> None:
        self.texts = dict(limits)
        self._rates = {group: read_rate(group, text) for group, text in limits.items()}
        self._begun = {group: deque[int](maxlen=many) for group, (many, _) in self._rates.items()}
        self._clock = clock
        self.refused: set[str] = set()

    def _now_us(self) -> int:
        return round(self._clock.monotonic() * SECOND_US)

    def wait_us(self, group: str) -> int:
        """How long no run of a group may begin; 0: one may."""
        begun = self._begun.get(group)
        if begun is None or len(begun) < self._rates[group][0]:
            return 0
        return max(0, begun[0] + self._rates[group][1] - self._now_us())

    def take(self, group: str) -> bool:
        """A run of a group is about to begin; False: it must not."""
        if self.wait_us(group):
            self.refused.add(group)
            return False
        if group in self._begun:
            self._begun[group].append(self._now_us())
        return True


def warn_if_shared(scheduler: Any, alias: str) -> None:
    """A store was opened that other schedulers may work on."""
    rates = scheduler._running_counts.rates
    if rates is not None:
        scheduler._logger.warning(
            "limits= holds for each scheduler by itself, and job store %r is shared: several of them may begin several "
            "times as many runs of %s; divide the rates among them, or give each group's jobs to one scheduler",
            alias,
            one_line(", ".join(f"{group} ({text})" for group, text in rates.texts.items())),
        )


def why_refused(counts: Any, job: Any) -> str:
    """Why a run of a job was not begun, for the log."""
    group = (getattr(job, "_extras", None) or {}).get("group")
    if group is None or counts.count(job.id) >= job.max_instances:
        return f"maximum number of running instances reached ({job.max_instances})"
    if counts.rates is not None and counts.rates.wait_us(group):
        return f'as many runs of group "{group}" as its rate allows ({counts.rates.texts[group]}) were begun'
    most = counts.limits.get(group, job.max_instances)
    return f'maximum number of running instances reached (group "{group}", {most})'
