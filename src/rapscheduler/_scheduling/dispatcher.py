"""Telling listeners what happened, in order.

Here: the list of listeners, who wants what, and the order of events that several threads make. Not here: what events
mean, when they are made.

Order: an event may have to wait until an earlier one of the same job was told. Whoever is about to cause events in
other threads (a job handed to a worker) opens `announcing(ids, codes)`, tells its own event inside, and leaves: events
that were held back are told then, in the order they came. Listeners are called with no lock held.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from threading import RLock, current_thread, main_thread

from rapscheduler._engine.running import Ears
from rapscheduler._hints import TYPE_CHECKING, Any
from rapscheduler.errors import log_line
from rapscheduler.events import (
    EVENT_ALL,
    EVENT_JOB_ERROR,
    EVENT_JOB_EXECUTED,
    EVENT_JOB_MAX_INSTANCES,
    EVENT_JOB_MISSED,
    EVENT_JOB_SUBMITTED,
)

if TYPE_CHECKING:
    import logging

OUTCOMES = EVENT_JOB_EXECUTED | EVENT_JOB_ERROR | EVENT_JOB_MISSED
RUN_EVENTS = OUTCOMES | EVENT_JOB_SUBMITTED | EVENT_JOB_MAX_INSTANCES
#: The bits of the engine's mask, which hold the codes of all events; a listener may ask for more, such as 2**64-1.
_CODES = 2**62 - 1

Listener = Callable[[Any], Any]


class Listeners(list[tuple[Listener, int]]):
    """A list that says when it has changed: other packages change it, too."""

    changed: Callable[[], None]


def _telling(name: str) -> Callable[..., Any]:
    change = getattr(list, name)

    def changing(self: Listeners, *args: Any, **options: Any) -> Any:
        result = change(self, *args, **options)
        self.changed()
        return result

    return changing


for _name in (
    "append",
    "extend",
    "insert",
    "remove",
    "pop",
    "clear",
    "sort",
    "reverse",
    "__setitem__",
    "__delitem__",
    "__iadd__",
    "__imul__",
):
    setattr(Listeners, _name, _telling(_name))


class Dispatcher(Ears):
    """Listeners with their masks. Telling itself (`dispatch`, `tell`) is the engine's, as `Ears`.

    Data: `listeners` as they were added; `mask` is the or of all masks, `asked` the codes of what is made all the same;
    `by_code`, who wants which code: it is made when such an event comes, and forgotten with every change of the list,
    so telling needs no lock. `held` maps the id of a job that is being announced to the announcement that its events
    wait for.
    """

    def __init__(self, logger: Callable[[], logging.Logger]) -> None:
        super().__init__()
        self.listeners = Listeners()
        self.asked = 0
        self._logger = logger
        self._lock = RLock()  # a signal handler may tell an event while this very thread holds it
        self.listeners.changed = self._changed

    def leave_parent(self) -> None:
        """In a forked child: the lock may have been held, and what is announced is told in the parent."""
        self._lock = RLock()
        self.held = {}

    def add(self, callback: Listener, mask: int = EVENT_ALL) -> None:
        """Add a listener for the codes in `mask`."""
        with self._lock:
            self.listeners.append((callback, mask))

    def remove(self, callback: Listener) -> None:
        """Remove the first listener that is this callback, if there is one."""
        with self._lock:
            for i, (listener, _) in enumerate(self.listeners):
                if listener == callback:
                    del self.listeners[i]
                    break

    def _changed(self) -> None:
        with self._lock:
            self._sum_masks()
            self.by_code = {}

    def who_wants(self, code: int) -> tuple[Listener, ...]:
        """The listeners of a code, remembered until the list changes."""
        with self._lock:
            found = tuple(callback for callback, mask in self.listeners if mask & code)
            self.by_code[code] = found
        return found

    def ask(self, codes: int) -> None:
        """Let events of these codes be made whether a listener wants them or not."""
        with self._lock:
            self.asked = codes

    def _sum_masks(self) -> None:
        mask = 0
        for wanted in {wanted for _, wanted in self.listeners}:
            mask |= wanted
        self.mask = mask & _CODES

    def wants(self, code: int) -> bool:
        """Whether any listener wants events of this code, or somebody asked; nobody builds one otherwise."""
        return bool((self.mask | self.asked) & code)

    def hold_back(self, event: Any) -> bool:
        """Let an event wait for an announcement of its job, if there is one; whether it does."""
        with self._lock:
            hold = self.held.get(getattr(event, "job_id", None) or "")
            if hold is not None and hold.codes & event.code:
                hold.waiting.append(event)
                return True
        return False

    def failed(self, error: BaseException) -> None:
        """A listener raised: it is user code, and what it raises is data."""
        if isinstance(error, KeyboardInterrupt) and current_thread() is main_thread():
            raise error  # Ctrl-C means the program, not the listener
        log_line(self._logger().exception, "Error notifying listener")

    @contextmanager
    def announcing(self, job_ids: Iterable[str], codes: int) -> Iterator[None]:
        """Hold back events with these codes of these jobs until the block is left."""
        hold = _Hold(codes)
        with self._lock:  # a job that is being announced already stays with the earlier announcement
            ids = [job_id for job_id in job_ids if self.held.setdefault(job_id, hold) is hold]
        try:
            yield
        finally:
            self._release(ids, hold)

    def _release(self, ids: list[str], hold: _Hold) -> None:
        """Tell what was held; events that come meanwhile queue up behind it."""
        try:
            while not self._ended(ids, hold):
                waiting, hold.waiting = hold.waiting, []
                for event in waiting:
                    self.tell(event)
        except BaseException:  # Ctrl-C in a listener: nobody may wait for this announcement any more
            hold.waiting = []
            self._ended(ids, hold)
            raise

    def _ended(self, ids: list[str], hold: _Hold) -> bool:
        """End an announcement unless events wait for it."""
        with self._lock:
            if not hold.waiting:
                for job_id in ids:
                    self.held.pop(job_id, None)
            return not hold.waiting


class _Hold:
    """One announcement: the codes that wait for it, and the events that came."""

    __slots__ = ("codes", "waiting")

    def __init__(self, codes: int) -> None:
        self.codes = codes
        self.waiting: list[Any] = []
