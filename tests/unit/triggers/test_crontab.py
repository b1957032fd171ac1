"""Crontab lines: three dialects, the lines of the corpus, and what each dialect refuses."""

from __future__ import annotations

import re
import warnings
from datetime import datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from apscheduler.triggers.cron import CronTrigger as Theirs
from croniter import croniter

import rapscheduler.triggers.cron as cron_room
from rapscheduler.errors import CrontabWeekdayWarning
from rapscheduler.triggers.cron import CronTrigger

UTC = timezone.utc
START = datetime(2026, 1, 1, tzinfo=UTC)
CORPUS = Path(cron_room.__file__).resolve().parents[2] / "cli" / "demo" / "crontab_corpus.tsv"


def given(trigger: CronTrigger) -> dict[str, str]:
    return {field.name: str(field) for field in trigger.fields if not field.is_default}


def vixie(line: str) -> dict[str, str]:
    trigger = CronTrigger.from_crontab(line, "UTC", dialect="vixie")
    return {**given(trigger), **({"either": True} if trigger.day_or_weekday else {})}


@pytest.mark.parametrize(
    "line", ["* * * * *", "*/5 0-6/2 1,15 jan-mar mon-fri", "0 0 last * sun", "5 4 2nd * *"]
)
def test_the_default_dialect_reads_as_apscheduler(line: str) -> None:
    try:
        expected = repr(Theirs.from_crontab(line, "UTC"))
    except ValueError:
        with pytest.raises(ValueError, match="Unrecognized expression"):
            CronTrigger.from_crontab(line, "UTC")
    else:
        assert repr(CronTrigger.from_crontab(line, "UTC")) == expected


def test_a_numeric_weekday_warns_once_with_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cron_room, "_warned", set())
    with pytest.warns(
        CrontabWeekdayWarning, match=r"'1-5' fires on 'tue-sat'.*means 'mon-fri'.*dialect='vixie'"
    ) as seen:
        CronTrigger.from_crontab("0 9 * * 1-5", "UTC")
        CronTrigger.from_crontab("0 9 * * 1-5", "UTC")
    assert len(seen) == 1
    assert seen[0].filename == __file__


