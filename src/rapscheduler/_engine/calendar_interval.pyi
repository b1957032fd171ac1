from rapscheduler._reference.calendar_interval import *
