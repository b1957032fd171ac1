"""Claims of a table's runs, as its database takes them.

Here: `shared_for`, and `PostgresShared`, which claims a batch in one statement, and tells the others. Not here: the
portable statements (`_sqlshared`), the tables of claims (`_sqlmembers`).

**Groups.** Two schedulers that claim different jobs of a group must not both take its last place. A statement of
PostgreSQL sees what was committed before it began; so a batch with groups counts up their versions, whose rows are
locked until it commits, in the statement that counts runs. When a version is further than that statement has seen,
another scheduler was at it meanwhile: nothing is written, and the statement is made again, which sees what it did.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from .._collector import OF_A_CLAIM, collector_paused
from .._serialization.rows import RowChange
from ._shared import NOBODY, ClaimRow, LeftRun, Me, Refused, RunKey
from ._sqlarrays import AROUND, SECONDS, int_array, text_array
from ._sqlbatch import name_in_text
from ._sqlmembers import DATABASES
from ._sqlnews import PostgreSQLListener, channel_of, news_of
from ._sqlpacks import Ending, PackBook
from ._sqlshared import SQLShared, groups_of

# A batch, over arrays. What it returns is what was not claimed: id, whether the job was moved on, how many schedulers
# this is (0: its lease is over), whether it has seen all claims of its groups.
_CLAIM = """
    WITH me AS MATERIALIZED (SELECT pid FROM {schedulers} WHERE id = :me AND epoch = :epoch FOR SHARE),
    under_way AS MATERIALIZED (
        SELECT job_id, run_us, job_group, owner = :me AND epoch = :epoch AS mine, owner = '~' AS waits FROM {runs}
        UNION ALL
        SELECT u.job_id, u.run_us, NULL, p.owner = :me AND p.epoch = :epoch, false
        FROM {packs} AS p, unnest(p.job_ids, p.run_us) AS u (job_id, run_us)),
    {counts},
    v AS MATERIALIZED (
        SELECT u.*, COALESCE(elsewhere.runs, 0) AS busy, known.job_id IS NOT NULL AS known
        FROM unnest(CAST(:ids AS text[]), CAST(:expected AS int8[]), CAST(:run_at AS int8[]),
                    CAST(:nominal AS int8[]), CAST(:removed AS int8[]), CAST(:run_us AS int8[]),
                    CAST(:last_us AS int8[]), CAST(:places AS int8[]), CAST(:pack AS int8[]){arrays})
        AS u (id, expected, run_at, nominal, removed, run_us, last_us, places, pack{names})
        LEFT JOIN elsewhere ON elsewhere.job_id = u.id
        LEFT JOIN (SELECT DISTINCT job_id, run_us FROM under_way) AS known
        ON known.job_id = u.id AND known.run_us = u.run_us){turns},
    moved AS (
        UPDATE {jobs} AS t SET next_run_time = {run_at}, nominal_us = v.nominal FROM v
        WHERE v.removed IS NULL AND EXISTS (SELECT 1 FROM me) {fresh} AND t.id = v.id AND {due} RETURNING t.id),
    removed AS (
        DELETE FROM {jobs} AS t USING v WHERE v.removed = 1 AND EXISTS (SELECT 1 FROM me) {fresh} AND t.id = v.id
        AND {due} RETURNING t.id, t.job_state),
    done AS (SELECT id, CAST(NULL AS bytea) AS job_state FROM moved
             UNION ALL SELECT id, job_state FROM removed),
    free AS MATERIALIZED (
        SELECT v.*, done.job_state FROM v JOIN done USING (id) {join}
        WHERE v.busy < v.places AND NOT v.known {free}),
    packed AS (
        INSERT INTO {packs} (owner, epoch, number, job_ids, run_us, job_states)
        SELECT :me, :epoch, pack, array_agg(CAST(id AS text)), array_agg(run_us),
               CASE WHEN bool_or(job_state IS NOT NULL) THEN array_agg(job_state) END
        FROM free WHERE pack IS NOT NULL GROUP BY pack),
    put AS (
        INSERT INTO {runs} (job_id, run_us, from_us, last_us, owner, epoch, job_state{column})
        SELECT id, run_us, run_us, last_us, :me, :epoch, job_state{column} FROM free WHERE pack IS NULL
        ON CONFLICT DO NOTHING RETURNING job_id),
    claimed AS (SELECT job_id FROM put UNION ALL SELECT id FROM free WHERE pack IS NOT NULL)
    SELECT v.id, done.id IS NOT NULL, (SELECT count(*) FROM me), {seen}
    FROM v LEFT JOIN done USING (id) LEFT JOIN claimed ON claimed.job_id = v.id WHERE claimed.job_id IS NULL
