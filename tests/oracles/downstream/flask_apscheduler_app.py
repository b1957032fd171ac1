"""Flask-APScheduler as its documentation shows: jobs from the configuration, the decorator, the REST API."""

import json
import threading

from flask import Flask
from flask_apscheduler import APScheduler
from flask_apscheduler.auth import HTTPBasicAuth

ran = threading.Event()


def work(a, b=2):
    ran.set()


class Config:
    JOBS = [  # noqa: RUF012 (as documented)
        {
            "id": "job1",
            "func": work,
            "args": (1,),
            "trigger": "interval",
            "hours": 10,
            "start_date": "2090-01-01",
        },
        {
            "id": "job2",
            "func": "__main__:work",
            "args": (1, 3),
            "trigger": {"type": "cron", "hour": "5", "year": 2091},
        },
    ]
    SCHEDULER_API_ENABLED = True
    SCHEDULER_TIMEZONE = "Europe/Berlin"
    SCHEDULER_EXECUTORS = {"default": {"type": "threadpool", "max_workers": 2}}  # noqa: RUF012
    SCHEDULER_JOB_DEFAULTS = {"coalesce": False, "max_instances": 3, "misfire_grace_time": 900}  # noqa: RUF012


app = Flask(__name__)
app.config.from_object(Config())
scheduler = APScheduler()
scheduler.init_app(app)


@scheduler.task("interval", id="decorated", days=2, start_date="2090-05-05 10:00:00", misfire_grace_time=5)
def decorated():
    with scheduler.app.app_context():
        pass


scheduler.start()
client = app.test_client()


def show(label, answer):
    body = answer.get_json(silent=True)
    if isinstance(body, dict) and "hostname" in body:
        body.pop("hostname")
    if isinstance(body, dict):
        body.pop("traceback", None)
    print(label, answer.status_code, json.dumps(body, sort_keys=True))


show("info", client.get("/scheduler"))
show("jobs", client.get("/scheduler/jobs"))
show("job", client.get("/scheduler/jobs/job1"))
show("none", client.get("/scheduler/jobs/none"))
new = {
    "id": "new",
    "func": "__main__:work",
    "args": [7],
    "trigger": "date",
    "run_date": "2090-03-04T05:06:07+01:00",
}
show("add", client.post("/scheduler/jobs", json=new))
show("again", client.post("/scheduler/jobs", json=new))
show("change", client.patch("/scheduler/jobs/new", json={"name": "changed", "max_instances": 2}))
show("reschedule", client.patch("/scheduler/jobs/new", json={"trigger": "cron", "day": 1, "year": 2090}))
show("pause", client.post("/scheduler/jobs/new/pause"))
show("resume", client.post("/scheduler/jobs/new/resume"))
show("delete", client.delete("/scheduler/jobs/new"))
show("delete again", client.delete("/scheduler/jobs/new"))
show("run", client.post("/scheduler/jobs/job1/run"))
print("ran", ran.wait(20))
ran.clear()
scheduler.add_job(id="soon", func=work, args=(1,))
print("soon", ran.wait(20))
scheduler.pause()
print("state", scheduler.state, scheduler.running)
scheduler.resume()
show("api pause", client.post("/scheduler/pause"))
show("api resume", client.post("/scheduler/start"))
scheduler.auth = HTTPBasicAuth()
print([job.id for job in scheduler.get_jobs()])
scheduler.remove_all_jobs()
scheduler.shutdown()
show("closed", client.get("/scheduler"))
