"""The fuzz product: it finds planted mistakes, shrinks them, is deterministic, and a small campaign is clean."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from itertools import takewhile

import pytest

from rapscheduler._fuzz import campaign, command, groups
from rapscheduler._fuzz.campaign import Tally, examine, first_wrong, group_of, shrunk, work
from rapscheduler._fuzz.draw import Question
from rapscheduler._fuzz.groups import CronGroup, ask, public_cron
from rapscheduler._fuzz.peers import CLASSES, Difference, Peer, PeerCheck, installed_peers
from rapscheduler._fuzz.schedule import Schedule, Term, one
from rapscheduler._fuzz.walker import utc

pytestmark = pytest.mark.slow

FOLD = utc("2025-11-02T06:00")
FOLD_QUESTION = Question(
    Schedule({"hour": one(1), "minute": (Term("range", 30, 40, 5),), "day_of_week": (Term("range", 0, 6),)}),
    "America/New_York",
    "once",
    FOLD - 86400,
    FOLD + 2 * 86400,
    (FOLD - 80000) * 1_000_000,
    None,
    (FOLD * 1_000_000, FOLD * 1_000_000 + 1),
    1,
)


def added(tallies) -> Tally:
    total = Tally()
    for _, tally in tallies:
        total.add(tally)
    return total


def test_a_small_campaign_finds_nothing():
    """Triggers of all kinds agree with the walker, the plain rules, the twin and the peers."""
    peers, _ = installed_peers()
    total = added(work(20261121, 0, 1, 6000, None, peers))
    assert total.cases >= 6000
    assert len(total.zones) > 30 and total.crossed > 30
    assert set(total.kinds) == {"cron", "interval", "calendar", "date", "combined"}
    assert [found.line for found in total.disagreements] == []


def test_a_seed_gives_the_same_cases_however_they_are_shared():
    def first_dozen(part: int, parts: int) -> Tally:
        return added(takewhile(lambda each: each[0] < 12, work(7, part, parts, None, None, [])))

    alone, parts = first_dozen(0, 1), [first_dozen(0, 2), first_dozen(1, 2)]
    assert alone.cases == sum(part.cases for part in parts)
    assert alone.zones == parts[0].zones | parts[1].zones
    assert [group_of(7, number)[0].code for number in range(5)] == [
        group_of(7, number)[0].code for number in range(5)
    ]


class DoublesFolds:
    """A trigger with the mistake of firing in both passes."""

    def __init__(self, question: Question) -> None:
        self._right = groups.reference_cron.CronCore(
            groups.reference_cron.CronSpec.of(**groups.spec_numbers(question.schedule), dst="both"),
            groups.reference_zone(question.zone),
            question.start_us,
            question.end_us,
        )

    def __getattr__(self, name):
        return getattr(self._right, name)


def test_a_planted_mistake_is_found_and_shrunk(monkeypatch):
    """The line names a smaller schedule, and asks the same question."""
    monkeypatch.setattr(groups, "public_cron", DoublesFolds)
    group = CronGroup(FOLD_QUESTION)
    call = ("next_fire_us", (None, FOLD * 1_000_000))
    found = first_wrong(group, group.subjects(), call)
    assert found is not None and found[0] == "rapscheduler"
    small, who, said, right = shrunk(group, call, found)
    assert who == "rapscheduler" and said != right
    asked = small.question
    assert asked.start_us is None
    assert "day_of_week" not in asked.schedule.fields and asked.zone == "America/New_York"
    line = campaign.line_of(small, call, right)
    assert line.startswith("assert ask(CronTrigger(") and line.endswith(right)


@pytest.mark.parametrize("dst", ["once", "shift"])
def test_a_planted_mistake_is_found_by_a_campaign(monkeypatch, dst):
    """Within the first thousand groups, a wrong rule for folds is noticed."""
    monkeypatch.setattr(groups, "public_cron", DoublesFolds)
    numbers = (number for number in range(1000) if isinstance(group_of(3, number)[0], CronGroup))
    tallies = (examine(3, number, []) for number in numbers if group_of(3, number)[0].question.dst == dst)
    assert next(tally.disagreements for tally in tallies if tally.disagreements)[0].who == "rapscheduler"


def test_a_line_can_be_pasted_into_a_test():
    """The line of a case runs, and holds."""
    from datetime import datetime

    from rapscheduler.triggers.cron import CronTrigger

    group = CronGroup(FOLD_QUESTION)
    call = ("get_next_fire_time", (None, FOLD * 1_000_000))
    answer = ask(public_cron(FOLD_QUESTION), call, group.zone)
    line = campaign.line_of(group, call, repr(answer))
    exec(line, {"ask": ask, "CronTrigger": CronTrigger, "datetime": datetime})
    with pytest.raises(AssertionError):
        exec(
            campaign.line_of(group, call, "'never'"),
            {"ask": ask, "CronTrigger": CronTrigger, "datetime": datetime},
        )


def test_a_peer_that_is_wrong_in_calm_times_is_unexplained():
    """The classes of differences reach no further than a day from a transition."""
    calm = replace(FOLD_QUESTION, zone="UTC", start_us=None)
    late = Peer("late", "1", ("fields",), lambda asked, now: now.replace(year=now.year + 1))
    found = PeerCheck(calm).compare(late, calm.instants[0])
    assert isinstance(found, Difference) and found.kind is None


def test_a_second_pass_of_a_peer_is_explained():
    passes = Peer(
        "both",
        "1",
        ("fields",),
        lambda asked, now: public_cron(replace(asked, dst="both")).get_next_fire_time(None, now),
    )
    found = PeerCheck(replace(FOLD_QUESTION, start_us=None)).compare(passes, FOLD * 1_000_000)
    assert isinstance(found, Difference) and found.kind == "second-pass" and found.kind in CLASSES


def options(**given) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return argparse.Namespace(**{**vars(parser.parse_args([])), **given})


def test_the_command_reports_and_exits(tmp_path, capsys):
    """One worker process, a few cases: exit code 0, the figures on the screen and in a file."""
    assert command.run(options(cases=300, seed=5, report=tmp_path / "figures.json")) == 0
    printed = capsys.readouterr().out
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["cases"] >= 300 and figures["disagreements"] == []
    assert f"{figures['cases']:,} cases" in printed and "seed 5" in printed


def test_a_crash_of_a_worker_is_a_finding(monkeypatch):
    """It names the group that the worker was at, and the exit code tells."""
    for group in ("triggers", "rules"):
        found = command._crash(group, 5, 12, -11)
        assert "12" in found.line and "-11" in found.said
    monkeypatch.setattr(command, "_run_workers", lambda *given: Tally(disagreements=[found]))
    assert command.run(options(cases=1)) == 1
