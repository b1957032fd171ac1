"""An ephemeral node of ZooKeeper: gone when the session of the leader ends."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

try:
    from kazoo.client import KazooClient
    from kazoo.exceptions import NodeExistsError, NoNodeError
except ImportError as exc:  # pragma: no cover
    raise ImportError("a leader lock in ZooKeeper needs kazoo: pip install rapscheduler[zookeeper]") from exc

from rapscheduler.leader._lock import DEFAULT_LEASE_S, DEFAULT_NAME, LeaderLock

_FOLDER = "/rapscheduler.leader"


class ZooKeeperLock(LeaderLock):
    """``leader="zookeeper://host1:2181,host2:2181#name"``.

    :param where: a URL, or the servers as KazooClient takes them
    :param name: of the lock, which all schedulers of one program share
    :param lease_s: of the session: how long after the death of a leader another may take over
    """

    def __init__(self, where: str, name: str = DEFAULT_NAME, lease_s: float = DEFAULT_LEASE_S) -> None:
        self._hosts = where.rpartition("://")[2].rstrip("/")
        self.name = name
        self._set_lease(lease_s)
        self._path = f"{_FOLDER}/{quote(name, safe='')}"
        self._client: Any = None

    def __repr__(self) -> str:
        return f"<ZooKeeperLock ({self._hosts!r}, {self.name!r})>"

    def acquire(self) -> bool:
        client = self._client
        if client is None:
            client = KazooClient(self._hosts, timeout=self.lease_s)
            try:
                client.start(timeout=self.lease_s or 10.0)
            except BaseException:
                client.stop()
                client.close()
                raise
            self._client = client
        client.ensure_path(_FOLDER)
        try:
            client.create(self._path, b"", ephemeral=True)
        except NodeExistsError:
            return self.renew()  # a try before may have been made, and its answer lost
        found = client.exists(self._path)
        self.token = None if found is None else found.czxid
        return found is not None

    def renew(self) -> bool:
        found = self._client.exists(self._path)
        if found is None or self._client.client_id is None:
            return False
        self.token = found.czxid
        return bool(found.ephemeralOwner == self._client.client_id[0])

    def release(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.stop()  # ends the session, and with it the node
            client.close()

    def mark(self, us: int) -> None:
        path = f"{self._path}.mark"
        self._client.ensure_path(path)
        self._client.set(path, str(us).encode())

    def marked(self) -> int | None:
        try:
            data = self._client.get(f"{self._path}.mark")[0]
        except NoNodeError:
            return None
        return int(data) if data else None

    def leave_parent(self) -> None:
        _of_parents.append(self._client)
        self._client = None


_of_parents: list[Any] = []
