"""``install_as_apscheduler()``, each time in a fresh process, because it changes the import system."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_module_is_the_same_object_under_both_names():
    run("""
        import importlib, pkgutil, sys, rapscheduler
        rapscheduler.install_as_apscheduler()
        rapscheduler.install_as_apscheduler()  # twice is fine
        skipped = ("_reference", "_engine", "_fuzz", "cli", "__main__")
        for info in pkgutil.walk_packages(rapscheduler.__path__, "rapscheduler."):
            if any(word in info.name for word in skipped):
                continue
            try:
                ours = importlib.import_module(info.name)
            except ImportError:
                continue  # an optional driver that is not here
            theirs = importlib.import_module("a" + info.name[1:].replace("apscheduler", "pscheduler", 1))
            assert ours is theirs, info.name
            assert ours.__name__ == ours.__spec__.name == info.name
    """)


def test_the_usual_imports():
    run("""
        import rapscheduler; rapscheduler.install_as_apscheduler()
        import apscheduler
        assert apscheduler.__version__ == apscheduler.version == "3.11.3"
        assert apscheduler.version_info == (3, 11, 3)
        from apscheduler.schedulers.background import BackgroundScheduler
        from apscheduler.triggers.cron.fields import BaseField
        from apscheduler import events, util
        import apscheduler.triggers.interval as interval
        import rapscheduler.schedulers.background as ours, rapscheduler.triggers.interval
        assert BackgroundScheduler is ours.BackgroundScheduler
        assert interval is rapscheduler.triggers.interval
        assert apscheduler.events is events is rapscheduler.events
    """)


def test_names_that_do_not_exist_fail_under_the_name_that_was_asked_for():
    run("""
        import rapscheduler; rapscheduler.install_as_apscheduler()
        try:
            import apscheduler.nope
        except ModuleNotFoundError as exc:
            assert exc.name == "apscheduler.nope"
        else:
            raise AssertionError
        try:
            from apscheduler.schedulers import nope
        except ImportError:
            pass
        else:
            raise AssertionError
    """)


def test_loggers_take_the_name_that_programs_configure():
    run("""
        import rapscheduler; rapscheduler.install_as_apscheduler()
        from apscheduler.schedulers.background import BackgroundScheduler
        scheduler = BackgroundScheduler(timezone="UTC")
        scheduler.start(paused=True)
        assert scheduler._logger.name == "apscheduler.scheduler"
        assert scheduler._executors["default"]._logger.name == "apscheduler.executors.default"
        assert scheduler._jobstores["default"]._logger.name == "apscheduler.jobstores.default"
        scheduler.shutdown()
    """)


def test_too_late_is_an_error_with_advice():
    pytest.importorskip("apscheduler")
    run("""
        import apscheduler.events, rapscheduler
        try:
            rapscheduler.install_as_apscheduler()
        except RuntimeError as exc:
            assert "before the first import" in str(exc)
        else:
            raise AssertionError
    """)


def test_importing_the_package_alone_is_nothing():
    out = run("import sys; before = set(sys.modules); import rapscheduler; print(*set(sys.modules) - before)")
    assert set(out.split()) <= {"rapscheduler", "__future__"}


FLASK = """
    import rapscheduler; rapscheduler.install_as_apscheduler()
    import sys, threading, types
    from flask import Flask
    from flask_apscheduler import APScheduler

    ran = threading.Event()
    jobs = types.ModuleType("jobs"); jobs.run = lambda n: ran.set(); sys.modules["jobs"] = jobs
    app = Flask("app")
    app.config.update(
        JOBS=[{"id": "one", "func": "jobs:run", "args": (1,), "trigger": "interval", "seconds": 3600}],
        SCHEDULER_API_ENABLED=True, SCHEDULER_TIMEZONE="UTC",
        SCHEDULER_EXECUTORS={"default": {"type": "threadpool", "max_workers": 2}},
        SCHEDULER_JOB_DEFAULTS={"coalesce": False, "max_instances": 3},
    )
    scheduler = APScheduler(); scheduler.init_app(app)
    scheduler.task("cron", id="last", day="last", hour=3, args=(3,))(jobs.run)
    scheduler.start()
    client = app.test_client()
    assert client.get("/scheduler").json["running"]
    shown = {job["id"]: job for job in client.get("/scheduler/jobs").json}
    assert shown["one"]["trigger"] == "interval" and shown["one"]["hours"] == 1
    assert shown["last"]["day"] == "last" and shown["last"]["hour"] == "3"
    assert client.post("/scheduler/jobs/one/pause").json["next_run_time"] is None
    assert client.post("/scheduler/jobs/one/resume").json["next_run_time"]
    assert client.patch("/scheduler/jobs/one", json={"trigger": "interval", "seconds": 5}).json["seconds"] == 5
    new = {"id": "new", "func": "jobs:run", "args": [2], "trigger": "date", "run_date": "2000-01-01T00:00:00+00:00",
           "misfire_grace_time": None}
    assert client.post("/scheduler/jobs", json=new).status_code == 200
    assert ran.wait(20)
    assert client.delete("/scheduler/jobs/one").status_code == 204
    assert client.get("/scheduler/jobs/one").status_code == 404
    assert client.post("/scheduler/shutdown").status_code == 204
    assert scheduler.state == 0
