"""Which class a plugin alias stands for: ``"cron"``, ``"memory"``, ``"threadpool"``…

What lives here: the built-in aliases and the tables that know plugins. What must not: creating instances.
Approach: a built-in alias is answered from a constant, without a look at the installed packages. Only an unknown
alias (or a walk over the whole table) scans the entry points, once per table: first our group
``rapscheduler.<kind>s``, then ``apscheduler.<kind>s``, where the plugins written for APScheduler register.
Built-in names can't be taken over by a package.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableMapping

from rapscheduler._hints import Any
from rapscheduler.util import ref_to_obj

_TRIGGERS = {
    "and": "rapscheduler.triggers.combining:AndTrigger",
    "calendarinterval": "rapscheduler.triggers.calendarinterval:CalendarIntervalTrigger",
    "cron": "rapscheduler.triggers.cron:CronTrigger",
    "date": "rapscheduler.triggers.date:DateTrigger",
    "interval": "rapscheduler.triggers.interval:IntervalTrigger",
    "or": "rapscheduler.triggers.combining:OrTrigger",
    "rrule": "rapscheduler.triggers.rrule:RRuleTrigger",
}
_EXECUTORS = {
    "asyncio": "rapscheduler.executors.asyncio:AsyncIOExecutor",
    "celery": "rapscheduler.executors.celery:CeleryExecutor",
    "dask": "rapscheduler.executors.dask:DaskExecutor",
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


def no_trigger(given: Any) -> TypeError:
    """The error of what was given as a trigger and is none, with what was probably meant."""
    from datetime import date, timedelta

    if isinstance(given, date):
        cure = f'for one run then write trigger="date", run_date={given!r}'
    elif isinstance(given, timedelta):
        cure = f'for a run every so often write trigger="interval", seconds={given.total_seconds():g}'
    elif isinstance(given, type) and hasattr(given, "get_next_fire_time"):
        cure = f"this is the class: write {given.__name__}(…), with its arguments"
    else:
        cure = 'the callable comes first, then a trigger, its alias such as "cron", or nothing to run at once'
    return TypeError(
        f"Expected a trigger instance or string, got {type(given).__name__} instead: {given!r}; {cure}"
    )


def refuse_as_store(alias: str) -> None:
    """TypeError: the alias of a trigger was given to `reschedule_job` in the place of the job store's."""
    if alias in (*_TRIGGER_ARGUMENTS, "date", "and", "or"):
        raise TypeError(f"{alias!r} is taken for the job store, which comes second; write trigger={alias!r}")


def create(cls: Any, arguments: dict[str, Any], job_names: Iterable[str] = ()) -> Any:
    """An instance of a plugin's class; a TypeError for an argument it does not know says which it knows.

    `job_names`: of a trigger, the arguments of `add_job`, among which a mistyped one may belong.
    """
    try:
        return cls(**arguments)
    except TypeError as exc:
        inside = exc.__traceback__ is not None and exc.__traceback__.tb_next is not None
        if inside or "unexpected keyword argument" not in str(exc):
            raise
        raise TypeError(f"{exc}{_unknown_argument(cls, arguments, job_names)}") from None


def _unknown_argument(cls: Any, arguments: Iterable[str], job_names: Iterable[str]) -> str:
    """What was probably meant by an argument that a class does not take, and what it takes."""
    from inspect import signature

    known = list(signature(cls).parameters)
    takes = f"; {cls.__name__} takes: {', '.join(known) or 'nothing'}"
    unknown = next((name for name in arguments if name not in known), None)
    job_names = list(job_names)
    if unknown is None or not job_names:
        return takes
    others = sorted(alias for alias, names in _TRIGGER_ARGUMENTS.items() if unknown in names)
    takers = f"; {unknown!r} is an argument of trigger={' or '.join(map(repr, others))}" if others else ""
    from rapscheduler._advice import argument_cure

    cure = argument_cure(unknown, known, job_names, takers)
    return f"{cure}{takes}" if cure else f"{takes}, and add_job() itself: {', '.join(job_names)}"


#: arguments that tell which trigger was meant
_TRIGGER_ARGUMENTS = {
    "calendarinterval": ("years", "months", "weeks", "days"),
    "cron": ("year", "month", "day", "week", "day_of_week", "hour", "minute", "second"),
    "interval": ("weeks", "days", "hours", "minutes", "seconds"),
    "date": ("run_date",),
}


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
        from rapscheduler._advice import nearest, trigger_cure

        cure = trigger_cure(alias) if kind == "trigger" else ""
        cure = cure or nearest(alias, plugins) or f"; known are: {', '.join(sorted(map(str, plugins)))}"
        raise LookupError(f'No {kind} by the name "{alias}" was found{cure}') from None
    cls = plugin.load()
    if not (isinstance(cls, type) and fits(kind, cls)):
        raise TypeError(f"The {kind} plugin {alias!r} points to {cls!r}, which is not a {kind} class")
    classes[alias] = cls
    return cls


def _seen_by_freezers() -> None:
    """Never called. Tools that freeze programs follow the imports they see: what needs no driver is found by these."""
    import rapscheduler._serialization.registry
    import rapscheduler.executors.asyncio
    import rapscheduler.executors.debug
    import rapscheduler.executors.pool
    import rapscheduler.jobstores.memory
    import rapscheduler.triggers.calendarinterval
    import rapscheduler.triggers.combining
    import rapscheduler.triggers.cron
    import rapscheduler.triggers.date
    import rapscheduler.triggers.interval  # noqa: F401
