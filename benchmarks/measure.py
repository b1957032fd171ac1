"""Side by side in one run: open the same workload in every library, compare the answers, then time interleaved rounds.

A figure is the median over the rounds of seconds per operation; a ratio is the median over the rounds of peer / ours in
the same round, so that a slow second of the machine hits both.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, field
from typing import Any

from benchmarks.answers import DifferentAnswers, compare_answers
from benchmarks.peers.environments import BASE, Peer, PeerFailed

# A round shorter than this is repeated until it is as long.
ROUND_S = 0.02
# Beside another commit a few per cent are to be seen, on a noisy machine.
BASE_ROUNDS = 9


@dataclass
class Timing:
    """What one library did: seconds per operation of each round, the facts of its last round."""

    library: str
    per_operation_s: list[float] = field(default_factory=list)
    per_operation_cpu_s: list[float] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    known_differences: dict[str, int] = field(default_factory=dict)
    unsupported: str | None = None

    @property
    def median_s(self) -> float:
        return statistics.median(self.per_operation_s)

    def ratio_to(self, ours: Timing) -> float:
        """How many times slower than ``ours``: median over the rounds."""
        return statistics.median(
            theirs / mine for theirs, mine in zip(self.per_operation_s, ours.per_operation_s, strict=False)
        )


@dataclass(frozen=True)
class BesideBase:
    """A workload beside the other commit: ours / base, medians over the rounds; above 1 is slower.

    cpu: of the whole process, all threads.
    """

    work: str
    wall: float = 0.0
    cpu: float = 0.0
    rounds: int = 0
    why_not: str = ""

    def __str__(self) -> str:
        if self.why_not:
            return f"{self.work}: {self.why_not}"
        return f"{self.work}: CPU {self.cpu:.3f} ×, wall {self.wall:.3f} × of the base ({self.rounds} rounds)"


class NotBuilt(Exception):
    """Our own side of the work does not exist yet."""


class Bench:
    """Keeps one process per library and runs workloads in all of them.

    ``quick`` asks rows for smaller sizes and fewer rounds: a try, not a figure. ``base``: another commit of ours.
    Each workload runs beside it as well; `beside_base` tells, and the rows do not see it.
    """

    def __init__(self, here: bool = False, quick: bool = False, base: str = "") -> None:
        self.here, self.quick, self.base = here, quick, base
        self.beside_base: list[BesideBase] = []
        self._peers: dict[str, Peer] = {}

    def peer(self, library: str) -> Peer:
        if library not in self._peers:
            self._peers[library] = Peer(library, self.here, self.base)
        return self._peers[library]

    def fresh(self, library: str) -> Peer:
        """A new process (for memory and import): the caller's rounds do not see what others left behind."""
        old = self._peers.pop(library, None)
        if old is not None:
            old.end()
        return self.peer(library)

    def close(self) -> None:
        for peer in self._peers.values():
            peer.end()
        self._peers.clear()

    def run(
        self,
        name: str,
        params: dict[str, Any],
        libraries: tuple[str, ...],
        rounds: int = 5,
        once: bool = False,
        fresh: bool = False,
    ) -> dict[str, Timing]:
        """``{library: Timing}``; raises NotBuilt when our side is missing, DifferentAnswers by a peer.

        once: a round is long enough, so none is spent on warming up. fresh: as once, in new processes (memory).
        """
        if self.base:
            libraries, rounds = (*libraries, BASE), max(rounds, BASE_ROUNDS if not fresh else rounds)
        if self.quick:
            rounds = min(rounds, 3)
        timings = {library: Timing(library) for library in libraries}
        for library, timing in timings.items():
            peer = self.fresh(library) if fresh else self.peer(library)
            timing.unsupported = self._opened(peer, name, params)
        if timings["rapscheduler"].unsupported:
            raise NotBuilt(timings["rapscheduler"].unsupported)
        running = [library for library in libraries if timings[library].unsupported is None]
        self._compare(name, params, running, timings)
        repeats = (
            {library: self._repeats(library) for library in running}
            if not fresh
            else dict.fromkeys(running, 1)
        )
        for number in range(rounds):
            for library in running[number % len(running) :] + running[: number % len(running)]:
                reply = self.peer(library).ask("round", repeat=repeats[library])
                timings[library].per_operation_s.append(reply["seconds"] / reply["count"])
                timings[library].per_operation_cpu_s.append(reply["cpu"] / reply["count"])
                timings[library].facts = reply["facts"]
        for library in running:
            self.peer(library).ask("close")
        if self.base:
            self.beside_base.append(beside(f"{name} {params}", timings["rapscheduler"], timings.pop(BASE)))
        return timings

    def _opened(self, peer: Peer, name: str, params: dict[str, Any]) -> str | None:
        """Why the library can't do this work, or None. An older commit may not have what the work calls."""
        try:
            why: str | None = peer.ask("open", name=name, params=params).get("unsupported")
            return why
        except PeerFailed as failed:
            if peer.library != BASE:
                raise
            return str(failed)

    def _compare(
        self, name: str, params: dict[str, Any], running: list[str], timings: dict[str, Timing]
    ) -> None:
        ours = self.peer("rapscheduler").ask("answers")["answers"]
        for library in list(running):
            if library == "rapscheduler":
                continue
            label, zone = f"{name} {params} {library}", params.get("zone", "UTC")
            try:
                theirs = self.peer(library).ask("answers")["answers"]
                timings[library].known_differences = compare_answers(ours, theirs, library, label, zone)
            except (DifferentAnswers, PeerFailed) as reason:
                if library != BASE:
                    raise
                running.remove(library)
                timings[library].unsupported = f"not compared: {reason}"

    def _repeats(self, library: str) -> int:
        """One untimed round warms up and tells how many repeats make a round long enough."""
        seconds = self.peer(library).ask("round", repeat=1)["seconds"]
        return max(1, math.ceil(ROUND_S / max(seconds, 1e-6))) if seconds < ROUND_S else 1


def beside(work: str, ours: Timing, base: Timing) -> BesideBase:
    """What the interleaved rounds of ours and of the other commit say."""
    if base.unsupported is not None:
        return BesideBase(work, why_not=base.unsupported)
    cpu = statistics.median(
        mine / theirs
        for mine, theirs in zip(ours.per_operation_cpu_s, base.per_operation_cpu_s, strict=False)
        if theirs
    )
    return BesideBase(work, 1 / base.ratio_to(ours), cpu, len(base.per_operation_s))


def geometric_mean(values: list[float]) -> float:
    return math.exp(statistics.fmean(math.log(value) for value in values))


def show_s(seconds: float) -> str:
    """A duration with its unit: 85 ns, 1.24 µs, 3.1 ms, 2.5 s."""
    for limit, factor, unit in ((1e-6, 1e9, "ns"), (1e-3, 1e6, "µs"), (1.0, 1e3, "ms")):
        if seconds < limit:
            value = seconds * factor
            return f"{value:.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"
    return f"{seconds:.3g} s"
