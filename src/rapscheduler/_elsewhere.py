"""What APScheduler's modules import from elsewhere, for programs that name it there or put something in its place.

What lives here: the names, by module, and finding one. What must not: names of APScheduler's own (each module has
those), an import before somebody asks.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_NAMES = {
    "executors.asyncio": "sys",
    "executors.base": "sys traceback abc:ABCMeta collections:defaultdict traceback:format_tb datetime:timedelta"
    " datetime:timezone",
    "executors.debug": "sys",
    "executors.gevent": "sys",
    "executors.pool": "concurrent multiprocessing concurrent.futures.process:BrokenProcessPool",
    "executors.tornado": "sys tornado.gen:convert_yielded",
    "job": "inspect:isclass inspect:ismethod uuid:uuid4",
    "jobstores.base": "abc:ABCMeta logging",
    "jobstores.etcd": "datetime:datetime datetime:timezone",
    "jobstores.redis": "datetime:datetime datetime:timezone",
    "jobstores.sqlalchemy": "sqlalchemy:Column sqlalchemy:Float sqlalchemy:LargeBinary sqlalchemy:MetaData"
    " sqlalchemy:Table sqlalchemy:Unicode sqlalchemy:and_ sqlalchemy:create_engine sqlalchemy:null sqlalchemy:select",
    "jobstores.zookeeper": "kazoo.exceptions:NodeExistsError datetime:datetime datetime:timezone",
    "schedulers.asyncio": "functools:partial functools:wraps",
    "schedulers.background": "threading:Event",
    "schedulers.base": "sys warnings abc:ABCMeta contextlib:ExitStack collections.abc:MutableMapping"
    " importlib.metadata:entry_points logging:getLogger rapscheduler.jobstores.memory:MemoryJobStore"
    " rapscheduler.executors.pool:ThreadPoolExecutor rapscheduler.executors.base:BaseExecutor",
    "schedulers.blocking": "threading:Event",
    "schedulers.qt": "itertools:product",
    "schedulers.tornado": "datetime:timedelta functools:wraps",
    "schedulers.twisted": "twisted.internet:reactor functools:wraps",
    "triggers.base": "random abc:ABCMeta datetime:timedelta",
    "triggers.calendarinterval": "datetime:timedelta",
    "triggers.cron": "datetime:timezone",
    "triggers.cron.expressions": "calendar:monthrange",
    "triggers.cron.fields": "calendar:monthrange",
    "triggers.interval": "random math:ceil",
    "util": "asyncio:iscoroutinefunction calendar:timegm inspect:isbuiltin inspect:isclass inspect:isfunction"
    " inspect:ismethod inspect:signature re zoneinfo:ZoneInfo",
}
_CALLED = {"twisted.internet:reactor": "default_reactor"}  # imported under another name


def found(module: str, name: str) -> Any:
    """What a module of this package has from elsewhere under a name. AttributeError: nothing."""
    for place in _NAMES[module.partition(".")[2]].split():
        home, _, attribute = place.partition(":")
        if name == _CALLED.get(place, attribute or home):
            imported = import_module(home)
            return getattr(imported, attribute) if attribute else imported
    raise AttributeError(f"module {module!r} has no attribute {name!r}")
