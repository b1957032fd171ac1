"""A pytest plugin: the fixture ``manual_scheduler``. In ``conftest.py``::

pytest_plugins = ["rapscheduler.testing.pytest_plugin"]
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rapscheduler.testing import ManualScheduler


@pytest.fixture
def manual_scheduler() -> Iterator[ManualScheduler]:
    """A started `ManualScheduler` that stands at 1 January 2025 in UTC; what a job raises, `advance` raises."""
    scheduler = ManualScheduler(raise_errors=True)
    scheduler.start()
    yield scheduler
    if scheduler.running:
        scheduler.shutdown()
