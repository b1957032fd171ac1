"""The dashboard without a browser: what it shows, who may see and change, that nothing of others becomes markup."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import subprocess
import sys
import time
from datetime import datetime, timezone
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from rapscheduler.dashboard import Request, asgi_app, mount, wsgi_app
from rapscheduler.dashboard._app import Dashboard
from rapscheduler.dashboard._sources import SchedulerSource, StoreSource
from rapscheduler.schedulers.background import BackgroundScheduler

HOSTILE = "\"><script>alert('x')</script><img src=x onerror=alert(1)>\u202e"
SLASHED = "a/b c?d#e"


def fails() -> None:
    raise ValueError(HOSTILE)


@pytest.fixture
def scheduler() -> Any:
    one = BackgroundScheduler(timezone="Europe/Berlin")
    one.add_job(time.sleep, "cron", hour=3, args=[HOSTILE], id=HOSTILE, name=HOSTILE)
    one.add_job(time.sleep, "interval", minutes=5, id=SLASHED)
    one.add_job(fails, "cron", hour=4, id="fails")
    one.start()
    yield one
    if one.running:
        one.shutdown(wait=False)


def request(path: str = "/", method: str = "GET", body: str = "", **more: Any) -> Request:
    headers = {"host": "localhost:8642", **more.pop("headers", {})}
    path, _, query = path.partition("?")
    return Request(method, "", path, query, headers, more.pop("client", "127.0.0.1"), body.encode())


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def tags(body: bytes) -> list[tuple[str, dict[str, str | None]]]:
    reader = _Tags()
    reader.feed(body.decode())
    return reader.found


def quoted(job_id: str) -> str:
    from urllib.parse import quote

    return quote(job_id, safe="")


@pytest.mark.parametrize(
    "path", ["/", "/jobs", "/parked", "/health", "/failures", f"/jobs/{quoted(HOSTILE)}"]
)
def test_pages_hold_no_markup_of_others(path: str, scheduler: Any) -> None:
    dashboard = Dashboard(SchedulerSource(scheduler), allow_changes=True)
    scheduler.modify_job("fails", next_run_time=datetime.now(timezone.utc))
    time.sleep(0.3)
    answer = dashboard.answer(request(path))
    assert answer.status == 200
    found = tags(answer.body)
    assert [tag for tag, _ in found if tag in ("script", "img", "iframe", "style")] in ([], ["script"])
    assert all(
        attributes.get("src", "").endswith("/static/live.js") for tag, attributes in found if tag == "script"
    )
    assert not any(name.startswith("on") or name == "style" for _, attributes in found for name in attributes)
    assert b"\xe2\x80\xae" not in answer.body  # what turns the direction of text
    policy = dict(answer.all_headers())["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy


def test_overview_and_job(scheduler: Any) -> None:
    dashboard = Dashboard(SchedulerSource(scheduler))
    shown = dashboard.answer(request()).body.decode()
    assert "a/b c?d#e" in shown and "all is well" in shown and "<svg" in shown
    page = dashboard.answer(request(f"/jobs/{quoted(SLASHED)}")).body.decode()
    assert "every 5 minutes" in page and page.count("<time") >= 11 and "<form" not in page
    assert dashboard.answer(request("/jobs/nobody")).status == 404
    assert dashboard.answer(request("/nonsense")).status == 404


def test_failures_with_their_tracebacks(scheduler: Any) -> None:
    dashboard = Dashboard(SchedulerSource(scheduler))
    scheduler.modify_job("fails", next_run_time=datetime.now(timezone.utc))
    deadline = time.monotonic() + 5
    while not dashboard.source.failures() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert "ValueError" in dashboard.answer(request("/failures")).body.decode()
    assert "in fails" in dashboard.answer(request("/jobs/fails")).body.decode()


def test_search_state_and_pages(scheduler: Any) -> None:
    for number in range(120):
        scheduler.add_job(time.sleep, "cron", hour=5, id=f"many-{number:03}")
    scheduler.pause_job("many-007")
    dashboard = Dashboard(SchedulerSource(scheduler))

    def ids(query: str) -> tuple[list[str], bool]:
        found = json.loads(dashboard.answer(request(f"/api/jobs?{query}")).body)
        return [one["id"] for one in found["jobs"]], found["more"]

    assert ids("search=many-01")[0] == [f"many-{number:03}" for number in range(10, 20)]
    assert ids("state=paused") == (["many-007"], False)
    pages = [ids(f"search=many&page={number}") for number in range(3)]
    assert [len(one) for one, _ in pages] == [50, 50, 20] and [more for _, more in pages] == [
        True,
        True,
        False,
    ]
    assert len({one for page, _ in pages for one in page}) == 120
    page = dashboard.answer(request("/jobs?search=many&page=1")).body.decode()
    assert "Previous page" in page and "Next page" in page and "search=many&amp;page=2" in page


def test_nobody_else_sees_it_without_auth(scheduler: Any) -> None:
    dashboard = Dashboard(SchedulerSource(scheduler))
    assert dashboard.answer(request(client="10.0.0.7")).status == 403
    assert dashboard.answer(request(headers={"x-forwarded-for": "10.0.0.7"})).status == 403
    assert dashboard.answer(request(headers={"host": "rebound.example"})).status == 403
    assert dashboard.answer(request(headers={"host": "[::1]:8642"}, client="::1")).status == 200


def test_auth_decides_for_everybody(scheduler: Any) -> None:
    dashboard = Dashboard(SchedulerSource(scheduler), auth=lambda asked: asked.headers.get("x-user") == "me")
    assert dashboard.answer(request()).status == 403
    far = {"client": "10.0.0.7", "headers": {"x-user": "me", "host": "jobs.example"}}
    assert dashboard.answer(request("/api/jobs", **far)).status == 200
    assert dashboard.answer(request("/static/style.css")).status == 403


def form_of(dashboard: Dashboard, path: str) -> tuple[str, str]:
    """Cookie and token of a page."""
    answer = dashboard.answer(request(path))
    cookie = dict(answer.all_headers())["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie
    token = re.search(r'name="token" value="(\w+)"', answer.body.decode())
    assert token is not None
    return cookie.partition(";")[0], token[1]


def test_it_only_shows_unless_told(scheduler: Any) -> None:
    dashboard = Dashboard(SchedulerSource(scheduler))
    assert dashboard.answer(request("/jobs/fails/remove", "POST")).status == 403
    assert dashboard.answer(request("/api/jobs/fails/remove", "POST")).status == 403
    assert scheduler.get_job("fails") is not None
    assert "Set-Cookie" not in dict(dashboard.answer(request()).all_headers())


def test_changes(scheduler: Any) -> None:
    dashboard = Dashboard(SchedulerSource(scheduler), allow_changes=True)
    cookie, token = form_of(dashboard, "/jobs/fails")
    headers = {"cookie": cookie, "origin": "http://localhost:8642", "sec-fetch-site": "same-origin"}

    def change(action: str, **values: str) -> int:
        from urllib.parse import urlencode

        body = urlencode({"token": token, **values})
        return dashboard.answer(request(f"/jobs/fails/{action}", "POST", body, headers=headers)).status

    assert change("pause") == 303 and scheduler.get_job("fails").next_run_time is None
    assert change("resume") == 303 and scheduler.get_job("fails").next_run_time is not None
    assert change("reschedule", line="0 5 * * 1", timezone="UTC") == 303
    assert "1" not in str(scheduler.get_job("fails").trigger.fields[4]) and "mon" in str(
        scheduler.get_job("fails").trigger
    )
    assert change("reschedule", line="99 * * * *") == 422
    assert change("reschedule", line="0 5 * * *", timezone="Mars/Base") == 422
    assert change("explode") == 404
    assert change("run") == 303
    assert change("remove") == 303 and scheduler.get_job("fails") is None


@pytest.mark.parametrize(
    "odd",
    [
        {"cookie": ""},
        {"cookie": "rapscheduler_dashboard=of-somebody-else"},
        {"origin": "http://evil.example"},
        {"sec-fetch-site": "cross-site"},
        {"token": "0" * 64},
        {"token": ""},
    ],
)
def test_changes_from_elsewhere_are_refused(odd: dict[str, str], scheduler: Any) -> None:
    dashboard = Dashboard(SchedulerSource(scheduler), allow_changes=True)
    cookie, token = form_of(dashboard, "/jobs/fails")
    headers = {"cookie": cookie, "origin": "http://localhost:8642", **odd}
    body = f"token={headers.pop('token', token)}"
    assert dashboard.answer(request("/jobs/fails/remove", "POST", body, headers=headers)).status == 403
    assert scheduler.get_job("fails") is not None


def test_a_schedule_is_previewed(scheduler: Any) -> None:
    dashboard = Dashboard(SchedulerSource(scheduler), allow_changes=True)
    page = dashboard.answer(request("/jobs/fails?line=30+2+*+*+*&timezone=Europe/Berlin")).body.decode()
    assert "at 02:30 every day" in page and "Use this schedule" in page
    plain = dashboard.answer(request("/jobs/fails")).body.decode()
    assert 'value="Europe/Berlin"' in plain  # the zone that its schedule has now
    bad = dashboard.answer(request("/jobs/fails?line=99+2+*+*+*")).body.decode()
    assert "99" in bad and "Use this schedule" not in bad


def test_the_api_has_a_document(scheduler: Any) -> None:
    dashboard = Dashboard(SchedulerSource(scheduler))
    document = json.loads(dashboard.answer(request("/api/openapi.json")).body)
    gets = [path for path, methods in document["paths"].items() if "get" in methods and "{" not in path]
    assert len(gets) == 7
    for path in gets:
        answer = dashboard.answer(request(path))
        assert answer.status == (404 if path == "/api/runs" else 200), path  # it keeps no history
        assert answer.kind == "application/json"
    assert dashboard.answer(request("/api/nonsense")).kind == "application/json"
    assert dashboard.answer(request("/api/jobs/nobody")).status == 404


def test_a_stopped_scheduler_is_told(scheduler: Any) -> None:
    dashboard = Dashboard(SchedulerSource(scheduler))
    scheduler.shutdown()
    assert dashboard.answer(request("/api/health")).status == 503
    assert "it is stopped" in dashboard.answer(request("/")).body.decode()


def test_a_store_by_itself(tmp_path: Path) -> None:
    pytest.importorskip("sqlalchemy")
    from rapscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore

    url = f"sqlite:///{tmp_path}/jobs.sqlite"
    writer = BackgroundScheduler(timezone="UTC", jobstores={"default": SQLAlchemyJobStore(url)})
    writer.start(paused=True)
    writer.add_job("time:sleep", "cron", hour=3, id="daily", args=[1])
    writer.shutdown()
    store = SQLAlchemyJobStore(url)
    store._open(write=True)
    dashboard = Dashboard(StoreSource(store, "here"), allow_changes=True)
    assert "daily" in dashboard.answer(request()).body.decode()
    before = dashboard.mark()
    for action, state in (("pause", "paused"), ("resume", "scheduled"), ("run", "scheduled")):
        dashboard.source.change(action, "daily")
        assert dashboard.source.job("daily")["state"] == state
    assert dashboard.mark() != before
    cookie, token = form_of(dashboard, "/jobs/daily")
    body = f"token={token}&line=0+6+*+*+1&timezone=UTC"
    asked = request("/jobs/daily/reschedule", "POST", body, headers={"cookie": cookie})
    assert dashboard.answer(asked).status == 303
    assert "mon" in dashboard.source.job("daily")["trigger"]
    reader = BackgroundScheduler(timezone="UTC", jobstores={"default": SQLAlchemyJobStore(url)})
    reader.start(paused=True)
    assert reader.get_job("daily").next_run_time.weekday() == 0 and reader.get_job("daily").args == (1,)
    reader.shutdown()
    dashboard.source.change("remove", "daily")
    assert dashboard.answer(request("/jobs/daily")).status == 404
    store.shutdown()


def test_a_look_at_a_page_reads_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first page of a large store asks for its rows, not for all."""
    pytest.importorskip("sqlalchemy")
    from rapscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore

    url = f"sqlite:///{tmp_path}/jobs.sqlite"
    scheduler = BackgroundScheduler(timezone="UTC", jobstores={"default": SQLAlchemyJobStore(url)})
    scheduler.start(paused=True)
    scheduler.add_jobs(
        ({"id": str(number)} for number in range(500)), func="time:sleep", trigger="cron", hour=3
    )
    monkeypatch.setattr(SQLAlchemyJobStore, "_read_all", lambda self: pytest.fail("it reads all rows"))
    dashboard = Dashboard(SchedulerSource(scheduler))
    for path in ("/", "/jobs", "/jobs?page=3"):
        assert dashboard.answer(request(path)).status == 200
    dashboard.mark()
    scheduler.shutdown()