@pytest.mark.parametrize("weekday", ["*", "mon-fri", "sun", "0-6", "*/1"])
def test_weekdays_that_all_dialects_read_alike_do_not_warn(
    weekday: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cron_room, "_warned", set())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        CronTrigger.from_crontab(f"0 9 * * {weekday}", "UTC")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("0 0 * * 0", {"day_of_week": "sun"}),
        ("0 0 * * 7", {"day_of_week": "sun"}),
        ("0 0 * * 1-5", {"day_of_week": "mon-fri"}),
        ("0 0 * * 5-7", {"day_of_week": "fri-sun"}),
        ("0 0 * * 0-6", {"day_of_week": "mon-sun"}),
        ("0 0 * * sun-sat", {"day_of_week": "mon-sun"}),
        ("0 0 * * fri-mon", {"day_of_week": "mon,fri-sun"}),
        ("0 0 * * */2", {"day_of_week": "tue,thu,sat,sun"}),
        ("0 0 * * 1/2", {"day_of_week": "mon,wed,fri"}),
        ("0 0 * * 7/2", {"day_of_week": "tue,thu,sat,sun"}),
        ("0 22-2 * * *", {"hour": "22-23,0-2"}),
        ("0 23-0 * * *", {"hour": "23,0"}),
        ("0 22-3/2 * * *", {"hour": "0,2,22"}),
        ("0 0 25-5 * *", {"day": "25-31,1-5"}),
        ("0 0 1 nov-feb *", {"day": "1", "month": "11-12,1-2"}),
        ("0/15 0 * * *", {"minute": "0/15"}),
        ("5/15 0 * * *", {"minute": "5/15"}),
        ("50/15 0 * * *", {"minute": "50"}),
        ("*/70 0 * * *", {"minute": "0"}),
        ("0 */24 * * *", {"hour": "0"}),
        ("00 09 * * MON-FRI", {"hour": "9", "day_of_week": "mon-fri"}),
        ("0 0 13 * 5", {"day": "13", "day_of_week": "fri", "either": True}),
        ("0 0 */2 * 5", {"day": "*/2", "day_of_week": "fri"}),
        ("0 0 13 * *", {"day": "13"}),
        ("0 0 13 * ?", {"day": "13"}),
        ("0 0 L * *", {"day": "last"}),
        ("0 0 1,15,L * *", {"day": "1,15,last"}),
        ("0 0 L-3,15W,LW * *", {"day": "last-3,15W,LW"}),
        ("0 0 * * 5#2", {"day": "2nd fri"}),
        ("0 0 * * 7#2", {"day": "2nd sun"}),
        ("0 0 * * fri#5,sunL", {"day": "5th fri,last sun"}),
        ("0 0 * * 5#2,1", {"day": "2nd fri", "day_of_week": "mon", "either": True}),
        ("0 0 13 * 5#2", {"day": "13,2nd fri"}),
        ("0 0 13 * 5#2,1", {"day": "13,2nd fri", "day_of_week": "mon", "either": True}),
        ("@hourly", {"hour": "*"}),
        ("@daily", {}),
        ("@midnight", {}),
        ("@weekly", {"day_of_week": "sun"}),
        ("@monthly", {"day": "1"}),
        ("@Yearly", {"day": "1", "month": "1"}),
        ("@annually", {"day": "1", "month": "1"}),
    ],
)
@pytest.mark.filterwarnings("ignore::rapscheduler.errors.CrontabWarning")
def test_vixie_lines_in_native_text(line: str, expected: dict[str, object]) -> None:
    midnight = {"minute": "0", "hour": "0", "day": "*", "month": "*", "day_of_week": "*"}
    assert vixie(line) == {**midnight, **expected}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("0 0 12 ? * 6L", {"hour": "12", "day": "last fri"}),
        ("0 0 12 ? * 6#3", {"hour": "12", "day": "3rd fri"}),
        ("0 0 12 ? * MON-FRI", {"hour": "12", "day_of_week": "mon-fri"}),
        ("0 0 12 ? * 2-6", {"hour": "12", "day_of_week": "mon-fri"}),
        ("0 0 12 ? * 1", {"hour": "12", "day_of_week": "sun"}),
        ("0 0 12 ? * L", {"hour": "12", "day_of_week": "sat"}),
        ("0 0 12 ? * FRI-MON", {"hour": "12", "day_of_week": "mon,fri-sun"}),
        ("0 0 12 ? * 2/2", {"hour": "12", "day_of_week": "mon,wed,fri"}),
        ("0 0 12 L-3 * ?", {"hour": "12", "day": "last-3"}),
        ("0 0 12 LW * ?", {"hour": "12", "day": "LW"}),
        ("0 0 12 15W * ?", {"hour": "12", "day": "15W"}),
        (
            "30 0/15 12 * * ? 2026-2030/2",
            {"second": "30", "minute": "0/15", "hour": "12", "year": "2026-2030/2"},
        ),
        ("* * * * * *", {"second": "*", "minute": "*", "hour": "*"}),
    ],
)
def test_quartz_lines_in_native_text(line: str, expected: dict[str, str]) -> None:
    midnight = {"second": "0", "minute": "0", "hour": "0", "day": "*", "month": "*", "day_of_week": "*"}
    trigger = CronTrigger.from_crontab(line, "UTC", dialect="quartz")
    assert given(trigger) == {**midnight, **expected}
    assert not trigger.day_or_weekday


