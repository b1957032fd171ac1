"""The worker's side of `CeleryExecutor`: one task for every job.

Here: `install`, the answers of a worker process, the word that it is alive. Not here: how the call is made (`_wire`).

A message is acknowledged when its run begins: a worker that dies must not have its runs made again by Celery, which
would be behind the back of `max_instances`. Its scheduler notices instead, for a process with runs under way says every
`alive_s` which they are (`Pulse`, one thread, there while there are runs).

The acknowledgement may come too late (a pool of threads leaves it to the main thread, for up to two seconds), and what
a worker had fetched and not begun goes to another when it ends. So a message that the broker hands out again may have
been begun or not; its scheduler knows, and is asked: it sends the run again, or does not. Where it is gone, so is the
run, and a log line says so. A message that comes to one process twice is taken up once.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Iterable
from functools import partial
from typing import Any

from rapscheduler._quoting import said
from rapscheduler._serialization.callables import CallableRule
from rapscheduler.errors import log_line
from rapscheduler.executors._broker import END, TASK, Sender
from rapscheduler.executors._wire import Order, dumps, end_here, loads

PATIENCE_S = 60.0  # for a broker that restarts while a result waits to be sent
_KNOWN = 10_000  # ids of runs that a process remembers

_logger = logging.getLogger("rapscheduler.executors.celery")


class Pulse:
    """Says which runs are under way here, while there are any. `_under_way`: queue of answers and interval, by id."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._lock = threading.Lock()
        self._under_way: dict[str, tuple[str, float]] = {}
        self._thread: threading.Thread | None = None
        self._changed = threading.Event()

    def begin(self, run_id: str, queue: str, alive_s: float) -> None:
        with self._lock:
            self._under_way[run_id] = (queue, alive_s)
            if self._thread is None:
                self._thread = threading.Thread(target=self._go, name="rapscheduler-pulse", daemon=True)
                self._thread.start()

    def end(self, run_id: str) -> None:
        with self._lock:
            self._under_way.pop(run_id, None)

    def _go(self) -> None:
        wait_s = 0.0
        while True:
            self._changed.wait(wait_s)
            with self._lock:
                if not self._under_way and wait_s:
                    self._thread = None
                    return
                queues: dict[str, list[str]] = {}
                for run_id, (queue, _) in self._under_way.items():
                    queues.setdefault(queue, []).append(run_id)
                beats = [alive_s for _, alive_s in self._under_way.values()]
            if wait_s:
                for queue, ids in queues.items():
                    try:
                        self._sender.answer(queue, dumps({"kind": "alive", "ids": ids}))
                    except Exception as exc:  # the next one may get through
                        log_line(
                            _logger.warning,
                            "Could not say that %d runs are under way: %s",
                            len(ids),
                            said(exc),
                        )
            wait_s = min(beats, default=1.0)


class Worker:
    """What the task does, in each process of a worker. `_known`: runs that were taken up here, the latest."""

    def __init__(self, app: Any, rule: CallableRule) -> None:
        from celery.worker.state import revoked

        self.rule = rule
        self._revoked = revoked  # ids; Celery itself does not look once its pool has the task
        self.sender = Sender(app)
        self._pulse = Pulse(self.sender)
        self._lock = threading.Lock()
        self._known: set[str] = set()
        self._in_order: deque[str] = deque()

    def perform(self, text: str, redelivered: bool = False) -> None:
        """Make the call of one run; every answer goes to its scheduler's queue."""
        order = Order(loads(text), self.rule)
        run_id, (queue, alive_s) = order.passport.id, order.reply
        if redelivered and run_id not in self._known:
            log_line(
                _logger.warning, "Run %s of job %r came again; it is left to its scheduler", run_id, order.id
            )
            self.sender.answer(queue, dumps({"kind": "again", "id": run_id}), PATIENCE_S)
            return
        if not self._is_new(run_id):
            log_line(_logger.warning, "Run %s of job %r came twice; it is made once", run_id, order.id)
            return
        if run_id in self._revoked:
            self._tell(queue, dumps({"kind": "lost", "id": run_id, "reason": "it was revoked"}))
            return
        self._pulse.begin(run_id, queue, alive_s)
        try:
            ended = order.perform(partial(self._tell, queue))
        finally:
            self._pulse.end(run_id)
        try:
            self.sender.answer(queue, ended, PATIENCE_S)
        except Exception as exc:
            log_line(
                _logger.error,
                "The end of run %s of job %r could not be told: %s",
                run_id,
                order.id,
                said(exc),
            )

    def _tell(self, queue: str, text: str) -> None:
        try:
            self.sender.answer(queue, text)
        except Exception as exc:  # the pulse says the same, later
            log_line(_logger.warning, "Could not tell of a run: %s", said(exc))

    def _is_new(self, run_id: str) -> bool:
        with self._lock:
            if run_id in self._known:
                return False
            if len(self._in_order) >= _KNOWN:
                self._known.discard(self._in_order.popleft())
            self._known.add(run_id)
            self._in_order.append(run_id)
            return True

    def tell_lost(self, args: Any, reason: str) -> None:
        """Celery says that a run will have no end: its process died, it was revoked."""
        try:
            order = Order(loads(args[0]), self.rule)
            self._tell(order.reply[0], dumps({"kind": "lost", "id": order.passport.id, "reason": reason}))
        except Exception as exc:
            log_line(_logger.warning, "Could not tell that a run is lost: %s", said(exc))


def _end(state: Any, run_id: str, **ignored: Any) -> None:
    """Celery's command: a run that this process makes (in a pool that has no others) is to end."""
    end_here(run_id)


def install(app: Any, *, allowed_callables: Iterable[str] | None) -> Any:
    """Register the one task that makes the runs of every `CeleryExecutor`; to be called where the workers' app is made.

    :param app: the Celery app
    :param allowed_callables: which callables messages may name, as for job stores: ``["myapp.tasks:*"]``; ``None``
        allows any, to whoever can write to the broker
    :return: the task
    """
    from celery import signals
    from celery.worker.control import control_command

    control_command(name=END, args=[("run_id", str)])(_end)
    worker = Worker(app, CallableRule(allowed_callables))

    def run(self: Any, text: str) -> None:
        worker.perform(text, bool((self.request.delivery_info or {}).get("redelivered")))

    task = app.task(
        name=TASK,
        bind=True,
        ignore_result=True,
        acks_late=False,
        max_retries=0,
        serializer="json",
        shared=False,
    )(run)

    def failed(sender: Any = None, args: Any = None, exception: Any = None, **others: Any) -> None:
        if getattr(sender, "name", None) == TASK:
            worker.tell_lost(args, said(exception))

    def revoked(
        sender: Any = None,
        request: Any = None,
        terminated: bool = False,
        expired: bool = False,
        **others: Any,
    ) -> None:
        if getattr(sender, "name", None) == TASK:
            what = "it expired before it began" if expired else "it was revoked"
            worker.tell_lost(request.args, "it was terminated" if terminated else what)

    signals.task_failure.connect(failed, weak=False, dispatch_uid=f"{TASK} failed {id(app)}")
    signals.task_revoked.connect(revoked, weak=False, dispatch_uid=f"{TASK} revoked {id(app)}")
    return task
