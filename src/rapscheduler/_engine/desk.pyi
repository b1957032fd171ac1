from rapscheduler._reference.desk import *
