"""Other schedulers on the questions that they take: the same answer, or a difference of a named class.

What each class means, and why our answer is the right one, is in ``docs/compare.md``.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random

import pytest

from rapscheduler._fuzz.draw import Question, draw_question
from rapscheduler._fuzz.groups import public_cron
from rapscheduler._fuzz.peers import CLASSES, Difference, PeerCheck, installed_peers
from rapscheduler._fuzz.schedule import Schedule, Term, one
from rapscheduler._fuzz.walker import Window, utc
from rapscheduler._fuzz.zones import DAY

pytestmark = pytest.mark.slow

PEERS, MISSING = installed_peers()
BY_NAME = {peer.name: peer for peer in PEERS}


@pytest.mark.parametrize("seed", range(3))
def test_every_difference_has_a_class(seed):
    """On 400 drawn questions every peer agrees, or differs in a way that has a name."""
    random, seen, unexplained = Random(seed), Counter(), []
    for _ in range(400):
        question = draw_question(
            random, random.choice(("UTC", "Europe/Berlin", "America/New_York", "Asia/Gaza")), asked=3
        )
        if question.schedule.dialect == "quartz":
            continue
        check = PeerCheck(question)
        for peer in PEERS:
            if question.schedule.dialect in peer.dialects:
                for now in question.instants:
                    found = check.compare(peer, now)
                    seen[found if isinstance(found, bool) else "different"] += 1
                    if isinstance(found, Difference) and found.kind is None:
                        unexplained.append((str(question.schedule), question.zone, found))
    assert unexplained == []
    assert seen[True] > 10 * seen["different"]


def at(
    zone: str, asked: str, fields: dict, dst: str = "once", dialect: str = "fields", days: int = 40
) -> Question:
    middle = utc(asked)
    schedule = Schedule(fields, dialect)
    return Question(
        schedule, zone, dst, middle - 3 * DAY, middle + days * DAY, None, None, (middle * 1_000_000,), 1
    )


STEP = {"month": (Term("range", 1, 12, 2, named=True),), "day": one(1)}
STAR = {
    "minute": one(0),
    "hour": one(4),
    "day": one(11),
    "month": (Term("any"),),
    "day_of_week": (Term("any", step=3),),
}
FULL = STAR | {"day": (Term("range", 31, 31), Term("any", step=12)), "day_of_week": (Term("range", 1, 7),)}
NINE = {"minute": one(30), "hour": one(1)} | {
    name: (Term("any"),) for name in ("day", "month", "day_of_week")
}

# The accidents that the rules of fire times name, each with the class that the classifier gives it
KNOWN = [
    ("apscheduler", at("America/New_York", "2025-03-09T05:00:01", {"hour": one(0)}), "gap-skips"),
    ("apscheduler", at("Europe/Berlin", "2025-03-30T00:30", {"day_of_week": one(0)}), "gap-skips"),
    ("apscheduler", at("Europe/Berlin", "2025-03-29T12:00", {"day": one(1)}, days=70), "gap-skips"),
    ("apscheduler", at("America/New_York", "2025-11-02T06:00", {"hour": one(1), "minute": one(30)}), "second-pass"),
    ("apscheduler", at("UTC", "2025-01-15T00:00", STEP, days=100), "drops-step-after-name"),
    ("croniter", at("UTC", "2025-01-01T00:00", STAR, dialect="vixie", days=400), "star-or"),
    ("croniter", at("UTC", "2024-12-29T00:00", FULL, dialect="vixie", days=40), "star-or"),
    ("croniter", at("America/New_York", "2025-11-02T06:00", NINE, dialect="vixie"), "second-pass"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "question", "kind"), KNOWN)
def test_known_differences_are_still_there_and_have_their_class(name, question, kind):
    """Pinned: when a peer is mended, its class can go."""
    if name not in BY_NAME:
        pytest.skip(f"{name} is not installed")
    now = question.instants[0]
    check = PeerCheck(question)
    found = check.compare(BY_NAME[name], now)
    assert isinstance(found, Difference) and found.kind == kind
    assert public_cron(question).next_fire_us(None, now) == Window(
        question.fires(), question.lo_s, question.hi_s, None, None
    ).next(None, now)


def test_cronsim_has_the_rule_of_shift():
    """Where both take a schedule, ``dst="shift"`` is cronsim's own rule: no difference is one of skipping or
    doubling.
    """
    if "cronsim" not in BY_NAME:
        pytest.skip("cronsim is not installed")
    random, kinds = Random(11), Counter()
    for _ in range(900):
        question = draw_question(random, random.choice(("Europe/Berlin", "America/New_York")), asked=3)
        if question.schedule.dialect == "vixie" and question.dst == "shift":
            check = PeerCheck(question)
            for now in question.instants:
                found = check.compare(BY_NAME["cronsim"], now)
                kinds[found.kind if isinstance(found, Difference) else found] += 1
    assert kinds[True] > 50
    assert not {"second-pass", "no-shift", "shift", "gap-skips"} & set(kinds), kinds


def test_every_class_is_justified():
    """``docs/compare.md`` has a line for each class of differences."""
    text = Path(__file__).parents[2].joinpath("docs", "compare.md").read_text()
    assert [name for name in CLASSES if f"`{name}`" not in text] == []
