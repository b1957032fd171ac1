"""Crontab files: what each kind of line is, what is refused; and schedules mean what they mean to `from_crontab`."""

from __future__ import annotations

import pickle
import warnings
from datetime import datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

import rapscheduler.triggers.cron as cron_room
from rapscheduler import crontab
from rapscheduler.errors import CrontabError, CrontabWarning
from rapscheduler.testing import ManualScheduler
from rapscheduler.triggers.cron import CronTrigger
from rapscheduler.triggers.interval import IntervalTrigger

CORPUS = Path(cron_room.__file__).resolve().parents[2] / "cli" / "demo" / "crontab_corpus.tsv"
START = datetime(2026, 1, 1, tzinfo=timezone.utc)


def one(line: str, **options: object) -> crontab.CrontabEntry:
    """The entry of a text with one line that runs something."""
    (entry,) = crontab.read(f"{line}\n", timezone="UTC", **options)  # type: ignore[arg-type]
    return entry


def problems_of(text: str, **options: object) -> list[tuple[int, str]]:
    with pytest.raises(CrontabError) as caught:
        crontab.read(text, timezone="UTC", **options)  # type: ignore[arg-type]
    return caught.value.problems


@pytest.fixture(autouse=True)
def _warn_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cron_room, "_warned", set())


def corpus() -> list[str]:
    lines = CORPUS.read_text().splitlines()
    return [line.split("\t")[1] for line in lines if line and not line.startswith("#")]


@pytest.mark.filterwarnings("ignore::rapscheduler.errors.CrontabWarning")
@pytest.mark.parametrize("dialect", ["vixie", "cronie"])
@pytest.mark.parametrize("user_column", [False, True])
def test_the_corpus_as_a_file_gives_the_triggers_of_its_lines(dialect: str, user_column: bool) -> None:
    lines = corpus()
    assert len(lines) == 800
    user = "operator " if user_column else ""
    text = "# a comment\n" + "".join(
        f"{line}\t{user}run --number {number} 100\\%\n" for number, line in enumerate(lines)
    )
    entries = crontab.read(text, dialect, user_column, "America/New_York")
    assert len(entries) == 800
    for number, (line, entry) in enumerate(zip(lines, entries, strict=True)):
        expected = CronTrigger.from_crontab(line, "America/New_York", dialect)
        assert repr(entry.trigger) == repr(expected)
        assert list(entry.trigger.fire_times(START, limit=3)) == list(expected.fire_times(START, limit=3))
        assert entry.command == f"run --number {number} 100%"
        assert entry.user == ("operator" if user_column else None)
        assert entry.line == number + 2


def test_a_file_is_read_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "my crontab"
    path.write_text(
        "# comment\n"
        "\n"
        "   # another\n"
        "SHELL=/bin/bash\n"
        "  0 9 * * mon-fri   echo '#not a comment'  two\n"
        "PATH = /bin:/usr/bin  \n"
        "*/5\t*\t*\t*\t*\tdate\r\n"
        "@daily sweep\n"
        "@every 1h30m poll it"
    )
    weekdays, often, daily, every = crontab.read(path, timezone="UTC")
    assert [entry.line for entry in (weekdays, often, daily, every)] == [5, 7, 8, 9]
    assert weekdays.command == "echo '#not a comment'  two"
    assert weekdays.environment == {"SHELL": "/bin/bash"}
    assert often.environment == {"SHELL": "/bin/bash", "PATH": "/bin:/usr/bin"}
    assert (often.command, often.stdin, often.user) == ("date", None, None)
    assert repr(often.trigger) == repr(CronTrigger.from_crontab("*/5 * * * *", "UTC", "vixie"))
    assert repr(daily.trigger) == repr(CronTrigger.from_crontab("@daily", "UTC", "vixie"))
    assert isinstance(every.trigger, IntervalTrigger)
    assert (every.trigger.interval, every.command) == (timedelta(minutes=90), "poll it")


def test_a_str_is_a_path_unless_it_has_blanks_or_breaks(tmp_path: Path) -> None:
    path = tmp_path / "table"
    path.write_text("@daily sweep\n")
    assert [entry.command for entry in crontab.read(str(path))] == ["sweep"]
    assert [entry.command for entry in crontab.read("@daily sweep")] == ["sweep"]
    assert crontab.read("") == crontab.read("\n") == []
    with pytest.raises(FileNotFoundError):
        crontab.read(str(tmp_path / "none"))


