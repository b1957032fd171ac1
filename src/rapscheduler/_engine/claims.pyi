from rapscheduler._reference.claims import *
