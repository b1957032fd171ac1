"""What an open page of the dashboard costs the scheduler in whose process it is served: lateness with and without.

``python -m benchmarks.work_dashboard URL`` is the page: it listens to the stream of events and fetches the page anew
when that says so, as the script of the page does, but in a process of its own and without drawing anything.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from typing import Any, ClassVar
from urllib.parse import urlsplit

from benchmarks.work_curves import ADDING_US
from benchmarks.work_scheduler import SchedulerWorkload

LEAST_S = 3.0  # between two renewals of a page, as its script has it


class PageOpen(SchedulerWorkload):
    """``count`` jobs, each every ``period_s``, evenly spread: ``pairs`` of times of ``seconds``; in one of each
    pair the page is open, in changing order."""

    name = "page_open"
    libraries: ClassVar[tuple[str, ...]] = ("rapscheduler",)

    def open(self, *, count: int, period_s: int, seconds: float, pairs: int) -> None:
        self.count, self.period_s, self.seconds, self.pairs = count, period_s, seconds, pairs

    def round(self) -> dict[str, Any]:
        from benchmarks.soak import BUCKETS, Soak

        started = time.perf_counter()
        background = self.module("schedulers.background").BackgroundScheduler
        soak = Soak(background, self.triggers()[1], self.count, self.period_s, ADDING_US)
        scheduler, ledger = self._keep(soak.scheduler), soak.ledger
        dashboard = self.module("dashboard._app").Dashboard(
            self.module("dashboard._sources").SchedulerSource(scheduler)
        )
        scheduler.resume()
        time.sleep(max(0.0, ledger.base_us / 1e6 - time.time()) + 1.0)
        late: dict[bool, list[float]] = {False: [], True: []}
        cpu: dict[bool, list[float]] = {False: [], True: []}
        looks = 0
        with served(dashboard) as url:
            for number in range(self.pairs):
                for is_open in (number % 2 == 0, number % 2 == 1):
                    page = look_at(url) if is_open else None
                    time.sleep(1.0)
                    ledger.late = array("q", [0]) * BUCKETS
                    cpu_s = time.process_time()
                    time.sleep(self.seconds)
                    cpu[is_open].append((time.process_time() - cpu_s) / self.seconds)
                    late[is_open].append(ledger.late_ms(0.99))
                    if page is not None:
                        page.terminate()
                        looks += page.communicate()[0].count("look")
            look_s = self._cost_of_a_look(dashboard)
        scheduler.pause()
        facts = {
            "p99_ms": [median(late[False]), median(late[True])],
            "ratio": median(with_page / without for without, with_page in zip(late[False], late[True])),
            "cpu_share": [median(cpu[False]), median(cpu[True])],
            "all_ms": [late[False], late[True]],
            "looks": looks,
            "look_s": look_s,
            "wrong": ledger.skipped + ledger.doubled,
        }
        return {"seconds": time.perf_counter() - started, "count": 1, "facts": facts}

    def _cost_of_a_look(self, dashboard: Any) -> dict[str, float]:
        """Seconds of this thread's processor time, while the scheduler goes on."""
        request = self.module("dashboard").Request
        asked = request("GET", "", "/", "", {"host": "localhost"}, "127.0.0.1")
        looks = {"page": lambda: dashboard.answer(asked), "mark": dashboard.mark}
        costs = {}
        for name, look in looks.items():
            times = []
            for _ in range(15):
                before_s = time.thread_time()
                look()
                times.append(time.thread_time() - before_s)
            costs[name] = median(times)
        return costs


@contextmanager
def served(dashboard: Any) -> Iterator[str]:
    from rapscheduler.dashboard._servers import server

    with server(dashboard, "127.0.0.1", 0) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{serving.server_port}"
        serving.shutdown()


def look_at(url: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.work_dashboard", url]
    here = Path(__file__).resolve().parent.parent
    return subprocess.Popen(command, cwd=here, stdout=subprocess.PIPE, text=True)


def main(url: str) -> None:
    """See the head of this file; a line for each look."""
    place = urlsplit(url).netloc

    def look() -> float:
        connection = HTTPConnection(place)
        connection.request("GET", "/")
        connection.getresponse().read()
        connection.close()
        print(f"look {datetime.now(timezone.utc):%H:%M:%S}", flush=True)
        return time.monotonic()

    seen_s = look()
    events = HTTPConnection(place)
    events.request("GET", "/events")
    for line in events.getresponse():
        if line.startswith(b"event: change") and time.monotonic() - seen_s >= LEAST_S:
            seen_s = look()


if __name__ == "__main__":
    main(sys.argv[1])
