"""Alerts that leave the process: a webhook for what went wrong, and a ping after each success.

Both are listeners: ``attach(scheduler)``, or ``scheduler.add_listener(alert, alert.mask)``. Requests are made by one
daemon thread, a queue of `MOST_WAITING` before it, with the HTTP client of the standard library; no job waits for them.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Callable, Iterable
from queue import Full, Queue
from typing import Any

from rapscheduler._quoting import said
from rapscheduler.errors import log_line
from rapscheduler.events import (
    EVENT_JOB_ERROR,
    EVENT_JOB_EXECUTED,
    EVENT_JOB_GAVE_UP,
    EVENT_JOB_MAX_INSTANCES,
    EVENT_JOB_MISSED,
    EVENT_JOB_PARKED,
)

__all__ = ("Alert", "heartbeat", "webhook")

MOST_WAITING = 1000
IDLE_S = 5.0
KINDS = {
    "failed": EVENT_JOB_ERROR,
    "missed": EVENT_JOB_MISSED,
    "gave_up": EVENT_JOB_GAVE_UP,
    "parked": EVENT_JOB_PARKED,
    "skipped": EVENT_JOB_MAX_INSTANCES,
    "done": EVENT_JOB_EXECUTED,
}
_WORDS = {code: word for word, code in KINDS.items()}
_log = logging.getLogger("rapscheduler.alerts")


class Alert:
    """A listener that makes requests. ``mask``: the events it wants; ``sent``, ``failed``, ``dropped``: how many."""

    def __init__(self, mask: int, request_of: Callable[[Any], Any], timeout: float) -> None:
        self.mask = mask
        self.sent = self.failed = self.dropped = 0
        self._request_of, self._timeout = request_of, timeout
        self._renew()

    def _renew(self) -> None:
        self._pid = os.getpid()
        self._queue: Queue[Any] = Queue(MOST_WAITING)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def attach(self, scheduler: Any) -> Alert:
        """Listen to a scheduler."""
        scheduler.add_listener(self, self.mask)
        return self

    def __call__(self, event: Any) -> None:
        request = self._request_of(event)
        if request is None:
            return
        if self._pid != os.getpid():  # what waited is sent by the parent, whose thread is not here
            self._renew()
        with self._lock:
            try:
                self._queue.put_nowait(request)
            except Full:
                self.dropped += 1
                log_line(_log.warning, "%d alerts were dropped: %d wait already", self.dropped, MOST_WAITING)
                return
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="rapscheduler-alerts", daemon=True)
                self._thread.start()

    def wait(self) -> None:
        """Wait until everything that was to be sent was sent, or failed."""
        self._queue.join()

    def _serve(self) -> None:
        from queue import Empty

        while True:
            try:
                request = self._queue.get(timeout=IDLE_S)
            except Empty:
                with self._lock:
                    if self._queue.empty():
                        self._thread = None
                        return
                continue
            try:
                self._send(request)
                self.sent += 1
            except Exception as exc:
                self.failed += 1
                log_line(_log.warning, "An alert could not be sent: %s", said(exc))
            finally:
                self._queue.task_done()

    def _send(self, request: Any) -> None:
        from urllib.request import urlopen

        with urlopen(request, timeout=self._timeout) as answer:
            answer.read(1024)


def _checked_url(url: Any) -> str:
    if not isinstance(url, str) or not url.startswith(("http://", "https://")):
        raise ValueError(f"url={url!r} is no address of HTTP; give one such as 'https://example.org/hook'")
    return url


def webhook(
    url: str,
    on: Iterable[str] = ("failed", "missed", "gave_up"),
    *,
    headers: dict[str, str] | None = None,
    timeout: float = 10.0,
) -> Alert:
    """POST a JSON object for each such event: ``text`` (a sentence, which Slack and others show), ``event``,
    ``job_id``, ``run_id``, ``attempt``, ``scheduled_time`` and ``error``, where the event has them.

    :param on: any of ``failed``, ``missed``, ``gave_up``, ``parked``, ``skipped``, ``done``
    :param headers: for the request, such as an authorization
    """
    from urllib.request import Request

    address = _checked_url(url)
    words = (on,) if isinstance(on, str) else tuple(on)
    mask = 0
    for word in words:
        if word not in KINDS:
            raise ValueError(f"on={word!r} is not understood: give some of {', '.join(KINDS)}")
        mask |= KINDS[word]
    fields = {"Content-Type": "application/json", "User-Agent": "rapscheduler", **(headers or {})}

    def request_of(event: Any) -> Any:
        return Request(address, json.dumps(_message(event)).encode(), fields, method="POST")

    return Alert(mask, request_of, timeout)


def _message(event: Any) -> dict[str, Any]:
    word = _WORDS.get(event.code, str(event.code))
    exception = getattr(event, "exception", None)
    error = None if exception is None else f"{type(exception).__name__}: {said(exception)}"
    when = getattr(event, "scheduled_run_time", None)
    why = error or getattr(event, "reason", None) or getattr(event, "cause", None)
    message = {
        "text": f"Job {event.job_id}: {word.replace('_', ' ')}" + (f" ({why})" if why else ""),
        "event": word,
        "job_id": event.job_id,
        "jobstore": event.jobstore,
        "run_id": getattr(event, "run_id", None),
        "attempt": getattr(event, "attempt", None),
        "scheduled_time": None if when is None else when.isoformat(),
        "error": why,
    }
    return {key: value for key, value in message.items() if value is not None}


def heartbeat(url: str, job_id: str | None = None, *, timeout: float = 10.0) -> Alert:
    """GET a URL after each run that succeeded, of one job or of any: the other side, a dead man's switch such as
    healthchecks.io, alerts when the ping does not come."""
    from urllib.request import Request

    address = _checked_url(url)

    def request_of(event: Any) -> Any:
        if job_id not in (None, event.job_id):
            return None
        return Request(address, headers={"User-Agent": "rapscheduler"})

    return Alert(EVENT_JOB_EXECUTED, request_of, timeout)
