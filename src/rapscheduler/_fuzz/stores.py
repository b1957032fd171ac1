"""Where the jobs of the group "rules" are stored: by names and URLs, empty before each play."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

TABLE = "rapscheduler_fuzz"


class Place:
    """A store that can be opened again and again. ``lasts``: it keeps its jobs when the scheduler is shut down."""

    def __init__(self, name: str, lasts: bool, store: Callable[[], Any]) -> None:
        self.name, self.lasts, self.store = name, lasts, store
        self.held: Any = None

    def takes(self, way: str) -> bool:
        """Whether a play of this way can be played here."""
        return self.lasts or way != "restart"

    def empty(self) -> None:
        """Forget what a failed play has left."""
        if self.lasts:
            store = self.store()
            store.start(None, "fuzz")
            store.remove_all_jobs()
            store.shutdown()


def places_of(names: Sequence[str]) -> list[Place]:
    """``memory``, ``sqlite`` (in memory), ``redis`` or ``redis:PORT``, and URLs of SQLAlchemy."""
    return [_place(name) for name in names]


def _place(name: str) -> Place:
    if name == "memory":
        from ..jobstores.memory import MemoryJobStore

        return Place(name, False, MemoryJobStore)
    if name.partition(":")[0] == "redis":
        from ..jobstores.redis import RedisJobStore

        port = int(name.partition(":")[2] or 6379)
        key = f"{TABLE}.{os.getpid()}"
        return Place(
            "redis", True, lambda: RedisJobStore(jobs_key=key, run_times_key=f"{key}.times", port=port)
        )
    from ..jobstores.sqlalchemy import SQLAlchemyJobStore

    table = f"{TABLE}_{os.getpid()}"
    if name == "sqlite":
        url = f"file:{table}?mode=memory&cache=shared&uri=true"
        place = Place(name, True, lambda: SQLAlchemyJobStore(f"sqlite:///{url}", tablename=table))
        place.held = sqlite3.connect(url, uri=True)  # the database lives as long as somebody has it open
        return place
    return Place(name.partition(":")[0], True, lambda: SQLAlchemyJobStore(name, tablename=table))
