from rapscheduler._reference.calendar import *
