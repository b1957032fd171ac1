"""Before the stores are closed: what they did not take while the scheduler ran is written once more, or named.

Here: that last try. Not here: writing (`dueloop`), the order of a shutdown (`lifecycle`).
"""

from __future__ import annotations

from threading import Thread
from typing import TYPE_CHECKING

from rapscheduler.events import SchedulerEvent

if TYPE_CHECKING:
    from rapscheduler._engine.planning import Change
    from rapscheduler._scheduling.dueloop import DueLoop
    from rapscheduler._scheduling.loopstate import StoreState

LAST_WRITE_S = 5.0  # the longest wait for one store
NAMED_JOBS = 20  # in a message about many


def settle_last(loop: DueLoop, timeout_s: float | None) -> None:
    """Write what is left, store by store; a store that does not answer must not keep the program from ending."""
    wait_s = LAST_WRITE_S if timeout_s is None else min(LAST_WRITE_S, timeout_s)
    for state in loop.states():
        if not state.unsettled:
            continue
        changes = list(state.unsettled.values())
        error = _tried(loop, state, changes, wait_s)
        if error is None:
            events = list[SchedulerEvent]()
            loop.add_removals(state, changes, events)
            for event in events:
                loop.scheduler._dispatch_event(event)
        else:
            _name(loop, state, error)


def _tried(loop: DueLoop, state: StoreState, changes: list[Change], wait_s: float) -> BaseException | None:
    """The error of one more write; it is made in a thread of its own, which is left behind when it takes too long."""
    errors = list[BaseException | None]()
    writer = Thread(target=lambda: errors.append(loop.write(state, changes)), daemon=True)
    writer.start()
    writer.join(wait_s)
    return errors[0] if errors else TimeoutError(f"no answer for {wait_s:g} s")


def _name(loop: DueLoop, state: StoreState, error: BaseException) -> None:
    ids = list(state.unsettled)
    loop.scheduler._logger.error(
        "Job store %r is closed before it took the changes of %d jobs that have run: %s%s (%s) -- they run again when "
        "a scheduler is started in another process",
        state.alias,
        len(ids),
        ", ".join(ids[:NAMED_JOBS]),
        "…" if len(ids) > NAMED_JOBS else "",
        error,
    )
