from rapscheduler._reference.job_core import *
