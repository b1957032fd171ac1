"""The rules of time zones that a store of rows keeps beside its jobs.

What lives here: noting the zones of a job before it is written, and the two operations of a backend. What must not:
what follows from a change of rules (``_scheduling.stored_rules``).

    _read_rules()             zone -> the rules (`_rules.rules_text`) under which run times of its jobs were computed
    _write_rules(rules)       put these beside those that are there

Rules are kept beside the jobs, never among them: APScheduler takes all that it finds there for jobs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from datetime import timezone
from typing import Any

from .._engine.timezone import ZoneTable
from .._engine.trigger import TriggerCore
from .._rules import rules_text
from .._serialization.zones import zone_to_text
from ..triggers.combining import BaseCombiningTrigger


class RuleKeeper(ABC):
    """What `RowStore` is beside a store."""

    def __init__(self) -> None:
        super().__init__()
        self._noted: set[ZoneTable] = set()  # zones whose rules the store has
        self._kept_rules: dict[str, str] | None = None  # what it has, once it was asked

    def _note_zones(self, triggers: Iterable[Any]) -> None:
        """Keep the rules of the zones of these triggers; called before their jobs are written."""
        noted = self._noted
        for trigger in triggers:
            if isinstance(trigger, TriggerCore):
                if trigger.zone not in noted:
                    self._note_zone(trigger.zone)
            elif isinstance(trigger, BaseCombiningTrigger):
                self._note_zones(trigger.triggers)

    def _note_zone(self, zone: ZoneTable) -> None:
        text = None if type(zone.tzinfo) is timezone else zone_to_text(zone.tzinfo)
        if text is not None:
            if self._kept_rules is None:
                self._kept_rules = self._read_rules()
            if text not in self._kept_rules:
                self._keep_rules({text: rules_text(zone)})
        self._noted.add(zone)

    def _keep_rules(self, rules: Mapping[str, str]) -> None:
        self._write_rules(rules)
        self._kept_rules = {**(self._kept_rules or {}), **rules}

    def _followed(self, kept: dict[str, str]) -> None:
        """Every run time is of these rules now."""
        self._kept_rules = kept
        self._noted.clear()

    @abstractmethod
    def _read_rules(self) -> dict[str, str]: ...

    @abstractmethod
    def _write_rules(self, rules: Mapping[str, str]) -> None: ...
