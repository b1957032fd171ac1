"""Pictures: the right days and counts, well-formed SVG, text of others as text."""

from __future__ import annotations

import json
import re
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from xml.etree import ElementTree

import pytest

from rapscheduler._pictures import day_svg, level, year_svg, year_text
from rapscheduler.cli import main
from rapscheduler.schedulers.background import BackgroundScheduler
from rapscheduler.triggers.base import BaseTrigger
from rapscheduler.triggers.cron import CronTrigger
from rapscheduler.triggers.date import DateTrigger

SVG = "{http://www.w3.org/2000/svg}"


def days_of(text: str) -> dict[str, int]:
    """Day -> count, as the tips of the squares tell."""
    tips = [one.text or "" for one in ElementTree.fromstring(text).findall(f"{SVG}rect/{SVG}title")]
    return {tip.split()[1].rstrip(":"): int(tip.rpartition(" ")[2]) for tip in tips}


def test_a_year_of_a_trigger() -> None:
    text = CronTrigger(day_of_week="mon", hour="9-11", timezone="Europe/Berlin").plot(2026)
    days = days_of(text)
    assert len(days) == 365
    assert {day for day, count in days.items() if count} == {
        (date(2026, 1, 5) + timedelta(weeks=week)).isoformat() for week in range(52)
    }
    assert set(days.values()) == {0, 3}
    assert text.count('class="change"') == 2  # the days on which the clock changes


def test_counts_are_of_days_in_the_zone_of_the_trigger() -> None:
    days = days_of(CronTrigger(hour="*", timezone="Europe/Berlin").plot(2026))
    assert (days["2026-03-29"], days["2026-10-25"], days["2026-06-01"]) == (23, 25, 24)
    moment = datetime(2026, 6, 1, 23, 30, tzinfo=timezone.utc)
    assert days_of(DateTrigger(moment).plot(2026))["2026-06-01"] == 1


def test_a_leap_year_that_begins_on_a_sunday_fits() -> None:
    days = [date(2012, 1, 1), date(2012, 2, 29), date(2012, 12, 31)]
    root = ElementTree.fromstring(year_svg(dict.fromkeys(days, 1), 2012, "x"))
    assert max(float(one.attrib["x"]) for one in root.iter(f"{SVG}rect")) + 11 <= float(root.attrib["width"])
    lines = year_text(dict.fromkeys(days, 1), 2012)
    assert len(lines) == 8 and sum(line.count("█") for line in lines) == 3


def test_texts_of_others_are_text() -> None:
    hostile = "</title><script>alert(1)</script>"
    for text in (year_svg({}, 2026, hostile), day_svg([], hostile)):
        assert "<script" not in text
        assert ElementTree.fromstring(text).findtext(f"{SVG}title") == hostile


def test_levels_grow_by_the_logarithm() -> None:
    assert [level(count, 1000) for count in (0, 1, 9, 50, 300, 1000)] == [0, 1, 2, 3, 4, 4]
    assert level(1, 1) == 4


class Broken(BaseTrigger):
    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        raise RuntimeError("no")


def test_a_day_of_all_jobs() -> None:
    scheduler = BackgroundScheduler(timezone="Europe/Berlin")
    for _ in range(30):
        scheduler.add_job(print, "cron", hour=0)
    scheduler.add_job(print, "cron", hour=12, minute="*/10", timezone="UTC")
    scheduler.add_job(print, "cron", hour=1, id="paused", next_run_time=None)
    scheduler.add_job(print, Broken())
    root = ElementTree.fromstring(scheduler.plot_day(date(2026, 6, 1)))
    title = root.findtext(f"{SVG}title") or ""
    assert title.startswith("36 runs on Monday 2026-06-01, Europe/Berlin") and "without 1 jobs" in title
    bars = [one for one in root.iter(f"{SVG}rect") if one.get("class") == "bar"]
    places = [round((float(one.attrib["x"]) - 34) / 960 * 288) for one in bars]
    assert places == [0, *(14 * 12 + number for number in range(0, 12, 2))]
    heights = [float(one.attrib["height"]) for one in bars]
    assert heights[0] == max(heights) and re.search(r">30</text>", scheduler.plot_day(date(2026, 6, 1)))


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "year.svg"
    words = ["calendar", "0 9 * * 1", "--tz", "UTC", "--year", "2026", "--svg", str(file)]
    assert main([*words, "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["days"]) == 52
    assert sum(days_of(file.read_text()).values()) == 52
    assert main(words) == 0
    assert "52 fires in 2026 on 52 days, 1 at most on one" in capsys.readouterr().out
    assert main([*words, "--year", "20260"]) == 2