@pytest.mark.parametrize(
    ("line", "dialect", "cure"),
    [
        ("* * * *", "apscheduler", "got 4, expected 5"),
        ("", "apscheduler", "got 0, expected 5"),
        ("@daily", "apscheduler", "use dialect='vixie'"),
        ("0 0 * * 7", "apscheduler", "0 is Monday"),
        ("0 0 0 * * *", "vixie", "use dialect='quartz'"),
        ("@reboot", "vixie", "without a trigger"),
        ("@noon", "vixie", "write one of @hourly"),
        ("0 0 * * 8", "vixie", "0 to 7"),
        ("0 24 * * *", "vixie", "0 to 23"),
        ("0 0 0 * *", "vixie", "1 to 31"),
        ("0 0 * 13 *", "vixie", "jan to dec"),
        ("0 0 * foo *", "vixie", "jan to dec"),
        ("0 0 * * monday", "vixie", "write"),
        ("*/0 0 * * *", "vixie", "1 or more"),
        ("? 0 * * *", "vixie", "stands alone"),
        ("*-5 0 * * *", "vixie", "only a step"),
        ("1,,2 0 * * *", "vixie", "write"),
        ("0 0 * * 5#6", "vixie", "#1 to #5"),
        ("0 0 * * L", "vixie", "'5L'"),
        ("0 0 L-31 * *", "vixie", "L-1 to L-30"),
        ("0 0 32W * *", "vixie", "1 to 31"),
        ("0 0 */2 * 5#2", "vixie", "write '*' for the day"),
        ("0 0 12 1 * MON", "quartz", "write '?'"),
        ("0 0 12 ? * 0", "quartz", "1 to 7"),
        ("0 0 12 * *", "quartz", "dialect='vixie'"),
        ("@daily", "quartz", "dialect='vixie'"),
        ("0 0 12 ? * 2 1969", "quartz", "1970 to 9999"),
        ("* * * * *", "unix", "'vixie'"),
        ("0 0 * * 7", "apscheduler", "; dialect='vixie' reads this line"),
        ("0 22-2 * * *", "apscheduler", "; dialect='vixie' reads this line"),
        ("0 0 L * *", "apscheduler", "; dialect='vixie' reads this line"),
        ("@every 5m", "vixie", "IntervalTrigger(minutes=5)"),
    ],
)
def test_refused_lines_name_the_cure(line: str, dialect: str, cure: str) -> None:
    with pytest.raises(ValueError) as caught:
        CronTrigger.from_crontab(line, "UTC", dialect=dialect)
    assert cure in str(caught.value)


@pytest.mark.parametrize(
    ("line", "dialect", "dst"),
    [
        ("0 0 * * 8", "apscheduler", "once"),
        ("@nightly x", "vixie", "once"),
        ("* * * * *", "apscheduler", "2"),
    ],
)
def test_no_line_is_sent_to_a_dialect_that_does_not_take_it(line: str, dialect: str, dst: str) -> None:
    with pytest.raises(ValueError) as caught:
        CronTrigger.from_crontab(line, "UTC", dialect=dialect, dst=dst)
    assert "dialect='vixie'" not in str(caught.value)


@pytest.mark.parametrize("line", [None, 5, b"* * * * *", ["*"]])
def test_a_line_that_is_no_text_is_a_type_error(line: object) -> None:
    with pytest.raises(TypeError):
        CronTrigger.from_crontab(line, "UTC")


@pytest.mark.parametrize("dialect", ["apscheduler", "vixie"])
def test_a_zone_in_front_of_the_line(dialect: str) -> None:
    for prefix in ("CRON_TZ=", "TZ="):
        trigger = CronTrigger.from_crontab(f"{prefix}Asia/Tokyo 0 9 * * *", dialect=dialect)
        assert str(trigger.timezone) == "Asia/Tokyo"
    with pytest.raises(ValueError, match="two time zones"):
        CronTrigger.from_crontab("CRON_TZ=Asia/Tokyo 0 9 * * *", "UTC", dialect)
    with pytest.raises(KeyError, match="Asia/Tokio"):
        CronTrigger.from_crontab("CRON_TZ=Asia/Tokio 0 9 * * *", dialect=dialect)


