"""Runs: what one attempt to make the call of a job is, and which one the present code belongs to.

Importing `current_run` says that runs have to be kept: every run of this process then has an identity. Import it at the
top of a module; a run that had begun before has none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rapscheduler._retries import Retry, RetryLater
from rapscheduler._runs import Run
from rapscheduler._scheduling import rooms_of_options  # noqa: F401 (a run of any job may raise `RetryLater`)
from rapscheduler._states import RUN_STATES as STATES
from rapscheduler.errors import NoResultError, RunCancelledError, RunTimeoutError
from rapscheduler.executors._home import Watched

if TYPE_CHECKING:
    from rapscheduler._runs import current_run as current_run

__all__ = (
    "STATES",
    "NoResultError",
    "Retry",
    "RetryLater",
    "Run",
    "RunCancelledError",
    "RunTimeoutError",
    "current_run",
)


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name != "current_run":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from rapscheduler._runs import current_run

        Watched.ask()
        return current_run
