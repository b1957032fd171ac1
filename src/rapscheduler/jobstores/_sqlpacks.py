"""Runs under way of PostgreSQL, many in one row: packs.

Here: `Packs`, their table, what reads and unpacks them; `PackBook`, what one scheduler knows of its own. Not here:
claiming (`_sqlclaims`), the table of single runs (`_sqlmembers`). Why: a row for a run, its key in an index and its
deletion cost the server more than the job's own move, and 250 bytes of its log; a pack of `IN_PACK` runs is one row.

    <table>_packs   owner, epoch, number (the key), job_ids, run_us, job_states    arrays; a run at each place

Packed is what most runs are: one run time, no group, claimed with some others. A pack is deleted when all of its
runs have ended. When some of them take longer, when one is handed back, or when its scheduler died, it is unpacked: its
runs become rows as all the others. Whoever reads runs under way reads both (`Packs.all_runs`), with every driver.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import count
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from .._collector import OF_A_CLAIM, collector_paused
from ._shared import Me, RunKey
from ._sqlarrays import int_array
from ._sqlbatch import index_part, name_in_text

IN_PACK = 64  # about what a row may take without being cut into pieces by the server (2 kB)
LEAST = 8  # runs of a claim that are worth one
_PATIENCE = 2  # how often the runs of a pack that ended wait for the others, before it is unpacked


class Packs:
    """The table, for every driver. `all_runs`: a selectable of the columns of runs, of both tables."""

    def __init__(self, engine: Any, runs: Any, tablename: str, metadata: Any, schema: str | None) -> None:
        array = postgresql.ARRAY
        self.table = table = sa.Table(
            f"{index_part(tablename)}_packs",
            metadata,
            sa.Column("owner", sa.String(32), primary_key=True),
            sa.Column("epoch", sa.BigInteger, primary_key=True, autoincrement=False),
            sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
            sa.Column("job_ids", array(sa.Text), nullable=False),
            sa.Column("run_us", array(sa.BigInteger), nullable=False),
            sa.Column("job_states", array(sa.LargeBinary), nullable=True),
            schema=schema,
        )
        c = table.c
        each = (
            sa.func.unnest(c.job_ids, c.run_us, c.job_states)
            .table_valued(
                sa.column("job_id", sa.Text),
                sa.column("run_us", sa.BigInteger),
                sa.column("job_state", sa.LargeBinary),
                name="each",
            )
            .render_derived()
        )
        packed = {
            "job_id": sa.cast(each.c.job_id, runs.c.job_id.type),
            "run_us": each.c.run_us,
            "from_us": each.c.run_us,
            "last_us": each.c.run_us,
            "owner": c.owner,
            "epoch": c.epoch,
            "job_group": sa.cast(sa.null(), runs.c.job_group.type),
            "job_state": each.c.job_state,
        }
        columns = [column.name for column in runs.c]
        unpacked = sa.select(*(packed[name].label(name) for name in columns)).select_from(
            table.join(each, sa.true())
        )
        self.all_runs = sa.union_all(sa.select(*runs.c), unpacked).subquery("all_runs")
        self.name, self._runs = name_in_text(engine, table), name_in_text(engine, runs)

    def unpack(self, connection: Any, owner: str, epoch: int, where: str = "true", **values: Any) -> None:
        """Make rows of the runs in the packs of a scheduler; `where`: which of them."""
        statement = f"""
            WITH gone AS (
                DELETE FROM {self.name} WHERE owner = :owner AND epoch = :epoch AND {where}
                RETURNING owner, epoch, job_ids, run_us, job_states)
            INSERT INTO {self._runs} (job_id, run_us, from_us, last_us, owner, epoch, job_state)
            SELECT u.job_id, u.us, u.us, u.us, gone.owner, gone.epoch, u.job_state
            FROM gone, unnest(gone.job_ids, gone.run_us, gone.job_states) AS u (job_id, us, job_state)
            ON CONFLICT DO NOTHING
        """
        connection.execute(sa.text(statement), {"owner": owner, "epoch": epoch, **values})


class Ending:
    """What is still to be done: `single`: runs with rows of their own to be deleted; `later`: keys to be told again;
    `over`: packs that are no more; `waits`: those that wait once more."""

    __slots__ = ("later", "over", "single", "waits")

    def __init__(self, single: list[RunKey], later: list[RunKey], over: list[int], waits: list[int]) -> None:
        self.single, self.later, self.over, self.waits = single, later, over, waits


class PackBook:
    """The packs that this scheduler has claimed, by the keys of their runs. Claims come from the thread of the pass,
    and ends from the keeper's: each key is put in by the one before the other can take it out.

    `_mine`: whose these packs are, the number of each run's, the runs of each. Another epoch has others, and an answer
    that comes late notes nothing for it."""

    def __init__(self, packs: Packs) -> None:
        self._packs = packs
        self._numbers = count(1)
        self._mine: tuple[Any, dict[RunKey, int], dict[int, list[RunKey]]] = (None, {}, {})
        self._waits: dict[int, int] = {}
        self._delete = sa.text(
            f"DELETE FROM {packs.name} WHERE owner = :me AND epoch = :epoch "
            "AND number = ANY(CAST(:numbers AS int8[]))"
        )

    def forget(self, me: Me) -> None:
        """Its scheduler joins: the packs of an epoch that is over are not its own."""
        self._mine = (me.id, me.epoch), {}, {}
        self._waits.clear()

    def _of(self, me: Me) -> tuple[dict[RunKey, int], dict[int, list[RunKey]]]:
        whose, places, keys = self._mine
        return (places, keys) if whose == (me.id, me.epoch) else ({}, {})

    def number(
        self, run_us: Sequence[int], last_us: Sequence[int], groups: Sequence[str | None]
    ) -> list[int | None]:
        """The pack of each run that is to be claimed; None: it gets a row of its own."""
        numbers: list[int | None] = []
        if run_us == last_us and set(groups) == {None}:  # most batches
            if len(run_us) >= LEAST:
                for first in range(0, len(run_us), IN_PACK):
                    numbers += [next(self._numbers)] * min(IN_PACK, len(run_us) - first)
            return numbers
        fit = [
            one == last and group is None for one, last, group in zip(run_us, last_us, groups, strict=True)
        ]
        if sum(fit) < LEAST:
            return []
        size, number = 0, next(self._numbers)
        for fits in fit:
            if size == IN_PACK:
                size, number = 0, next(self._numbers)
            size += fits
            numbers.append(number if fits else None)
        return numbers

    def claimed(
        self, me: Me, keys: Iterable[RunKey], numbers: Sequence[int | None], left_out: Iterable[str]
    ) -> None:
        """These were written, but for the jobs that were left out."""
        out = frozenset(left_out)
        places, keys_of = self._of(me)
        known, last = list[RunKey](), 0
        with collector_paused(OF_A_CLAIM * len(numbers)):
            for key, number in zip(keys, numbers, strict=False):
                if number is not None and (not out or key[0] not in out):
                    if number != last:  # those of a pack come one after another
                        known, last = keys_of.setdefault(number, []), number
                    known.append(key)
                    places[key] = number

    def end(self, connection: Any, me: Me, ended: Iterable[RunKey], left: Sequence[RunKey]) -> Ending:
        """Delete the packs that are over, unpack those of which a run is left, or whose runs waited long enough."""
        places, keys_of = self._of(me)
        of: dict[int, list[RunKey]] = {}
        for key in ended:
            number = places.get(key, 0)  # 0: it has a row of its own, or the pack is of an epoch that is over
            if number in of:
                of[number].append(key)
            else:
                of[number] = [key]
        single = of.pop(0, [])
        broken = {places.get(key, 0) for key in left} - {0}
        over, waits, unpacked = [], [], list(broken)
        for number, keys in of.items():
            if number in broken:
                continue
            if len(keys) == len(keys_of[number]):
                over.append(number)
            elif self._waits.get(number, 0) < _PATIENCE:
                waits.append(number)
            else:
                unpacked.append(number)
        if unpacked:
            which = "number = ANY(CAST(:numbers AS int8[]))"
            self._packs.unpack(connection, me.id, me.epoch, which, numbers=int_array(unpacked))
            single += [key for number in unpacked for key in of.get(number, ())]
        if over:
            values = {"me": me.id, "epoch": me.epoch, "numbers": int_array(over)}
            if connection.execute(self._delete, values).rowcount < len(over):  # somebody unpacked them
                single += [key for number in over for key in of[number]]
        return Ending(single, [key for number in waits for key in of[number]], [*over, *unpacked], waits)

    def unpack_unknown(self, connection: Any, me: Me) -> None:
        """Packs that were written though the answer was lost."""
        self._packs.unpack(
            connection,
            me.id,
            me.epoch,
            "number <> ALL(CAST(:known AS int8[]))",
            known=int_array(list(self._of(me)[1])),
        )

    def written(self, me: Me, ending: Ending) -> None:
        """Its transaction was committed."""
        places, keys_of = self._of(me)
        for number in ending.waits:
            self._waits[number] = self._waits.get(number, 0) + 1
        for number in ending.over:
            self._waits.pop(number, None)
            for key in keys_of.pop(number, ()):
                places.pop(key, None)
