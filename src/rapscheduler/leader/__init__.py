"""Locks that say which of many schedulers is the leader, for ``leader=``.

Here: finding the one that a setting names. Not here: what a lock is (`_lock`), who asks when (`_scheduling`).
One module for each kind, imported when it is named: a file, a session of PostgreSQL or MySQL, Redis, ZooKeeper, etcd.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from rapscheduler.leader._lock import DEFAULT_NAME, LeaderLock

if TYPE_CHECKING:
    from rapscheduler.leader._etcd import EtcdLock
    from rapscheduler.leader._file import FileLock
    from rapscheduler.leader._redis import RedisLock
    from rapscheduler.leader._sql import MySQLLock, PostgreSQLLock
    from rapscheduler.leader._zookeeper import ZooKeeperLock

__all__ = (
    "EtcdLock",
    "FileLock",
    "LeaderLock",
    "MySQLLock",
    "PostgreSQLLock",
    "RedisLock",
    "ZooKeeperLock",
    "leader_lock",
)

_KINDS = {
    "file": ("_file", "FileLock"),
    "postgresql": ("_sql", "PostgreSQLLock"),
    "postgres": ("_sql", "PostgreSQLLock"),
    "mysql": ("_sql", "MySQLLock"),
    "mariadb": ("_sql", "MySQLLock"),
    "redis": ("_redis", "RedisLock"),
    "rediss": ("_redis", "RedisLock"),
    "unix": ("_redis", "RedisLock"),
    "zookeeper": ("_zookeeper", "ZooKeeperLock"),
    "etcd": ("_etcd", "EtcdLock"),
}


def leader_lock(value: Any) -> LeaderLock | None:
    """The lock of a setting: a text such as ``file:/run/app.lock`` or ``redis://host/0#name``, or a lock; `None`: none.

    :raises ValueError: if the text names no kind of lock
    """
    if value is None or isinstance(value, LeaderLock):
        return value
    if not isinstance(value, str):
        raise TypeError(
            f"leader={value!r} is no lock; give a text such as 'file:/run/app.lock', or an instance of a class of "
            "rapscheduler.leader"
        )
    scheme = value.partition(":")[0].partition("+")[0].lower()
    if ":" not in value or scheme not in _KINDS:
        raise ValueError(
            f"leader={value!r} names no kind of lock; give file:/run/app.lock, or the URL of a server that begins "
            "with postgresql:, mysql:, mariadb:, redis:, zookeeper: or etcd:, with #name at its end if several "
            "programs share it"
        )
    module, class_name = _KINDS[scheme]
    made: Any = getattr(import_module(f"{__name__}.{module}"), class_name)
    url, _, name = value.partition("#")
    lock: LeaderLock = made(_path_of(value)) if scheme == "file" else made(url, name=name or DEFAULT_NAME)
    return lock


def _path_of(value: str) -> str:
    path = value.partition(":")[2]
    if path.startswith("//"):  # file:///run/app.lock, file://localhost/run/app.lock
        host, slash, rest = path[2:].partition("/")
        if host not in ("", "localhost"):
            raise ValueError(
                f"leader={value!r}: a file of this machine has three slashes, as file:///run/app.lock"
            )
        path = slash + rest
    if not path:
        raise ValueError(f"leader={value!r} has no path; give one such as file:/run/app.lock")
    return path


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        for module, class_name in _KINDS.values():
            if name == class_name:
                return getattr(import_module(f"{__name__}.{module}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
