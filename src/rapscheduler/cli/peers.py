"""``rapscheduler peers URL``: the schedulers that share a store, by what they write there. It writes nothing itself."""

from __future__ import annotations

import argparse
from typing import Any

from rapscheduler._stored_runs import NothingKeptError, peers_of
from rapscheduler.cli._answers import CommandError, add_json, answer, command, table
from rapscheduler.cli._stores import add_store, opened
from rapscheduler.cli.history import clock

_SHOWN = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_store(parser)
    add_json(parser)


@command
def run(arguments: argparse.Namespace) -> int:
    with opened(arguments) as store:
        try:
            found = peers_of(store)
        except NothingKeptError as exc:
            raise CommandError(str(exc)) from None
    alive = sum(one["alive"] for one in found["peers"])
    lines = table(HEADS, [line(one) for one in found["peers"]]) if found["peers"] else []
    lines.append(f"{alive} alive, {len(found['peers']) - alive} not heard of")
    if found["left"]:
        lines.append(
            f"{len(found['left'])} runs wait for a scheduler that takes them over: {names(found['left'])}"
        )
    answer(arguments, found, lines)
    return 0


HEADS = ("host", "pid", "alive", "heard of", "since (UTC)", "lease", "running", "jobs")


def line(peer: dict[str, Any]) -> tuple[Any, ...]:
    """One scheduler for people."""
    return (
        peer["host"], peer["pid"], "yes" if peer["alive"] else "NO", f"{peer['silent_s']:.1f} s ago",
        clock(peer["started"]), f"{peer['lease_s']:g} s", peer["running"], names(peer["runs"]) or None,
    )  # fmt: skip


def names(runs: list[dict[str, Any]]) -> str:
    """The first jobs by name."""
    shown = ", ".join(one["job_id"] for one in runs[:_SHOWN])
    return f"{shown}, …" if len(runs) > _SHOWN else shown
