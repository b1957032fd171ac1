"""The table of `compare.md`: what each scheduler answers, asked of the package itself (``python docs/field.py``).

Each package is installed into an environment of its own below ``build/field``, in the version named here; ours is
asked by this interpreter. The machine's time zone is Berlin's for all of them. Nothing is said of a package that it did
not answer here, but what has to run beside the program, which was read in their own descriptions.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = {
    "APScheduler": "apscheduler==3.11.3",
    "APScheduler 4": "apscheduler==4.0.0a6",
    "Celery beat": "celery==5.7.0",
    "RQ": "rq==3.0.0",
    "Huey": "huey==3.5.4",
}
ROWS = {
    "gap": "daily at 02:30, on 30 March 2025 (Berlin has no such time)",
    "fold": "the same on 26 October 2025 (Berlin has it twice)",
    "both": "first of the month and Monday together",
    "zero": "weekday 0",
    "last": "last day of the month",
    "second": "seconds in a cron schedule",
    "zone": "a time zone for each schedule",
    "typed": "types (`py.typed`)",
    "beside": "runs beside your program",
}
BESIDE = {
    "rapscheduler": "nothing",
    "APScheduler": "nothing",
    "APScheduler 4": "nothing",
    "Celery beat": "a broker, workers, beat",
    "RQ": "Redis or Valkey, workers, `rq cron`",
    "Huey": "its consumer; Redis, PostgreSQL, SQLite or files",
}
HEAD = """
import inspect, json, sys
from datetime import datetime, timedelta, timezone
from importlib.util import find_spec
from pathlib import Path
from zoneinfo import ZoneInfo
BERLIN, UTC, MINUTE = ZoneInfo("Europe/Berlin"), timezone.utc, timedelta(minutes=1)
def of_day(fires, day):
    found = [one.astimezone(UTC).astimezone(BERLIN).isoformat(" ") for one in fires]
    found = [one[11:16] + " " + one[19:] for one in found if one.startswith(day)]
    return " and ".join(found) or "not at all"
def ways(fires):
    # midnights of June and July 2025: 1 June is a Sunday, 2 June a Monday
    days = {f"{one:%m-%d}" for one in fires}
    return "either" if "06-02" in days else "both must match"
def told(call):
    try:
        return call()
    except Exception as exc:
        return "refused"
def minutes(start, hours):
    return [start + MINUTE * step for step in range(hours * 60)]
GAP, FOLD = datetime(2025, 3, 29, 12, tzinfo=UTC), datetime(2025, 10, 25, 12, tzinfo=UTC)
JUNE = datetime(2025, 5, 31, 12, tzinfo=UTC)
found = {}
"""
FOOT = """
package = Path(find_spec(NAME).origin).parent
found["typed"] = "yes" if (package / "py.typed").exists() else "no"
print(json.dumps(found))
"""
APS = """
from PACKAGE.triggers.cron import CronTrigger
NAME = "PACKAGE"
def fires(trigger, start, count=3):
    out, last, now = [], None, start
    for _ in range(count):
        last = trigger.get_next_fire_time(last, now)
        if last is None: break
        out.append(last); now = last
    return out
daily = CronTrigger(hour=2, minute=30, timezone=BERLIN)
found["gap"], found["fold"] = of_day(fires(daily, GAP), "2025-03-30"), of_day(fires(daily, FOLD), "2025-10-26")
found["both"] = ways(fires(CronTrigger(day=1, day_of_week="mon", hour=0, timezone=UTC), JUNE))
found["zero"] = f"{fires(CronTrigger(day_of_week=0, timezone=UTC), JUNE)[0]:%A}"
found["last"] = told(lambda: (CronTrigger(day="last"), "yes")[1])
found["second"] = told(lambda: (CronTrigger(second="*/5"), "yes")[1])
found["zone"] = "yes" if "timezone" in inspect.signature(CronTrigger).parameters else "no"
"""
PROBES: dict[str, str] = {
    "rapscheduler": APS.replace("PACKAGE", "rapscheduler"),
    "APScheduler": APS.replace("PACKAGE", "apscheduler"),
    "APScheduler 4": """
from apscheduler.triggers.cron import CronTrigger
NAME = "apscheduler"
def fires(start, count=3, **fields):
    trigger = CronTrigger(start_time=start, **fields)
    return [trigger.next() for _ in range(count)]
daily = {"hour": 2, "minute": 30, "timezone": BERLIN}
found["gap"], found["fold"] = of_day(fires(GAP, **daily), "2025-03-30"), of_day(fires(FOLD, **daily), "2025-10-26")
found["both"] = ways(fires(JUNE, day=1, day_of_week="mon", hour=0, timezone=UTC))
found["zero"] = f"{fires(JUNE, day_of_week=0, timezone=UTC)[0]:%A}"
found["last"] = told(lambda: (CronTrigger(day="last"), "yes")[1])
found["second"] = told(lambda: (CronTrigger(second="*/5"), "yes")[1])
found["zone"] = "yes" if "timezone" in inspect.signature(CronTrigger).parameters else "no"
""",
    "Celery beat": """
