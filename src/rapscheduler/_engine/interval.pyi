from rapscheduler._reference.interval import *
