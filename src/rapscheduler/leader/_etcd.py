"""A key of etcd under a lease, renewed while the leader lives. The token is the revision at which it was made."""

from __future__ import annotations

import os
import sys
import uuid
from typing import Any

if "grpc" not in sys.modules:  # a forked child may use gRPC only if this is set before it is imported
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "1")
try:
    import etcd3
except (ImportError, TypeError) as exc:  # pragma: no cover
    raise ImportError(
        "a leader lock in etcd needs etcd3 (and with protobuf 4 or newer the environment variable "
        "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION=python): pip install rapscheduler[etcd]"
    ) from exc

from rapscheduler.leader._lock import DEFAULT_LEASE_S, DEFAULT_NAME, LeaderLock


class EtcdLock(LeaderLock):
    """``leader="etcd://host:2379#name"``.

    :param where: the URL of one server
    :param name: of the lock, which all schedulers of one program share
    :param lease_s: how long after the death of a leader another may take over (whole seconds)
    """

    def __init__(self, where: str, name: str = DEFAULT_NAME, lease_s: float = DEFAULT_LEASE_S) -> None:
        host, _, port = where.rpartition("://")[2].rstrip("/").partition(":")
        self._address = host or "localhost", int(port or 2379)
        self.name = name
        self._set_lease(float(max(2, round(lease_s))))
        self._key = f"/rapscheduler.leader/{name}"
        self._client: Any = None
        self._lease: Any = None
        self._owner = ""

    def __repr__(self) -> str:
        return f"<EtcdLock ({self._address[0]}:{self._address[1]}, {self.name!r})>"

    def acquire(self) -> bool:
        if self._client is None:
            host, port = self._address
            self._client = etcd3.client(host=host, port=port, timeout=(self.lease_s or 10.0) / 3)
        client, made = self._client, self._client.transactions
        if client.get(self._key)[0] is not None:
            return False
        self._lease = client.lease(round(self.lease_s or 10))
        self._owner = uuid.uuid4().hex
        done, _ = client.transaction(
            compare=[made.version(self._key) == 0],
            success=[made.put(self._key, self._owner, self._lease)],
            failure=[],
        )
        if not done:
            self._lease.revoke()
            self._lease = None
            return False
        self.token = client.get(self._key)[1].create_revision
        return True

    def renew(self) -> bool:
        if self._lease is None or self._lease.refresh()[0].TTL <= 0:
            return False
        value = self._client.get(self._key)[0]
        return value is not None and value.decode() == self._owner

    def release(self) -> None:
        client, lease, self._client, self._lease = self._client, self._lease, None, None
        if client is not None:
            try:
                if lease is not None:
                    lease.revoke()
            finally:
                client.close()

    def mark(self, us: int) -> None:
        self._client.put(f"{self._key}.mark", str(us))

    def marked(self) -> int | None:
        value = self._client.get(f"{self._key}.mark")[0]
        return None if value is None else int(value)

    def leave_parent(self) -> None:
        _of_parents.extend((self._client, self._lease))
        self._client = self._lease = None


_of_parents: list[Any] = []
