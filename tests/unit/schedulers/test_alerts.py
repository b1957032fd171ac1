"""Alerts, metrics and traces, against a real HTTP server and the real clients."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from rapscheduler import alerts
from rapscheduler.alerts import heartbeat, webhook
from rapscheduler.schedulers.asyncio import AsyncIOScheduler
from rapscheduler.testing import ManualScheduler


def fail() -> None:
    raise ValueError("no")


@pytest.fixture
def server() -> Any:
    seen: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            seen.append((self.path, self.headers.get("X-Key"), json.loads(body)))
            self.send_response(500 if self.path == "/broken" else 204)
            self.end_headers()

        def do_GET(self) -> None:
            seen.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    server.seen, server.url = seen, f"http://127.0.0.1:{server.server_port}"  # type: ignore[attr-defined]
    yield server
    server.shutdown()
    server.server_close()


def run(alert: Any) -> Any:
    scheduler = ManualScheduler()
    alert.attach(scheduler)
    scheduler.add_job(len, args=["a"], id="good")
    scheduler.add_job(fail, id="bad", retry=2)
    scheduler.start()
    scheduler.advance(10)
    alert.wait()
    return scheduler


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_sends_its_own_alerts_and_none_of_its_parents(server: Any) -> None:
    alert = webhook(f"{server.url}/hook")
    run(alert)
    assert len(server.seen) == 3  # two failures and the end of retrying
    alert._queue.put("a request that waits in the parent")  # which the child must not send
    pid = os.fork()
    if pid == 0:
        try:
            run(alert)
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(pid, 0)[1] == 0
    assert len(server.seen) == 6


def test_a_webhook_is_told_what_went_wrong(server: Any) -> None:
    alert = webhook(f"{server.url}/hook", headers={"X-Key": "k"})
    run(alert)
    assert [(path, key, body["event"], body["attempt"]) for path, key, body in server.seen] == [
        ("/hook", "k", "failed", 1),
        ("/hook", "k", "failed", 2),
        ("/hook", "k", "gave_up", 2),
    ]
    last = server.seen[-1][2]
    assert last["text"] == "Job bad: gave up (ValueError: no)" and last["job_id"] == "bad" and last["run_id"]
    assert alert.sent == 3


def test_a_heartbeat_pings_after_each_success_of_a_job(server: Any) -> None:
    run(heartbeat(f"{server.url}/ping", "good"))
    run(heartbeat(f"{server.url}/ping", "bad"))
    assert server.seen == ["/ping"]


def test_an_address_that_fails_is_logged_and_costs_nothing_else(server: Any, caplog: Any) -> None:
    alert = webhook(f"{server.url}/broken", on="gave_up")
    run(alert)
    assert (alert.sent, alert.failed) == (0, 1)
    assert "could not be sent: HTTP Error 500" in caplog.text


def test_what_can_not_wait_is_dropped_and_counted(monkeypatch: Any, caplog: Any) -> None:
    monkeypatch.setattr(alerts, "MOST_WAITING", 2)
    alert = webhook("http://127.0.0.1:1/", on="failed")
    alert._thread = threading.current_thread()  # none that sends
    scheduler = ManualScheduler()
    alert.attach(scheduler)
    scheduler.add_job(fail, "interval", seconds=1)
    scheduler.start()
    scheduler.advance(5)
    assert alert.dropped == 3 and "3 alerts were dropped" in caplog.text


def test_wrong_settings_are_named() -> None:
    with pytest.raises(ValueError, match="on='sad'"):
        webhook("http://x/", on=["sad"])
    with pytest.raises(ValueError, match="no address of HTTP"):
        heartbeat("file:///etc/passwd")


def test_figures_for_prometheus() -> None:
    client = pytest.importorskip("prometheus_client")
    from rapscheduler.metrics import OTHER, prometheus

    registry = client.CollectorRegistry()
    scheduler = ManualScheduler()
    figures = prometheus(scheduler, registry, most_jobs=2)
    scheduler.add_job(len, "interval", seconds=1, args=["a"], id="good")
    scheduler.add_job(fail, "interval", seconds=1, id="bad")
    scheduler.add_job(len, "interval", seconds=1, args=["a"], id="third")
    scheduler.start()
    scheduler.advance(3)

    def value(name: str, **labels: str) -> Any:
        return registry.get_sample_value(f"rapscheduler_{name}", labels)

    assert value("runs_total", job="good", state="done") == 3
    assert value("runs_total", job="bad", state="failed") == 3
    assert value("runs_total", job=OTHER, state="done") == 3
    assert value("run_duration_seconds_count", job="good") == 3
    assert value("run_lateness_seconds_sum", job="good") == 0
    assert value("up") == 0 or value("up") == 1
    assert value("due", jobstore="default") == 0 and value("parked", jobstore="default") == 0
    assert b"rapscheduler_runs_total" in client.generate_latest(registry)
    figures.close()
    scheduler.advance(1)
    assert list(registry.collect()) == [] and not scheduler._watched.every


def test_spans_of_opentelemetry_are_linked_to_who_added_the_job() -> None:
    pytest.importorskip("opentelemetry.sdk")
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    from opentelemetry.trace import get_current_span

    from rapscheduler.tracing import linked_here, opentelemetry

    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    scheduler = ManualScheduler()
    scheduler.add_middleware(opentelemetry(provider))
    inside: list[int] = []

    def good_work() -> None:
        inside.append(get_current_span().get_span_context().span_id)

    with provider.get_tracer("test").start_as_current_span("request") as request:
        scheduler.add_job(
            lambda: inside.append(get_current_span().get_span_context().span_id),
            name="good",
            metadata=linked_here(),
        )
    scheduler.add_job(fail, name="bad", id="b")
    scheduler.start()
    scheduler.advance(1)
    spans = {span.name: span for span in exporter.get_finished_spans()}
    assert set(spans) == {"request", "good", "bad"}
    good, bad = spans["good"], spans["bad"]
    assert [link.context.span_id for link in good.links] == [request.get_span_context().span_id]
    assert inside == [good.context.span_id] and good.parent is None
    assert good.attributes["rapscheduler.run.attempt"] == 1
    assert bad.attributes["rapscheduler.job.id"] == "b" and bad.links == ()
    assert bad.status.is_ok is False and bad.events[0].name == "exception"

    async def work() -> int:
        await asyncio.sleep(0.02)
        return get_current_span().get_span_context().span_id

    async def main() -> Any:
        async with AsyncIOScheduler() as scheduler:
            scheduler.add_middleware(opentelemetry(provider))
            return await scheduler.add_job(work, "interval", hours=1, name="slow").run()

    span_id = asyncio.run(main())
    slow = {span.name: span for span in exporter.get_finished_spans()}["slow"]
    assert slow.context.span_id == span_id and slow.end_time - slow.start_time >= 20_000_000
