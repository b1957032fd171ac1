from rapscheduler._reference.datetimes import *