def test_bytes_that_are_no_utf8_come_through_the_command(tmp_path: Path) -> None:
    path = tmp_path / "table"
    path.write_bytes(b"@daily echo \xe9\n")
    (entry,) = crontab.read(path)
    assert entry.command.encode("utf-8", "surrogateescape") == b"echo \xe9"


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        ("A=b", "A", "b"),
        ("A = b c ", "A", "b c"),
        ("A= 'b c '", "A", "b c "),
        ('A=" b"  ', "A", " b"),
        ("'A'=b", "A", "b"),
        ('"A" = b', "A", "b"),
        ("A=''", "A", ""),
        ("A=b=c", "A", "b=c"),
        ("A=b # no comment", "A", "b # no comment"),
        ("A=$HOME", "A", "$HOME"),
        ("A=b'c'", "A", "b'c'"),
    ],
)
def test_assignments_are_quoted_as_cron_does(line: str, name: str, value: str) -> None:
    assert one(f"{line}\n@daily x").environment == {name: value}


def test_an_assignment_inside_of_a_command_is_the_commands() -> None:
    entry = one("0 5 * * * A=b run")
    assert (entry.command, entry.environment) == ("A=b run", {})


@pytest.mark.parametrize(
    ("text", "command", "stdin"),
    [
        ("mail -s hi root", "mail -s hi root", None),
        ("mail root%Dear root,%%hello", "mail root", "Dear root,\n\nhello\n"),
        (r"date +\%F", "date +%F", None),
        (r"date +\%F%100\%", "date +%F", "100%\n"),
        ("cat%", "cat", ""),
        ("cat%%", "cat", "\n"),
        ("cat%a%", "cat", "a\n"),
        (r"printf 'a\nb' \\", r"printf 'a\nb' \\", None),
        (r"cat \\%in", r"cat \\", "in\n"),
        (r"cat%a\nb\\%c", "cat", "a\\nb\\%c\n"),
    ],
)
def test_percent_signs(text: str, command: str, stdin: str | None) -> None:
    entry = one(f"@daily {text}")
    assert (entry.command, entry.stdin) == (command, stdin)


def test_the_user_column(tmp_path: Path) -> None:
    assert one("17 * * * * root cd / && run", user_column=True).user == "root"
    assert one("@daily root  sweep  it", user_column=True).command == "sweep  it"
    assert one("17 * * * * root run").command == "root run"
    folder = tmp_path / "cron.d"
    folder.mkdir()
    (folder / "table").write_text("@daily root sweep\n")
    (entry,) = crontab.read(folder / "table")
    assert (entry.user, entry.command) == ("root", "sweep")
    (entry,) = crontab.read(folder / "table", user_column=False)
    assert (entry.user, entry.command) == (None, "root sweep")
    assert problems_of("@daily root", user_column=True) == [(1, "no command behind '@daily' and the user")]


@pytest.mark.filterwarnings("ignore::rapscheduler.errors.CrontabWarning")
def test_a_zone_is_that_of_the_lines_below() -> None:
    text = (
        "0 9 * * * first\n"
        "CRON_TZ=Asia/Tokyo\n"
        "0 9 * * * second\n"
        "TZ=Europe/Berlin\n"
        "@every 5m third\n"
        "CRON_TZ=''\n"
        "0 9 * * * fourth\n"
        "TZ=''\n"
        "@reboot fifth\n"
    )
    entries = crontab.read(text, timezone="America/New_York")
    zones = ["America/New_York", "Asia/Tokyo", "Asia/Tokyo", "Europe/Berlin", "America/New_York"]
    assert [str(entry.timezone) for entry in entries] == zones
    assert [str(entry.trigger.timezone) for entry in entries[:4]] == zones[:4]
    assert entries[2].environment == {"CRON_TZ": "Asia/Tokyo", "TZ": "Europe/Berlin"}


def test_tz_warns_once_that_daemons_schedule_by_their_own_clock() -> None:
    with pytest.warns(CrontabWarning, match=r"crontab, line 2: TZ= sets.*CRON_TZ=") as seen:
        crontab.read("# x\nTZ=UTC\n@daily x\n")
        crontab.read("TZ=UTC\n@daily x\n")
    assert (len(seen), seen[0].filename) == (1, __file__)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        crontab.read("TZ=Asia/Tokyo\nH H * * *", "jenkins", seed="job")
        crontab.read("CRON_TZ=UTC\n@daily x\n")


def test_a_dead_line_that_comes_alive_warns_once_with_its_number() -> None:
    with pytest.warns(CrontabWarning, match=r"crontab, line 2: .*'0 22-2 \* \* \*' runs on '22-2'") as seen:
        crontab.read("@daily x\n0 22-2 * * * y\n")
        crontab.read("0 22-2 * * * y\n")
    assert (len(seen), seen[0].filename) == (1, __file__)


