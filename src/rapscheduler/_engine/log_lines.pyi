from rapscheduler._reference.log_lines import *