# servers


def asgi(app: Any, path: str, root: str = "", method: str = "GET", body: bytes = b"") -> tuple[int, bytes]:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": method, "path": root + path, "raw_path": (root + path).encode(), "root_path": root,
        "query_string": b"", "headers": [(b"host", b"localhost")], "client": ("127.0.0.1", 5),
    }  # fmt: skip
    asyncio.run(app(scope, receive, send))
    return sent[0]["status"], b"".join(one.get("body", b"") for one in sent[1:])


def wsgi(app: Any, path: str, root: str = "") -> tuple[str, Any]:
    from urllib.parse import unquote

    said: list[str] = []
    environ = {
        "REQUEST_METHOD": "GET", "SCRIPT_NAME": root, "PATH_INFO": unquote(path), "QUERY_STRING": "",
        "HTTP_HOST": "localhost", "REMOTE_ADDR": "127.0.0.1", "wsgi.input": io.BytesIO(), "RAW_URI": root + path,
    }  # fmt: skip
    body = app(environ, lambda status, headers: said.append(status))
    return said[0], body


def test_asgi_and_wsgi_serve_the_same(scheduler: Any) -> None:
    for path in ("/health", f"/jobs/{quoted(SLASHED)}"):
        status, by_asgi = asgi(asgi_app(scheduler), path, "/deep/scheduler")
        assert status == 200 and b"/deep/scheduler/static/style.css" in by_asgi
        told, body = wsgi(wsgi_app(scheduler), path, "/deep/scheduler")
        assert told == "200 OK" and b"/deep/scheduler/static/style.css" in b"".join(body)