from celery import Celery
from celery.schedules import crontab
NAME = "celery"
def fires(zone, start, hours, **fields):
    # asked each minute, as beat asks at the latest, with the last time it was due
    app = Celery(); app.conf.timezone = zone
    out, last, now = [], start, [start]
    schedule = crontab(app=app, nowfun=lambda: now[0].astimezone(app.timezone), **fields)
    for minute in minutes(start, hours):
        now[0] = minute
        if schedule.is_due(last).is_due:
            out.append(minute); last = minute
    return out
daily = {"hour": 2, "minute": 30}
found["gap"] = of_day(fires("Europe/Berlin", GAP, 30, **daily), "2025-03-30")
found["fold"] = of_day(fires("Europe/Berlin", FOLD, 30, **daily), "2025-10-26")
found["both"] = ways(fires("UTC", JUNE, 60, day_of_month=1, day_of_week="mon", hour=0, minute=0))
found["zero"] = f"{fires('UTC', JUNE, 24 * 8, day_of_week=0, hour=0, minute=0)[0]:%A}"
found["last"] = told(lambda: (crontab(day_of_month="L"), "yes")[1])
found["second"] = "yes" if "second" in inspect.signature(crontab).parameters else "no"
found["zone"] = "yes" if {"tz", "timezone"} & set(inspect.signature(crontab).parameters) else "one for the app"
""",
    "RQ": """
from rq.cron import CronJob
NAME = "rq"
def fires(line, start, count=3):
    job, out = CronJob("q", func=print, cron=line), []
    job.latest_enqueue_time = start
    for _ in range(count):
        out.append(job.get_next_enqueue_time()); job.latest_enqueue_time = out[-1]
    return out
found["gap"] = of_day(fires("30 2 * * *", GAP), "2025-03-30")
found["fold"] = of_day(fires("30 2 * * *", FOLD), "2025-10-26")
local = [one.astimezone(BERLIN) for one in fires("0 0 1 * 1", JUNE)]
found["both"] = ways(local)
found["zero"] = f"{fires('0 0 * * 0', JUNE)[0].astimezone(BERLIN):%A}"
found["last"] = told(lambda: (fires("0 0 L * *", JUNE), "yes")[1])
seconds = told(lambda: fires("* * * * * */5", JUNE, 2))
five = timedelta(seconds=5)
found["second"] = seconds if seconds == "refused" else "yes" if seconds[1] - seconds[0] == five else "no"
found["zone"] = "yes" if {"tz", "timezone"} & set(inspect.signature(CronJob).parameters) else "the machine's"
""",
    "Huey": """
from huey import crontab
import huey
NAME = "huey"
def fires(start, hours, zone=BERLIN, **fields):
    # its consumer asks once a minute, with the machine's naive time (utc=False)
    check = crontab(**fields)
    return [one for one in minutes(start, hours) if check(one.astimezone(zone).replace(tzinfo=None))]
daily = {"hour": "2", "minute": "30"}
found["gap"] = of_day(fires(GAP, 30, **daily), "2025-03-30")
found["fold"] = of_day(fires(FOLD, 30, **daily), "2025-10-26")
found["both"] = ways(fires(JUNE, 60, UTC, day="1", day_of_week="1", hour="0", minute="0"))
found["zero"] = f"{fires(JUNE, 24 * 8, UTC, day_of_week='0', hour='0', minute='0')[0]:%A}"
found["last"] = told(lambda: (crontab(day="L"), "yes")[1])
found["second"] = "yes" if "second" in inspect.signature(crontab).parameters else "no"
found["zone"] = "yes" if {"tz", "timezone"} & set(inspect.signature(crontab).parameters) else "the machine's, or UTC"
""",
}


def asked(python: str, name: str) -> dict[str, str]:
    """What the package answers, by row."""
    environment = {**os.environ, "TZ": "Europe/Berlin"}
    program = HEAD + PROBES[name] + FOOT
    done = subprocess.run(
        [python, "-c", program], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{name} can't be asked:\n{done.stderr}")
    answers: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return answers


def python_of(requirement: str) -> str:
    """An interpreter with the package and what it requires; made when there is none."""
    folder = ROOT / "build" / "field" / requirement
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", requirement], check=True)
    return str(python)


def table() -> str:
    """The table, as Markdown."""
    answers = {"rapscheduler": asked(sys.executable, "rapscheduler")}
    for name, requirement in PACKAGES.items():
        answers[name] = asked(python_of(requirement), name)
    for name, beside in BESIDE.items():
        answers[name]["beside"] = beside
    versions = [requirement.partition("==")[2] for requirement in PACKAGES.values()]
    heads = [
        "",
        "rapscheduler",
        *(f"{name.removesuffix(' 4')} {one}" for name, one in zip(PACKAGES, versions)),
    ]
    lines = [heads, ["---"] * len(heads)]
    lines += [[text, *(str(found[row]) for found in answers.values())] for row, text in ROWS.items()]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


if __name__ == "__main__":
    print(table(), end="")
