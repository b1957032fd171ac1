"""The ids of jobs in memory in their order, all of them, those of each tag or owner, and those of paused jobs, for
questions of a page.

Here: `IdIndex`. Not here: jobs, whether one is what was asked for (`_question`).

Invariant: an id that the store has is in the list of all, in that of each tag that its job has, and in that of paused
jobs when its job has no run time. Lists may say more (a job that is gone, lost a tag, or was resumed; an id twice), so
what is found is looked at. So nothing is done when a job leaves or gets a time. Whoever meets many such ids among those
of paused jobs has them forgotten (`prune`). An index that grew beyond twice the jobs (`is_worn`) is given up by the
next write, or made anew by the next question. There is none before the first such question.

Data: `_sorted`, tag (None: all jobs; `UNTIMED`: paused ones) -> ids in order; `_new`, the same, of those that came
since.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from rapscheduler._locks import KeptLock
from rapscheduler.jobstores._question import OWNED

if TYPE_CHECKING:
    from rapscheduler.job import Job

UNTIMED = True  # stands among the tags, and is none: a list of tags must not be pruned of jobs with a time
Key = str | bool | None
_SPARE = 10_000  # ids more than there are jobs, before an index is worn
_FEW = 32  # new ids that are put in their places one by one


class IdIndex:
    """See the head of this file."""

    def __init__(self) -> None:
        self.lock = KeptLock()
        self._sorted: dict[Key, list[str]] = {None: []}
        self._new: dict[Key, list[str]] = {}
        self._noted = 0

    def note(self, jobs: Iterable[Job]) -> None:
        """These jobs came, or were changed."""
        with self.lock:
            everything = self._new.setdefault(None, [])
            before = len(everything)
            for job in jobs:
                everything.append(job.id)
                if job.run_at_us is None:
                    self._new.setdefault(UNTIMED, []).append(job.id)
                extras = job._extras
                if extras is not None:
                    for tag in extras.get("tags", ()):
                        self._new.setdefault(tag, []).append(job.id)
                    if "owner" in extras:
                        self._new.setdefault(OWNED + extras["owner"], []).append(job.id)
            self._noted += len(everything) - before

    def is_worn(self, jobs: int) -> bool:
        """Whether it says so much more than there is that it should be given up."""
        return self._noted > 2 * jobs + _SPARE

    def page(self, tags: Sequence[Key], prefix: str, after: str | None, limit: int) -> list[str]:
        """At most so many ids of jobs that may have all these tags (none: of any), within `prefix`, beyond `after`."""
        with self.lock:
            lists = [self._in_order(tag) for tag in tags or (None,)]
            ids = min(lists, key=len)
            first = bisect_left(ids, prefix) if after is None or after < prefix else bisect_right(ids, after)
            page = ids[first : first + limit]
        if page and not page[-1].startswith(prefix):
            del page[bisect_right(page, prefix, key=lambda job_id: job_id[: len(prefix)]) :]
        return page

    def prune(self, tag: Key, page: Sequence[str], keep: Callable[[str], bool]) -> None:
        """Forget the ids of a page, and between, that need not be in a tag's list; each of the others is there once.
        Whoever changes a job notes it afterwards: it is kept now, or noted then."""
        with self.lock:
            ids = self._in_order(tag)
            first, last = bisect_left(ids, page[0]), bisect_right(ids, page[-1])
            ids[first:last] = dict.fromkeys(filter(keep, ids[first:last]))

    def _in_order(self, tag: Key) -> list[str]:
        ids, new = self._sorted.get(tag), self._new.pop(tag, ())
        if ids is None:
            if not new:
                return []
            ids = self._sorted[tag] = []
        if len(new) < _FEW:
            for job_id in new:
                insort(ids, job_id)
        else:
            ids += new
            ids.sort()  # of two runs: one is in order already
        return ids
