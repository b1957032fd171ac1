"""Row operations over a tree of nodes with versions: what ZooKeeper and etcd have in common.

What lives here: `NodeStore`. What must not: a client library. A backend gives three operations:

    _fetch(ids | None)   id -> Node, of these ids or of all
    _commit(writes)      all of a group of writes, or none, if the nodes still have the versions that were read; returns
                         the writes of the groups that did not go through
    _erase()             everything

One node holds one job: a line of JSON with its times, a newline, the job's JSON. Parking is a second, small node in the
tree <path>.parked, so that nodes written by APScheduler (pickles, whose time can't be known) stay as they are. There is
no index by time: every pass reads all nodes, as in APScheduler.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import orjson

from .._serialization.rows import NO_TIME_US, JobRow, RowChange, seconds_from_us, us_from_seconds
from ..errors import ConflictingIdError, EncodeError
from ._rowstore import RowStore

_ROUNDS = 20  # of reading again after somebody else was faster


class Node(NamedTuple):
    """What a backend found: the bytes, the version to write against, and the reason of parking, if any."""

    value: bytes
    version: int
    parked: str | None


class Write(NamedTuple):
    """One job's part of a commit. ``value`` None: delete. ``node`` None: create, the job must not exist.

    ``parked`` is the reason to be stored, None for none.
    """

    id: str
    node: Node | None
    value: bytes | None
    parked: str | None


class NodeStore(RowStore):
    """A row store on versioned nodes; see the head of this file."""

    max_node_bytes = 1_000_000

    def __init__(self, allowed_callables: Iterable[str] | str | None = None) -> None:
        super().__init__(allowed_callables)
        self._unsure: set[str] = set()  # ids of refused writes that may have been made: their answer was lost

    # What a backend gives

    @abstractmethod
    def _fetch(self, ids: Sequence[str] | None) -> dict[str, Node]: ...

    @abstractmethod
    def _commit(self, writes: Sequence[Write]) -> list[Write]: ...

    @abstractmethod
    def _erase(self) -> None: ...

    # Row operations

    def _read(self, ids: Sequence[str]) -> list[JobRow]:
        return [_row(job_id, node) for job_id, node in self._fetch(ids).items()]

    def _read_all(self) -> list[JobRow]:
        return [_row(job_id, node) for job_id, node in self._fetch(None).items()]

    def _read_due(self, until_us: int, limit: int) -> list[JobRow]:
        due = [row for row in self._read_all() if row.parked is None and _is_due(row, until_us)]
        due.sort(key=lambda row: row.run_at_us or NO_TIME_US)
        return due[:limit]

    def _earliest(self) -> int | None:
        rows = self._read_all()
        return min(
            (row.run_at_us for row in rows if row.parked is None and row.run_at_us is not None), default=None
        )

    def _insert(self, rows: Sequence[JobRow]) -> None:
        writes = [Write(row.id, None, self._value(row), row.parked) for row in rows]
        refused = self._commit(writes)
        unsure = {write.id for write in refused} & self._unsure
        self._unsure -= unsure
        if not refused or (unsure and self._already_written(rows)):
            return
        present = self._fetch([row.id for row in rows])
        unmade = {write.id for write in refused}
        made = [write for write in writes if write.id not in unmade]
        if made:
            self._delete([write.id for write in made])
        taken = [write.id for write in refused if write.id in present]
        raise ConflictingIdError(taken[0] if taken else refused[0].id)

    def _replace(self, rows: Sequence[JobRow]) -> list[str]:
        values = {row.id: (self._value(row), row.parked) for row in rows}
        return self._rewrite(values, lambda job_id, node: Write(job_id, node, *values[job_id]))

    def _replace_if(self, row: JobRow, expected_us: int | None) -> bool | None:
        value, expected = self._value(row), seconds_from_us(expected_us)
        still_due = True

        def write(job_id: str, node: Node) -> Write | None:
            nonlocal still_due
            still_due = seconds_from_us(_row(job_id, node).run_at_us) == expected
            return Write(job_id, node, value, row.parked) if still_due else None

        return None if self._rewrite([row.id], write) else still_due

    def _delete(self, ids: Sequence[str]) -> list[str]:
        return self._rewrite(ids, lambda job_id, node: Write(job_id, node, None, None))

    def _clear(self) -> None:
        self._erase()

    def _change(self, changes: Sequence[RowChange]) -> None:
        by_id = {change.id: change for change in changes}

        def write(job_id: str, node: Node) -> Write | None:
            change, row = by_id[job_id], _row(job_id, node)
            if row.parked is not None or row.run_at_us is None:
                return None
            if seconds_from_us(row.run_at_us) != seconds_from_us(change.expected_us):
                return None
            if change.parked is not None:
                return Write(job_id, node, node.value, change.parked or "?")
            if change.remove:
                return Write(job_id, node, None, None)
            moved = row._replace(run_at_us=change.run_at_us, nominal_us=change.nominal_us)
            return Write(job_id, node, self._value(moved), None)

        self._rewrite(by_id, write)

    def _set_parked(self, reasons: dict[str, str | None], seen: dict[str, bytes] | None = None) -> int | None:
        left: set[str] = set()

        def write(job_id: str, node: Node) -> Write | None:
            if seen is not None and _row(job_id, node).data != seen[job_id]:
                left.add(job_id)
                return None
            return Write(job_id, node, node.value, reasons[job_id])

        missing = self._rewrite(reasons, write)
        return len(reasons) - len(left.union(missing))

    def _rewrite(self, ids: Iterable[str], write: Callable[[str, Node], Write | None]) -> list[str]:
        """Read, decide, write; again for those that changed in between. Returns the ids that do not exist."""
        missing: list[str] = []
        left = list(ids)
        for _ in range(_ROUNDS):
            nodes = self._fetch(left)
            missing += [job_id for job_id in left if job_id not in nodes]
            writes = [write(job_id, nodes[job_id]) for job_id in left if job_id in nodes]
            left = [one.id for one in self._commit([one for one in writes if one is not None])]
            if not left:
                return missing
        raise RuntimeError(
            f"{len(left)} jobs, first {left[0]!r}, were changed by others {_ROUNDS} times while they were being "
            "written; do several schedulers run on one tree? Give each its own path="
        )

    def _value(self, row: JobRow) -> bytes:
        """The bytes of a job's node."""
        head = {"next_run_time": seconds_from_us(row.run_at_us), "nominal_us": row.nominal_us}
        if row.run_at_us is not None and us_from_seconds(head["next_run_time"]) != row.run_at_us:
            head["run_at_us"] = row.run_at_us
        value = orjson.dumps(head) + b"\n" + row.data
        if len(value) > self.max_node_bytes:
            raise EncodeError(
                f"the job takes {len(value)} bytes, more than the {self.max_node_bytes} of a node in this store; keep "
                "the data elsewhere and pass the job its key"
            )
        return value