def test_a_stream_tells_of_changes(scheduler: Any) -> None:
    told, stream = wsgi(wsgi_app(scheduler), "/events")
    assert told == "200 OK" and next(stream) == b": open\n\n"
    scheduler.pause_job("fails")
    assert any(next(stream).startswith(b"event: change") for _ in range(3))


def test_an_asgi_stream_ends_when_the_browser_goes(scheduler: Any) -> None:
    sent: list[Any] = []
    messages = iter([{"type": "http.disconnect"}])

    async def receive() -> Any:
        return next(messages)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/events", "query_string": b"", "client": ("127.0.0.1", 5),
             "headers": [(b"host", b"localhost")]}  # fmt: skip
    asyncio.run(asyncio.wait_for(asgi_app(scheduler)(scope, receive, send), 10))
    assert sent[-1] == {"type": "http.response.body", "body": b""}


def test_mounted_in_flask(scheduler: Any) -> None:
    flask = pytest.importorskip("flask")
    app = flask.Flask("x")
    app.route("/")(lambda: "theirs")
    mount(app, scheduler, "/scheduler")
    client = app.test_client()
    assert client.get("/").data == b"theirs"
    assert b"What is next" in client.get("/scheduler/").data
    assert b"auth" in client.get("/scheduler/", environ_base={"REMOTE_ADDR": "10.0.0.7"}).data
    assert client.get("/schedulers").status_code == 404


