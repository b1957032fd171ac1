"""A lean pool of worker processes.

Here: the queue, what makes a batch, the orderly end. Not here: the threads, one for each process, which send batches
and hear what became of them (`_tending`), the pipes (`_pipes`), the worker's side (`_worker_process`).
`concurrent.futures` has a future, a queue, a lock and two threads between each call and its process; here a thread
writes to its process and reads from it.

A batch is of short runs only: as many as take `BATCH_US` together, by what runs of the same callable took before;
the first run of a callable goes alone. When a batch takes long all the same and another worker is idle, the tasks that
were not begun are taken back (`Line.take_back`), as they are when the worker dies: so a death costs the run that was
under way, and a run that lasts delays nobody while there is a worker for the others.

Data: `_put` counts tasks ever queued (under `_lock`), `_done[i]` the tasks finished by thread `i`, and `_idle[i]` says
whether it waits (only it writes). `_back`: tasks that were taken back; who puts one there puts `LOOK` into the queue.
The end: every thread gets one `STOP` behind all tasks, so that queued tasks still run, as in `concurrent.futures`.
Invariant: each task is told exactly one end: `done`, `lost` or `refused`.
"""

from __future__ import annotations

import logging
import pickle
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future
from concurrent.futures.process import BrokenProcessPool
from importlib import import_module
from queue import Empty
from typing import Any

from rapscheduler.errors import log_line
from rapscheduler.executors._pipes import MOST_TASKS, leave_parent
from rapscheduler.executors._tending import LOOK, Task, Tender
from rapscheduler.executors._worker_process import CALL, pickled
from rapscheduler.executors._workers import STOP, OpenPools, Pool

BATCH_US = 2000.0  # what the runs of a batch may take together
_logger = logging.getLogger("rapscheduler.executors")


