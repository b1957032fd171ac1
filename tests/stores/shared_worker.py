"""A process with a scheduler on a shared store, and the jobs of such schedulers, which write what they do to a file.

python -m tests.stores.shared_worker URL TABLE LEASE
"""

from __future__ import annotations

import os
import sys
import time

LOG = "RAPSCHEDULER_TEST_SHARED_LOG"


def work(job_id, seconds=0.0):
    """B when it begins, E when it ended."""
    _write(f"B {job_id} {os.getpid()} {time.time()}\n")
    time.sleep(seconds)
    _write(f"E {job_id} {os.getpid()} {time.time()}\n")


def _write(line):
    log = os.open(os.environ[LOG], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(log, line.encode())
    os.close(log)


def lines(path):
    """(word, job id, pid, seconds) of each line."""
    found = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
    return [(word, job_id, int(pid), float(at)) for word, job_id, pid, at in found]


def main():
    from tests.stores.test_shared import scheduler_on

    scheduler_on(sys.argv[1], sys.argv[2], float(sys.argv[3])).start()
    while True:
        time.sleep(1)


if __name__ == "__main__":
    main()
