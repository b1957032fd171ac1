"""What passes need that may be given any job by a store of rows, loaded together by an import of this room.

Here: those rooms; see `rooms_of_options` for the reason. Not here: what only a row names, a module of the program's or
of another package: whoever reads the row first imports that, also a pass.
"""

from __future__ import annotations

import rapscheduler._scheduling.claiming
import rapscheduler._scheduling.hangs
import rapscheduler._scheduling.presence
import rapscheduler._scheduling.rooms_of_options
import rapscheduler.calendars
import rapscheduler.triggers._skipping
import rapscheduler.triggers.calendarinterval
import rapscheduler.triggers.combining
import rapscheduler.triggers.cron
import rapscheduler.triggers.interval  # noqa: F401
