from rapscheduler._reference.timezone import *