"""

DJANGO = """
    import rapscheduler; rapscheduler.install_as_apscheduler()
    import sys, threading, types, django
    from django.conf import settings
    settings.configure(
        INSTALLED_APPS=["django_apscheduler"], TIME_ZONE="UTC", USE_TZ=True,
        DATABASES={{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": {path!r}}}}},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField", APSCHEDULER_DATETIME_FORMAT="N j, Y, f:s a",
    )
    django.setup()
    from django.core.management import call_command
    call_command("migrate", verbosity=0)
    from apscheduler.events import EVENT_JOB_EXECUTED
    from apscheduler.schedulers.background import BackgroundScheduler
    from django_apscheduler.jobstores import DjangoJobStore
    from django_apscheduler.models import DjangoJob, DjangoJobExecution

    ran = threading.Event()
    module = types.ModuleType("jobs"); sys.modules["jobs"] = module
    exec("def tick(): ran.set()", module.__dict__); module.ran = ran
    module.tick.__module__ = "jobs"
    scheduler = BackgroundScheduler(timezone="UTC")
    scheduler.add_jobstore(DjangoJobStore(), "default")
    scheduler.add_job(module.tick, "interval", seconds=3600, id="tick", next_run_time="2000-01-01",
                      misfire_grace_time=None, replace_existing=True)
    scheduler.add_job(module.tick, "cron", hour=3, id="cron", replace_existing=True)
    told = threading.Event()
    scheduler.start(paused=True)
    scheduler.add_listener(lambda event: told.set(), EVENT_JOB_EXECUTED)  # after the store's own listener
    scheduler.resume()
    assert ran.wait(20) and told.wait(20)
    scheduler.pause_job("cron")
    assert [job.id for job in scheduler.get_jobs()] == ["tick", "cron"]
    assert [job.next_run_time is None for job in scheduler.get_jobs()] == [False, True]
    assert list(DjangoJobExecution.objects.values_list("job_id", "status")) == [("tick", "Executed")]
    scheduler.remove_job("cron")
    assert [job.id for job in DjangoJob.objects.all()] == ["tick"]
    assert scheduler.get_parked_jobs() == []
    scheduler.shutdown()
"""


def test_flask_apscheduler():
    pytest.importorskip("flask_apscheduler")
    run(FLASK)


def test_django_apscheduler(tmp_path):
    pytest.importorskip("django_apscheduler")
    run(DJANGO.format(path=str(tmp_path / "db.sqlite3")))
