"""The words for where a run stands, and for where a job does: each is written here, and nowhere else.

Here: words. Not here: what a run in such a state does (`_runs`), which rows and jobs are in one (`_views`); the numbers
of a scheduler's states, with their words (`_scheduling.lifecycle`).
"""

from __future__ import annotations

QUEUED, RUNNING = "queued", "running"
DONE, FAILED, MISSED, SKIPPED = "done", "failed", "missed", "skipped"
TIMED_OUT, CANCELLED, LOST = "timed_out", "cancelled", "lost"
RUN_STATES = (QUEUED, RUNNING, DONE, FAILED, MISSED, SKIPPED, TIMED_OUT, CANCELLED, LOST)
FAILURES = (FAILED, TIMED_OUT)  # after which a run may be tried again
TROUBLES = (FAILED, MISSED, TIMED_OUT, LOST)  # what somebody who looks after jobs wants to see

SCHEDULED, PAUSED, PARKED = "scheduled", "paused", "parked"
UNREADABLE = "unreadable"  # of a row only
JOB_STATES = (SCHEDULED, PAUSED, PARKED)
