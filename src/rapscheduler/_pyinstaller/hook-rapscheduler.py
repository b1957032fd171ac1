"""What a frozen program needs beside the modules that it imports: they are found by name at run time.

The engine chooses its twin by name, and stores, executors and triggers are references in a table. Left out are stores
and executors whose driver is not installed, and schedulers that the program does not import itself.
"""

from __future__ import annotations

from importlib.util import find_spec

from PyInstaller.utils.hooks import collect_submodules, copy_metadata

_DRIVERS = {
    "jobstores.etcd": "etcd3",
    "jobstores.mongodb": "pymongo",
    "jobstores.redis": "redis",
    "jobstores.rethinkdb": "rethinkdb",
    "jobstores.sqlalchemy": "sqlalchemy",
    "jobstores._sqlbatch": "sqlalchemy",
    "jobstores._sqlengine": "sqlalchemy",
    "jobstores.zookeeper": "kazoo",
    "executors.celery": "celery",
    "executors.dask": "distributed",
    "executors.gevent": "gevent",
    "executors.tornado": "tornado",
    "executors.twisted": "twisted",
}
_NOT_AT_RUN_TIME = (
    "rapscheduler._fuzz",
    "rapscheduler._pyinstaller",
    "rapscheduler.cli",
    "rapscheduler.schedulers.",
    "rapscheduler.testing",
)


def _is_wanted(name: str) -> bool:
    if name.startswith(_NOT_AT_RUN_TIME):
        return False
    driver = _DRIVERS.get(name.partition(".")[2])
    return driver is None or find_spec(driver) is not None


hiddenimports = [
    *collect_submodules("rapscheduler", filter=_is_wanted, on_error="ignore"),
    "orjson",
    "sortedcontainers",
    "tzlocal",
]
datas = copy_metadata("rapscheduler")
