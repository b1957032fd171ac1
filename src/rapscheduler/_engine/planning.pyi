from rapscheduler._reference.planning import *
