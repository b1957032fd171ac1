from rapscheduler._reference.due_index import *
