"""Jobs in a ZooKeeper tree.

What lives here: `ZooKeeperJobStore`: paths, requests, multi-transactions. What must not: the contract (`_rowstore`),
the layout of nodes (`_nodestore`). A job is the node <path>/<id>; characters that ZooKeeper's paths can't have are
percent-encoded. A batch is one multi request (more when it would pass ZooKeeper's limit of 1 MB). <path>.zones/<zone>
are the rules of time zones under which run times were computed.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from .._quoting import masked
from .._serialization.rows import OddId
from ..errors import ConflictingIdError, JobLookupError
from ..job import Job
from ..util import datetime_to_utc_timestamp, elsewhere, maybe_ref, utc_timestamp_to_datetime
from ._forked import Anew, keep, left_behind
from ._nodestore import Node, NodeStore, Write, in_groups, parked_text
from ._rowstore import NothingStoredError
from ._sharing import leave, use
from .base import BaseJobStore, refuse_empty

try:
    from kazoo.client import KazooClient
    from kazoo.exceptions import ConnectionLoss, NoNodeError
except ImportError as exc:  # pragma: no cover
    raise ImportError(
        "ZooKeeperJobStore requires Kazoo installed: pip install rapscheduler[zookeeper]"
    ) from exc

__all__ = (
    "BaseJobStore",
    "ConflictingIdError",
    "Job",
    "JobLookupError",
    "ZooKeeperJobStore",
    "datetime_to_utc_timestamp",
    "maybe_ref",
    "utc_timestamp_to_datetime",
)

_PLAIN = " !\"#$&'()*+,:;<=>?@[\\]^`{|}~"
_MOST_WRITES, _MOST_BYTES = 500, 900_000


if not TYPE_CHECKING:
    __getattr__ = elsewhere(__name__)


class ZooKeeperJobStore(NodeStore):
    """Stores jobs in a ZooKeeper tree. Other keyword arguments go to :class:`~kazoo.client.KazooClient`.

    Plugin alias: ``zookeeper``

    :param str path: the node below which the jobs are
    :param client: a :class:`~kazoo.client.KazooClient` to use instead of making one
    :param close_connection_on_exit: stop the client at shutdown
    :param int pickle_protocol: accepted for APScheduler's sake; nothing is pickled
    :param allowed_callables: patterns such as ``["myapp.tasks:*"]`` of the callables that jobs may name
    """

    def __init__(
        self,
        path: str = "/apscheduler",
        client: Any = None,
        close_connection_on_exit: bool = False,
        pickle_protocol: int = pickle.HIGHEST_PROTOCOL,
        *,
        allowed_callables: Iterable[str] | str | None = None,
        **connect_args: Any,
    ) -> None:
        super().__init__(allowed_callables)
        refuse_empty(path=path)
        folder = path.rstrip("/")  # Kazoo takes "/jobs/" for "/jobs"
        if not folder:
            raise ValueError(
                f'The "path" parameter must name a node below the root, not {path!r}: /apscheduler'
            )
        self.path = path
        self.pickle_protocol = pickle_protocol
        self.close_connection_on_exit = close_connection_on_exit
        self._connect = None if client else partial(KazooClient, **connect_args)
        self.client = maybe_ref(client) if self._connect is None else self._connect()
        self._folder, self._parked_path, self._zones_path = folder, f"{folder}.parked", f"{folder}.zones"
        self._may_make = True
        self._odd_names: dict[str, str] = {}  # nodes of APScheduler whose name we would write in another way

    def shutdown(self) -> None:
        if leave(self.client, self) and self.close_connection_on_exit and type(self.client) is not Anew:
            self.client.stop()
            self.client.close()

    def _leave_parent(self) -> None:
        if self._connect is None and not self.client.connected:
            return
        keep(self.client)
        cure = "name the servers (hosts=) in place of client="
        self.client = left_behind("a KazooClient", cure) if self._connect is None else Anew(self._client_anew)

    def _client_anew(self) -> Any:
        assert self._connect is not None
        client = self._connect()
        client.start()
        self.client = client
        return client

    def __repr__(self) -> str:
        return masked(f"<{type(self).__name__} (client={self.client})>")

    def _open(self, write: bool) -> None:
        if not self.client.connected:
            self.client.start()
        use(self.client, self)
        self._may_make = write
        if not write:
            if not self.client.exists(self.path):
                raise NothingStoredError(f"there is no node {self.path!r}")
            return
        self.client.ensure_path(self.path)
        self.client.ensure_path(self._parked_path)

    def _name(self, job_id: str) -> str:
        if type(job_id) is OddId:
            odd: str = job_id.raw
            return odd
        name = quote(job_id, safe=_PLAIN)
        return self._odd_names.get(job_id) or (name.replace(".", "%2E") if name in (".", "..") else name)

    def _name_bytes(self, job_id: str) -> int:
        return len(quote(job_id, safe=_PLAIN))

    def _fetch(self, ids: Sequence[str] | None) -> dict[str, Node]:
        parked_names = set(self._children(self._parked_path))
        names = self._children(self.path) if ids is None else [self._name(job_id) for job_id in ids]
        values = self._values(self.path, names)
        reasons = self._values(self._parked_path, [name for name in names if name in parked_names])
        nodes: dict[str, Node] = {}
        for name, (value, stat) in values.items():
            job_id = _id(name)
            if ids is None and self._name(job_id) != name:
                self._odd_names[job_id] = name
            reason = reasons.get(name)
            nodes[job_id] = Node(value, stat.version, parked_text(None if reason is None else reason[0]))
        return nodes

    def _children(self, path: str) -> list[str]:
        try:
            children: list[str] = self.client.retry(self.client.get_children, path)
        except NoNodeError:  # somebody cleared the tree
            if self._may_make:
                self.client.ensure_path(path)
            return []
        return children

    def _values(self, folder: str, names: Sequence[str]) -> dict[str, Any]:
        """(value, stat) of each node that exists; the requests are sent together."""
        waiting = [(name, self.client.get_async(f"{folder}/{name}")) for name in names]
        found: dict[str, Any] = {}
        for name, answer in waiting:
            try:
                found[name] = answer.get()
            except NoNodeError:
                continue
            except ConnectionLoss:
                found[name] = self.client.retry(self.client.get, f"{folder}/{name}")
        return found

    def _commit(self, writes: Sequence[Write]) -> list[Write]:
        refused: list[Write] = []
        for group in in_groups(writes, _MOST_WRITES, _MOST_BYTES):
            transaction = self.client.transaction()
            for write in group:
                self._add(transaction, write)
            try:
                results = transaction.commit()
            except ConnectionLoss as exc:
                self._lost = exc
                self._unsure.update(write.id for write in group)
                refused += group
                continue
            errors = [result for result in results if isinstance(result, Exception)]
            if not errors:
                continue
            for error in errors:
                if type(error).__name__ in _FATAL:
                    raise error
            refused += group
        return refused

    def _add(self, transaction: Any, write: Write) -> None:
        name = self._name(write.id)
        path, parked_path = f"{self._folder}/{name}", f"{self._parked_path}/{name}"
        node = write.node
        if node is None:
            transaction.create(path, write.value)
        elif write.value is None:
            transaction.delete(path, version=node.version)
        elif write.value is node.value:
            transaction.check(path, node.version)
        else:
            transaction.set_data(path, write.value, version=node.version)
        was_parked = node is not None and node.parked is not None
        if write.parked is not None:
            reason = write.parked.encode()
            if was_parked:
                transaction.set_data(parked_path, reason)
            else:
                transaction.create(parked_path, reason)
        elif was_parked:
            transaction.delete(parked_path)

    def _erase(self) -> None:
        for path in (self.path, self._parked_path):
            try:
                self.client.delete(path, recursive=True)
            except NoNodeError:
                pass
            self.client.ensure_path(path)

    def _read_rules(self) -> dict[str, str]:
        if not self.client.exists(self._zones_path):
            return {}
        found = self._values(self._zones_path, self._children(self._zones_path))
        return {unquote(name): value.decode() for name, (value, _) in found.items()}

    def _write_rules(self, rules: Mapping[str, str]) -> None:
        self.client.ensure_path(self._zones_path)
        for zone, text in rules.items():
            path = f"{self._zones_path}/{quote(zone, safe=_PLAIN)}"
            self.client.ensure_path(path)
            self.client.retry(self.client.set, path, text.encode())


def _id(name: str) -> str:
    try:
        return unquote(name, errors="strict")
    except UnicodeDecodeError:
        return OddId.of(name)


_FATAL = ("NoAuthError", "AuthFailedError", "InvalidACLError", "SessionExpiredError", "NotReadOnlyCallError")
