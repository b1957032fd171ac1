from rapscheduler._reference.cron_text import *