def test_reboot_has_no_trigger_and_so_runs_once_at_the_start() -> None:
    entry = one("@reboot mount it")
    assert (entry.trigger, entry.command) == (None, "mount it")
    ran: list[str] = []
    with ManualScheduler(START) as scheduler:
        scheduler.add_job(ran.append, entry.trigger, args=[entry.command])
        scheduler.advance(timedelta(days=2))
    assert ran == ["mount it"]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("5m", 300), ("1h30m", 5400), ("90s", 90), ("1.5h", 5400), ("250ms", 0.25), ("2h0m1s", 7201)],
)
def test_every(text: str, seconds: float) -> None:
    entry = one(f"@every {text} poll")
    assert entry.trigger.interval == timedelta(seconds=seconds)
    assert str(entry.trigger.timezone) == "UTC"


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("0 9 * * *", "no command behind '0 9 * * *'"),
        ("@daily", "no command behind '@daily'"),
        ("0 9 * *", "no command"),
        ("MAILTO=", "in quotes: MAILTO=''"),
        ("A='b' c", "no command"),
        ("61 * * * * x", "'61' is not one of 0 to 59"),
        ("H * * * * x", "dialect='jenkins'"),
        ("0~59 * * * * x", "dialect='cronie'"),
        ("-0 9 * * * x", "-0"),
        ("@noon x", "write one of @hourly"),
        ("@every x y", "write '@every 5m'"),
        ("@every 0s y", "longer than zero"),
        ("CRON_TZ=Asia/Tokio", "Asia/Tokio"),
        ("CRON_TZ=Asia/Tokyo 0 9 * * * x", "on a line of its own"),
    ],
)
def test_a_bad_line_is_named_by_its_number(line: str, sentence: str) -> None:
    ((number, problem),) = problems_of(f"# first\n{line}\n@daily sweep\n")
    assert number == 2
    assert sentence in problem


def test_all_bad_lines_are_named_at_once(tmp_path: Path) -> None:
    path = tmp_path / "table"
    path.write_text("61 * * * * x\n@daily ok\n@noon x\n")
    with pytest.raises(CrontabError) as caught:
        crontab.read(path)
    assert [number for number, _ in caught.value.problems] == [1, 3]
    assert f"{path}: 2 lines can't be read, line 1: " in str(caught.value)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.problems) == (str(caught.value), caught.value.problems)


@pytest.mark.parametrize(
    ("arguments", "kind", "sentence"),
    [
        (("@daily x", "quartz"), ValueError, "'vixie', 'cronie', 'jenkins'"),
        ((5,), TypeError, "not 5"),
        (("@daily x", "vixie", None, "Mars/X"), KeyError, "Mars/X"),
    ],
)
def test_bad_arguments(arguments: tuple[object, ...], kind: type[Exception], sentence: str) -> None:
    with pytest.raises(kind, match=sentence):
        crontab.read(*arguments)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="dst='twice' is not a rule"):
        crontab.read("", dst="twice")


def test_cronie_draws_at_load_and_a_seed_holds_the_values() -> None:
    text = "-~ ~ * * * x\n0~9 * * * * y\n"
    first, second = crontab.read(text, "cronie", timezone="UTC", seed="this machine")
    again = crontab.read(f"@daily z\n{text}", "cronie", timezone="UTC", seed="this machine")
    assert [repr(entry.trigger) for entry in again[1:]] == [repr(first.trigger), repr(second.trigger)]
    drawn = {repr(entry.trigger) for _ in range(50) for entry in crontab.read("~ ~ * * * x\n", "cronie")}
    assert len(drawn) > 10


def test_jenkins_lines_have_no_command_and_share_one_sequence() -> None:
    text = "TZ=Europe/London\n# nightly\nH H * * *\nH H * * *\n"
    first, second = crontab.read(text, "jenkins", seed="stuff")
    assert (first.command, first.stdin, first.user) == ("", None, None)
    zone = ZoneInfo("Europe/London")
    assert repr(first.trigger) == repr(CronTrigger.from_crontab("H H * * *", zone, "jenkins", seed="stuff"))
    assert repr(first.trigger) != repr(second.trigger)
    assert "leave the command out" in problems_of("H H * * * make it", dialect="jenkins", seed="x")[0][1]
    assert "seed=" in problems_of("H H * * *", dialect="jenkins")[0][1]


def test_an_entry_adds_a_job() -> None:
    entry = one("A=b\n*/30 * * * * echo hi%there")
    ran: list[tuple[str, str | None, dict[str, str]]] = []

    def run(command: str, stdin: str | None, environment: dict[str, str]) -> None:
        ran.append((command, stdin, environment))

    with ManualScheduler(START) as scheduler:
        scheduler.add_job(run, entry.trigger, args=[entry.command, entry.stdin, dict(entry.environment)])
        scheduler.advance(timedelta(minutes=59))
    assert ran == [("echo hi", "there\n", {"A": "b"})] * 2
