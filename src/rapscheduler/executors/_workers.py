"""A lean pool of worker threads, and what it has in common with that of worker processes (`_processes`).

Here: threads that take tasks from one SimpleQueue, and their orderly end. Not here: what a task is (a callable does
it), events, counters. `concurrent.futures` costs 9 to 15 µs a task for futures and conditions; a SimpleQueue 0.1.

Workers are started as needed: never more than tasks are unfinished, never more than `max_workers`.
Data: `_put` counts tasks ever queued (under `_lock`), `_done[i]` the tasks finished by worker `i` (only it writes).
The end: every worker gets one `STOP` behind all tasks, so that queued tasks still run, as in `concurrent.futures`.
When the main thread ends the same happens to pools that nobody shut down, unless somebody who goes on needs them.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from concurrent.futures.thread import BrokenThreadPool
from itertools import count
from queue import Empty, SimpleQueue  # not of `_queue`, which gevent does not patch
from typing import Any, ClassVar

from rapscheduler.errors import InterpreterEndingError

STOP = object()
_names = count()
# those with unfinished tasks: they stay until these are done, whoever lets go of them
_busy: set[Pool] = set()


class OpenPools:
    """All pools of a kind, of threads or of processes: what becomes of them when the main thread ends, and in a child.

    Each has `shutdown`, `forget_workers`, `_needed` and `_pid`. `ending`: the main thread has ended.
    """

    def __init__(self) -> None:
        self.ending = False
        self.pools: weakref.WeakSet[Any] = weakref.WeakSet()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forget_workers)
        # Before the interpreter joins its threads, which `atexit` does not; `concurrent.futures` does the same.
        threading._register_atexit(self._end)  # type: ignore[attr-defined]

    def add(self, pool: Any) -> None:
        self.pools.add(pool)

    def _end(self) -> None:
        """Let every pool finish what was queued."""
        self.ending = True
        own_pid = (
            os.getpid()
        )  # where no handler of forks runs (uWSGI), threads of the parent seem to be alive
        pools = [pool for pool in list(self.pools) if pool._pid == own_pid and not pool._needed()]
        for pool in pools:
            pool.shutdown(wait=False)
        for pool in pools:
            pool.shutdown(wait=True)

    def _forget_workers(self) -> None:
        for pool in list(self.pools):
            pool.forget_workers()


class Pool:
    """Threads that take tasks from a queue: what pools of threads and of processes have in common.

    :param needed: whether to stay open when the main thread ends: somebody goes on, and will call `shutdown`
    """

    opened: ClassVar[OpenPools]  # all of its kind
    call: ClassVar[Any]  # what a function call is as a task: `(fn, args, kwargs)`, with a `future`

    def __init__(
        self,
        max_workers: int,
        initializer: Callable[..., object] | None,
        initargs: tuple[Any, ...],
        needed: Callable[[], bool],
    ) -> None:
        if max_workers <= 0:
            raise ValueError("max_workers must be greater than 0")
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be a callable")
        self._max_workers = max_workers
        self._initializer, self._initargs = initializer, initargs
        self._needed = needed
        self._shutdown = False
        self._broken: BaseException | None = None
        self._new()
        self.opened.add(self)

    def _new(self) -> None:
        """No workers and no tasks, in this process."""
        self._lock = threading.Lock()
        self._work_queue: SimpleQueue[Any] = SimpleQueue()
        self._threads: set[threading.Thread] = set()
        self._done: list[int] = []
        self._put = 0
        self._pid = os.getpid()

    def _worker(self, number: int) -> threading.Thread:
        raise NotImplementedError

    def _breakage(self, error: BaseException) -> RuntimeError:
        raise NotImplementedError

    def put(self, tasks: Sequence[Any]) -> None:
        """Queue tasks. RuntimeError: the pool was shut down; BrokenExecutor: its workers can't start."""
        with self._lock:
            if self._broken is not None:
                raise self._breakage(self._broken) from self._broken
            if self.has_ended():
                raise InterpreterEndingError("cannot run new jobs while the interpreter ends")
            if self._shutdown:
                raise RuntimeError("cannot schedule new jobs after the executor was shut down")
            self._put += len(tasks)
            if len(self._done) < self._max_workers:
                self._start_workers()
            _busy.add(self)
            put = self._work_queue.put
            for task in tasks:
                put(task)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Call a function in a worker, as `concurrent.futures` does."""
        call = self.call(fn, args, kwargs)
        self.put((call,))
        future: Future[Any] = call.future
        return future

    def has_ended(self) -> bool:
        """Whether it was closed because the main thread ended."""
        return self.opened.ending and self._shutdown

    def unfinished(self) -> int:
        """How many tasks are queued or running."""
        return self._put - sum(self._done)

    def rest(self) -> None:
        """A worker has nothing to do: a pool without work need not be kept."""
        with self._lock:
            if self.unfinished() <= 0:
                _busy.discard(self)

    def forget_workers(self) -> None:
        """In a forked child: workers and tasks stayed in the parent; the lock may have been held there."""
        _busy.discard(self)
        self._new()

    def __del__(self) -> None:
        """Nobody can put anything any more: end the idle workers."""
        for _ in getattr(self, "_threads", ()):
            self._work_queue.put(STOP)

    def _start_workers(self) -> None:
        wanted = min(self._max_workers, self.unfinished())
        while len(self._done) < wanted:
            number = len(self._done)
            self._done.append(0)
            thread = self._worker(number)
            try:
                thread.start()
            except RuntimeError:  # no more threads, or the interpreter is ending
                self._done.pop()
                if not self._threads:
                    self._put = sum(self._done)
                    raise
                return
            self._threads.add(thread)

    def _join(self, timeout: float | None) -> bool:
        deadline = None if timeout is None else time.monotonic() + timeout
        for thread in list(self._threads):
            if thread is threading.current_thread():
                continue  # a job shuts its own scheduler down: it can't wait for itself
            thread.join(None if deadline is None else max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                return False
        return True


class Call:
    """A function call on its way to a worker."""

    __slots__ = ("args", "fn", "future", "kwargs")

    def __init__(self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.fn = fn
        self.args = args
        self.kwargs = kwargs
        self.future: Future[Any] = Future()

    def run(self) -> None:
        """Make the call; its outcome goes into the future."""
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            result = self.fn(*self.args, **self.kwargs)
        except BaseException as exc:
            self.future.set_exception(exc)
        else:
            self.future.set_result(result)


def _log_failure(task: Any) -> None:
    logging.getLogger("rapscheduler.executors").exception("Error in a worker thread")


class WorkerPool(Pool):
    """Threads that call `work(task)` for each task, in the order of submission.

    :param failed: called with the task when `work` raised, which it should not
    :param lost: called with `(task, error)` for a task that no worker can take any more (a failed `initializer`)
    :param rested: called in a worker that has nothing to do, or something else than a task
    """

    opened = OpenPools()
    call = Call

    def __init__(
        self,
        max_workers: int,
        thread_name_prefix: str = "",
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        *,
        work: Callable[[Any], None],
        lost: Callable[[Any, BaseException], None],
        failed: Callable[[Any], None] = _log_failure,
        needed: Callable[[], bool] = bool,
        rested: Callable[[], object] = bool,
    ) -> None:
        self._thread_name_prefix = thread_name_prefix or f"ThreadPoolExecutor-{next(_names)}"
        self._work = work
        self._failed = failed
        self._lost = lost
        self._rested = rested
        super().__init__(max_workers, initializer, initargs, needed)

    def _worker(self, number: int) -> threading.Thread:
        return _Worker(
            name=f"{self._thread_name_prefix}_{number}",
            target=_serve,
            args=(weakref.ref(self), number, self._work_queue, self._done),
        )

    def _breakage(self, error: BaseException) -> RuntimeError:
        return BrokenThreadPool(f"A thread initializer failed: {error!r}")

    def rest(self) -> None:
        self._rested()
        super().rest()

    def reopen(self, work: Callable[[Any], None]) -> None:
        """Take tasks for this `work`; after a shutdown with new workers, also if the initializer failed before: old
        workers end when their last task has."""
        with self._lock:
            self._work = work
            if self._shutdown:
                self._work_queue = SimpleQueue()
                self._threads, self._done, self._put = set(), [], 0
                self._shutdown = False
                self._broken = None

    def queued(self) -> int:
        """How many tasks wait for a worker."""
        return self._work_queue.qsize()

    def shutdown(
        self, wait: bool = True, *, cancel_futures: bool = False, timeout: float | None = None
    ) -> bool:
        """Take no more tasks; queued ones still run. Returns whether all workers have ended (True if not waiting)."""
        with self._lock:
            first, self._shutdown = not self._shutdown, True
            if cancel_futures:
                self._cancel_queued()
            if first:
                for _ in self._threads:
                    self._work_queue.put(STOP)
        return self._join(timeout) if wait else True

    def _cancel_queued(self) -> None:
        kept: list[Any] = []
        for task in _drained(self._work_queue):
            if isinstance(task, Call):
                task.future.cancel()
                self._put -= 1
            else:
                kept.append(task)
        for task in kept:
            self._work_queue.put(task)

    def _break(self, error: BaseException, queue: SimpleQueue[Any]) -> None:
        """An initializer failed: no task can be run any more (of that start, if the pool was opened anew since)."""
        with self._lock:
            if queue is self._work_queue:
                self._broken = error
            tasks = list(_drained(queue))
            for task in tasks:
                if task is STOP:  # meant for the workers whose initializer did not fail
                    queue.put(STOP)
                elif queue is self._work_queue:
                    self._put -= 1
        for task in tasks:
            if isinstance(task, Call):
                task.future.set_exception(BrokenThreadPool(repr(error)))
            elif task is not STOP:
                self._lost(task, error)


class _Worker(threading.Thread):
    serves_pool = True  # it goes on at the end of the program only until its tasks are done


def _drained(queue: SimpleQueue[Any]) -> Iterable[Any]:
    while True:
        try:
            yield queue.get_nowait()
        except Empty:
            return


def _serve(
    pool_ref: Callable[[], WorkerPool | None], number: int, queue: SimpleQueue[Any], done: list[int]
) -> None:
    """The life of worker `number` on the queue and the counts of the start that it belongs to.

    While it waits it does not hold the pool, which holds the executor, which holds the scheduler.
    """
    pool = pool_ref()
    if pool is None:
        return
    if pool._initializer is not None:
        try:
            pool._initializer(*pool._initargs)
        except BaseException as exc:
            logging.getLogger("rapscheduler.executors").critical(
                "Exception in initializer of a worker thread; the pool can't run jobs", exc_info=exc
            )
            pool._break(exc, queue)
            pool.rest()
            return
    get, work = queue.get, pool._work
    while True:
        try:
            task = get(False)
        except Empty:
            pool.rest()
            del pool, work
            task = get()
            pool = pool_ref()
            if pool is None:
                return
            work = pool._work
        if task is STOP:
            pool.rest()
            return
        if type(task) is Call:
            pool._rested()
            task.run()
        else:
            try:
                work(task)
            except BaseException:  # a worker that ended would never be replaced
                pool._failed(task)
        done[number] += 1
        task = None  # an idle worker must not keep the last job alive
