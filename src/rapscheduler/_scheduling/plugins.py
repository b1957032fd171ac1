"""Which class a plugin alias stands for: ``"cron"``, ``"memory"``, ``"threadpool"``…

What lives here: the built-in aliases and the tables that know plugins. What must not: creating instances.
Approach: a built-in alias is answered from a constant, without a look at the installed packages. Only an unknown
alias (or a walk over the whole table) scans the entry points, once per table: first our group
``rapscheduler.<kind>s``, then ``apscheduler.<kind>s``, where the plugins written for APScheduler register.
Built-in names can't be taken over by a package.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import Any

from rapscheduler.util import nearest, ref_to_obj

_TRIGGERS = {
    "and": "rapscheduler.triggers.combining:AndTrigger",
    "calendarinterval": "rapscheduler.triggers.calendarinterval:CalendarIntervalTrigger",
    "cron": "rapscheduler.triggers.cron:CronTrigger",
    "date": "rapscheduler.triggers.date:DateTrigger",
    "interval": "rapscheduler.triggers.interval:IntervalTrigger",
    "or": "rapscheduler.triggers.combining:OrTrigger",
}
_EXECUTORS = {
    "asyncio": "rapscheduler.executors.asyncio:AsyncIOExecutor",
    "debug": "rapscheduler.executors.debug:DebugExecutor",
    "gevent": "rapscheduler.executors.gevent:GeventExecutor",
    "processpool": "rapscheduler.executors.pool:ProcessPoolExecutor",
    "threadpool": "rapscheduler.executors.pool:ThreadPoolExecutor",
    "tornado": "rapscheduler.executors.tornado:TornadoExecutor",
    "twisted": "rapscheduler.executors.twisted:TwistedExecutor",
}
_JOBSTORES = {
    "etcd": "rapscheduler.jobstores.etcd:EtcdJobStore",
    "memory": "rapscheduler.jobstores.memory:MemoryJobStore",
    "mongodb": "rapscheduler.jobstores.mongodb:MongoDBJobStore",
    "redis": "rapscheduler.jobstores.redis:RedisJobStore",
    "rethinkdb": "rapscheduler.jobstores.rethinkdb:RethinkDBJobStore",
    "sqlalchemy": "rapscheduler.jobstores.sqlalchemy:SQLAlchemyJobStore",
    "zookeeper": "rapscheduler.jobstores.zookeeper:ZooKeeperJobStore",
}


class Plugin:
    """One alias and where its class is; looks like the entry points that stand beside it in a table."""

    __slots__ = ("group", "name", "value")

    def __init__(self, name: str, value: str, group: str) -> None:
        self.name = name
        self.value = value
        self.group = group

    def load(self) -> Any:
        """Import the class. ImportError: its package (often an optional driver) is not installed."""
        module_name = self.value.partition(":")[0]
        __import__(module_name)  # the ImportError of a missing driver says more than a LookupError would
        return ref_to_obj(self.value)

    def __repr__(self) -> str:
        return f"Plugin(name={self.name!r}, value={self.value!r}, group={self.group!r})"


class PluginTable(MutableMapping[str, Any]):
    """Alias -> an object with ``load()``, for one kind of plugin.

    Data: ``_known`` holds what has been seen so far: the built-ins, what a program put in by itself, and, once
    ``_scanned`` is true, the entry points of both groups.
    """

    def __init__(self, kind: str, builtin: dict[str, str]) -> None:
        self._groups = (f"rapscheduler.{kind}s", f"apscheduler.{kind}s")
        self._known: dict[str, Any] = {
            name: Plugin(name, value, self._groups[0]) for name, value in builtin.items()
        }
        self._scanned = False

    def _scan(self) -> None:
        if self._scanned:
            return
        from importlib.metadata import entry_points

        for group in self._groups:
            for entry in entry_points(group=group):
                self._known.setdefault(entry.name, entry)
        self._scanned = True

    def __getitem__(self, alias: str) -> Any:
        if alias not in self._known:
            self._scan()
        return self._known[alias]

    def __setitem__(self, alias: str, plugin: Any) -> None:
        self._known[alias] = plugin

    def __delitem__(self, alias: str) -> None:
        self._scan()
        del self._known[alias]

    def __iter__(self) -> Iterator[str]:
        self._scan()
        return iter(self._known)

    def __len__(self) -> int:
        self._scan()
        return len(self._known)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({sorted(self)})"


def trigger_plugins() -> PluginTable:
    return PluginTable("trigger", _TRIGGERS)


def executor_plugins() -> PluginTable:
    return PluginTable("executor", _EXECUTORS)


def jobstore_plugins() -> PluginTable:
    return PluginTable("jobstore", _JOBSTORES)


#: what a class of each kind must be able to do: instances of plugins written for APScheduler itself pass too
REQUIRED_METHODS = {
    "trigger": ("get_next_fire_time",),
    "executor": ("start", "shutdown", "submit_job"),
    "jobstore": ("lookup_job", "get_due_jobs", "get_next_run_time", "get_all_jobs", "add_job", "update_job"),
}


def fits(kind: str, obj: Any) -> bool:
    """Whether an object (or class) can serve as a trigger, an executor or a job store."""
    return all(callable(getattr(obj, name, None)) for name in REQUIRED_METHODS[kind])


def create(cls: Any, arguments: dict[str, Any]) -> Any:
    """An instance of a plugin's class; a TypeError for an argument it does not know says which it knows."""
    try:
        return cls(**arguments)
    except TypeError as exc:
        inside = exc.__traceback__ is not None and exc.__traceback__.tb_next is not None
        if inside or "unexpected keyword argument" not in str(exc):
            raise
        from inspect import signature

        known = ", ".join(signature(cls).parameters)
        raise TypeError(f"{exc}; {cls.__name__} takes: {known or 'nothing'}") from None


def plugin_class(kind: str, alias: str, plugins: Any, classes: dict[str, Any]) -> Any:
    """The class behind an alias, loaded once and kept in ``classes``.

    LookupError: no such plugin. TypeError: the plugin is not a class of this kind.
    """
    cls = classes.get(alias)
    if cls is not None:
        return cls
    try:
        plugin = plugins[alias]
    except KeyError:
        cure = nearest(alias, plugins) or f"; known are: {', '.join(sorted(map(str, plugins)))}"
        raise LookupError(f'No {kind} by the name "{alias}" was found{cure}') from None
    cls = plugin.load()
    if not (isinstance(cls, type) and fits(kind, cls)):
        raise TypeError(f"The {kind} plugin {alias!r} points to {cls!r}, which is not a {kind} class")
    classes[alias] = cls
    return cls
