"""What the runs of jobs with options need, loaded together by an import of this room.

Here: those rooms. Not here: what they do. Few jobs have such options, so that a scheduler alone loads none of it.
Whoever adds or changes such a job imports this, in his thread, and so does who opens a store that may have some from
elsewhere. A first import in a thread of the scheduler's would hold the lock of its module, and a child that is forked
meanwhile would wait for that for ever.
"""

from __future__ import annotations

import difflib  # noqa: F401 (of `_advice`)

import rapscheduler._advice
import rapscheduler._extras
import rapscheduler._scheduling.delays
import rapscheduler._scheduling.max_runs
import rapscheduler._scheduling.overlap
import rapscheduler._scheduling.rates
import rapscheduler._scheduling.runbook
import rapscheduler.triggers.date  # noqa: F401 (of the next attempts)
