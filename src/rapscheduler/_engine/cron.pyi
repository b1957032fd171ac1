from rapscheduler._reference.cron import *
