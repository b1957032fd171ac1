"""Jobs in etcd.

What lives here: `EtcdJobStore`: keys and transactions. What must not: the contract (`_rowstore`), the layout of values
(`_nodestore`). A job is the key <path>/<id>. A batch is one transaction whose parts, one per job, each compare the
revision that was read (more when it would pass etcd's limit of 1.5 MB).
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from ..errors import ConflictingIdError, JobLookupError
from ..job import Job
from ..util import datetime_to_utc_timestamp, maybe_ref, utc_timestamp_to_datetime
from ._nodestore import Node, NodeStore, Write, in_groups
from .base import BaseJobStore

try:
    from etcd3 import Etcd3Client
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
        if not path:
            raise ValueError('The "path" parameter must not be empty')
        self.path = path
        self.pickle_protocol = pickle_protocol
        self.close_connection_on_exit = close_connection_on_exit
        connect_args.setdefault("grpc_options", _READ_LIMIT)
        self._connect = None if client else partial(Etcd3Client, **connect_args)
        self.client = maybe_ref(client) if self._connect is None else self._connect()
        self._closed = False
        self._folder, self._parked_folder = f"{path}/", f"{path}.parked/"

    def shutdown(self) -> None:
        self.client.close()
        self._closed = True

    def _open(self) -> None:
        if self._closed and self._connect is not None:  # the scheduler is started again
            self.client = self._connect()
            self._closed = False

    def __repr__(self) -> str:
        return f"<{type(self).__name__} (client={self.client})>"

    def _fetch(self, ids: Sequence[str] | None) -> dict[str, Node]:
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
        asked = [get(folder + job_id) for job_id in ids for folder in (self._folder, self._parked_folder)]
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
            metadata.key[start:].decode("utf-8", "surrogateescape"): (value, metadata)
            for value, metadata in self.client.get_prefix(folder)
        }

    def _commit(self, writes: Sequence[Write]) -> list[Write]:
        refused: list[Write] = []
        for group in in_groups(writes, _MOST_WRITES, _MOST_BYTES):
            if group[0].node is None:  # an insert: all or none
                compare = [self._unchanged(write) for write in group]
                operations = [operation for write in group for operation in self._operations(write)]
                if not self.client.transaction(compare=compare, success=operations, failure=[])[0]:
                    refused += group
                continue
            parts = [Txn([self._unchanged(write)], self._operations(write), []) for write in group]
            _, answers = self.client.transaction(compare=[], success=parts, failure=[])
            refused += [
                write
                for write, answer in zip(group, answers, strict=True)
                if not answer.response_txn.succeeded
            ]
        return refused

    def _unchanged(self, write: Write) -> Any:
        key = self._folder + write.id
        if write.node is None:
            return self.client.transactions.version(key) == 0
        return self.client.transactions.mod(key) == write.node.version

    def _operations(self, write: Write) -> list[Any]:
        put, delete = self.client.transactions.put, self.client.transactions.delete
        key, parked_key, node = self._folder + write.id, self._parked_folder + write.id, write.node
        operations = []
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
        self.client.delete_prefix(self._folder)
        self.client.delete_prefix(self._parked_folder)


def _node(found: Any, reason: Any) -> Node:
    value, metadata = found
    return Node(value, metadata.mod_revision, None if reason is None else reason[0].decode())
