"""Requests to answers, without a framework: routes, who may see and change, headers.

What lives here: `Dashboard.answer`. What must not: HTML (`_pages`), jobs (`_sources`), ASGI and WSGI (`_servers`).

Who may see: without ``auth`` only this machine, and only by a name of it in the Host header (else a page elsewhere
could have its name resolve to here). Who may change: nobody, unless ``allow_changes``; then a POST needs the token of
its form, which belongs to a cookie that no other site can read, and an Origin that is this one.
"""

from __future__ import annotations

import hmac
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from rapscheduler._quoting import said
from rapscheduler._stored_runs import NothingKeptError, since
from rapscheduler._views import STATES
from rapscheduler.dashboard import _pages, _static, _work_pages
from rapscheduler.dashboard._markup import Markup
from rapscheduler.dashboard._openapi import document as openapi
from rapscheduler.errors import RapschedulerError

PAGE, MOST_PAGES, MOST_SHOWN = 50, 400, 500
SHOWN_NEXT, TIMED_NEXT = 30, 300  # jobs of the first page: in its table, in its time line
LAST_RUNS = 5  # on the page of a job
MOST_BODY = 65_536
ACTIONS = {"jobs": ("pause", "resume", "run", "remove", "reschedule"), "runs": ("cancel",)}
LOOPBACK = ("127.0.0.1", "::1", "localhost")
_COOKIE = "rapscheduler_dashboard"
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass
class Request:
    """``path`` is below ``root``, where the dashboard is mounted; ``headers`` have names in lower case."""

    method: str
    root: str
    path: str
    query: str
    headers: Mapping[str, str]
    client: str | None
    body: bytes = b""
    user: Any = None

    @property
    def host(self) -> str:
        return self.headers.get("host", "")

    def values(self, of_body: bool = False) -> dict[str, str]:
        text = self.body.decode("utf-8", "replace") if of_body else self.query
        return {name: values[-1] for name, values in parse_qs(text, keep_blank_values=True).items()}


@dataclass
class Answer:
    body: bytes = b""
    status: int = 200
    kind: str = "text/html; charset=utf-8"
    headers: dict[str, str] = field(default_factory=dict)
    events: bool = False  # the body is a stream of events, see `Dashboard.mark`

    def all_headers(self) -> list[tuple[str, str]]:
        return list({"Content-Type": self.kind, **_HEADERS, **self.headers}.items())


