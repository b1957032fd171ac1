"""The thread of a worker process: it sends batches there and hears what became of each task.

Here: taking tasks, deaths, time-outs, what is taken back from a worker. Not here: the queue, and what makes a batch
(`_processes`), the process itself (`_child`), pipes.

Rule: a thread has one process, and tells the ends of its tasks itself. Results wait in the pipe until the worker
rings; while a batch lasts the thread looks by itself, first after `LOOK_S`. What a worker did not begin goes back into
the queue, before all others; what it had begun when it died or was ended was made if its reply is in the pipe.
"""

from __future__ import annotations

import logging
import pickle
import threading
import time
import weakref
from collections.abc import Iterable
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from rapscheduler._quoting import said
from rapscheduler.errors import log_line
from rapscheduler.executors._child import Child
from rapscheduler.executors._worker_process import ASKED, OVER
from rapscheduler.executors._workers import STOP

LOOK = object()  # in the queue: look at what was given back
LOOK_S, MOST_LOOK_S = 0.01, 0.05  # how long a batch is left alone, at first and when it lasts
MOST_DEATHS = 5  # of workers that had not begun a task, which is sent alone after the first
_logger = logging.getLogger("rapscheduler.executors")


class Task:
    """What is made in a worker process. `kind`: those of one take about as long; `limit_s`: how long it may take;
    `stopped`: somebody wants it to end; `deaths`: of workers that had not begun it; `tender`: the thread that has it.
    """

    __slots__ = ("deaths", "kind", "limit_s", "stopped", "tender")

    def __init__(self, kind: Any = None, limit_s: float | None = None) -> None:
        self.kind, self.limit_s = kind, limit_s
        self.deaths, self.stopped = 0, False
        self.tender: Tender | None = None

    def order(self) -> bytes:
        """What the worker is sent. What it raises is told to `refused`."""
        raise NotImplementedError

    def text(self) -> str:
        """The same in words."""
        return repr(self)

    def done(self, payload: Any) -> None:
        """It was made; what the worker says of it."""

    def lost(self, exc: BaseException) -> None:
        """The worker died with it, or there will be none."""

    def refused(self, exc: BaseException) -> None:
        """It can't be sent."""

    def ended(self, begun: bool) -> None:
        """It was `stopped`; `begun`: with the worker that made it."""

    def overdue(self) -> None:
        """It took longer than `limit_s`, and was ended with its worker."""


class Tender(threading.Thread):
    """The thread of one worker process. While it waits it does not hold the pool, which holds the executor."""

    serves_pool = True  # it goes on at the end of the program only until its tasks are done

    def __init__(self, pool: Any, number: int) -> None:
        super().__init__(name=f"rapscheduler-process-{number}", daemon=True)
        self._pool_ref = weakref.ref(pool)
        self._queue, self._idle, self._number = pool._work_queue, pool._idle, number
        self._child: Child | None = None
        self._made = 0  # tasks that this child had
        self._leaving: list[Any] = []  # processes that end by themselves

    def run(self) -> None:
        """Serve until `STOP`, or until nobody has the pool."""
        pool = self._pool_ref()
        if pool is not None and self._begin(pool):
            del pool
            while self._serve():
                pass
        self._leave()
        for process in self._leaving:
            process.join()

    def ring(self) -> None:
        """Look at what was stopped."""
        child = self._child
        if child is not None:
            child.line.ring()

    def _begin(self, pool: Any) -> bool:
        """Start the process. False: it can't be; all tasks were lost."""
        try:
            self._child = child = Child(pool._mp_context, pool._initializer, pool._initargs)
            child.until_ready()
        except BaseException as exc:
            error = exc if isinstance(exc, BrokenProcessPool) else BrokenProcessPool(repr(exc))
            error.__cause__ = None if error is exc else exc
            self._leave(pool)
            pool.breaks(error)
            pool.rest()
            return False
        self._made = 0
        pool._processes[child.pid] = child.process
        return True

    def _leave(self, pool: Any = None) -> None:
        """Let the process end when it has nothing to do; it may have threads of its own."""
        child, self._child = self._child, None
        if child is not None:
            if pool is not None:
                pool._processes.pop(child.pid, None)
            child.line.close()
            self._leaving = [one for one in (*self._leaving, child.process) if one.exitcode is None]

    def _serve(self) -> bool:
        """Make one batch. False: that was the end."""
        pool = self._pool_ref()
        task = None if pool is None else pool.next_task()
        if task is None:
            if pool is not None:
                pool.rest()
            del pool
            self._idle[self._number] = True
            task = self._queue.get()
            self._idle[self._number] = False
            pool = self._pool_ref()
        if pool is None:
            return False
        if task is STOP:
            if not pool._back:
                pool.rest()
                return False
            self._queue.put(STOP)
        elif task is not LOOK:
            if self._child is None or self._child.has_ended():
                pool.give_back([task])
                if self._child is not None:
                    log_line(
                        _logger.warning,
                        "%s; another one takes its place",
                        said(self._child.why_ended("without a job")),
                    )
                    self._leave(pool)
                return self._begin(pool)
            return self._make(pool, task)
        return True

    def _make(self, pool: Any, first: Task) -> bool:
        most = pool._max_tasks_per_child
        if most is not None:
            most -= self._made
        orders, tasks = [], []
        for task in pool.batch(first, most):
            task.tender = self
            if task.stopped:
                pool.tell(self._number, task, task.ended, False)
                continue
            try:
                orders.append(task.order())
            except BaseException as exc:  # of a __reduce__ of the user's
                pool.tell(self._number, task, task.refused, exc)
            else:
                tasks.append(task)
        if not tasks or self._child is None:
            return True
        self._made += len(tasks)
        Batch(pool, self._number, self._child, tasks).run(orders)
        if self._child.has_ended() or self._made >= (pool._max_tasks_per_child or self._made + 1):
            self._leave(pool)
            return pool._shutdown or self._begin(pool)
        return True


