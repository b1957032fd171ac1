"""The executors and job stores of a scheduler: made from settings, added, started, removed.

What lives here: the two tables ``scheduler._executors`` and ``scheduler._jobstores`` (alias -> instance).
What must not: jobs. Approach: both kinds obey the same rules, so each function takes a ``Kind``. The tables change
under their lock; ``start()`` and ``shutdown()`` of a component run outside of it, because a store talks to its
server there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from rapscheduler._scheduling.plugins import fits
from rapscheduler.events import (
    EVENT_EXECUTOR_ADDED,
    EVENT_EXECUTOR_REMOVED,
    EVENT_JOBSTORE_ADDED,
    EVENT_JOBSTORE_REMOVED,
    SchedulerEvent,
)
from rapscheduler.util import maybe_ref, nearest

if TYPE_CHECKING:
    from rapscheduler.schedulers.base import BaseScheduler


class Kind(NamedTuple):
    """The words and places of one kind of component."""

    plugin: str  # name of the plugin table
    words: str  # in messages
    article: str
    example: str  # alias of a plugin
    section: str  # of the settings
    table: str  # attribute of the scheduler: alias -> instance
    lock: str
    added: int
    removed: int


EXECUTOR = Kind(
    "executor",
    "executor",
    "an",
    "threadpool",
    "executors",
    "_executors",
    "_executors_lock",
    EVENT_EXECUTOR_ADDED,
    EVENT_EXECUTOR_REMOVED,
)
JOBSTORE = Kind(
    "jobstore",
    "job store",
    "a",
    "memory",
    "jobstores",
    "_jobstores",
    "_jobstores_lock",
    EVENT_JOBSTORE_ADDED,
    EVENT_JOBSTORE_REMOVED,
)


def from_settings(scheduler: BaseScheduler, kind: Kind, alias: str, value: Any) -> Any:
    """The component a section of the settings describes: an instance, or a mapping with ``type`` or ``class``."""
    if not isinstance(value, type) and fits(kind.plugin, value):
        return value
    if not isinstance(value, Mapping):
        raise TypeError(
            f"Expected {kind.words} instance or dict for {kind.section}[{alias!r}], "
            f"got {type(value).__name__} instead: {value!r}"
        )
    options = dict(value)
    plugin, cls = options.pop("type", None), options.pop("class", None)
    if plugin:
        return scheduler._create_plugin_instance(kind.plugin, plugin, options)
    if cls:
        return _own_twin(cls)(**options)
    raise ValueError(
        f'Cannot create {kind.words} "{alias}" -- either "type" or "class" must be defined in {value!r}: '
        f'the alias of a plugin, such as {kind.example!r}, or "module:class"'
    )


def _own_twin(cls: Any) -> Any:
    """The class a setting names; a reference to one of APScheduler's own classes means ours of the same name."""
    if isinstance(cls, str) and cls.startswith(("apscheduler.executors.", "apscheduler.jobstores.")):
        cls = f"rapscheduler.{cls.partition('.')[2]}"
    return maybe_ref(cls)


def create(scheduler: BaseScheduler, kind: Kind, given: Any, options: dict[str, Any]) -> Any:
    """The component given to ``add_executor`` or ``add_jobstore``: an instance or the alias of a plugin."""
    if isinstance(given, str):
        return scheduler._create_plugin_instance(kind.plugin, given, options)
    if isinstance(given, type) or not fits(kind.plugin, given):
        raise TypeError(
            f"Expected {kind.article} {kind.words} instance or a string, got {type(given).__name__} instead: "
            f"{given!r}; give an object or the alias of a plugin, such as {kind.example!r}"
        )
    return given


def add(scheduler: BaseScheduler, kind: Kind, given: Any, alias: str, options: dict[str, Any]) -> None:
    """Put a component into its table; start it first when the scheduler runs."""
    table: dict[str, Any] = getattr(scheduler, kind.table)
    _refuse_taken(kind, table, alias)
    component = create(scheduler, kind, given, options)
    if scheduler.state != 0:  # STATE_STOPPED
        component.start(scheduler, alias)
    with getattr(scheduler, kind.lock):
        _refuse_taken(kind, table, alias)
        table[alias] = component
    scheduler._dispatch_event(SchedulerEvent(kind.added, alias))


def _refuse_taken(kind: Kind, table: dict[str, Any], alias: str) -> None:
    if alias in table:
        raise ValueError(
            f'This scheduler already has {kind.article} {kind.words} by the alias of "{alias}"; '
            "give another alias, or remove that one first"
        )


def remove(scheduler: BaseScheduler, kind: Kind, alias: str, shutdown: bool) -> None:
    """Take a component out of its table and, if asked, shut it down."""
    with getattr(scheduler, kind.lock):
        component = look_up(scheduler, kind, alias)
        del getattr(scheduler, kind.table)[alias]
    if shutdown:
        component.shutdown()
    scheduler._dispatch_event(SchedulerEvent(kind.removed, alias))


def look_up(scheduler: BaseScheduler, kind: Kind, alias: Any) -> Any:
    """The component with this alias. KeyError: none has it."""
    table: dict[str, Any] = getattr(scheduler, kind.table)
    try:
        return table[alias]
    except KeyError:
        known = nearest(alias, table) or f"; there are: {', '.join(map(str, table)) or 'none'}"
        raise KeyError(f"No such {kind.words}: {alias}{known}") from None
