"""The dashboard as an ASGI and as a WSGI application, and served by the standard library.

Stores may block, so ASGI asks in a thread. A stream of events looks once in `LOOK_S` whether something has changed,
whoever asks: all streams of a dashboard share one look. It ends after `STREAM_S`, and the browser begins another one.
"""

from __future__ import annotations

import asyncio
import socket
import socketserver
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from rapscheduler._quoting import said
from rapscheduler.dashboard._app import MOST_BODY, Answer, Dashboard, Request

PORT = 8642
LOOK_S = 1.0
STREAM_S = 300.0


class _Marks:
    """The last look of all streams."""

    def __init__(self, dashboard: Dashboard) -> None:
        self._dashboard = dashboard
        self._lock = threading.Lock()
        self._looked_at = float("-inf")
        self._mark = ""

    def get(self) -> str:
        with self._lock:
            if time.monotonic() - self._looked_at >= LOOK_S * 0.9:
                try:
                    self._mark = self._dashboard.mark()
                except Exception as exc:  # the store is away
                    self._mark = f"{type(exc).__name__}: {said(exc)}"
                self._looked_at = time.monotonic()
            return self._mark


class ASGIApp:
    """``app(scope, receive, send)``."""

    def __init__(self, dashboard: Dashboard) -> None:
        self.dashboard = dashboard
        self._marks = _Marks(dashboard)

    async def __call__(
        self,
        scope: Mapping[str, Any],
        receive: Callable[[], Awaitable[Any]],
        send: Callable[[Any], Awaitable[None]],
    ) -> None:
        if scope["type"] == "lifespan":
            while (await receive())["type"] != "lifespan.shutdown":
                await send({"type": "lifespan.startup.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        if scope["type"] != "http":
            return
        request = await _request_of(scope, receive)
        answer = await asyncio.to_thread(self.dashboard.answer, request)
        headers = [
            (name.encode("latin-1"), value.encode("latin-1", "replace"))
            for name, value in answer.all_headers()
        ]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        if not answer.events:
            body = b"" if request.method == "HEAD" else answer.body
            await send({"type": "http.response.body", "body": body})
            return
        gone = asyncio.ensure_future(_gone(receive))
        try:
            await self._stream(send, gone)
        finally:
            gone.cancel()

    async def _stream(self, send: Callable[[Any], Awaitable[None]], gone: asyncio.Future[None]) -> None:
        seen = await asyncio.to_thread(self._marks.get)
        text, ends_at = ": open\n\n", time.monotonic() + STREAM_S
        while time.monotonic() < ends_at and not gone.done():
            await send({"type": "http.response.body", "body": text.encode(), "more_body": True})
            await asyncio.wait([gone], timeout=LOOK_S)
            mark = await asyncio.to_thread(self._marks.get)
            text = ": still here\n\n" if mark == seen else "event: change\ndata: \n\n"
            seen = mark
        await send({"type": "http.response.body", "body": b""})


async def _gone(receive: Callable[[], Awaitable[Any]]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _request_of(scope: Mapping[str, Any], receive: Callable[[], Awaitable[Any]]) -> Request:
    body = b""
    if scope["method"] == "POST":
        more = True
        while more and len(body) <= MOST_BODY:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
    root, path = scope.get("root_path", ""), scope["path"]
    raw = scope.get("raw_path") or path.encode()
    shown = raw.partition(b"?")[0].decode("latin-1")  # ids may hold an encoded slash
    below = shown[len(root) :] if root and shown.startswith(root) else shown
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    client = scope.get("client")
    return Request(
        scope["method"], root, below, scope["query_string"].decode("latin-1"), headers,
        client[0] if client else None, body,
    )  # fmt: skip


class WSGIApp:
    """``app(environ, start_response)``. A stream of events holds a thread of the server."""

    def __init__(self, dashboard: Dashboard) -> None:
        self.dashboard = dashboard
        self._marks = _Marks(dashboard)

    def __call__(self, environ: Mapping[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        request = _request_of_environ(environ)
        answer = self.dashboard.answer(request)
        status = f"{answer.status} {HTTPStatus(answer.status).phrase}"
        headers = answer.all_headers()
        if not answer.events:
            headers.append(("Content-Length", str(len(answer.body))))
        start_response(status, headers)
        if answer.events:
            return self._stream()
        return [b"" if request.method == "HEAD" else answer.body]

    def _stream(self) -> Iterator[bytes]:
        seen, ends_at = self._marks.get(), time.monotonic() + STREAM_S
        yield b": open\n\n"
        while time.monotonic() < ends_at:
            time.sleep(LOOK_S)
            mark = self._marks.get()
            yield b": still here\n\n" if mark == seen else b"event: change\ndata: \n\n"
            seen = mark


def _request_of_environ(environ: Mapping[str, Any]) -> Request:
    length = environ.get("CONTENT_LENGTH") or "0"
    size = min(int(length), MOST_BODY + 1) if length.isdigit() else 0
    body = environ["wsgi.input"].read(size) if size else b""
    headers = {
        name[5:].replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    path = environ.get("PATH_INFO", "").encode("latin-1").decode("utf-8", "replace")
    return Request(
        environ["REQUEST_METHOD"], environ.get("SCRIPT_NAME", "").rstrip("/"), _quoted_path(path, environ),
        environ.get("QUERY_STRING", ""), headers, environ.get("REMOTE_ADDR"), body,
    )  # fmt: skip


def _quoted_path(path: str, environ: Mapping[str, Any]) -> str:
    """The path as it was sent, where the server tells it: an id may hold an encoded slash; else as it was decoded."""
    raw = environ.get("RAW_URI") or environ.get("REQUEST_URI")
    if not isinstance(raw, str):
        from urllib.parse import quote

        return quote(path)
    sent = raw.partition("?")[0]
    root = environ.get("SCRIPT_NAME", "").rstrip("/")
    return sent[len(root) :] if sent.startswith(root) else sent


def in_running_loop() -> bool:
    """Whether an event loop of asyncio runs in this thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *arguments: Any) -> None:
        pass

    def get_environ(self) -> Any:
        return {**super().get_environ(), "RAW_URI": self.path}


class _Server6(_Server):
    address_family = socket.AF_INET6


def server(dashboard: Dashboard, host: str, port: int) -> WSGIServer:
    """A server with a thread for each connection, for people; not for the open internet."""
    kind = _Server6 if ":" in host else _Server
    return make_server(host, port, WSGIApp(dashboard), kind, _Quiet)


def serve_here(dashboard: Dashboard, host: str, port: int, tell: Callable[[str], object]) -> None:
    """Serve from this thread until Ctrl-C; `tell` gets the URL first."""
    with server(dashboard, host, port) as serving:
        tell(f"http://{f'[{host}]' if ':' in host else host}:{serving.server_port}/")
        try:
            serving.serve_forever()
        except KeyboardInterrupt:
            pass


__all__ = ("PORT", "ASGIApp", "Answer", "WSGIApp", "in_running_loop", "serve_here", "server")
