"""Runs one program of this directory: `run.py PROGRAM there` with APScheduler, `run.py PROGRAM here` with rapscheduler.

A third side, `distribution`, installs nothing: the distribution that stands in for APScheduler is first on the path.

Here: the switch, and the proof that it was the right package. Not here: what the programs do.
"""

import importlib
import os
import runpy
import sys

program, side = sys.argv[1:]
if side == "here":
    import rapscheduler

    rapscheduler.install_as_apscheduler()
try:
    runpy.run_path(program, run_name="__main__")
finally:
    ours = importlib.import_module("apscheduler.schedulers.base").BaseScheduler.__module__.startswith(
        "rapscheduler"
    )
    assert ours == (side != "there"), "the program ran with the other package"
    sys.stdout.flush()
os._exit(0)  # servers and loops that the libraries leave running are nobody's business here
