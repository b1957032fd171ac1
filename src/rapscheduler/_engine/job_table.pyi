from rapscheduler._reference.job_table import *
