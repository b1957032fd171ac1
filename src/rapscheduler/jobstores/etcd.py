"""Jobs in etcd.

What lives here: `EtcdJobStore`: keys and transactions. What must not: the contract (`_rowstore`), the layout of values
(`_nodestore`). A job is the key <path>/<id>. A batch is one transaction whose parts, one per job, each compare the
revision that was read (more when it would pass the limit of 1.5 MB). /rapscheduler.zones<path>/<zone> are the rules of
time zones under which run times were computed: APScheduler takes each key that begins with its path for a job.
"""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from .._quoting import masked
from .._serialization.rows import OddId, raw_id
from ..errors import ConflictingIdError, JobLookupError
from ..job import Job
from ..util import datetime_to_utc_timestamp, elsewhere, maybe_ref, utc_timestamp_to_datetime
from ._forked import Anew, ForkGate, keep, left_behind
from ._nodestore import Node, NodeStore, Write, in_groups, parked_text
from ._sharing import leave, use
from .base import BaseJobStore, refuse_empty

if "grpc" not in sys.modules:  # a forked child may use gRPC only if this is set before it is imported
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "1")
try:
    from etcd3 import Etcd3Client
    from etcd3.exceptions import ConnectionFailedError, ConnectionTimeoutError
    from etcd3.transactions import Txn
except ImportError as exc:  # pragma: no cover
    raise ImportError("EtcdJobStore requires etcd3 be installed: pip install rapscheduler[etcd]") from exc
except TypeError as exc:  # etcd3 0.12 was generated for an older protobuf
    raise ImportError(
        "EtcdJobStore: the installed etcd3 can't work with the installed protobuf; install 'protobuf<4' or set "
        "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION=python before Python starts"
    ) from exc

__all__ = (
    "BaseJobStore",
    "ConflictingIdError",
    "EtcdJobStore",
    "Job",
    "JobLookupError",
    "datetime_to_utc_timestamp",
    "maybe_ref",
    "utc_timestamp_to_datetime",
)

_MOST_WRITES, _MOST_BYTES = 120, 1_000_000  # etcd takes 128 operations on one level of a transaction
_FEW = 60  # ids that are read one by one rather than with the whole tree
_READ_LIMIT = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


_TRUE = ("1", "true", "True", "TRUE", "yes", "YES")
_handlers_ran_in = os.getpid()  # the process in which the handlers of a fork ran last, gRPC's among them


def _after_fork_in_child() -> None:
    global _handlers_ran_in
    _handlers_ran_in = os.getpid()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)

if not TYPE_CHECKING:
    __getattr__ = elsewhere(__name__)


