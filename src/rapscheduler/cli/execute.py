"""``rapscheduler exec program.py …`` and ``rapscheduler exec -m module …``: a program runs unchanged on rapscheduler.

What it imports as ``apscheduler`` is answered by us. Its ``sys.argv``, ``__main__`` and ``sys.path[0]`` are as Python
sets them. Child processes that are *spawned* begin without us; those that are forked have us.
"""

from __future__ import annotations

import os
import runpy
import sys

USAGE = (
    "usage: rapscheduler exec program.py [ARGUMENT ...]\n       rapscheduler exec -m module [ARGUMENT ...]"
)


def run_words(words: list[str]) -> int:
    """Run the program; its exit code is that of the process. 2: there is none."""
    from rapscheduler import install_as_apscheduler

    if words[:1] in (["-h"], ["--help"]):
        print(f"{USAGE}\n\n{__doc__}")
        return 0
    as_module = words[:1] == ["-m"]
    if as_module:
        words = words[1:]
    if not words or (words[0].startswith("-") and not as_module):
        print(USAGE, file=sys.stderr)
        return 2
    if not as_module and not os.path.exists(words[0]):
        print(f"rapscheduler exec: there is no {words[0]}", file=sys.stderr)
        return 2
    install_as_apscheduler()
    sys.argv = list(words)
    if as_module:
        sys.path.insert(0, os.getcwd())
        runpy.run_module(words[0], run_name="__main__", alter_sys=True)
    else:
        sys.path.insert(0, os.path.dirname(os.path.abspath(words[0])))
        runpy.run_path(words[0], run_name="__main__")
    return 0
