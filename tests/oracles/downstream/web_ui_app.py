"""A web UI over a scheduler (apscheduler-ui): what it shows of jobs, stores, executors, and its buttons."""

import json
import re
import threading

from apscheduler.events import EVENT_JOB_EXECUTED
from apscheduler.schedulers.background import BackgroundScheduler
from apschedulerui.web import SchedulerUI

ran = threading.Event()


def work(a=1):
    pass


scheduler = BackgroundScheduler(timezone="UTC", job_defaults={"max_instances": 2})
scheduler.add_job(work, "interval", hours=1, id="hourly", name="Every hour", start_date="2090-01-01 00:00:00")
scheduler.add_job(work, "cron", hour=5, year=2090, id="cron", args=[3], kwargs={}, misfire_grace_time=7)
scheduler.add_job(work, "date", run_date="2090-05-05 05:05:05", id="once")
scheduler.start()  # it looks at the stores, which are there from now on
buttons = ("pause_job", "remove_job", "pause_scheduler", "stop_scheduler", "run_job")
ui = SchedulerUI(scheduler, capabilities=dict.fromkeys(buttons, True))
scheduler.add_listener(lambda event: ran.set(), EVENT_JOB_EXECUTED)
client = ui._web_server.test_client()


def plain(value):
    """Without what differs from run to run: times of today, addresses."""
    if isinstance(value, dict):
        return {
            key: plain(item)
            for key, item in value.items()
            if not key.endswith("_ts") and key not in ("ts", "jobstore_retry_interval")
        }
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, str) and value[:2] == "20" and value[:4] != "2090" and value[:4] != "2091":
        return "now"
    return value


def show(label):
    text = json.dumps(
        plain(json.loads(json.dumps(ui._scheduler_listener.scheduler_summary(), default=str))), sort_keys=True
    )
    print(label, re.sub(" at 0x[0-9a-f]+", "", text.replace("rapscheduler", "apscheduler")))


def press(path):
    answer = client.post("/api/" + path)
    print(path, answer.status_code, answer.get_data(as_text=True)[:40] if answer.status_code == 200 else "")


show("first")
for button in ("pause", "resume"):
    press(f"job/hourly/{button}")
    show(button)
press("job/none/pause")
press("job/once/remove")
show("removed")
press("scheduler/pause")
press("scheduler/resume")
press("job/cron/run_now")
print(ran.wait(20))
press("scheduler/stop")
show("last")