class EtcdJobStore(NodeStore):
    """Stores jobs in etcd. Other keyword arguments go to :class:`etcd3.Etcd3Client`.

    Plugin alias: ``etcd``

    :param str path: the key below which the jobs are
    :param client: an :class:`etcd3.Etcd3Client` to use instead of making one
    :param close_connection_on_exit: accepted for APScheduler's sake, which closes the client in any case
    :param int pickle_protocol: accepted for APScheduler's sake; nothing is pickled
    :param allowed_callables: patterns such as ``["myapp.tasks:*"]`` of the callables that jobs may name
    """

    max_node_bytes = 900_000

    def __init__(
        self,
        path: str = "/apscheduler",
        client: Any = None,
        close_connection_on_exit: bool = False,
        pickle_protocol: int = pickle.DEFAULT_PROTOCOL,
        *,
        allowed_callables: Iterable[str] | str | None = None,
        **connect_args: Any,
    ) -> None:
        super().__init__(allowed_callables)
        refuse_empty(path=path)
        self.path = path
        self.pickle_protocol = pickle_protocol
        self.close_connection_on_exit = close_connection_on_exit
        connect_args.setdefault("grpc_options", _READ_LIMIT)
        self._connect = None if client else partial(Etcd3Client, **connect_args)
        self.client = maybe_ref(client) if self._connect is None else self._connect()
        self._closed = False
        self._gate = ForkGate()
        self._folder, self._parked_folder, self._zones_folder = (
            f"{path}/",
            f"{path}.parked/",
            f"/rapscheduler.zones{path}/",
        )

    def shutdown(self) -> None:
        if leave(self.client, self):
            if type(self.client) is not Anew:
                self.client.close()
            self._closed = True

    def _leave_parent(self) -> None:
        if self._closed:
            return
        keep(self.client)
        if os.environ.get("GRPC_ENABLE_FORK_SUPPORT") not in _TRUE or _handlers_ran_in != os.getpid():
            cure = "set GRPC_ENABLE_FORK_SUPPORT=1 before Python starts, and fork by os.fork() (uWSGI: lazy-apps)"
            self.client = left_behind("a client of gRPC", cure)
        elif self._connect is None:
            cure = "name the server (host=, port=) in place of client="
            self.client = left_behind("an Etcd3Client", cure)
        else:
            self.client = Anew(self._client_anew)

    def _client_anew(self) -> Any:
        assert self._connect is not None
        self.client = client = self._connect()
        return client

    def _open(self, write: bool) -> None:
        if self._closed and self._connect is not None:  # the scheduler is started again
            self.client = self._connect()
            self._closed = False
        use(self.client, self)

    def __repr__(self) -> str:
        return masked(f"<{type(self).__name__} (client={self.client})>")

    def _fetch(self, ids: Sequence[str] | None) -> dict[str, Node]:
        with self._gate:
            if ids is not None and len(ids) <= _FEW:
                return self._fetch_few(ids)
            values = self._below(self._folder)
            reasons = self._below(self._parked_folder)
        wanted = values if ids is None else [job_id for job_id in ids if job_id in values]
        return {job_id: _node(values[job_id], reasons.get(job_id)) for job_id in wanted}

    def _fetch_few(self, ids: Sequence[str]) -> dict[str, Node]:
        if not ids:
            return {}
        get = self.client.transactions.get
        folders = (self._folder, self._parked_folder)
        asked = [get(_key(folder, job_id)) for job_id in ids for folder in folders]
        _, answers = self.client.transaction(compare=[], success=asked, failure=[])
        nodes: dict[str, Node] = {}
        for index, job_id in enumerate(ids):
            found, reason = answers[2 * index], answers[2 * index + 1]
            if found:
                nodes[job_id] = _node(found[0], reason[0] if reason else None)
        return nodes

    def _below(self, folder: str) -> dict[str, Any]:
        start = len(folder.encode())
        return {
            _id(metadata.key[start:]): (value, metadata) for value, metadata in self.client.get_prefix(folder)
        }

    def _commit(self, writes: Sequence[Write]) -> list[Write]:
        refused: list[Write] = []
        for group in in_groups(writes, _MOST_WRITES, _MOST_BYTES):
            if group[0].node is None:  # an insert: all or none
                compare = [self._unchanged(write) for write in group]
                operations = [operation for write in group for operation in self._operations(write)]
                try:
                    with self._gate:
                        done = self.client.transaction(compare=compare, success=operations, failure=[])[0]
                except (ConnectionFailedError, ConnectionTimeoutError) as exc:  # it may have been made
                    self._lost, done = exc, False
                    self._unsure.update(write.id for write in group)
                if not done:
                    refused += group
                continue
            parts = [Txn([self._unchanged(write)], self._operations(write), []) for write in group]
            with self._gate:
                _, answers = self.client.transaction(compare=[], success=parts, failure=[])
            refused += [
                write
                for write, answer in zip(group, answers, strict=True)
                if not answer.response_txn.succeeded
            ]
        return refused

    def _unchanged(self, write: Write) -> Any:
        key = _key(self._folder, write.id)
        if write.node is None:
            return self.client.transactions.version(key) == 0
        return self.client.transactions.mod(key) == write.node.version

    def _operations(self, write: Write) -> list[Any]:
        put, delete = self.client.transactions.put, self.client.transactions.delete
        key, parked_key = _key(self._folder, write.id), _key(self._parked_folder, write.id)
        node, operations = write.node, []
        if write.value is None:
            operations.append(delete(key))
        elif node is None or write.value is not node.value:
            operations.append(put(key, write.value))
        if write.parked is not None:
            operations.append(put(parked_key, write.parked))
        elif node is not None and node.parked is not None:
            operations.append(delete(parked_key))
        return operations

    def _erase(self) -> None:
        with self._gate:
            self.client.delete_prefix(self._folder)
            self.client.delete_prefix(self._parked_folder)

    def _read_rules(self) -> dict[str, str]:
        with self._gate:
            found = self._below(self._zones_folder)
        return {zone: value.decode() for zone, (value, _) in found.items()}

    def _write_rules(self, rules: Mapping[str, str]) -> None:
        for zone, text in rules.items():
            with self._gate:
                self.client.put(self._zones_folder + zone, text)


def _key(folder: str, job_id: str) -> Any:
    raw = raw_id(job_id)
    return folder.encode() + raw if isinstance(raw, bytes) else folder + raw


def _id(name: bytes) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError:
        return OddId.of(name)


def _node(found: Any, reason: Any) -> Node:
    value, metadata = found
    return Node(value, metadata.mod_revision, parked_text(None if reason is None else reason[0]))
