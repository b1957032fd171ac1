"""The system clock is the one that freezegun and time-machine stop."""

from __future__ import annotations

from datetime import datetime, timezone
from zoneinfo import ZoneInfo

import pytest

from rapscheduler._clock import SYSTEM, Clock

freezegun = pytest.importorskip("freezegun")
time_machine = pytest.importorskip("time_machine")
FROZEN = datetime(2026, 3, 29, 1, 30, 0, 123_457, tzinfo=timezone.utc)
FROZEN_US = 1_774_747_800_123_457


def test_freezegun() -> None:
    with freezegun.freeze_time(FROZEN):
        assert SYSTEM.now_us() == FROZEN_US
        assert SYSTEM.now(ZoneInfo("Europe/Berlin")).isoformat() == "2026-03-29T03:30:00.123457+02:00"


def test_time_machine() -> None:
    with time_machine.travel(FROZEN, tick=False):
        assert SYSTEM.now_us() == FROZEN_US
        assert SYSTEM.now(timezone.utc) == FROZEN


def test_the_real_one() -> None:
    before = datetime.now(timezone.utc).timestamp()
    assert SYSTEM.now_us() / 1e6 >= before - 1e-6
    assert SYSTEM.monotonic() <= SYSTEM.monotonic()


def test_a_clock_must_tell_the_time() -> None:
    for ask in (Clock().now_us, Clock().monotonic, lambda: Clock().now(timezone.utc)):
        with pytest.raises(NotImplementedError):
            ask()
