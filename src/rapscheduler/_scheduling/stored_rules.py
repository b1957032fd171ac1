"""The jobs of a store of rows follow the rules of time zones when it is opened.

What lives here: comparing the rules that a store keeps with those in force, and moving rows. What must not: where a run
time goes (``triggers._wall_times``), the operations on rows (``jobstores._rowstore``).

A store keeps, beside its jobs, the rules of each zone that their triggers follow. When they are those in force nothing
else is read. For a zone that changed, the rows that name it are read in batches, and the times of those that move are
written as a pass writes them, the data untouched; then the new rules are kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from rapscheduler._clock import Clock
from rapscheduler._engine.timezone import ZoneTable
from rapscheduler._rules import read_rules, rules_text
from rapscheduler._serialization.codec import decode
from rapscheduler._serialization.rows import JobRow, RowChange
from rapscheduler._serialization.zones import zone_from_text, zone_to_text
from rapscheduler._zones import rules_version, zone_table
from rapscheduler.errors import DecodeError
from rapscheduler.triggers._wall_times import follow, zones_of

ALL_NOTED = "*"  # kept when the zones of every job have been noted


class OlderRules:
    """Rules that were kept, by the texts of zones; called with a trigger's zone: its older table, or None."""

    def __init__(self, tables: Mapping[str, ZoneTable]) -> None:
        self._tables = tables
        self._found: dict[ZoneTable, ZoneTable | None] = {}

    def __call__(self, zone: ZoneTable) -> ZoneTable | None:
        if zone not in self._found:
            self._found[zone] = self._tables.get(zone_to_text(zone.tzinfo) or "")
        return self._found[zone]

    def moved(self, row: JobRow, now_us: int) -> JobRow:
        """The row with its times under the rules in force; the same row: they stay, or can't be known."""
        if row.run_at_us is None:
            return row
        try:
            trigger = decode(row.data)["trigger"]
        except DecodeError:
            return row
        nominal_us = row.run_at_us if row.nominal_us is None else row.nominal_us
        try:
            by_us = follow(trigger, nominal_us, now_us, self) - nominal_us
        except Exception:  # a trigger of somebody else's: the loop parks it, with the reason
            return row
        if not by_us:
            return row
        moved_us = None if row.nominal_us is None else row.nominal_us + by_us
        return row._replace(run_at_us=row.run_at_us + by_us, nominal_us=moved_us)


def changed_rules(kept: Mapping[str, str]) -> tuple[dict[str, str], dict[str, ZoneTable]]:
    """Of zones whose rules are others now: the rules of today as texts, and the tables of those that were kept."""
    today: dict[str, str] = {}
    older: dict[str, ZoneTable] = {}
    for zone, rules in kept.items():
        if zone == ALL_NOTED:
            continue
        try:
            table = zone_table(zone_from_text(zone))
            text = rules_text(table)
            if text != rules:
                older[zone] = read_rules(rules, table.tzinfo)
                today[zone] = text
        except ValueError:  # no such zone here: its rows can't be read, and say so
            continue
    return today, older


def follow_rows(store: Any, clock: Clock) -> tuple[list[str], list[str]]:
    """Let the rows of a store follow the rules in force: the zones that changed, and the ids of jobs that moved."""
    rules_version()
    kept = store._read_rules()
    today, older = changed_rules(kept)
    moved = _move_rows(store, clock, older) if older else []
    if kept.get(ALL_NOTED) != "1":  # rows of earlier versions, or of `rapscheduler migrate`
        today |= {zone: text for zone, text in _zones_of_rows(store).items() if zone not in kept}
        today[ALL_NOTED] = "1"
    store._followed(kept)
    if today:
        store._keep_rules(today)
    return list(older), moved


def renew_rules(store: Any, clock: Clock) -> None:
    """Rows were written past the store's own methods: note their zones. `follow_rows` was called before that."""
    store._write_rules({ALL_NOTED: ""})
    follow_rows(store, clock)


def _move_rows(store: Any, clock: Clock, older: Mapping[str, ZoneTable]) -> list[str]:
    """Move what has to move, batch by batch; the ids."""
    rules = OlderRules(older)
    moved: list[str] = []
    for rows in store._read_naming([orjson.dumps(zone) for zone in older]):
        now_us = clock.now_us()
        pairs = [(row, after) for row in rows if (after := rules.moved(row, now_us)) is not row]
        changes = [
            RowChange(row.id, row.run_at_us or 0, after.run_at_us, after.nominal_us)
            for row, after in pairs
            if row.parked is None
        ]
        if changes:
            store._change(changes)
        for row, after in pairs:
            if row.parked is not None:
                store._replace_if(after, row.run_at_us)
        moved += [row.id for row, _ in pairs]
    return moved


def _zones_of_rows(store: Any) -> dict[str, str]:
    """The rules in force of all zones that stored jobs name."""
    tables: set[ZoneTable] = set()
    for row in store._read_all():
        try:
            tables.update(zones_of(decode(row.data)["trigger"]))
        except DecodeError:
            continue
    texts = {table: zone_to_text(table.tzinfo) for table in tables}
    return {text: rules_text(table) for table, text in texts.items() if text is not None}
