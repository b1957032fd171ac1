from rapscheduler._reference.running import *
