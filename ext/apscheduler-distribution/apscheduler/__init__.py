"""rapscheduler under the name of APScheduler: every module below here is rapscheduler's own."""

from rapscheduler._alias import stand_in as _stand_in

_stand_in(__name__)
