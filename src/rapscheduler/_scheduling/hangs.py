"""A store that does not answer delays its own jobs only: another thread makes the passes until it answers.

Here: `Watch`, and asking a store on the side (`ask_aside`). Not here: the pass (`dueloop`), what becomes of changes
that a hanging store was asked to write when the scheduler stops (`last_writes`).

A pass calls its stores in its own thread, and notes when a call begins and ends (`Door` of `shelf`). Its watch is a
thread that looks at that note a few times a second while passes are made, and sleeps otherwise: a store that answers
pays for no hand-over between threads. When a call has lasted `HANG_S`, the watch takes the pass away from the thread
that is stuck: the shelf is marked as hanging, and the watch makes the passes itself, over the other shelves, and is
watched in turn. When the call returns after all, the stuck thread waits for the end of the pass that is under way, and
goes on with its own as if nothing had been: there is never more than one pass at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Lock, Thread, get_ident
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

from rapscheduler._instants import SECOND_US
from rapscheduler._scheduling.shelf import Shelf
from rapscheduler.errors import log_line

if TYPE_CHECKING:
    from rapscheduler._scheduling.ports import Scheduler

HANG_S = 1.0  # a call that lasts longer than this hangs
LOOK_S = 0.25  # between two looks at the call that is under way
IDLE_S = 60.0  # a watch that had nothing to do for so long ends its thread
AGAIN_S = 1.0  # the longest wait between two passes of a stand-in
SLICE_S = 0.02  # how often a stand-in looks whether somebody has woken the scheduler
SAID_S = 60.0  # a store that hangs again and again is in the log once in this time


class Loop(Protocol):
    """What a watch asks of the loop whose passes it watches."""

    def give_up(self, watch: Watch) -> None:
        """The pass of the thread that this watches is nobody's from now on."""

    def take_back(self, watch: Watch) -> None:
        """Wait for the end of the pass that is under way: this thread goes on with its own."""


class Call:
    """One call of a pass to a store. `since_s`: monotonic; `taken`: the pass was taken away from its thread."""

    __slots__ = ("over", "seen", "shelf", "since_s", "taken")

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self.since_s = monotonic()
        self.seen = self.taken = False
        self.over: Event | None = None


