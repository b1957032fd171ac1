"""The public schedulers, one module for each way of sleeping. Only the two state errors live here."""

from __future__ import annotations

from rapscheduler.errors import SchedulerAlreadyRunningError, SchedulerNotRunningError

__all__ = ("SchedulerAlreadyRunningError", "SchedulerNotRunningError")
