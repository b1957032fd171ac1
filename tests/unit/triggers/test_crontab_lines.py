"""Crontab lines: open values (`H`, `~`), what is too much in a line, and lines that are dead in standard cron."""

from __future__ import annotations

import re
import warnings
from datetime import datetime, timezone

import pytest
from croniter import croniter

import rapscheduler.triggers.cron as cron_room
from rapscheduler.errors import CrontabWarning
from rapscheduler.triggers.cron import CronTrigger
from rapscheduler.triggers.cron._bounds import WEEKDAYS

UTC = timezone.utc
START = datetime(2026, 1, 1, tzinfo=UTC)


def given(trigger: CronTrigger) -> dict[str, str]:
    return {field.name: str(field) for field in trigger.fields if not field.is_default}


# --- what is open in a line ---


@pytest.mark.parametrize(
    ("line", "seed", "expected"),
    [  # as Jenkins' own tests say what it draws
        ("H 17 * * *", "stuff", {"minute": "56", "hour": "17"}),
        ("H * * * *", "stuff", {"minute": "56", "hour": "*"}),
        ("@hourly", "stuff", {"minute": "56", "hour": "*"}),
        ("@hourly", "junk", {"minute": "20", "hour": "*"}),
        ("H H(12-13) * * *", "stuff", {"minute": "56", "hour": "13"}),
        ("H/15 * * * *", "stuff", {"minute": "11-59/15", "hour": "*"}),
        ("H(0-15)/3 * * * *", "junk", {"minute": "2-15/3", "hour": "*"}),
        ("H(0-3)/4 * * * *", "junk", {"minute": "2", "hour": "*"}),
    ],
)
def test_jenkins_draws_what_jenkins_draws(line: str, seed: str, expected: dict[str, str]) -> None:
    trigger = CronTrigger.from_crontab(line, "UTC", "jenkins", seed=seed)
    assert given(trigger) == {"day": "*", "month": "*", "day_of_week": "*", **expected}


def test_jenkins_values_stay_in_their_fields() -> None:
    seen: dict[str, set[int]] = {name: set() for name in ("minute", "hour", "day", "month", "day_of_week")}
    for number in range(2000):
        texts = given(CronTrigger.from_crontab("H H H H H", "UTC", "jenkins", seed=f"job {number}"))
        for name in ("minute", "hour", "day", "month"):
            seen[name].add(int(texts[name]))
        seen["day_of_week"].add(WEEKDAYS.index(texts["day_of_week"]))
    assert seen["minute"] == set(range(60))
    assert seen["hour"] == set(range(24))
    assert seen["day"] == set(range(1, 29))
    assert seen["month"] == set(range(1, 13))
    assert seen["day_of_week"] == set(range(7))


def test_jenkins_wants_day_and_weekday() -> None:
    line = "0 0 1 * 0"
    assert not CronTrigger.from_crontab(line, "UTC", "jenkins").day_or_weekday
    assert CronTrigger.from_crontab(line, "UTC", "vixie").day_or_weekday


@pytest.mark.parametrize(
    ("line", "field", "lowest", "highest"),
    [
        ("0~59 9 * * *", "minute", 0, 59),
        ("~ 9 * * *", "minute", 0, 59),
        ("50~ 9 * * *", "minute", 50, 59),
        ("~9 9 * * *", "minute", 0, 9),
        ("7~7 9 * * *", "minute", 7, 7),
        ("0 9 ~ * *", "day", 1, 31),
        ("0 9 1 feb~apr *", "month", 2, 4),
    ],
)
def test_cronie_draws_anew_for_each_line(line: str, field: str, lowest: int, highest: int) -> None:
    drawn = {int(given(CronTrigger.from_crontab(line, "UTC", "cronie"))[field]) for _ in range(600)}
    assert drawn <= set(range(lowest, highest + 1))
    assert len(drawn) > (highest - lowest) / 2
    again = {repr(CronTrigger.from_crontab(line, "UTC", "cronie", seed="here")) for _ in range(9)}
    assert len(again) == 1


def test_a_random_start_with_a_step() -> None:
    drawn = {given(CronTrigger.from_crontab("~/20,3 9 * * *", "UTC", "cronie"))["minute"] for _ in range(600)}
    assert drawn == {f"{start}-59/20,3" for start in range(20)}


@pytest.mark.parametrize(
    ("line", "dialect", "seed", "cure"),
    [
        ("H 9 * * *", "jenkins", None, "seed='the id of the job'"),
        ("@daily", "jenkins", None, "seed='the id of the job'"),
        ("H(5-3) 9 * * *", "jenkins", "job", "lower number first"),
        ("H H(3) * * *", "jenkins", "job", "\"H(3)\" for field \"hour\": write 'H', 'H(0-7)'"),
        ("H * * * ~", "jenkins", "job", "'~' is of cronie"),
        ("H(0-3)/5 9 * * *", "jenkins", "job", "one of 1 to 4"),
        ("H/0 9 * * *", "jenkins", "job", "one of 1 to 60"),
        ("0 H(0-24) * * *", "jenkins", "job", "0 to 23"),
        ("H(1,2) 9 * * *", "jenkins", "job", "minute"),
        ("59~0 9 * * *", "cronie", None, "lower number first"),
        ("1~2~3 9 * * *", "cronie", None, "write '~', '0~7'"),
        ("0~60 9 * * *", "cronie", None, "0 to 59"),
        ("H 9 * * *", "vixie", "job", "dialect='jenkins'"),
        ("H 9 * * *", "apscheduler", "job", "dialect='jenkins'"),
        ("0 H(1-3)/2 * * *", "cronie", "job", "dialect='jenkins'"),
        ("0~59 9 * * *", "vixie", "job", "dialect='cronie'"),
        ("0~59 9 * * *", "apscheduler", "job", "dialect='cronie'"),
    ],
)
def test_refused_open_values_name_the_cure(line: str, dialect: str, seed: str | None, cure: str) -> None:
    with pytest.raises(ValueError) as caught:
        CronTrigger.from_crontab(line, "UTC", dialect, seed=seed)
    assert cure in str(caught.value)
    with pytest.raises(TypeError, match="seed=5"):
        CronTrigger.from_crontab("0 9 * * thu", "UTC", "jenkins", seed=5)