class Call(Task):
    """A function call on its way to a worker."""

    __slots__ = ("_call", "future")

    def __init__(self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        super().__init__()
        self._call = (fn, args, kwargs)
        self.future: Future[Any] = Future()
        self.future.set_running_or_notify_cancel()

    def order(self) -> bytes:
        return pickle.dumps((CALL, pickled(self._call)), 5)

    def done(self, payload: Any) -> None:
        try:
            fine, value = pickle.loads(payload)
        except BaseException as exc:  # the user's
            fine, value = False, exc
        (self.future.set_result if fine else self.future.set_exception)(value)

    def lost(self, exc: BaseException) -> None:
        self.future.set_exception(exc)

    refused = lost

    def ended(self, begun: bool) -> None:
        self.future.set_exception(CancelledError("the call was ended"))


_STARTS = {"fork": "popen_fork", "spawn": "popen_spawn_posix", "forkserver": "popen_forkserver"}


def _load_start_of(context: Any) -> None:
    """Import what starting a worker needs, so that no thread of the pool is the first to do it."""
    import multiprocessing.resource_tracker  # noqa: F401

    name = _STARTS.get(context.get_start_method())
    if name is not None:
        import_module(f"multiprocessing.{name}")


class ProcessPool(Pool):
    """Processes that make `Task`s, in the order of submission."""

    opened = OpenPools()
    call = Call

    def __init__(
        self,
        max_workers: int,
        mp_context: Any = None,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        *,
        max_tasks_per_child: int | None = None,
        needed: Callable[[], bool] = bool,
    ) -> None:
        if max_tasks_per_child is not None:
            if not isinstance(max_tasks_per_child, int):
                raise TypeError("max_tasks_per_child must be an integer")
            if max_tasks_per_child <= 0:
                raise ValueError("max_tasks_per_child must be greater than 0")
        if mp_context is None:
            import multiprocessing

            mp_context = multiprocessing.get_context()
        _load_start_of(mp_context)
        self._mp_context = mp_context
        self._max_tasks_per_child = max_tasks_per_child
        self._took_us: dict[Any, float] = {}
        super().__init__(max_workers, initializer, initargs, needed)

    def _new(self) -> None:
        super()._new()
        self._back: deque[Task] = deque()
        self._processes: dict[int, Any] = {}  # by pid, as in `concurrent.futures`
        self._idle: list[bool] = []

    def _worker(self, number: int) -> threading.Thread:
        self._idle[number:] = [False]  # one may have been left by a thread that could not start
        return Tender(self, number)

    def _breakage(self, error: BaseException) -> RuntimeError:
        return BrokenProcessPool(f"no worker process can be started: {error}")

    def cancel(self, task: Task) -> None:
        """End a task: it is not begun any more, or its worker is ended with it."""
        task.stopped = True
        tender = task.tender
        if tender is not None:
            tender.ring()

    def shutdown(
        self, wait: bool = True, *, cancel_futures: bool = False, timeout: float | None = None
    ) -> bool:
        """Take no more tasks; queued ones still run. Returns whether all workers have ended (True if not waiting)."""
        with self._lock:
            first, self._shutdown = not self._shutdown, True
            if first:
                for _ in self._threads:
                    self._work_queue.put(STOP)
        if cancel_futures:
            self._lose_queued(CancelledError("the pool was shut down"))
        # A listener is called in one of them.
        if not wait or threading.current_thread() in self._threads:
            return True
        return self._join(timeout)

    def forget_workers(self) -> None:
        leave_parent()
        super().forget_workers()

    # What the threads ask

    def batch(self, first: Task, most: int | None) -> list[Task]:
        """A task and those behind it that are made together with it."""
        took, cost = self._took_us, self._took_us.get(first.kind)
        tasks = [first]
        if cost is None or first.limit_s is not None or first.deaths:
            return tasks
        most = min(MOST_TASKS if most is None else most, 1 + self._work_queue.qsize() // self._max_workers)
        while len(tasks) < most:
            task = self.next_task()
            if task is None:
                break
            if task is STOP:
                self._work_queue.put(STOP)
                break
            cost += took.get(task.kind, BATCH_US)
            if cost > BATCH_US or task.limit_s is not None or task.deaths:
                self.give_back([task])
                break
            tasks.append(task)
        return tasks

    def next_task(self) -> Any:
        """A task or `STOP`; None: there is nothing."""
        while True:
            try:
                return self._back.popleft()
            except IndexError:
                pass
            try:
                task = self._work_queue.get(False)
            except Empty:
                return None
            if task is not LOOK:
                return task

    def give_back(self, tasks: Sequence[Task]) -> None:
        """To be made before all others."""
        for task in tasks:
            task.tender = None
        self._back.extendleft(reversed(tasks))
        for _ in tasks[: len(self._done)]:
            self._work_queue.put(LOOK)

    def took(self, kind: Any, us: int) -> None:
        """How long a task took: more counts at once, less by and by."""
        known = self._took_us.get(kind, 0.0)
        self._took_us[kind] = us if not known else known + (us - known) / (2 if us > known else 8)

    def someone_is_idle(self) -> bool:
        return any(self._idle)

    def breaks(self, error: BaseException) -> None:
        """A worker could not be started: no task can be made any more."""
        with self._lock:
            self._broken = error
        self._lose_queued(error)

    def _lose_queued(self, error: BaseException) -> None:
        with self._lock:
            tasks, stops = [], 0
            while (task := self.next_task()) is not None:
                if task is STOP:
                    stops += 1
                else:
                    tasks.append(task)
            for _ in range(stops):  # they are meant for the other threads
                self._work_queue.put(STOP)
            self._put -= len(tasks)
        for task in tasks:
            self.tell(None, task, task.lost, error)

    def tell(self, number: int | None, task: Task, tell: Callable[..., object], *what: Any) -> None:
        """The end of a task, which may come again for another run."""
        task.tender = None
        try:
            tell(*what)
        except BaseException:  # a scheduler whose _dispatch_event raises must not cost us the thread
            log_line(_logger.exception, "Error telling what became of a task in a process")
        if number is not None:  # the thread's
            self._done[number] += 1
