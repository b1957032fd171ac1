"""What `get_jobs` and `count_jobs` ask of a store: which jobs, from which id on, how many."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from heapq import nsmallest
from typing import Any, NamedTuple

from rapscheduler._states import JOB_STATES, PARKED, PAUSED, SCHEDULED

OWNED = "\1"  # before an owner that stands among tags in an index; what a tag like that finds is looked at
FILTERS = ("prefix", "tag", "owner", "state", "after", "limit")


class Question(NamedTuple):
    """Jobs whose id begins with `prefix`, that have all `tags`, of this `owner` and `state`; in the order of their ids,
    those beyond `after`, at most `limit`. None (or no tags): that doesn't matter."""

    prefix: str | None = None
    tags: tuple[str, ...] = ()
    owner: str | None = None
    state: str | None = None
    after: str | None = None
    limit: int | None = None

    @property
    def keys(self) -> tuple[str, ...]:
        """What an index of tags is asked for: jobs that have all of these."""
        return self.tags if self.owner is None else (*self.tags, OWNED + self.owner)

    def takes_extras(self, job: Any) -> bool:
        """Whether the tags and the owner fit."""
        extras = job._extras or {}
        tags = extras.get("tags", ())
        return all(tag in tags for tag in self.tags) and self.owner in (None, extras.get("owner"))

    def takes(self, job: Any, parked: Collection[str] = ()) -> bool:
        """Whether a job is one of those asked for, but for `limit`."""
        if self.prefix is not None and not job.id.startswith(self.prefix):
            return False
        if self.after is not None and job.id <= self.after:
            return False
        if not self.takes_extras(job):
            return False
        if self.state is None:
            return True
        if job.id in parked:
            return self.state == PARKED
        # a pending job has no next run time at all yet
        paused = job.run_at_us is None and getattr(job, "next_run_time", job) is None
        return self.state == (PAUSED if paused else SCHEDULED)

    def answer(self, jobs: Iterable[Any], parked: Collection[str] = ()) -> list[Any]:
        """The answer from all jobs there are."""
        found = (job for job in jobs if self.takes(job, parked))
        if self.limit is None:
            return sorted(found, key=_id_of)
        return nsmallest(self.limit, found, key=_id_of)


def _id_of(job: Any) -> Any:
    return job.id


def question(
    prefix: Any = None,
    tag: Any = None,
    owner: Any = None,
    state: Any = None,
    after: Any = None,
    limit: Any = None,
    **unknown: Any,
) -> Question:
    """Of the arguments of `get_jobs`. TypeError, ValueError: one makes no sense."""
    for name in unknown:
        from .._advice import nearest

        raise TypeError(
            f"{name!r} is no filter of jobs; there are {', '.join(map(repr, FILTERS))}{nearest(name, FILTERS)}"
        )
    for name, value, right in (
        ("prefix", prefix, "what the ids begin with, such as 'mail-'"),
        ("owner", owner, "the owner that sync_jobs() was given"),
        ("after", after, "the last id of the page before, such as jobs[-1].id"),
    ):
        if value is not None and not isinstance(value, str):
            raise TypeError(f"{name}={value!r} is no text; give {right}")
    several: Any = () if tag is None else (tag,) if isinstance(tag, str) else tag
    tags = tuple(several) if isinstance(several, Iterable) else (several,)
    if not all(isinstance(one, str) for one in tags):
        raise TypeError(f"tag={tag!r} must be a text, or several of them, such as 'eu' or ['eu', 'mail']")
    if state is not None and state not in JOB_STATES:
        from .._advice import nearest

        advice = nearest(state.lower(), JOB_STATES) if isinstance(state, str) else ""
        raise ValueError(
            f"state={state!r} is not known; give one of {', '.join(map(repr, JOB_STATES))}{advice}"
        )
    if limit is not None and (type(limit) is not int or limit < 0):
        raise ValueError(
            f"limit={limit!r} makes no sense; give how many jobs you want at most, or leave it out for all of them"
        )
    return Question(prefix, tags, owner, state, after, limit)
