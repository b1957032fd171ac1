# Jobs by id, in step with their due index.
from rapscheduler._engine.due_index cimport DueIndex
from rapscheduler._engine.job_core cimport JobCore

cdef bint put_in(JobCore job, dict jobs, DueIndex index) except -1  # False: its id is taken
