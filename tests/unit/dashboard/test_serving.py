"""`serve()`: where it refuses to stand in the way, and which addresses it takes."""

from __future__ import annotations

import asyncio
import socket
import threading
import urllib.request

import pytest

from rapscheduler.dashboard import serve
from rapscheduler.dashboard._app import Dashboard
from rapscheduler.dashboard._servers import server
from rapscheduler.dashboard._sources import SchedulerSource
from rapscheduler.schedulers.asyncio import AsyncIOScheduler
from rapscheduler.schedulers.background import BackgroundScheduler


def test_an_event_loop_is_not_brought_to_a_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "rapscheduler.dashboard.serve_here", lambda *call: pytest.fail("it serves, and the loop stands still")
    )

    async def main() -> None:
        scheduler = AsyncIOScheduler(timezone="UTC")
        with pytest.raises(RuntimeError, match=r"asyncio\.to_thread\(serve, scheduler\)"):
            serve(scheduler, port=0)

    asyncio.run(main())


def test_a_taken_port_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        serve(BackgroundScheduler(timezone="UTC"), port=taken.getsockname()[1])


def test_a_server_that_has_ended_listens_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    scheduler = BackgroundScheduler(timezone="UTC")
    listening: list[int] = []

    def interrupted(*call: object) -> None:
        listening.append(len(scheduler._dispatcher.listeners))
        raise KeyboardInterrupt

    monkeypatch.setattr("socketserver.BaseServer.serve_forever", interrupted)
    for _ in range(2):
        serve(scheduler, port=0)
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        serve(scheduler, port=taken.getsockname()[1])
    assert listening == [1, 1] and not scheduler._dispatcher.listeners


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_it_is_served_at_an_address(host: str) -> None:
    shown = host
    if ":" in host:
        try:
            socket.create_server((host, 0), family=socket.AF_INET6).close()
        except OSError:
            pytest.skip("no IPv6 here")
        shown = f"[{host}]"
    with server(Dashboard(SchedulerSource(BackgroundScheduler(timezone="UTC"))), host, 0) as serving:
        thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            with urllib.request.urlopen(f"http://{shown}:{serving.server_port}/health", timeout=60) as answer:
                assert answer.status == 200 and b"Health" in answer.read()
        finally:
            serving.shutdown()
            thread.join()
