"""A campaign: groups drawn from a seed, examined one after the other, counted, and shrunk when something is wrong.

Group number ``i`` of seed ``s`` is drawn from ``Random(f"{s}/{i}")`` and from nothing else, so any group can be made
again alone, and a campaign by several processes examines the same groups as one by one process: process ``p`` of ``n``
takes the numbers ``p, p + n, …``.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from random import Random
from typing import Any

from .groups import Call, CronGroup, Group, ask
from .others import draw_group
from .peers import Difference, Peer, PeerCheck
from .tally import Disagreement, Tally

PEER_EVERY = 8
TWIN_EVERY = 3  # the slow twin, where the walker knows the answer; else always
PEER_INSTANTS = 3
MOST_SHRINKS = 400


def group_of(seed: int, number: int) -> tuple[Group, Random]:
    """The group with this number, and the random numbers that go on to choose its calls."""
    random = Random(f"{seed}/{number}")
    return draw_group(random), random


def examine(seed: int, number: int, peers: list[Peer]) -> Tally:
    """Draw one group, put all its questions, compare all answers."""
    group, random = group_of(seed, number)
    tally = Tally(groups=1, crossed=group.crossed, zones={group.zone})
    kind = type(group).__name__.removesuffix("Group").lower()
    try:
        subjects = group.subjects()
    except Exception as error:  # a schedule that is right by its grammar must be taken
        said = f"{type(error).__name__}: {error}"
        tally.disagreements.append(Disagreement(number, "making it", said, "a trigger", group.code))
        return tally
    for index, call in enumerate(group.calls(random)):
        tally.cases += 1
        both = index % TWIN_EVERY == 0 or not group.knows(call)
        found = first_wrong(group, subjects if both else dict(list(subjects.items())[:1]), call)
        if found is not None:
            small, who, said, right = shrunk(group, call, found)
            tally.disagreements.append(Disagreement(number, who, said, right, line_of(small, call, right)))
            break
    tally.kinds[kind] += tally.cases
    if peers and number % PEER_EVERY == 0 and isinstance(group, CronGroup):
        _examine_peers(tally, number, group, peers)
    return tally


def first_wrong(group: Group, subjects: dict[str, Any], call: Call) -> tuple[str, str, str] | None:
    """``(who, said, right)`` of the first subject that is wrong, or differs from the one before."""
    first: Any = None
    for index, (who, trigger) in enumerate(subjects.items()):
        answer = ask(trigger, call, group.zone)
        right = group.wrong(call, answer)
        if right is not None:
            return who, repr(answer), right
        if index and call[0] != "chain" and answer != first:  # beyond the window only the twins know
            return who, repr(answer), repr(first)
        first = answer
    return None


def shrunk(group: Group, call: Call, found: tuple[str, str, str]) -> tuple[Group, str, str, str]:
    """The smallest group found that is still wrong about the same call."""
    left = MOST_SHRINKS
    smaller = True
    while smaller and left > 0:
        smaller = False
        for candidate in group.simpler():
            left -= 1
            try:
                again = first_wrong(candidate, candidate.subjects(), call)
            except Exception:  # not a schedule any more
                continue
            if again is not None:
                group, found, smaller = candidate, again, True
                break
            if left <= 0:
                break
    return group, *found


def line_of(group: Group, call: Call, right: str) -> str:
    """One line to paste into a test (``ask`` is in ``rapscheduler._fuzz.groups``)."""
    return f"assert ask({group.code}, {call!r}, {group.zone!r}) == {right}"


def _examine_peers(tally: Tally, number: int, group: CronGroup, peers: list[Peer]) -> None:
    """Put some of the instants to the other schedulers; a difference outside the named classes is a disagreement."""
    dialect = group.question.schedule.dialect
    asked = [peer for peer in peers if dialect in peer.dialects and group.question.left_out is None]
    check = PeerCheck(group.question) if asked else None
    for peer in asked:
        for now_us in group.question.instants[:PEER_INSTANTS]:
            found = check.compare(peer, now_us) if check else False
            if not isinstance(found, Difference):
                tally.peers[peer.name, "same" if found else "not compared"] += 1
                continue
            tally.peers[peer.name, found.kind or "unexplained"] += 1
            if found.kind is None:
                line = f"# {group.code} asked at {found.asked}"
                tally.disagreements.append(Disagreement(number, peer.name, found.answer, found.right, line))


def work(
    seed: int, part: int, parts: int, cases: int | None, until_s: float | None, peers: list[Peer]
) -> Iterator[tuple[int, Tally]]:
    """Examine every ``parts``-th group from ``part`` on, until enough cases or the time (monotonic) is over."""
    number, done = part, 0
    while (cases is None or done < cases) and (until_s is None or time.monotonic() < until_s):
        tally = examine(seed, number, peers)
        done += tally.cases
        yield number, tally
        number += parts
