"""Threads that share triggers, zones and schedules get what one thread gets; `make sanitize` looks for races, too."""

from __future__ import annotations

import pytest
from tests.fuzz import thread_races


@pytest.mark.slow
def test_threads_get_what_one_thread_gets(capsys: pytest.CaptureFixture[str]) -> None:
    thread_races.main()
    assert "the same as by one" in capsys.readouterr().out