def test_a_zone_in_front_of_open_values() -> None:
    trigger = CronTrigger.from_crontab("TZ=US/Hawaii 0 H(9-9) * * thu", dialect="jenkins", seed="job")
    assert (str(trigger.timezone), given(trigger)["hour"]) == ("US/Hawaii", "9")
    assert given(CronTrigger.from_crontab("0 9 * * thu", "UTC", "jenkins"))["day_of_week"] == "thu"


# --- what is too much in a line ---


@pytest.mark.parametrize("dialect", ["apscheduler", "vixie", "cronie"])
@pytest.mark.parametrize(
    ("line", "cure", "not_said"),
    [
        ("0 9 * * * /usr/bin/backup", "leave the command out ('/usr/bin/backup'), or read the file", "quartz"),
        ("17 * * * * root cd / && x", "leave the command out ('root cd / && x'), or read the file", "quartz"),
        ("0 9 * * * # every morning", "leave the comment out ('# every morning')", "quartz"),
        ("@daily /usr/bin/backup", "leave the command out ('/usr/bin/backup'), or read the file", "quartz"),
        ("@reboot /usr/bin/backup", "without a trigger", "quartz"),
        ("0 0 9 * * mon", "for a line that begins with seconds use dialect='quartz'", "last"),
        ("0 0 9 * * ? 2030", "for a line that begins with seconds use dialect='quartz'", "last"),
        ("* 8-17 * * 1-5 */10", "CronTrigger(day_of_week='mon-fri', hour='8-17', minute='*', second='*/10')", "year"),
        ("0 9 13 * 5 2030", "CronTrigger(year='2030', day='13', day_of_week='fri', ", "seconds"),
        ("0 9 ? * 2 *", "use '0 0 9 ? * 2 *' with dialect='quartz' (Sunday is 1)", "begins"),
    ],
)  # fmt: skip
def test_what_is_too_much_is_told(line: str, dialect: str, cure: str, not_said: str) -> None:
    with pytest.raises(ValueError, match=r"Wrong number of fields; got \d, expected 5|got 10") as caught:
        CronTrigger.from_crontab(line, "UTC", dialect)
    assert cure in str(caught.value)
    assert not_said not in str(caught.value)


def test_the_calls_that_are_named_mean_the_line() -> None:
    last = CronTrigger(day_of_week="mon-fri", hour="8-17", minute="*", second="*/10", timezone="UTC")
    theirs = croniter("* 8-17 * * 1-5 */10", START)
    assert list(last.fire_times(START.replace(second=1), limit=9)) == [
        theirs.get_next(datetime) for _ in range(9)
    ]
    weekdays = given(CronTrigger.from_crontab("0 0 9 ? * 2 *", "UTC", "quartz"))["day_of_week"]
    assert weekdays == "mon"


# --- dead lines that come alive ---


@pytest.mark.parametrize(
    ("line", "items"),
    [
        ("0 22-2 * * *", "'22-2'"),
        ("0 0 * * fri-mon", "'fri-mon'"),
        ("0 0 * * 7-2", "'7-2'"),
        ("0 0 * * 6-1", "'6-1'"),
        ("0 0 * * sat-sun", "'sat-sun'"),
        ("0 0 25-5 nov-feb *", "'25-5' and 'nov-feb'"),
        ("1,50-10/5 0 * * *", "'50-10/5'"),
    ],
)
@pytest.mark.parametrize("dialect", ["vixie", "cronie"])
def test_a_dead_line_warns_once(line: str, items: str, dialect: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cron_room, "_warned", set())
    with pytest.warns(CrontabWarning, match=re.escape(f"{line!r} runs on {items} here")) as seen:
        CronTrigger.from_crontab(line, "UTC", dialect)
        CronTrigger.from_crontab(line, "UTC", dialect)
    assert (len(seen), seen[0].filename) == (1, __file__)


@pytest.mark.parametrize(
    "line", ["0 2-22 * * 5-7", "0 0 L-3 * sun-sat", "22-22 0 * * fri-7", "0 22-23,0-2 * * *"]
)
def test_lines_that_cron_runs_do_not_warn(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cron_room, "_warned", set())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        CronTrigger.from_crontab(line, "UTC", "vixie")
        CronTrigger.from_crontab("0 0 0 ? * fri-mon", "UTC", "quartz")
