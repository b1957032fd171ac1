"""A peer whose answer differs stops the benchmark, unless the difference is of a known class."""

from __future__ import annotations

import pytest
from benchmarks.answers import DifferentAnswers, compare_answers
from benchmarks.workloads import US

DAY = 86_400 * US
JANUARY = 1_736_000_000 * US  # 4 January 2025, far from any change of clocks
BEFORE_GAP = 1_741_500_000 * US  # 9 March 2025, some hours from New York's change


def test_equal_answers_have_no_differences() -> None:
    chains = [[JANUARY, JANUARY + DAY], [JANUARY]]
    assert compare_answers(chains, chains, "croniter", "label") == {}


def test_no_answers_are_not_compared() -> None:
    assert compare_answers(None, None, "apscheduler", "label") == {}


@pytest.mark.parametrize(
    ("ours", "theirs", "side"),
    [
        ([JANUARY, JANUARY + 2 * DAY], [JANUARY, JANUARY + DAY, JANUARY + 2 * DAY], "only theirs"),
        ([JANUARY, JANUARY + DAY, JANUARY + 2 * DAY], [JANUARY, JANUARY + 2 * DAY], "only ours"),
    ],
)
def test_an_unexplained_difference_fails_loudly(ours: list[int], theirs: list[int], side: str) -> None:
    with pytest.raises(DifferentAnswers, match=f"the label: 2025-01-.* is {side}"):
        compare_answers([ours], [theirs], "croniter", "the label", "America/New_York")


def test_what_lies_beyond_the_shorter_chain_is_not_compared() -> None:
    assert compare_answers([[JANUARY]], [[JANUARY, JANUARY + DAY]], "croniter", "label") == {}


def test_a_difference_beside_a_change_of_clocks_is_known() -> None:
    ours, theirs = [BEFORE_GAP, BEFORE_GAP + 5 * DAY], [BEFORE_GAP + 5 * DAY]
    assert compare_answers([ours], [theirs], "croniter", "label", "America/New_York") == {"dst": 1}
    with pytest.raises(DifferentAnswers):  # the same instants in a zone whose clocks never change
        compare_answers([ours], [theirs], "croniter", "label", "UTC")


def test_only_apscheduler_may_skip_a_fire_time_after_the_offset_has_changed() -> None:
    april = BEFORE_GAP + 20 * DAY
    ours, theirs = [JANUARY, april, april + 90 * DAY], [JANUARY, april + 90 * DAY]
    assert compare_answers([ours], [theirs], "apscheduler", "label", "America/New_York") == {"skip": 1}
    with pytest.raises(DifferentAnswers):
        compare_answers([ours], [theirs], "cronsim", "label", "America/New_York")
    with pytest.raises(DifferentAnswers):  # and it may not add one
        compare_answers([theirs], [ours], "apscheduler", "label", "America/New_York")


@pytest.mark.parametrize("theirs", [[], [[JANUARY], [JANUARY]], [[]]])
def test_missing_chains_fail(theirs: list[list[int]]) -> None:
    with pytest.raises(DifferentAnswers):
        compare_answers([[JANUARY]], theirs, "croniter", "label")