class HTTPError(Exception):
    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Dashboard:
    """One dashboard over one source.

    :param auth: called with each `Request`; who is not to see it gets False. It may set ``request.user``
    :param allow_changes: True, or called with a `Request`: whether whoever asks may change jobs
    :param secret: the key of the forms' tokens (default: a random one, of this process)
    """

    def __init__(
        self,
        source: Any,
        auth: Callable[[Request], bool] | None = None,
        allow_changes: bool | Callable[[Request], bool] = False,
        secret: bytes | None = None,
    ) -> None:
        self.source, self._auth, self._allow = source, auth, allow_changes
        self._secret = secret or os.urandom(32)

    # one request

    def answer(self, request: Request) -> Answer:
        """May block, never raises."""
        try:
            self._admit(request)
            return self._route(request)
        except HTTPError as exc:
            return self._error(request, exc.status, str(exc))
        except (LookupError, RapschedulerError, ValueError, TypeError) as exc:
            text = said(exc.args[0]) if exc.args else type(exc).__name__
            return self._error(request, 404 if isinstance(exc, LookupError) else 422, text)
        except Exception as exc:  # a store that is away
            return self._error(request, 503, f"{type(exc).__name__}: {said(exc)}")

    def _error(self, request: Request, status: int, text: str) -> Answer:
        if request.path.startswith("/api/"):
            return _json({"error": text}, status)
        return Answer(_pages.error(self._frame(request, ""), status, text).encode(), status)

    def _admit(self, request: Request) -> None:
        if self._auth is not None:
            if not self._auth(request):
                raise HTTPError(403, "You may not see this dashboard.")
            return
        forwarded = any(name in request.headers for name in ("x-forwarded-for", "forwarded", "x-real-ip"))
        name = urlsplit(f"//{request.host}").hostname or ""
        if request.client not in LOOPBACK or forwarded or name not in LOOPBACK:
            raise HTTPError(
                403,
                "This dashboard answers to this machine only, as it was given no function auth(request).",
            )

    def may_change(self, request: Request) -> bool:
        return bool(self._allow(request)) if callable(self._allow) else self._allow

    def _route(self, request: Request) -> Answer:
        parts = [unquote(part) for part in request.path.split("/") if part]
        if request.method == "POST":
            return self._change(request, parts)
        if request.method not in ("GET", "HEAD"):
            raise HTTPError(405, f"{request.method} is not for this address.")
        if parts[:1] == ["api"]:
            return self._api(request, parts[1:])
        if parts == ["static", "style.css"]:
            return _asset(_static.STYLE, "text/css")
        if parts == ["static", "live.js"]:
            return _asset(_static.SCRIPT, "text/javascript")
        if parts == ["events"]:
            return Answer(kind="text/event-stream", headers={"X-Accel-Buffering": "no"}, events=True)
        return self._page(request, parts)

    def _page(self, request: Request, parts: list[str]) -> Answer:
        source = self.source
        frame = self._frame(request, parts[0] if parts else "")
        if not parts:
            page = _pages.overview(frame, source.health(), *source.next_up(SHOWN_NEXT, TIMED_NEXT))
        elif parts == ["jobs"]:
            page = _pages.jobs(frame, *self._listed(request))
        elif parts[0] == "jobs" and len(parts) == 2:
            view = source.job(parts[1])
            preview = _preview(request.values(), view)
            page = _pages.job(frame, view, preview, self._last_runs(parts[1]))
        elif parts == ["failures"] and source.failures() is not None:
            page = _pages.failures(frame, source.failures())
        elif parts == ["parked"]:
            page = _pages.parked(frame, source.parked())
        elif parts == ["runs"]:
            page = self._runs_page(frame, request)
        elif parts[0] == "runs" and len(parts) == 2:
            page = _work_pages.run(frame, source.run(parts[1]))
        elif parts == ["schedulers"]:
            page = _work_pages.schedulers(frame, source.schedulers())
        elif parts == ["health"]:
            page = _pages.health(frame, source.health())
        else:
            raise HTTPError(404, "There is no such page.")
        return Answer(page.encode(), headers=frame.cookies)

    def _listed(self, request: Request) -> tuple[list[dict[str, Any]], dict[str, str], int, bool]:
        """Views of one page, what was asked for, the number of the page, whether there are more."""
        asked = request.values()
        number = _whole(asked.get("page"), 0, MOST_PAGES)
        words, state = asked.get("search", "").split(), asked.get("state", "")
        count = _whole(asked.get("limit"), PAGE, MOST_SHOWN) or PAGE
        views = self.source.page(number * count, count + 1, words, [state] if state in STATES else [])
        return views[:count], asked, number, len(views) > count

    def _runs_page(self, frame: _pages.Frame, request: Request) -> Markup:
        live = self.source.under_way()
        try:
            return _work_pages.runs(frame, *self._ended(request), None, live)
        except NothingKeptError as exc:
            return _work_pages.runs(frame, [], {}, 0, False, str(exc), live)

    def _last_runs(self, job_id: str) -> list[dict[str, Any]]:
        try:
            found: list[dict[str, Any]] = self.source.runs(0, LAST_RUNS, job_id, None, None)
        except NothingKeptError:
            return []
        return found

    def _ended(self, request: Request) -> tuple[list[dict[str, Any]], dict[str, str], int, bool]:
        """Runs of one page, as `_listed`. NothingKeptError: no history is kept. ValueError: of a state or a time."""
        asked = request.values()
        number = _whole(asked.get("page"), 0, MOST_PAGES)
        count = _whole(asked.get("limit"), PAGE, MOST_SHOWN) or PAGE
        after = since(asked["since"]) if asked.get("since") else None
        job_id, state = asked.get("job") or None, asked.get("state") or None
        found = self.source.runs(number * count, count + 1, job_id, state, after)
        return found[:count], asked, number, len(found) > count

    def _api(self, request: Request, parts: list[str]) -> Answer:
        source = self.source
        if parts == ["openapi.json"]:
            return _json(openapi(request.root))
        if parts == ["jobs"]:
            views, _, number, more = self._listed(request)
            return _json({"jobs": views, "page": number, "more": more})
        if parts[:1] == ["jobs"] and len(parts) == 2:
            return _json(source.job(parts[1]))
        if parts == ["parked"]:
            return _json({"jobs": source.parked()})
        if parts == ["failures"]:
            return _json({"failures": source.failures() or []})
        if parts == ["runs"]:
            found, _, number, more = self._ended(request)
            return _json({"runs": found, "page": number, "more": more})
        if parts[:1] == ["runs"] and len(parts) == 2:
            return _json(source.run(parts[1]))
        if parts == ["running"]:
            return _json({"runs": source.under_way()})
        if parts == ["schedulers"]:
            return _json(source.schedulers())
        if parts == ["health"]:
            report = source.health()
            return _json(report, 200 if report["ok"] else 503)
        raise HTTPError(404, "There is no such address.")

    def mark(self) -> str:
        """Another text when the pages have changed."""
        mark: str = self.source.mark()
        return mark

    # changes

    def _change(self, request: Request, parts: list[str]) -> Answer:
        by_api = parts[:1] == ["api"]
        parts = parts[1:] if by_api else parts
        if not self.may_change(request):
            raise HTTPError(403, "This dashboard only shows; it is changed with allow_changes=True.")
        if len(parts) != 3 or parts[2] not in ACTIONS.get(parts[0], ()):
            raise HTTPError(404, "There is no such change.")
        if len(request.body) > MOST_BODY:
            raise HTTPError(413, "That is too long.")
        values = request.values(of_body=True)
        self._check_origin(request)
        token = request.headers.get("x-csrf-token") or values.get("token", "")
        session = _session_of(request)
        if not session or not hmac.compare_digest(self._token(session), token):
            raise HTTPError(403, "The form is too old, or came from elsewhere; load the page again.")
        kind, one_id, action = parts
        if action == "cancel":
            self.source.cancel(one_id)
        else:
            trigger = _trigger(values, self.source.job(one_id)) if action == "reschedule" else None
            self.source.change(action, one_id, trigger)
        if by_api:
            return _json({"id": one_id, "done": action})
        target = kind if action == "remove" else f"{kind}/{quote(one_id, safe='')}"
        return Answer(status=303, headers={"Location": f"{request.root}/{target}"})

    def _check_origin(self, request: Request) -> None:
        site = request.headers.get("sec-fetch-site", "same-origin")
        origin = request.headers.get("origin")
        if site not in ("same-origin", "none") or (
            origin is not None and urlsplit(origin).netloc != request.host
        ):
            raise HTTPError(403, "Changes are taken from the dashboard's own pages.")

    def _token(self, session: str) -> str:
        return hmac.new(self._secret, session.encode(), "sha256").hexdigest()

    def _frame(self, request: Request, here: str) -> _pages.Frame:
        changes = self.may_change(request)
        cookies: dict[str, str] = {}
        token = ""
        if changes:
            session = _session_of(request)
            if not session:
                session = os.urandom(16).hex()
                path = f"{request.root}/" if request.root else "/"
                cookies["Set-Cookie"] = f"{_COOKIE}={session}; Path={path}; HttpOnly; SameSite=Strict"
            token = self._token(session)
        has_failures = self.source.failures() is not None
        return _pages.Frame(request.root, here, self.source.title, changes, token, cookies, has_failures)