"""
_PLAIN = {
    "counts": """elsewhere AS MATERIALIZED (
        SELECT job_id, count(*) AS runs FROM under_way WHERE NOT mine GROUP BY job_id)""",
    "seen": "true",
} | dict.fromkeys(("arrays", "names", "turns", "fresh", "column", "join", "free"), "")
# A job or group with runs in line (of "~") counts as one that has no place at all.
_GROUPED = {
    "counts": """seen AS MATERIALIZED (SELECT name, version FROM {groups} WHERE name = ANY(CAST(:groups AS text[]))),
    locked AS (
        INSERT INTO {groups} AS g (name, version)
        SELECT n.name, 1 FROM unnest(CAST(:groups AS text[])) AS n (name) WHERE EXISTS (SELECT 1 FROM me)
        ON CONFLICT (name) DO UPDATE SET version = g.version + 1 RETURNING g.name, g.version),
    fresh AS MATERIALIZED (
        SELECT COALESCE(bool_and(locked.version = COALESCE(seen.version, 0) + 1), false) AS all_seen
        FROM locked LEFT JOIN seen ON seen.name = locked.name),
    runs AS MATERIALIZED (
        SELECT job_id, job_group, CASE WHEN bool_or(waits) THEN 2000000000 ELSE count(*) END AS runs
        FROM under_way WHERE NOT mine GROUP BY job_id, job_group),
    elsewhere AS MATERIALIZED (SELECT job_id, sum(runs) AS runs FROM runs GROUP BY job_id),
    in_groups AS MATERIALIZED (SELECT job_group, sum(runs) AS runs FROM runs GROUP BY job_group)""",
    "arrays": ", CAST(:job_group AS text[]), CAST(:group_places AS int8[])",
    "names": ", job_group, group_places",
    # of a group, places are given away in the order of rows
    "turns": """,
    turns AS MATERIALIZED (
        SELECT v.id, COALESCE(in_groups.runs, 0) + row_number() OVER (
            PARTITION BY v.job_group ORDER BY v.group_places DESC, v.run_us, v.id) AS turn
        FROM v LEFT JOIN in_groups ON in_groups.job_group = v.job_group
        WHERE v.job_group IS NOT NULL AND v.busy < v.places)""",
    "fresh": "AND (SELECT all_seen FROM fresh)",
    "column": ", job_group",
    "join": "LEFT JOIN turns ON turns.id = v.id",
    "free": "AND (v.job_group IS NULL OR turns.turn <= v.group_places)",
    "seen": "(SELECT all_seen FROM fresh)",
}


def _claim(names: dict[str, str], parts: dict[str, str]) -> str:
    """The statement that claims a batch of these tables."""
    names = names | {
        "due": AROUND.format(column="t.next_run_time", us="v.expected") + " AND t.parked IS NULL",
        "run_at": SECONDS.format("v.run_at"),
    }
    return _CLAIM.format(**names, **{word: part.format(**names) for word, part in parts.items()})


def _after(queued: Sequence[ClaimRow], answer: Refused, rows: Sequence[ClaimRow]) -> list[ClaimRow]:
    """The other rows of a batch, when places of their groups were given to some."""
    begun = Counter(one.group for one in queued if one.change.id not in answer.out)
    return [one._replace(group_places=one.group_places - begun[one.group]) for one in rows]


def shared_for(store: Any, metadata: Any, schema: str | None, options: dict[str, Any]) -> SQLShared:
    """The claims of an `SQLAlchemyJobStore`. ValueError: this database has no way to keep them."""
    dialect = store.engine.dialect
    if dialect.name not in DATABASES:
        raise ValueError(
            f"shared=True and acknowledge='end' are for PostgreSQL, MySQL, MariaDB and SQLite, not for {dialect.name}"
        )
    if dialect.name == "sqlite" and store.engine.url.database in (None, "", ":memory:"):
        raise ValueError(
            "shared=True and acknowledge='end' need a file: SQLite in memory ends with its process"
        )
    fast = dialect.name == "postgresql" and dialect.driver in ("psycopg", "psycopg2")
    made: SQLShared = (PostgresShared if fast else SQLShared)(store, metadata, schema)
    for name, value in options.items():
        setattr(made, name, value)
    return made


def claims_beside(store: Any) -> SQLShared:
    """The claims beside the jobs of a store that was opened for a look; its tables may be missing. ValueError: this
    database has none."""
    return shared_for(store, sa.MetaData(), store.jobs_t.schema, {})


class PostgresShared(SQLShared):
    """A batch is claimed by one statement over arrays, and acknowledged by one."""

    def __init__(self, store: Any, metadata: Any, schema: str | None) -> None:
        super().__init__(store, metadata, schema)
        jobs, runs, schedulers, groups = (
            name_in_text(self._engine, table)
            for table in (self._jobs, self.runs_t, self.schedulers_t, self.groups_t)
        )
        assert self.packs is not None
        names = {"jobs": jobs, "runs": runs, "schedulers": schedulers, "groups": groups}
        names["packs"] = self.packs.name
        self._book = PackBook(self.packs)
        self._written: tuple[Iterable[RunKey], Sequence[int | None]] = ((), ())
        self._claim_many = sa.text(_claim(names, _PLAIN))
        self._claim_grouped = sa.text(_claim(names, _GROUPED))
        self._notify = news_of(self._jobs)
        self._delete_many = sa.text(
            f"DELETE FROM {runs} AS t USING unnest(CAST(:ids AS text[]), CAST(:times AS int8[])) AS v (id, us) "
            "WHERE t.job_id = v.id AND t.run_us = v.us AND t.owner = :me AND t.epoch = :epoch"
        )
        self._leave_many = sa.text(
            f"UPDATE {runs} AS t SET from_us = v.from_us, owner = COALESCE(v.owner, t.owner), "
            "epoch = CASE WHEN v.owner IS NULL THEN t.epoch ELSE 0 END FROM unnest(CAST(:ids AS text[]), "
            "CAST(:times AS int8[]), CAST(:from_us AS int8[]), CAST(:owners AS text[])) "
            "AS v (id, us, from_us, owner) "
            "WHERE t.job_id = v.id AND t.run_us = v.us AND t.owner = :me AND t.epoch = :epoch"
        )

    def _write_claims(
        self,
        connection: Any,
        me: Me,
        rows: Sequence[ClaimRow],
        others: Sequence[RowChange],
        data: dict[str, bytes],
        locked: bool,
        groups: Sequence[str] | None = None,
    ) -> Refused | None:
        # Runs that may get in line are not so many that it pays to have them in the statement.
        queued = [one for one in rows if one.waits]
        before, groups = Refused(), groups_of(rows)
        if others or queued or not rows:
            rows = [one for one in rows if not one.waits]
            # those of both parts in one order, or two batches would wait for each other
            answer = super()._write_claims(
                connection, me, queued, others, data, locked, groups if queued else ()
            )
            if answer is None or not rows:
                return answer
            before, rows = answer, _after(queued, answer, rows)
        with collector_paused(OF_A_CLAIM * len(rows)):  # `zip` makes an iterator for each row
            changes, run_us, last_us, places, in_group, group_places, *_ = zip(*rows, strict=True)
            ids, expected, run_at, nominal, removed, _ = zip(*changes, strict=True)
        numbers = self._book.number(run_us, last_us, in_group)
        self._written = zip(ids, run_us, strict=True), numbers
        times = int_array(run_us)
        values = {
            "me": me.id,
            "epoch": me.epoch,
            "ids": text_array(ids),
            "expected": times if expected == run_us else int_array(expected),
            "run_at": int_array(run_at),
            "nominal": int_array(nominal if set(nominal) != {None} else ()),
            "removed": int_array([1 if one else None for one in removed] if any(removed) else ()),
            "run_us": times,
            "last_us": times if last_us == run_us else int_array(last_us),
            "places": int_array(places),
            "pack": int_array(numbers),
        }
        if any(one is not None for one in in_group):
            values["job_group"] = text_array(in_group)
            values["group_places"] = int_array(group_places)
            values["groups"] = text_array(groups_of(rows))
            found = connection.execute(self._claim_grouped, values).all()
            if found and found[0][2] and not found[0][3]:  # another one was at it: now what it wrote is seen
                found = connection.execute(self._claim_grouped, values).all()
        else:
            found = connection.execute(self._claim_many, values).all()
        if found and not found[0][2]:
            return None
        return before._replace(
            gone=before.gone | {job_id for job_id, busy, *_ in found if not busy},
            busy=before.busy | {job_id for job_id, busy, *_ in found if busy},
        )

    def join(self, me: Me) -> None:
        self._book.forget(me)
        super().join(me)

    def claim(self, me: Me, rows: Sequence[ClaimRow], others: Sequence[RowChange]) -> Refused | None:
        self._written = (), ()
        refused = super().claim(me, rows, others)
        if refused is not None:
            self._book.claimed(me, *self._written, refused.out)
        return refused

    def write(self, me: Me, ended: Sequence[RunKey], left: Sequence[LeftRun]) -> Sequence[RunKey]:
        def work(connection: Any) -> Ending:
            ending = self._book.end(connection, me, set(ended), [key for key, _, _ in left])
            if ending.single:
                self._delete_runs(connection, me, sorted(ending.single))
            if left:
                self._leave_runs(connection, me, left)
            return ending

        ending: Ending = self._transact(work)
        self._book.written(me, ending)
        return ending.later

    def _delete_runs(self, connection: Any, me: Me, keys: Sequence[RunKey]) -> None:
        values = {
            "me": me.id,
            "epoch": me.epoch,
            "ids": text_array([job_id for job_id, _ in keys]),
            "times": int_array([run_us for _, run_us in keys]),
        }
        if connection.execute(self._delete_many, values).rowcount < len(keys):
            self._book.unpack_unknown(connection, me)
            connection.execute(self._delete_many, values)

    def _leave_runs(self, connection: Any, me: Me, left: Sequence[LeftRun]) -> None:
        ordered = sorted(left, key=lambda one: one[0])
        values = {
            "me": me.id,
            "epoch": me.epoch,
            "ids": text_array([job_id for (job_id, _), _, _ in ordered]),
            "times": int_array([run_us for (_, run_us), _, _ in ordered]),
            "from_us": int_array([from_us for _, from_us, _ in ordered]),
            "owners": text_array([owner for _, _, owner in ordered]),
        }
        if connection.execute(self._leave_many, values).rowcount < len(left):
            self._book.unpack_unknown(connection, me)
            connection.execute(self._leave_many, values)
        if any(owner == NOBODY for _, _, owner in left):
            self._tell(connection)

    def _tell(self, connection: Any) -> None:
        connection.execute(self._notify)

    def telling(self, work: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def both(connection: Any) -> Any:
            result = work(connection)
            self._tell(connection)
            return result

        return both

    def listen(self, told: Callable[..., Any]) -> Any:
        return PostgreSQLListener(self._engine, channel_of(self._jobs), told)
