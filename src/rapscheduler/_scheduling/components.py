"""The executors and job stores of a scheduler: made from settings, added, started, removed.

What lives here: the two tables ``scheduler._executors`` and ``scheduler._jobstores`` (alias -> instance).
What must not: jobs. Approach: both kinds obey the same rules, so each function takes a ``Kind``. The tables change
under their lock; ``start()`` and ``shutdown()`` of a component run outside of it, because a store talks to its
server there.
"""

from __future__ import annotations

from collections.abc import Mapping

from rapscheduler._hints import TYPE_CHECKING, Any, NamedTuple
from rapscheduler._scheduling.forks import look_for_fork
from rapscheduler._scheduling.lifecycle import STATE_STOPPED
from rapscheduler._scheduling.plugins import fits
from rapscheduler.events import (
    EVENT_EXECUTOR_ADDED,
    EVENT_EXECUTOR_REMOVED,
    EVENT_JOBSTORE_ADDED,
    EVENT_JOBSTORE_REMOVED,
    SchedulerEvent,
)
from rapscheduler.util import maybe_ref

if TYPE_CHECKING:
    from rapscheduler._scheduling.ports import Scheduler


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


def from_settings(scheduler: Scheduler, kind: Kind, alias: str, value: Any) -> Any:
    """The component a section of the settings describes: an instance, or a mapping with ``type`` or ``class``."""
    if not isinstance(value, type) and fits(kind.plugin, value):
        return value
    if not isinstance(value, Mapping):
        raise TypeError(
            f"Expected {kind.words} instance or dict for {kind.section}[{alias!r}], "
            f"got {type(value).__name__} instead: {value!r}; "
            + (
                f"write {{'type': {value!r}}}"
                if isinstance(value, str)
                else f"give an object, or a dict such as {{'type': {kind.example!r}}}"
            )
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


def create(scheduler: Scheduler, kind: Kind, given: Any, options: dict[str, Any]) -> Any:
    """The component given to ``add_executor`` or ``add_jobstore``: an instance or the alias of a plugin."""
    if isinstance(given, str):
        return scheduler._create_plugin_instance(kind.plugin, given, options)
    if isinstance(given, type) or not fits(kind.plugin, given):
        other = JOBSTORE if kind is EXECUTOR else EXECUTOR
        cure = f"give an object or the alias of a plugin, such as {kind.example!r}"
        if isinstance(given, type):
            cure = f"this is the class: give an object, {given.__name__}(…)"
        elif fits(other.plugin, given):
            cure = f"this is {other.article} {other.words}: call add_{other.plugin}()"
        raise TypeError(
            f"Expected {kind.article} {kind.words} instance or a string, got {type(given).__name__} instead: "
            f"{given!r}; {cure}"
        )
    return given


def add(scheduler: Scheduler, kind: Kind, given: Any, alias: str, options: dict[str, Any]) -> None:
    """Put a component into its table; start it first when the scheduler runs."""
    look_for_fork(scheduler)
    table: dict[str, Any] = getattr(scheduler, kind.table)
    _refuse_taken(kind, table, alias)
    component = create(scheduler, kind, given, options)
    if scheduler._lifecycle.state != STATE_STOPPED:
        component.start(scheduler, alias)
        opened(scheduler, alias, component)
    with getattr(scheduler, kind.lock):
        _refuse_taken(kind, table, alias)
        table[alias] = component
    scheduler._dispatch_event(SchedulerEvent(kind.added, alias))


def opened(scheduler: Scheduler, alias: str, component: Any) -> None:
    """A component was started: the jobs of a store that keeps the rules of time zones follow those in force, and a
    store that is shared is joined.

    What its passes need is imported here, by whoever starts it: a child that is forked while the loop imports something
    for the first time would wait for that import for ever.
    """
    if hasattr(component, "get_due_jobs") and not getattr(component, "answers_at_once", False):
        scheduler._bring_rooms(of_rows=True)
    if hasattr(component, "_read_rules"):
        from rapscheduler._scheduling import rules_of_time

        rules_of_time.opened(scheduler, alias, component)
    if getattr(component, "_shared", None) is not None:
        from rapscheduler._scheduling import keeper

        keeper.open_claims(scheduler, alias, component)


def closing(component: Any) -> None:
    """A component is about to be shut down: a store that is shared is left, and that it is used is not noted there."""
    if getattr(component, "_present", None) is not None:
        from rapscheduler._scheduling import presence

        presence.leave(component)
    if getattr(component, "_claims", None) is not None:
        from rapscheduler._scheduling import keeper

        keeper.close_claims(component)


def _refuse_taken(kind: Kind, table: dict[str, Any], alias: str) -> None:
    if alias in table:
        raise ValueError(
            f'This scheduler already has {kind.article} {kind.words} by the alias of "{alias}"; '
            "give another alias, or remove that one first"
        )


def remove(scheduler: Scheduler, kind: Kind, alias: str, shutdown: bool) -> None:
    """Take a component out of its table and, if asked, shut it down."""
    look_for_fork(scheduler)
    if kind is EXECUTOR:
        scheduler._bring_rooms()  # the loop may look for it in vain
    with getattr(scheduler, kind.lock):
        component = (scheduler._lookup_jobstore if kind is JOBSTORE else scheduler._lookup_executor)(alias)
        shelf = scheduler._shelves.of(alias, component) if kind is JOBSTORE else None
        del getattr(scheduler, kind.table)[alias]
    if shelf is not None:
        from rapscheduler._scheduling import last_writes

        scheduler._backlogs.close(alias)
        last_writes.put_back(scheduler, None, shelf)
        closing(component)
    if shutdown:
        component.shutdown()
    scheduler._dispatch_event(SchedulerEvent(kind.removed, alias))


def look_up(scheduler: Scheduler, kind: Kind, alias: Any) -> Any:
    """The component with this alias. KeyError: none has it."""
    table: dict[str, Any] = getattr(scheduler, kind.table)
    try:
        return table[alias]
    except KeyError:
        from rapscheduler._advice import nearest

        known = nearest(alias, table) or f"; there are: {', '.join(map(str, table)) or 'none'}"
        raise KeyError(f"No such {kind.words}: {alias}{known}") from None
