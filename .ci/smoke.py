"""Smoke test of an installed package, away from the checkout: it imports, it is compiled, it fires, it stores, its
demo, its dashboard and the program of the type checkers (``tests/types/program.py``) run.

Needs nothing but rapscheduler, its dependencies and the standard library. Exit code 1 and a sentence when something is
wrong.
"""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
import threading
import urllib.request
from datetime import datetime, timezone
from importlib.metadata import entry_points
from pathlib import Path
from threading import Event
from wsgiref.simple_server import WSGIRequestHandler, make_server

import rapscheduler
from rapscheduler import _engine
from rapscheduler.dashboard import wsgi_app
from rapscheduler.schedulers.background import BackgroundScheduler
from rapscheduler.triggers.cron import CronTrigger

DRIVERS = {
    "apscheduler",
    "gevent",
    "tornado",
    "twisted",
    "sqlalchemy",
    "redis",
    "pymongo",
    "kazoo",
    "etcd3",
    "rethinkdb",
}
DRIVERS |= {"dateutil", "python-dateutil", "holidays", "celery", "dask", "distributed"}
DRIVERS |= {"bson", "PySide6", "PyQt5", "PyQt6", "PySide2", "grpc", "qtpy"}


def check(right: bool, text: str) -> None:
    if not right:
        sys.exit(f"smoke test: {text}")


def plugins() -> int:
    """Every plugin that needs no driver loads; the others fail for their driver's sake only."""
    loaded = 0
    for kind in ("triggers", "executors", "jobstores"):
        for point in entry_points(group=f"rapscheduler.{kind}"):
            try:
                point.load()
                loaded += 1
            except ImportError as error:
                words = set(re.split(r"[\s.,:'\"]+", str(error)))
                known = (error.name or "").partition(".")[0] in DRIVERS or any(
                    driver.lower() in {word.lower() for word in words} for driver in DRIVERS
                )
                check(known, f"{point.name}: {error!r}")
    return loaded


class Silent(WSGIRequestHandler):
    """Logs no requests."""

    def log_message(self, format: str, *args: object) -> None:
        pass


def page(scheduler: BackgroundScheduler) -> str:
    """The first page of a scheduler's dashboard, as a browser gets it."""
    with make_server("127.0.0.1", 0, wsgi_app(scheduler), handler_class=Silent) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            straight = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with straight.open(f"http://127.0.0.1:{server.server_port}/", timeout=60) as answer:
                return answer.read().decode()
        finally:
            server.shutdown()
            thread.join()


def run(what: str, *command: str) -> str:
    """What a command of this Python prints; it must end well."""
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False)
    check(done.returncode == 0, f"{what} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def main() -> None:
    check("site-packages" in (rapscheduler.__file__ or ""), f"imported from {rapscheduler.__file__}")
    check(_engine.NAME == "compiled", f"the engine is {_engine.NAME}")
    trigger = CronTrigger.from_crontab("30 9 * * 1-5", timezone="America/New_York", dialect="vixie")
    fire = trigger.get_next_fire_time(None, datetime(2025, 3, 8, tzinfo=timezone.utc))
    check(str(fire) == "2025-03-10 09:30:00-04:00", f"the fire time is {fire}")
    ran = Event()
    with BackgroundScheduler(timezone="UTC") as scheduler:
        if not scheduler.running:
            scheduler.start()
        scheduler.add_job(ran.set)
        check(ran.wait(30), "a job did not run within 30 s")
        scheduler.add_job(print, "cron", hour=3, id="shown on the dashboard")
        shown = page(scheduler)
        check("What is next" in shown and "shown on the dashboard" in shown, f"the dashboard says:\n{shown}")
    loaded = plugins()
    check(loaded >= 10, f"only {loaded} plugins load")
    importlib.import_module("rapscheduler.testing")
    run("the demo", "-m", "rapscheduler", "demo", "--jobs", "500", "--seconds", "1", "--plain")
    typed = run(
        "the program of the type checkers", str(Path(__file__).parents[1] / "tests" / "types" / "program.py")
    )
    check("at 09:00 on Monday to Friday, UTC" in typed, f"the program of the type checkers says:\n{typed}")
    version = sys.version.split()[0]
    ran_too = f"{loaded} plugins; demo, dashboard and types ran"
    print(f"Python {version}: {rapscheduler.__version__}, {_engine.NAME} engine, {ran_too}")


if __name__ == "__main__":
    main()
