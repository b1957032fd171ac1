"""What a campaign has examined, and what it found."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Disagreement:
    """A wrong answer: who said what, what is right, and a line that shows it again."""

    group_number: int
    who: str
    said: str
    right: str
    line: str


@dataclass
class Tally:
    """What was examined. Tallies of several processes are added up."""

    cases: int = 0
    groups: int = 0
    crossed: int = 0
    zones: set[str] = field(default_factory=set)
    kinds: Counter[str] = field(default_factory=Counter)
    peers: Counter[tuple[str, str]] = field(default_factory=Counter)
    disagreements: list[Disagreement] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        self.cases += other.cases
        self.groups += other.groups
        self.crossed += other.crossed
        self.zones |= other.zones
        self.kinds.update(other.kinds)
        self.peers.update(other.peers)
        self.disagreements += other.disagreements
