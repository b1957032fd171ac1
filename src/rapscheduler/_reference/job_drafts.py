"""Jobs made of specs that are like known ones, and what is done with many drafts at once.

Here: the face of the quick way. Not here: what a spec may contain, what a job is made of. `_scheduling.drafts` states
that, and makes all jobs on this engine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any


class KnownDrafts:
    """Makes jobs of specs that are like known ones. This twin knows none."""

    def __init__(
        self,
        kind: Any,
        scheduler: Any,
        new_id: Callable[[], str],
        func: Any = None,
        args: Any = None,
        trigger: Any = None,
    ) -> None:
        pass

    def learn(
        self, spec: Any, given: Any, facts: tuple[Any, ...], arg_count: int, trigger: Any = None
    ) -> None:
        """Remember a callable, that it takes so many arguments, and the trigger that was made of a spec."""

    def draft_on(self, specs: Iterator[Any], jobs: list[Any], end: Any) -> Any:
        """Append jobs of the specs of an iterator until one is not known; that one, or `end` when there are no more."""
        return next(specs, end)


# Many drafts at once, on their way into a store


def complete_jobs(jobs: list[Any], grace: int | None, coalesce: bool, max_instances: int) -> list[Any]:
    """`JobCore._complete` of each; those that wait for their first run time."""
    return [job for job in jobs if job._complete(grace, coalesce, max_instances)]


def set_store_alias(jobs: list[Any], alias: str | None) -> None:
    """Tell jobs which store they are in; None: in none."""
    for job in jobs:
        job._jobstore_alias = alias


def earliest_us(jobs: list[Any]) -> int | None:
    """When the first of the jobs is due; None: no one is."""
    return min((job.run_at_us for job in jobs if job.run_at_us is not None), default=None)
