from rapscheduler._reference.ledger import *
