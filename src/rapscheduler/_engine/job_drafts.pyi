from rapscheduler._reference.job_drafts import *