class Batch:
    """Tasks that a worker has; `_left`: those without an end, by place."""

    def __init__(self, pool: Any, number: int, child: Any, tasks: list[Task]) -> None:
        self._pool, self._number, self._child = pool, number, child
        self._left = dict(enumerate(tasks))
        self._limit_s = tasks[0].limit_s
        self._is_over = False

    def run(self, orders: list[bytes]) -> None:
        """Until each task has its end, or is in the queue again."""
        child, end_s = self._child, None if self._limit_s is None else time.monotonic() + self._limit_s
        try:
            child.line.send(orders)
        except OSError:
            child.kill()
        look_s = LOOK_S
        while not self._is_over:
            wait_s = look_s if len(self._left) > 1 else None  # nobody waits behind a single one
            if end_s is not None:
                wait_s = max(0.0, end_s - time.monotonic())
            rung = child.wait(wait_s)
            look_s = min(look_s * 1.5, MOST_LOOK_S)
            ended = child.has_ended()
            replies = self._heard()
            if ended:
                self._died(replies)
                return
            if not self._is_over:
                late = end_s is not None and time.monotonic() >= end_s
                self._look(replies, late, not rung)
            self._tell(replies)
        self._give_back(self._left.values())

    def _heard(self) -> list[tuple[Task, Any]]:
        replies = []
        for frame in self._child.line.replies():
            place, us, payload = pickle.loads(frame)
            if place == OVER:
                self._is_over = True
                continue
            if place == ASKED:  # `us` is the place
                self._answer(self._left[us])
                continue
            task = self._left.pop(place)
            self._pool.took(task.kind, us)
            replies.append((task, payload))
        return replies

    def _answer(self, task: Task) -> None:
        try:
            text = task.text()
        except Exception as exc:  # of somebody else's trigger
            text = repr(exc)
        try:
            self._child.line.answer(text.encode(errors="replace"))
        except OSError:
            pass  # it has ended, which is seen next

    def _tell(self, replies: Iterable[tuple[Task, Any]]) -> None:
        for task, payload in replies:
            self._pool.tell(self._number, task, task.done, payload)

    def _look(self, replies: list[tuple[Task, Any]], late: bool, slow: bool) -> None:
        """It is not over: end what is to be ended, give others what was not begun."""
        stopped = any(task.stopped for task in self._left.values())
        if stopped or (slow and len(self._left) > 1 and self._pool.someone_is_idle()):
            self._give_back(self._taken())
        if not (late or stopped):
            return
        if late or any(task.stopped for task in self._left.values()):
            self._child.kill()  # before the last replies are read: what was done by then is done
            replies += self._heard()
            left, self._left = self._left, {}
            self._tell(replies)
            replies.clear()
            for task in left.values():
                told = (task.overdue,) if late and not task.stopped else (task.ended, True)
                self._pool.tell(self._number, task, *told)
            self._is_over = True

    def _taken(self) -> list[Task]:
        return [self._left.pop(place) for place in self._child.line.take_back() if place in self._left]

    def _give_back(self, tasks: Iterable[Task]) -> None:
        kept = []
        for task in list(tasks):
            if task.stopped:
                self._pool.tell(self._number, task, task.ended, False)
            else:
                kept.append(task)
        if kept:
            self._pool.give_back(kept)

    def _died(self, replies: list[tuple[Task, Any]]) -> None:
        """The worker has ended: what it had begun is lost."""
        replies += self._heard()
        kept: list[Task] = []
        given_up: list[Task] = []
        error = self._child.why_ended()
        for task in self._taken():
            task.deaths += 1
            (kept if task.deaths < MOST_DEATHS else given_up).append(task)
        self._give_back(kept)
        log_line(_logger.warning, "%s; another one takes its place", said(error))
        self._tell(replies)
        for task in self._left.values():
            if task.stopped:
                self._pool.tell(self._number, task, task.ended, True)
            else:
                self._pool.tell(self._number, task, task.lost, error)
        for task in given_up:
            many = self._child.why_ended(f"before it began the job, as {MOST_DEATHS - 1} others had")
            self._pool.tell(self._number, task, task.lost, many)
