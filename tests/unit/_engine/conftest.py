"""Makers of triggers and jobs, on both twins."""

from __future__ import annotations

from datetime import timezone
from types import SimpleNamespace
from typing import Any

import pytest

S = 1_000_000
UTC = timezone.utc


@pytest.fixture
def make(engine: Any) -> SimpleNamespace:
    """Makers of triggers and jobs of one twin."""
    zone = engine.timezone.ZoneTable.fixed(0, UTC)

    def interval(seconds: float, start_us: int = 0, end_us: int | None = None, jitter_us: int = 0) -> Any:
        return engine.interval.IntervalCore(int(seconds * S), zone, start_us, end_us, jitter_us)

    def date(run_us: int) -> Any:
        return engine.trigger.DateCore(run_us, zone)

    def job(trigger: Any, run_at_us: int | None, nominal_us: int | None = None, **values: Any) -> Any:
        job = engine.job_core.JobCore()
        job.id, job.trigger, job.executor = "j", trigger, "default"
        job.coalesce, job.max_instances, job.misfire_grace_time = True, 1, None
        job._advance(run_at_us, run_at_us if nominal_us is None else nominal_us)
        for key, value in values.items():
            setattr(job, key, value)
        return job

    return SimpleNamespace(interval=interval, date=date, job=job, zone=zone)
