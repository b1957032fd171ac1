"""django-apscheduler as its documentation shows: its store, its decorators, its tables."""

import tempfile
import threading
from datetime import datetime, timezone
from pathlib import Path

import django
from django.conf import settings
from django.core.management import call_command

place = Path(tempfile.mkdtemp())
settings.configure(
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "django_apscheduler"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": str(place / "db.sqlite3"),
            # The store and a job write at the same time: in deferred transactions one may be told "database is
            # locked" at once, which ends the loop of APScheduler.
            "OPTIONS": {"timeout": 60, "transaction_mode": "IMMEDIATE"},
        }
    },
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    USE_TZ=True,
    TIME_ZONE="Europe/Berlin",
    APSCHEDULER_DATETIME_FORMAT="N j, Y, f:s a",
)
django.setup()
call_command("migrate", verbosity=0)

from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED  # noqa: E402
from apscheduler.schedulers.background import BackgroundScheduler  # noqa: E402
from apscheduler.triggers.cron import CronTrigger  # noqa: E402
from django_apscheduler import util  # noqa: E402
from django_apscheduler.jobstores import DjangoJobStore, register_job  # noqa: E402
from django_apscheduler.models import DjangoJob, DjangoJobExecution  # noqa: E402

told = threading.Semaphore(0)


@util.close_old_connections
def nightly(max_age=604_800):
    DjangoJobExecution.objects.delete_old_job_executions(max_age)


def failing():
    raise ValueError("as told")


scheduler = BackgroundScheduler(timezone=settings.TIME_ZONE)
scheduler.add_jobstore(DjangoJobStore(), "default")
scheduler.add_listener(lambda event: told.release(), EVENT_JOB_EXECUTED | EVENT_JOB_ERROR)
scheduler.add_job(
    nightly,
    trigger=CronTrigger(day_of_week="mon", hour="00", minute="00", year="2090"),
    id="nightly",
    max_instances=1,
    replace_existing=True,
)


@register_job(
    scheduler,
    "interval",
    seconds=86400,
    id="registered",
    start_date="2090-02-03 04:05:06",
    replace_existing=True,
)
def registered():
    pass


scheduler.start()


def rows():
    return [
        (job.id, job.next_run_time and job.next_run_time.isoformat(), bool(job.job_state))
        for job in DjangoJob.objects.order_by("id")
    ]


print("rows", rows())
print("jobs", [(job.id, str(job.trigger), str(job.next_run_time)) for job in scheduler.get_jobs()])
print(repr(scheduler.get_job("nightly").func_ref))
scheduler.pause_job("nightly")
print("paused", rows())
scheduler.resume_job("nightly")
scheduler.modify_job("nightly", name="another name", max_instances=2)
print("resumed", rows(), scheduler.get_job("nightly").name)
scheduler.reschedule_job("registered", trigger="cron", hour=3, year=2091)
print("rescheduled", rows())
scheduler.modify_job("nightly", next_run_time=datetime.now(timezone.utc), kwargs={"max_age": 10**6})
print("ran", told.acquire(timeout=30))
scheduler.add_job(failing, "interval", days=9, id="failing", next_run_time=datetime.now(timezone.utc))
print("failed", told.acquire(timeout=30))
scheduler.shutdown()
print("rows", [row[0] for row in rows()])
print(
    "executions",
    [
        (e.job_id, e.status, bool(e.duration is not None), e.exception)
        for e in DjangoJobExecution.objects.order_by("id")
    ],
)
again = BackgroundScheduler(timezone=settings.TIME_ZONE)
again.add_jobstore(DjangoJobStore())
again.start(paused=True)
print("again", [(job.id, str(job.trigger), job.name, job.max_instances) for job in again.get_jobs()])
again.remove_job("nightly")
again.remove_all_jobs()
print("rows", rows())
again.shutdown()