class Watch:
    """Watches one thread at a time while it makes a pass, and stands in for it when a store hangs."""

    def __init__(self, scheduler: Scheduler, loop: Loop) -> None:
        self._scheduler = scheduler
        self._loop = loop
        self._guard = Lock()  # of `_call` and of what is decided about it
        self._call: Call | None = None
        self._thread: Thread | None = None
        self._bell, self._end = Event(), Event()
        self._asleep = self._passing = False
        self._passes = 0
        self.ident: int | None = None  # the thread that makes the pass

    # What the thread that makes the pass calls

    def begin(self) -> None:
        """A pass begins in this thread."""
        self.ident = get_ident()
        self._passes += 1
        self._passing = True
        thread = self._thread
        if thread is None or not thread.is_alive():
            self._start()
        elif self._asleep:
            self._bell.set()

    def end(self) -> None:
        """The pass has ended."""
        if self._call is not None:  # an exception came between two lines
            self.call_ended()
        self._passing = False
        self.ident = None

    def call_begins(self, shelf: Shelf) -> None:
        """This thread is about to call a store."""
        self._call = Call(shelf)

    def call_ended(self) -> None:
        """The store has answered, or raised; waits until the pass is this thread's again if it was taken away."""
        with self._guard:
            call, self._call = self._call, None
        if call is not None and call.taken:
            self._regain(call)

    def _regain(self, call: Call) -> None:
        loop, shelf = self._loop, call.shelf
        assert call.over is not None
        call.over.set()
        try:
            loop.take_back(self)
        finally:
            shelf.hangs_since_us = None
        log_line(
            self._scheduler._logger.info,
            "Job store %r answers again, after %.1f s",
            shelf.alias,
            monotonic() - call.since_s,
        )

    # What others call

    def stop(self) -> None:
        """End the thread soon."""
        self._end.set()
        self._bell.set()

    # The thread

    def _start(self) -> None:
        self._end.clear()
        self._bell.clear()
        thread = Thread(target=self._look_on, name="rapscheduler-watch", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the program ends
            return
        self._thread = thread

    def _look_on(self) -> None:
        seen = -1
        while not self._end.is_set():
            if self._passes == seen and not self._passing:
                self._bell.clear()
                self._asleep = True
                rung = self._passes != seen or self._bell.wait(IDLE_S)
                self._asleep = False
                if not rung:
                    return
            seen = self._passes
            if self._end.wait(LOOK_S):
                return
            call = self._hanging_call()
            if call is not None:
                self._stand_in(call)

    def _hanging_call(self) -> Call | None:
        """The call that hangs, if one does; the pass is nobody's then."""
        with self._guard:
            call = self._call
            if call is None:
                return None
            age_s = monotonic() - call.since_s
            # Seen twice: a process that was stopped is no store that hangs.
            if age_s < HANG_S or not call.seen:
                call.seen = True
                return None
            call.taken, call.over = True, Event()
            call.shelf.hangs_since_us = self._scheduler._clock.now_us() - int(age_s * SECOND_US)
            self._loop.give_up(self)
        return call

    def _stand_in(self, call: Call) -> None:
        """Make the passes until the call is over."""
        assert call.over is not None
        scheduler, shelf = self._scheduler, call.shelf
        if shelf.hang_said_s is None or monotonic() - shelf.hang_said_s > SAID_S:
            shelf.hang_said_s = monotonic()
            log_line(
                scheduler._logger.warning,
                "Job store %r has not answered for %.1f s; its jobs wait, those of other stores go on",
                shelf.alias,
                monotonic() - call.since_s,
            )
        next_s = monotonic()
        while not call.over.is_set() and not self._end.is_set():
            if scheduler._was_woken() or monotonic() >= next_s:
                wait_s: float | None = AGAIN_S
                try:
                    wait_s = scheduler._process_jobs()
                except BaseException:  # of a hook, or a logger, of the user's
                    log_line(scheduler._logger.exception, "Error while looking for due jobs; trying again")
                next_s = monotonic() + (AGAIN_S if wait_s is None else min(wait_s, AGAIN_S))
            call.over.wait(min(SLICE_S, max(0.0, next_s - monotonic())))


class _Question:
    """A question that is being asked on the side."""

    __slots__ = ("answer", "error", "since_us", "thread")

    def __init__(self, since_us: int) -> None:
        self.since_us = since_us
        self.answer: Any = None
        self.error: BaseException | None = None
        self.thread: Thread


class NoAnswerError(Exception):
    """A store does not answer. `hangs_since_us`: when it was asked."""

    def __init__(self, since_us: int) -> None:
        super().__init__(f"no answer for more than {HANG_S:g} s")
        self.hangs_since_us = since_us


def ask_aside(shelf: Shelf, question: Callable[[], Any], now_us: int) -> Any:
    """What the store answers within `HANG_S`, asked in another thread. NoAnswerError: nothing.

    A store that still owes the answer to an earlier question is not asked again.
    """
    asked: _Question | None = shelf.question
    if shelf.hangs_since_us is not None:
        raise NoAnswerError(shelf.hangs_since_us)
    if asked is not None and asked.thread.is_alive():
        raise NoAnswerError(asked.since_us)
    asked = _Question(now_us)

    def ask() -> None:
        try:
            asked.answer = question()
        except BaseException as exc:
            asked.error = exc

    asked.thread = Thread(target=ask, name="rapscheduler-health", daemon=True)
    try:
        asked.thread.start()
    except RuntimeError:  # the program ends
        return question()
    shelf.question = asked
    asked.thread.join(HANG_S)
    if asked.thread.is_alive():
        raise NoAnswerError(now_us)
    shelf.question = None
    if asked.error is not None:
        raise asked.error
    return asked.answer
