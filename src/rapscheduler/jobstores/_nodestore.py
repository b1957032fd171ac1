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
from typing import NamedTuple

import orjson

from .._serialization.rows import (
    NO_TIME_US,
    JobRow,
    RowChange,
    is_time,
    row_of,
    seconds_from_us,
    us_from_seconds,
    whole_us,
)
from ..errors import ConflictingIdError, EncodeError
from ._ids import too_long, unwritable
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
    max_id_bytes = 4_000  # every pass reads the names of all nodes, and a ZooKeeper answers with 1 MB at most

    def __init__(self, allowed_callables: Iterable[str] | str | None = None) -> None:
        super().__init__(allowed_callables)
        self._unsure: set[str] = set()  # ids of refused writes that may have been made: their answer was lost
        self._lost: Exception | None = None  # with this error

    # What a backend gives

    @abstractmethod
    def _fetch(self, ids: Sequence[str] | None) -> dict[str, Node]: ...

    @abstractmethod
    def _commit(self, writes: Sequence[Write]) -> list[Write]: ...

    @abstractmethod
    def _erase(self) -> None: ...

    def _id_problem(self, job_id: str) -> str | None:
        if type(job_id) is not str:
            return None  # it was found there
        if not job_id:
            return "it is empty, and names no node: give the job another one"
        problem = unwritable(job_id)
        return problem or too_long(job_id, self._name_bytes(job_id), self.max_id_bytes, "bytes", "this store")

    def _name_bytes(self, job_id: str) -> int:
        """How many bytes the name of a job's node has."""
        return len(job_id.encode())

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
        if self._unsure:
            refused = self._sure(refused)
        if not refused:
            return
        present = self._fetch([row.id for row in rows])
        unmade = {write.id for write in refused}
        made = [write for write in writes if write.id not in unmade]
        if made:
            self._delete([write.id for write in made])
        taken = [write.id for write in refused if write.id in present]
        raise ConflictingIdError(taken[0] if taken else refused[0].id)

    def _sure(self, refused: list[Write]) -> list[Write]:
        """The refused ones of an insert, after those whose answer was lost were looked for, and written once more."""
        unsure = self._unsure.intersection(write.id for write in refused)
        self._unsure -= unsure
        asked = [write for write in refused if write.id in unsure]
        found = self._fetch([write.id for write in asked])
        if all(write.id in found and found[write.id].value == write.value for write in asked):
            return [write for write in refused if write.id not in unsure]
        again = [write for write in asked if write.id not in found]
        refused = [write for write in refused if write not in again]
        if again:
            refused += self._commit(again)
            lost = self._unsure.intersection(write.id for write in again)
            self._unsure -= lost
            if lost:
                assert self._lost is not None
                raise self._lost
        return refused

    def _replace(self, rows: Sequence[JobRow]) -> list[str]:
        values = {row.id: (self._value(row), row.parked) for row in rows}
        return self._rewrite(values, lambda job_id, node: Write(job_id, node, *values[job_id]))

    def _replace_if(self, row: JobRow, expected_us: int | None) -> bool | None:
        value, still_due = self._value(row), True

        def write(job_id: str, node: Node) -> Write | None:
            nonlocal still_due
            still_due = _same_time(_row(job_id, node).run_at_us, expected_us)
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
            if not _same_time(row.run_at_us, change.expected_us):
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
    """Nodes that tell no time (pickled ones, odd ones) are taken as due, so that somebody looks and parks them."""
    if row.run_at_us is None:
        return row.data[:1] == b"\x80"
    return row.run_at_us <= until_us or not is_time(row.run_at_us)


def _same_time(one_us: int | None, other_us: int | None) -> bool:
    """Whether two times are one in float seconds, which others compare."""
    return seconds_from_us(one_us) == seconds_from_us(other_us)


def _row(job_id: str, node: Node) -> JobRow:
    head, newline, data = node.value.partition(b"\n")
    try:
        times = orjson.loads(head)
        if newline and type(times) is dict:
            seconds = times.get("next_run_time")
            row = row_of(job_id, seconds, times.get("nominal_us"), node.parked, data)
            exact = times.get("run_at_us")
            return row if exact is None or seconds is None else row._replace(run_at_us=whole_us(exact))
    except orjson.JSONDecodeError:
        pass
    time_us = None if node.value[:1] == b"\x80" else NO_TIME_US
    return row_of(job_id, None, None, node.parked, node.value)._replace(run_at_us=time_us)


def parked_text(value: bytes | None) -> str | None:
    """The reason of a node of the tree of parked ones."""
    return None if value is None else value.decode("utf-8", "backslashreplace")


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
