"""``rapscheduler next``, ``explain``, ``crontab``: right times, the days that differ, JSON, help."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from rapscheduler.cli import COMMANDS, main


def document(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    capsys.readouterr()
    assert main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_no_arguments_print_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in COMMANDS)


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "exec"])
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0 and f"rapscheduler {name}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "name", [name for name in COMMANDS if name not in ("exec", "demo", "fuzz", "migrate")]
)
def test_every_command_answers_with_json(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([name, "--help"])
    assert "--json" in capsys.readouterr().out


def test_next_fires_across_a_repeated_hour(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["next", "30 2 * * *", "--tz", "Europe/Berlin", "--from", "2026-10-24", "-n", "3"]
    assert document(capsys, *words)["fires"] == [
        "2026-10-24T02:30:00+02:00",
        "2026-10-25T02:30:00+02:00",
        "2026-10-26T02:30:00+01:00",
    ]
    assert main(words) == 0
    assert "2026-10-25 02:30:00+0200  (first time of a repeated hour)" in capsys.readouterr().out


def test_next_reads_real_cron_by_default(capsys: pytest.CaptureFixture[str]) -> None:
    line = ["next", "0 0 * * 1", "--tz", "UTC", "--from", "2026-11-28", "-n", "1"]
    assert document(capsys, *line)["fires"] == ["2026-11-30T00:00:00+00:00"]  # a Monday
    assert document(capsys, *line, "--dialect", "apscheduler")["fires"] == ["2026-12-01T00:00:00+00:00"]


def test_explain_names_the_days_that_differ(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["explain", "*/30 * * * *", "--tz", "Europe/Berlin", "--from", "2026-03-01"]
    found = document(capsys, *words)
    assert found["words"] == "every 30 minutes, Europe/Berlin"
    skipped, repeated = found["differs"]
    assert (skipped["date"], skipped["missing"]) == ("2026-03-29", ["02:00:00", "02:30:00"])
    assert (repeated["date"], repeated["additional"]) == ("2026-10-25", ["02:00:00", "02:30:00"])
    assert document(capsys, "explain", "0 9 * * *", "--tz", "Europe/Berlin")["differs"] == []
    assert document(capsys, "explain", "CRON_TZ=Europe/Berlin 30 2 * * *")["differs"][0]["missing"] == [
        "02:30:00"
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["next", "61 * * * *"], "61"),
        (["next", "* * * * *", "--tz", "Mars/Base"], "Mars/Base"),
        (["explain", "* * * * *", "--from", "tomorrow"], "--from"),
        (["crontab", "no-such-file"], "no-such-file"),
    ],
)
def test_mistakes_are_one_line(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1 and said.startswith(f"rapscheduler {words[0]}: ")


def test_a_line_that_never_fires_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["next", "0 0 31 2 *", "--tz", "UTC"]) == 1
    assert "never" in capsys.readouterr().out


def test_crontab_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "crontab"
    path.write_text("CRON_TZ=UTC\n0 4 * * 1-5 backup --all\n22-2 5 * * * x\n@reboot warm\n")
    found = document(capsys, "crontab", str(path))
    assert [(one["line"], one["command"]) for one in found["lines"]] == [
        (2, "backup --all"),
        (3, "x"),
        (4, "warm"),
    ]
    assert found["lines"][0]["words"] == "at 04:00 on Monday to Friday, UTC"
    assert found["lines"][2]["next"] is None
    assert any("never run it" in text for text in found["warnings"])
    monkeypatch.setattr("sys.stdin", io.StringIO("nonsense\n* * * * * x"))
    assert main(["crontab", "-"]) == 1
    assert capsys.readouterr().out.startswith("line 1: ")