def _is_due(row: JobRow, until_us: int) -> bool:
    """Pickled nodes tell no time; they are taken as due, so that somebody looks at them and parks them."""
    if row.run_at_us is None:
        return row.data[:1] == b"\x80"
    return row.run_at_us <= until_us


def _row(job_id: str, node: Node) -> JobRow:
    head, newline, data = node.value.partition(b"\n")
    try:
        times = orjson.loads(head)
        if newline and type(times) is dict:
            return JobRow(job_id, _time(times), _int(times.get("nominal_us")), node.parked, data)
    except orjson.JSONDecodeError:
        pass
    return JobRow(job_id, None if node.value[:1] == b"\x80" else NO_TIME_US, None, node.parked, node.value)


def _time(times: dict[str, Any]) -> int | None:
    exact = _int(times.get("run_at_us"))
    return us_from_seconds(times.get("next_run_time")) if exact is None else exact


def _int(value: Any) -> int | None:
    return value if value is None or type(value) is int else NO_TIME_US


def in_groups(writes: Sequence[Write], most: int, most_bytes: int) -> Iterator[list[Write]]:
    """The writes in groups that fit one request of the server."""
    group: list[Write] = []
    size = 0
    for write in writes:
        cost = len(write.value or b"") + 4 * len(write.id) + 200
        if group and (len(group) >= most or size + cost > most_bytes):
            yield group
            group, size = [], 0
        group.append(write)
        size += cost
    if group:
        yield group
