from rapscheduler._reference.trigger import *