def test_mounted_in_fastapi(scheduler: Any) -> None:
    fastapi = pytest.importorskip("fastapi")
    testclient = pytest.importorskip("fastapi.testclient")
    app = fastapi.FastAPI()
    mount(app, scheduler, "/scheduler")
    client = testclient.TestClient(app, "http://localhost", client=("127.0.0.1", 5))
    page = client.get("/scheduler/")
    assert page.status_code == 200 and 'href="/scheduler/jobs"' in page.text
    assert client.get(f"/scheduler/jobs/{quoted(SLASHED)}").status_code == 200
    assert client.get("/scheduler/api/jobs").json()["jobs"]


def test_a_view_of_django(scheduler: Any) -> None:
    pytest.importorskip("django")
    program = (
        "import django, sys\n"
        "from django.conf import settings\n"
        "settings.configure(ALLOWED_HOSTS=['*'], ROOT_URLCONF=__name__, SECRET_KEY='x', DATABASES={})\n"
        "django.setup()\n"
        "from django.test import Client\nfrom django.urls import re_path\n"
        "from rapscheduler.dashboard import django_view\n"
        "from rapscheduler.schedulers.background import BackgroundScheduler\n"
        "scheduler = BackgroundScheduler(timezone='UTC')\n"
        "scheduler.add_job(print, 'cron', hour=3, id='daily')\n"
        "urlpatterns = [re_path('^scheduler(?P<path>/.*)?$', django_view(scheduler, allow_changes=True))]\n"
        "client = Client(HTTP_HOST='localhost', enforce_csrf_checks=True)\n"
        "page = client.get('/scheduler/jobs/daily')\n"
        "assert page.status_code == 200 and b'href=\"/scheduler/jobs\"' in page.content, page.content\n"
        'token = page.content.split(b\'name="token" value="\')[1][:64].decode()\n'
        "print(client.post('/scheduler/jobs/daily/remove').status_code)\n"
        "from urllib.parse import urlencode\n"
        "form = 'application/x-www-form-urlencoded'\n"
        "print(client.post('/scheduler/jobs/daily/remove', urlencode({'token': token}), form,\n"
        "      HTTP_COOKIE=page.headers['Set-Cookie'].partition(';')[0]).status_code)\n"
        "print(scheduler.get_job('daily'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(one for one in sys.path if one)},
    )  # fmt: skip
    assert done.stdout.split() == ["403", "303", "None"], done.stderr


def test_what_can_not_be_mounted_in(scheduler: Any) -> None:
    with pytest.raises(TypeError, match="asgi_app"):
        mount(object(), scheduler)


def test_the_example_of_the_page(tmp_path: Path) -> None:
    pytest.importorskip("flask")
    page = Path(__file__).parents[3] / "docs" / "dashboard.md"
    (source,) = re.findall(r"^```python\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(one for one in sys.path if one)}
    done = subprocess.run(
        [sys.executable, "-c", source],
        cwd=tmp_path,
        capture_output=True,
        env=environment,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
