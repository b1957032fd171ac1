"""A dashboard for a scheduler: an ASGI and a WSGI application without dependencies, to be mounted in a web program.

    from rapscheduler.dashboard import asgi_app, mount

    mount(app, scheduler, "/scheduler")         # FastAPI, Starlette, Flask
    app = asgi_app(scheduler)                   # by itself, or wsgi_app(scheduler)
    serve(scheduler)                            # without a web program: until Ctrl-C

It only shows, unless ``allow_changes=True``. Without ``auth`` it answers to this machine alone. The pages read without
JavaScript, which only keeps them up to date; nothing is loaded from elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rapscheduler.dashboard._app import Dashboard, Request
from rapscheduler.dashboard._servers import PORT, ASGIApp, WSGIApp, in_running_loop, serve_here
from rapscheduler.dashboard._sources import SchedulerSource

__all__ = ("Request", "asgi_app", "django_view", "mount", "serve", "wsgi_app")


def asgi_app(
    scheduler: Any,
    *,
    auth: Callable[[Request], bool] | None = None,
    allow_changes: bool | Callable[[Request], bool] = False,
    secret: bytes | None = None,
) -> ASGIApp:
    """The dashboard of a scheduler as an ASGI application.

    :param auth: asked with each `Request` whether it may see the dashboard; without it, only this machine may
    :param allow_changes: whether jobs may be run, paused, rescheduled and removed; or a function of a `Request`
    :param secret: the key of the forms' tokens, the same in all processes that serve it (default: a random one)
    """
    return ASGIApp(Dashboard(SchedulerSource(scheduler), auth, allow_changes, secret))


def wsgi_app(
    scheduler: Any,
    *,
    auth: Callable[[Request], bool] | None = None,
    allow_changes: bool | Callable[[Request], bool] = False,
    secret: bytes | None = None,
) -> WSGIApp:
    """The dashboard of a scheduler as a WSGI application; arguments as in `asgi_app`."""
    return WSGIApp(Dashboard(SchedulerSource(scheduler), auth, allow_changes, secret))


def serve(
    scheduler: Any,
    *,
    host: str = "127.0.0.1",
    port: int = PORT,
    auth: Callable[[Request], bool] | None = None,
    allow_changes: bool | Callable[[Request], bool] = False,
    secret: bytes | None = None,
) -> None:
    """Serve the dashboard of a scheduler from this thread, until Ctrl-C, and say where on standard output.

    For people, not for the open internet: a server of the standard library, a thread for each connection.

    :param host: the address to listen at; from elsewhere than this machine it answers only with ``auth``
    :param port: 0: any that is free
    :param auth: as in `asgi_app`, and so are ``allow_changes`` and ``secret``
    :raises OSError: if the port is taken
    :raises RuntimeError: in a coroutine, whose event loop would stand still, and its jobs with it; there, write
        ``await asyncio.to_thread(serve, scheduler)``
    """
    if in_running_loop():
        raise RuntimeError(
            "serve() holds its thread, and an event loop runs in this one, which would stand still, and its jobs with "
            "it: call it in another, `await asyncio.to_thread(serve, scheduler)`, or serve asgi_app(scheduler)"
        )
    source = SchedulerSource(scheduler)
    try:
        serve_here(
            Dashboard(source, auth, allow_changes, secret), host, port,
            lambda url: print(f"{url} shows {source.title}; Ctrl-C ends it", flush=True),
        )  # fmt: skip
    finally:
        source.close()


def mount(app: Any, scheduler: Any, path: str = "/scheduler", **options: Any) -> None:
    """Mount the dashboard in an application of FastAPI, Starlette or Flask; options as in `asgi_app`.

    :raises TypeError: if it is no such application
    """
    if hasattr(app, "wsgi_app"):  # Flask
        app.wsgi_app = _Below(app.wsgi_app, path, wsgi_app(scheduler, **options))
    elif hasattr(app, "mount"):
        app.mount(path, asgi_app(scheduler, **options))
    else:
        raise TypeError(
            f"{app!r} is no application of FastAPI, Starlette or Flask; mount asgi_app() or wsgi_app() in it"
        )


def django_view(scheduler: Any, **options: Any) -> Any:
    """A view for Django, in urls.py: ``re_path("^scheduler(?P<path>/.*)?$", django_view(scheduler))``.

    Changes are checked by the dashboard's own tokens. Options as in `asgi_app`.
    """
    from django.http import HttpResponse, StreamingHttpResponse
    from django.views.decorators.csrf import csrf_exempt

    inner = wsgi_app(scheduler, **options)

    def view(request: Any, path: str | None = "") -> Any:
        root = request.path[: len(request.path) - len(path or "")]
        environ = {
            **request.META,
            "SCRIPT_NAME": root,
            "PATH_INFO": path or "/",
            "RAW_URI": None,
            "REQUEST_URI": None,
        }
        environ["wsgi.input"] = request
        found: dict[str, Any] = {}

        def start_response(status: str, headers: list[tuple[str, str]]) -> None:
            found.update(status=int(status.partition(" ")[0]), headers=headers)

        body = inner(environ, start_response)
        kind = HttpResponse if isinstance(body, list) else StreamingHttpResponse
        response = kind(body, status=found["status"])
        for name, value in found["headers"]:
            response[name] = value
        return response

    return csrf_exempt(view)


class _Below:
    """A WSGI application below a path of another one."""

    def __init__(self, outer: Any, path: str, inner: Any) -> None:
        self._outer, self._path, self._inner = outer, path.rstrip("/"), inner

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        path = environ.get("PATH_INFO", "")
        if path != self._path and not path.startswith(f"{self._path}/"):
            return self._outer(environ, start_response)
        below = {
            **environ,
            "SCRIPT_NAME": environ.get("SCRIPT_NAME", "") + self._path,
            "PATH_INFO": path[len(self._path) :] or "/",
        }
        return self._inner(below, start_response)
