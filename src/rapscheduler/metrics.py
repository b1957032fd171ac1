"""Figures for Prometheus, by its own client (the extra ``prometheus``).

``rapscheduler_runs_total{job, state}``, ``rapscheduler_run_duration_seconds{job}``,
``rapscheduler_run_lateness_seconds{job}``; and of the scheduler, when it is asked: ``rapscheduler_due{jobstore}``,
``_parked{jobstore}``, ``_queued{executor}``, ``_lag_seconds``, ``_last_pass_age_seconds``, ``_up``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rapscheduler._states import DONE, FAILED, MISSED, SKIPPED
from rapscheduler.events import (
    EVENT_JOB_ERROR,
    EVENT_JOB_EXECUTED,
    EVENT_JOB_MAX_INSTANCES,
    EVENT_JOB_MISSED,
    EVENT_JOB_STARTED,
)

try:
    from prometheus_client import REGISTRY, Counter, Histogram
    from prometheus_client.core import GaugeMetricFamily
except ImportError as exc:
    raise ImportError("metrics need the client of Prometheus: pip install rapscheduler[prometheus]") from exc

__all__ = ("prometheus",)

OTHER = "(other)"
_STATES = {
    EVENT_JOB_EXECUTED: DONE,
    EVENT_JOB_ERROR: FAILED,
    EVENT_JOB_MISSED: MISSED,
    EVENT_JOB_MAX_INSTANCES: SKIPPED,
}
_BUCKETS = (0.001, 0.005, 0.025, 0.1, 0.5, 1, 5, 15, 60, 300, 1800, 7200)


class prometheus:
    """Give a scheduler's figures to a registry; ``close()`` takes them away.

    :param most_jobs: so many jobs have labels of their own; those after them share the label ``(other)``
    :param namespace: the beginning of the names, where several schedulers share a registry
    """

    def __init__(
        self,
        scheduler: Any,
        registry: Any = REGISTRY,
        *,
        most_jobs: int = 200,
        namespace: str = "rapscheduler",
    ) -> None:
        self._scheduler, self._registry = scheduler, registry
        self._most, self._namespace = most_jobs, namespace
        self._jobs: set[str] = set()
        options = {"namespace": namespace, "registry": registry}
        self._runs = Counter("runs", "Runs that ended", ["job", "state"], **options)
        self._duration = Histogram("run_duration_seconds", "Of a call", ["job"], buckets=_BUCKETS, **options)
        self._lateness = Histogram(
            "run_lateness_seconds", "From when it was due to the call", ["job"], buckets=_BUCKETS, **options
        )
        registry.register(self)
        scheduler.add_listener(self._told, EVENT_JOB_STARTED | sum(_STATES))

    def close(self) -> None:
        """Let go of the scheduler and the registry."""
        self._scheduler.remove_listener(self._told)
        for one in (self, self._runs, self._duration, self._lateness):
            self._registry.unregister(one)

    def _label(self, job_id: str) -> str:
        if job_id in self._jobs:
            return job_id
        if len(self._jobs) >= self._most:
            return OTHER
        self._jobs.add(job_id)
        return job_id

    def _told(self, event: Any) -> None:
        state = _STATES.get(event.code)
        if state is None:
            return
        run = getattr(event, "run", None)
        job = self._label(event.job_id)
        self._runs.labels(job, state if run is None or state == SKIPPED else run.state).inc()
        if run is not None and run.started_us is not None:
            self._lateness.labels(job).observe(max(0.0, run.lateness))
            if run.duration is not None:
                self._duration.labels(job).observe(max(0.0, run.duration))

    def describe(self) -> list[Any]:
        """Nothing beforehand: the registry must not ask the stores to know the names."""
        return []

    def collect(self) -> Iterator[Any]:
        """What the scheduler knows of itself now."""
        report, name = self._scheduler.health(), self._namespace
        yield GaugeMetricFamily(f"{name}_up", "1: it looks for due jobs", value=float(report["alive"]))
        yield GaugeMetricFamily(f"{name}_lag_seconds", "Of the earliest due job", value=report["lag_s"])
        if report["last_pass_age_s"] is not None:
            age_s = report["last_pass_age_s"]
            yield GaugeMetricFamily(f"{name}_last_pass_age_seconds", "Since the last pass", value=age_s)
        for key, label, text in (
            ("due", "jobstore", "Jobs that are due"),
            ("parked", "jobstore", "Jobs that were set aside"),
            ("queued", "executor", "Runs that wait for a worker"),
        ):
            gauge = GaugeMetricFamily(f"{name}_{key}", text, labels=[label])
            for alias, count in report[key].items():
                if count is not None:
                    gauge.add_metric([alias], count)
            yield gauge
