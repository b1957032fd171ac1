from rapscheduler._reference.known_rows import *
