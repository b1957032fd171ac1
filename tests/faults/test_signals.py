"""A shutdown in a signal handler, which runs between two lines of the thread that it interrupts."""

from __future__ import annotations

import sys
import threading
from typing import Any

import pytest

from rapscheduler.schedulers.blocking import BlockingScheduler

pytestmark = pytest.mark.faults

WAIT_S = 60.0
LATE = {"misfire_grace_time": None}


@pytest.mark.parametrize("line", range(1, 41))
def test_a_shutdown_by_a_signal_handler_at_any_line_of_the_loop_ends_it(line: int) -> None:
    """A handler runs between two lines of the thread that it interrupts, which may hold the lock of the pass."""
    scheduler = BlockingScheduler(timezone="UTC", job_defaults=LATE)
    scheduler.add_job(int, "interval", seconds=0.001)
    loop = {"_main_loop", "_process_jobs", "run_once", "_run_alone"}
    seen: list[str] = []

    def trace(frame: Any, event: str, arg: Any) -> Any:
        if frame.f_code.co_name not in loop:
            return None
        if event == "line" and len(seen) < line:
            seen.append(f"{frame.f_code.co_name}:{frame.f_lineno}")
            if len(seen) == line:
                scheduler.shutdown(wait=False)
        return trace

    def run() -> None:
        sys.settrace(trace)
        scheduler.start()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(WAIT_S)
    assert not thread.is_alive(), seen[-3:]
