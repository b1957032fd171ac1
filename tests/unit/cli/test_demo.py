"""The demo accounts for every run, draws what it says, and says what it left out."""

from __future__ import annotations

import argparse
import gc
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from benchmarks import crontab_corpus

from rapscheduler.cli import demo, main
from rapscheduler.cli.demo import _LATE_BITS, RUNS, _fires_between, fire
from rapscheduler.cli.demo.schedules import CORPUS, MINUTE_US, PERIODS_S, draw, read_corpus
from rapscheduler.triggers.cron import CronTrigger


def test_runs_every_fire_time_once_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--jobs", "200", "--seconds", "1.2", "--plain"]) == 0
    table = capsys.readouterr().out.rpartition("rapscheduler demo\n")[2]
    rows = dict(line.strip().split("  ", 1) for line in table.splitlines() if "  " in line.strip())
    shown = {name: value.strip() for name, value in rows.items()}
    assert shown["jobs"] == "200 (30 crontab, 170 intervals)"
    assert shown["skipped"] == shown["doubled"] == "0"
    assert int(shown["fires"].split()[0]) > 0
    assert gc.get_freeze_count() == 0


def test_a_full_collection_finds_no_jobs_to_look_at_while_they_run(monkeypatch: pytest.MonkeyPatch) -> None:
    frozen = []
    run = demo._run
    monkeypatch.setattr(demo, "_run", lambda *args: (frozen.append(gc.get_freeze_count()), run(*args)))
    assert main(["demo", "--jobs", "20", "--seconds", "0.1", "--plain"]) == 0
    assert frozen[0] > 0


@pytest.mark.parametrize("words", [["demo", "--jobs", "0"], ["demo", "--seconds", "0"]])
def test_refuses_a_demo_of_nothing(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert "at least 1" in capsys.readouterr().err


def test_a_run_notes_when_it_started_and_how_late_it_was() -> None:
    RUNS.clear()
    fire(250, 1_000_000, _append=RUNS.append, _clock=lambda: 7_000_400_999)
    assert [(value >> _LATE_BITS, value % (1 << _LATE_BITS)) for value in RUNS] == [(7_000_400, 150)]
    RUNS.clear()


def test_the_whole_corpus_is_read_and_what_cannot_run_is_named(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.tsv"
    corpus.write_text("# a comment\n7\t*/5 * * * *\n2\t0 0 30 2 *\n1\tnonsense\n")
    found = read_corpus(corpus)
    assert (found.crontabs, found.weights, found.seen) == (["*/5 * * * *"], [7], 3)
    assert found.left_out == {"never fires": 1, "not a crontab expression": 1}


def test_the_shipped_corpus_has_expressions_to_run() -> None:
    lines = [line for line in CORPUS.read_text().splitlines() if not line.startswith("#")]
    found = read_corpus()
    assert found.seen == len(lines)
    assert len(found.crontabs) > 600


def test_the_shipped_corpus_is_what_its_script_writes() -> None:
    assert CORPUS == crontab_corpus.PATH
    assert CORPUS.read_text(encoding="utf-8") == crontab_corpus.text()


def test_the_shipped_corpus_holds_every_form_of_the_grammar() -> None:
    lines = [" ".join(line.split("\t")[1:]) for line in CORPUS.read_text().splitlines() if line[0] != "#"]
    forms = (
        r"\*/\d",
        r"\d-\d",
        r"\d-\d+/\d",
        r"\d,\d",
        "jan",
        "mon-fri",
        "sun",
        r"\bL\b",
        "LW",
        r"\dW",
        "#2",
        r"\dL",
    )
    assert [form for form in forms if not any(re.search(form, line) for line in lines)] == []
    assert len(lines) == len(set(lines)) == crontab_corpus.SIZE


def test_draws_crontabs_and_intervals_the_same_for_the_same_seed() -> None:
    found = read_corpus()
    one, two, other = (list(draw(found, 60, seed)) for seed in (5, 5, 6))
    assert [str(job.trigger) for job in one if job.phase_us == 0] == [
        str(job.trigger) for job in two if job.phase_us == 0
    ]
    assert [str(job.trigger) for job in one] != [str(job.trigger) for job in other]
    assert sum(job.period_us == MINUTE_US and job.phase_us == 0 for job in one) == 9
    assert {job.period_us // 1_000_000 for job in one if job.phase_us} <= set(PERIODS_S)


@pytest.mark.parametrize(
    ("phase_us", "period_us", "after_us", "before_us", "count"),
    [
        (0, 1_000_000, 0, 1_000_001, 1),  # after is not counted, before is not reached
        (0, 1_000_000, 0, 1_000_000, 0),
        (300, 1_000_000, 300, 5_000_300, 4),
        (0, MINUTE_US, 59_000_000, 180_000_000, 2),  # by the trigger: minutes 1 and 2
    ],
)
def test_counts_the_fire_times_between(
    phase_us: int, period_us: int, after_us: int, before_us: int, count: int
) -> None:
    trigger = CronTrigger(timezone="UTC", minute="*")
    job = SimpleNamespace(args=(phase_us, period_us), trigger=trigger)
    assert _fires_between(job, after_us, before_us) == count


def test_help_lists_the_commands_without_importing_them(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out
    assert "demo" in shown
    assert "fuzz" in shown


def test_unknown_command_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["dmeo"])
    assert "dmeo" in capsys.readouterr().err


def test_demo_arguments_have_the_documented_defaults() -> None:
    from rapscheduler.cli.demo import add_arguments

    parser = argparse.ArgumentParser()
    add_arguments(parser)
    assert vars(parser.parse_args([])) == {"jobs": 100_000, "seconds": 10.0, "seed": 1, "plain": False}