def _session_of(request: Request) -> str:
    morsel = SimpleCookie(request.headers.get("cookie", "")).get(_COOKIE)
    return morsel.value if morsel is not None else ""


def _whole(text: str | None, default: int, most: int) -> int:
    return min(int(text), most) if text is not None and text.isascii() and text.isdigit() else default


def _json(document: Any, status: int = 200) -> Answer:
    return Answer(json.dumps(document, default=str).encode(), status, "application/json")


def _asset(text: str, kind: str) -> Answer:
    return Answer(text.encode(), kind=f"{kind}; charset=utf-8", headers={"Cache-Control": "max-age=300"})


def _trigger(values: Mapping[str, str], view: Mapping[str, Any]) -> Any:
    """The cron trigger of a form, in the zone that it names. ValueError: it is none."""
    from rapscheduler.triggers.cron import CronTrigger

    zone = values.get("timezone") or "UTC"
    try:
        return CronTrigger.from_crontab(values.get("line", ""), zone, "vixie", seed=view["id"])
    except KeyError as exc:
        raise ValueError(f"there is no time zone {said(zone)!r}: {said(exc)}") from exc


def _preview(values: Mapping[str, str], view: Mapping[str, Any]) -> dict[str, Any] | None:
    if not values.get("line"):
        return None
    from rapscheduler._views import schedule_view

    asked = {"line": values["line"], "timezone": values.get("timezone") or "UTC"}
    try:
        return {**asked, **schedule_view(_trigger(values, view), datetime.now(timezone.utc)), "problem": None}
    except ValueError as exc:
        return {**asked, "words": "", "fires": [], "problem": said(exc)}