def test_other_arguments_pass_through() -> None:
    trigger = CronTrigger.from_crontab(
        "0 9 * * *", "UTC", "vixie", start_date="2026-02-01", end_date="2026-03-01", jitter=5, dst="shift"
    )
    assert trigger.start_date == datetime(2026, 2, 1, tzinfo=UTC)
    assert trigger.end_date == datetime(2026, 3, 1, tzinfo=UTC)
    assert (trigger.jitter, trigger.dst) == (5, "shift")


def test_a_subclass_with_apschedulers_arguments_is_made_from_a_line() -> None:
    class Mine(CronTrigger):
        def __init__(self, minute=None, hour=None, day=None, month=None, day_of_week=None, timezone=None):
            super().__init__(
                month=month, day=day, day_of_week=day_of_week, hour=hour, minute=minute, timezone=timezone
            )

    trigger = Mine.from_crontab("5 4 * * mon", "UTC")
    assert type(trigger) is Mine
    assert str(trigger) == "cron[month='*', day='*', day_of_week='mon', hour='4', minute='5']"


def corpus() -> list[str]:
    lines = CORPUS.read_text().splitlines()
    return [line.split("\t")[1] for line in lines if line and not line.startswith("#")]


def test_the_whole_corpus_is_read() -> None:
    lines = corpus()
    assert len(lines) == 800
    for line in lines:
        CronTrigger.from_crontab(line, "UTC", "vixie")


def test_the_corpus_fires_as_croniter_says() -> None:
    compared = 0
    for line in corpus()[::3]:
        if any(mark in line.upper() for mark in ("L", "#", "W")):
            continue
        _, _, day, _, weekday = line.split()
        if "*" in (day[0], weekday[0]) and "*" not in (day, weekday):
            continue  # a day such as */2 beside a weekday: vixie wants both, croniter either
        if re.search(r"\b(\d+)-\1\b", line):
            continue  # croniter takes 1-1 for every value
        theirs = croniter(line, START)
        try:
            expected = [theirs.get_next(datetime) for _ in range(3)]
        except ValueError:  # croniter gives up on dates that never come
            expected = []
        trigger = CronTrigger.from_crontab(line, "UTC", "vixie")
        ours = list(trigger.fire_times(START.replace(second=1), limit=3))
        assert ours == expected, line
        compared += 1
    assert compared > 150


@pytest.mark.parametrize(
    ("line", "rhythm"),
    [
        ("0 */24 * * *", True),
        ("0 */30,0 * * *", True),
        ("*/90 0 * * *", True),
        ("*/90 */30 * * *", True),
        ("0 */2 * * *", True),
        ("0 0 * * *", False),
        ("0 0,*/30 * * *", False),
    ],
)
@pytest.mark.parametrize("dst", ["once", "both", "shift"])
def test_a_field_that_begins_with_a_star_keeps_its_rhythm(line: str, rhythm: bool, dst: str) -> None:
    """Havana, 2 November 2025: the clocks go back from one o'clock to midnight, which comes twice."""
    trigger = CronTrigger.from_crontab(line, "America/Havana", "vixie", dst=dst)
    day = datetime(2025, 11, 2, tzinfo=ZoneInfo("America/Havana"))
    midnights = [fire.fold for fire in trigger.fire_times(day, day + timedelta(hours=1))]
    assert midnights == ([0, 1] if rhythm or dst == "both" else [0])
    again = CronTrigger.from_crontab("0 0 0 1/40 * ?", "UTC", "quartz", dst=dst)
    assert again.dst == dst
    with pytest.raises(ValueError, match="is not a rule"):
        CronTrigger.from_crontab(line, "America/Havana", "vixie", dst="twice")


def test_a_subclass_of_few_arguments_takes_a_line_with_a_rhythm() -> None:
    class Old(CronTrigger):
        def __init__(self, hour: str, minute: str, timezone: str, **fields: str) -> None:
            assert "dst" not in fields
            super().__init__(hour=hour, minute=minute, timezone=timezone, **fields)

    assert Old.from_crontab("0 */24 * * *", "UTC", "vixie").dst == "once"
