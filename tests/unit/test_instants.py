"""Numbers and datetimes of one instant."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from rapscheduler._instants import EPOCH, MAX_US, MIN_US, SECOND_US, moment, us_of

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize("time_us", [0, 1, -1, 1_767_225_600_123_456, MIN_US, MAX_US])
def test_an_instant_is_the_same_on_the_way_back(time_us: int) -> None:
    assert us_of(moment(time_us)) == time_us
    assert moment(time_us).utcoffset() == timedelta(0)


def test_both_instants_of_a_repeated_hour() -> None:
    for fold in (0, 1):
        at = datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=fold)
        assert us_of(at) == (at.astimezone(timezone.utc) - EPOCH) // timedelta(seconds=1) * SECOND_US
        assert moment(us_of(at), BERLIN).fold == fold


def test_what_is_no_instant_is_refused() -> None:
    with pytest.raises(OverflowError):
        moment(MAX_US + 1)
    with pytest.raises(TypeError):
        us_of(datetime(2026, 1, 1))
