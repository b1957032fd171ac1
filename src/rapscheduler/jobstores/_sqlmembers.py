"""Who works on a shared table, and what is under way: two tables beside the jobs.

Here: `SQLMembers`. Not here: taking and claiming (`_sqlshared`), requests (`_sqlrequests`); who does what, and when
(`_scheduling.claims`).

    <table>_schedulers  id, epoch, host, pid, started, heartbeat, lease    seconds, by the database's clock
    <table>_runs        job_id, run_us (the key), from_us, last_us, owner, epoch, job_group, job_state (of its last run)
    <table>_packs       PostgreSQL: many runs in a row (`_sqlpacks`)
    <table>_groups      name (the key), version: how many batches with runs of this group were claimed
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa

from .._instants import SECOND_US
from ._shared import NOBODY, WAITING, LeftRun, Look, Me, Peer, RunKey, RunRow, SharedRows
from ._sqlbatch import index_part
from ._sqlindex import make_table
from ._sqllook import missing_columns
from ._sqlpacks import Packs
from ._sqlrequests import SQLRequests
from ._sqltags import KEY_TYPE

#: seconds since the epoch by the clock of each database
NOW = {
    "postgresql": "CAST(EXTRACT(EPOCH FROM clock_timestamp()) AS float8)",
    "sqlite": "((julianday('now') - 2440587.5) * 86400.0)",
    "mysql": "(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) / 1e6)",
}
NOW["mariadb"] = NOW["mysql"]
DATABASES = frozenset(NOW)
_AT_ONCE = 500  # ids in a statement
_OLDEST = {"mysql": (8, 0, 1), "mariadb": (10, 6)}


class SQLMembers(SharedRows):
    """All but taking and claiming, and not to be used without."""

    def __init__(self, store: Any, metadata: Any, schema: str | None) -> None:
        self._store, self._jobs = store, store.jobs_t
        self._engine = store.engine
        name, id_type = index_part(store.jobs_t.name), store.jobs_t.c.id.type
        seconds = sa.Float(53)
        self.schedulers_t = sa.Table(
            f"{name}_schedulers",
            metadata,
            sa.Column("id", sa.String(32), primary_key=True),
            sa.Column("epoch", sa.BigInteger, nullable=False),
            sa.Column("host", sa.Unicode(191), nullable=False),
            sa.Column("pid", sa.BigInteger, nullable=False),
            sa.Column("started", seconds, nullable=False),
            sa.Column("heartbeat", seconds, nullable=False),
            sa.Column("lease", seconds, nullable=False),
            schema=schema,
        )
        self.runs_t = sa.Table(
            f"{name}_runs",
            metadata,
            sa.Column("job_id", id_type, primary_key=True),
            sa.Column("run_us", sa.BigInteger, primary_key=True, autoincrement=False),
            sa.Column("from_us", sa.BigInteger, nullable=False),
            sa.Column("last_us", sa.BigInteger, nullable=False),
            sa.Column("owner", sa.String(32), nullable=False),
            sa.Column("epoch", sa.BigInteger, nullable=False),
            sa.Column("job_group", KEY_TYPE, nullable=True),
            sa.Column("job_state", sa.LargeBinary, nullable=True),
            schema=schema,
        )
        self.groups_t = sa.Table(
            f"{name}_groups",
            metadata,
            sa.Column("name", KEY_TYPE, primary_key=True),
            sa.Column("version", sa.BigInteger, nullable=False),
            schema=schema,
        )
        database = self._engine.dialect.name
        self.packs = (
            Packs(self._engine, self.runs_t, store.jobs_t.name, metadata, schema)
            if database == "postgresql"
            else None
        )
        #: whatever the rows are that they are in
        self.all_runs: Any = self.runs_t if self.packs is None else self.packs.all_runs
        self._locks = database != "sqlite"  # rows, and skips those that are locked
        self._now = sa.literal_column(NOW[database], sa.Float(53))
        self.requests: SQLRequests = SQLRequests(self, metadata, schema)

    def open(self) -> None:
        self._check_version()
        for table in self._tables():
            make_table(self._engine, table)
        for column in missing_columns(self._engine, self.runs_t, ("job_group",)):
            self._store._add_column(column)

    def drop(self) -> None:
        """Remove the tables of claims."""
        for table in self._tables():
            table.drop(self._engine, checkfirst=True)

    def _tables(self) -> tuple[Any, ...]:
        packs = () if self.packs is None else (self.packs.table,)
        return self.schedulers_t, self.runs_t, self.groups_t, self.requests.table, *packs

    def _check_version(self) -> None:
        with self._engine.connect() as connection:
            dialect = connection.dialect
            name = "mariadb" if getattr(dialect, "is_mariadb", False) else dialect.name
            version = tuple(part for part in dialect.server_version_info or () if isinstance(part, int))
        oldest = _OLDEST.get(name)
        if oldest is not None and version < oldest:
            raise RuntimeError(
                f"a shared job store needs {name} {'.'.join(map(str, oldest))} or newer (SKIP LOCKED), and this is "
                f"{'.'.join(map(str, version))}; use a newer server, or one scheduler with acknowledge='submit'"
            )

    # Who is there

    def join(self, me: Me) -> None:
        insert = self.schedulers_t.insert().values(
            id=me.id,
            epoch=me.epoch,
            host=me.host,
            pid=me.pid,
            lease=me.lease_s,
            started=self._now,
            heartbeat=self._now,
        )
        self._transact(lambda connection: connection.execute(insert))

    def look(self, me: Me) -> Look:
        table = self.schedulers_t
        beat = table.update().where(self._is(table, me)).values(heartbeat=self._now)
        tables = [self.runs_t] if self.packs is None else [self.runs_t, self.packs.table]
        owners = sa.union(*(sa.select(one.c.owner, one.c.epoch).distinct() for one in tables))

        def work(connection: Any) -> Look:
            alive = connection.execute(beat).rowcount == 1
            now_us, peers = self._peers(connection)
            found = [(str(owner), int(epoch)) for owner, epoch in connection.execute(owners)]
            return Look(alive, now_us, peers, found)

        found: Look = self._transact(work)
        return found

    def peers(self) -> tuple[int, list[Peer]]:
        runs = self.all_runs.c
        count = sa.select(runs.owner, runs.epoch, sa.func.count()).group_by(runs.owner, runs.epoch)

        def work(connection: Any) -> tuple[int, list[Peer]]:
            now_us, peers = self._peers(connection)
            running = {(owner, epoch): number for owner, epoch, number in connection.execute(count)}
            return now_us, [one._replace(running=running.get((one.id, one.epoch), 0)) for one in peers]

        found: tuple[int, list[Peer]] = self._transact(work)
        return found

    def under_way(self, limit: int) -> list[tuple[str, int, str, int]]:
        columns = self.all_runs.c
        statement = (
            sa.select(columns.owner, columns.epoch, columns.job_id, columns.run_us)
            .where(columns.owner != WAITING)
            .order_by(columns.run_us, columns.job_id)
            .limit(limit)
        )
        found = self._transact(lambda connection: connection.execute(statement).all())
        return [(str(owner), int(epoch), str(job_id), int(run_us)) for owner, epoch, job_id, run_us in found]

    def _peers(self, connection: Any) -> tuple[int, list[Peer]]:
        columns = self.schedulers_t.c
        fields = (
            columns.id,
            columns.epoch,
            columns.host,
            columns.pid,
            columns.started,
            columns.heartbeat,
            columns.lease,
        )
        found = connection.execute(sa.select(*fields, self._now)).all()
        if not found:
            return _us(connection.execute(sa.select(self._now)).scalar()), []
        peers = [
            Peer(str(i), int(epoch), str(host), int(pid), _us(started), _us(heard), float(lease))
            for i, epoch, host, pid, started, heard, lease, _ in found
        ]
        return _us(found[0][-1]), peers

    def leave(self, me: Me) -> None:
        delete = self.schedulers_t.delete().where(self._is(self.schedulers_t, me))
        self._transact(lambda connection: connection.execute(delete))

    def has_news(self) -> frozenset[str]:
        owner = self.runs_t.c.owner
        statement = sa.select(owner).where(owner.in_([NOBODY, WAITING])).distinct()
        found = self._transact(lambda connection: connection.execute(statement).scalars().all())
        return frozenset(map(str, found))

    @staticmethod
    def _is(table: Any, me: Me) -> Any:
        key = table.c.id if "id" in table.c else table.c.owner
        return sa.and_(key == me.id, table.c.epoch == me.epoch)

    # Runs under way

    def write(self, me: Me, ended: Sequence[RunKey], left: Sequence[LeftRun]) -> Sequence[RunKey]:
        def work(connection: Any) -> None:
            if ended:
                self._delete_runs(connection, me, sorted(ended))
            if left:
                self._leave_runs(connection, me, left)

        self._transact(work)
        return ()

    def _delete_runs(self, connection: Any, me: Me, keys: Sequence[RunKey]) -> None:
        table = self.runs_t
        statement = table.delete().where(
            table.c.job_id == sa.bindparam("key_id"),
            table.c.run_us == sa.bindparam("key_us"),
            self._is(table, me),
        )
        connection.execute(statement, [{"key_id": job_id, "key_us": run_us} for job_id, run_us in keys])

    def _leave_runs(self, connection: Any, me: Me, left: Sequence[LeftRun]) -> None:
        table = self.runs_t
        for (job_id, run_us), from_us, owner in sorted(left, key=lambda one: one[0]):
            values: dict[str, Any] = {"from_us": from_us}
            if owner is not None:
                values |= {"owner": owner, "epoch": 0}
            mine = sa.and_(table.c.job_id == job_id, table.c.run_us == run_us, self._is(table, me))
            connection.execute(table.update().where(mine).values(**values))

    def take_over(self, me: Me, owner: str, epoch: int) -> list[RunRow]:
        schedulers, runs = self.schedulers_t, self.runs_t
        its = sa.and_(schedulers.c.id == owner, schedulers.c.epoch == epoch)
        over = schedulers.c.heartbeat + schedulers.c.lease < self._now
        theirs = sa.and_(runs.c.owner == owner, runs.c.epoch == epoch)

        def work(connection: Any) -> list[RunRow]:
            connection.execute(schedulers.delete().where(its, over))
            if connection.execute(sa.select(schedulers.c.id).where(its)).first() is not None:
                return []  # it is heard of again
            if self.packs is not None:
                self.packs.unpack(connection, owner, epoch)
            find = self._run_select(runs).where(theirs)
            if self._locks:
                find = find.with_for_update()
            found = [run_row(*columns) for columns in connection.execute(find)]
            if found:
                connection.execute(runs.update().where(theirs).values(owner=me.id, epoch=me.epoch))
            return found

        taken: list[RunRow] = self._transact(work, alone=True)
        return taken

    def own(self, me: Me) -> list[RunKey]:
        columns = self.all_runs.c
        statement = sa.select(columns.job_id, columns.run_us).where(self._is(self.all_runs, me))
        found = self._transact(lambda connection: connection.execute(statement).all())
        return [(str(job_id), int(run_us)) for job_id, run_us in found]

    def read(self, keys: Sequence[RunKey]) -> list[RunRow]:
        wanted, ids = set(keys), sorted({job_id for job_id, _ in keys})
        statement = self._run_select(self.all_runs)

        def work(connection: Any) -> list[RunRow]:
            found: list[RunRow] = []
            for first in range(0, len(ids), _AT_ONCE):
                some = self.all_runs.c.job_id.in_(ids[first : first + _AT_ONCE])
                found += [run_row(*row) for row in connection.execute(statement.where(some))]
            return [run for run in found if (run.job_id, run.run_us) in wanted]

        runs: list[RunRow] = self._transact(work)
        return runs

    @staticmethod
    def _run_select(runs: Any) -> Any:
        columns = runs.c
        return sa.select(
            columns.job_id,
            columns.run_us,
            columns.from_us,
            columns.last_us,
            columns.job_state,
            columns.job_group,
        )

    def _transact(self, work: Callable[[Any], Any], alone: bool = False) -> Any:
        """One transaction; `alone`: with SQLite's lock from its beginning."""
        if not alone or self._engine.dialect.name != "sqlite":
            return self._store._transact(work)

        def locked(connection: Any) -> Any:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            return work(connection)

        return self._store._transact(locked)


def _us(seconds: Any) -> int:
    return round(float(seconds) * SECOND_US)


def run_row(job_id: Any, run_us: Any, from_us: Any, last_us: Any, data: Any, group: Any) -> RunRow:
    """A run as its columns say."""
    data = None if data is None else bytes(data)
    return RunRow(str(job_id), int(run_us), int(from_us), int(last_us), data, group)
