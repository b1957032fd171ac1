"""The executor that hands runs to the workers of a Celery app.

Here: `CeleryExecutor`, sending and the thread that listens. Not here: what becomes of a run (`_distant`), the worker's
side (`_celery_worker`, whose `install` is offered here), the connection (`_broker`).

A run goes out as the task ``rapscheduler.run``, whatever its callable; what is heard of it comes to a queue of this
executor, by the same broker: no result backend is needed or used. One thread takes in all of it. It is begun with the
first run, and deletes the queue at the end.
"""

from __future__ import annotations

import threading
from socket import gethostname
from time import monotonic
from typing import Any
from uuid import uuid4

from rapscheduler._quoting import said
from rapscheduler.errors import log_line
from rapscheduler.executors._broker import ANSWER_S, END, TASK, Sender, answers_queue
from rapscheduler.executors._celery_worker import install
from rapscheduler.executors._distant import DistantExecutor, Errand
from rapscheduler.util import asbool, ref_to_obj

try:
    from celery import Celery
except ImportError as exc:
    raise ImportError("CeleryExecutor requires Celery installed: pip install rapscheduler[celery]") from exc

__all__ = ("CeleryExecutor", "install")

_PEEK_S = 0.25  # between two looks at what is overdue, or to be ended
_PAUSE_S = 1.0  # after the broker did not answer
_of_parents: list[Any] = []  # threads' data that a forked child has inherited


class CeleryExecutor(DistantExecutor):
    """Runs jobs on the workers of a Celery app (5.6 or newer), over RabbitMQ or Redis. The workers call `install`.

    A run is lost (an error event with `LostRunError`) when its worker dies, when it is revoked, or when
    `result_timeout` is over; its place of ``max_instances`` is free then.

    Plugin alias: ``celery``

    :param app: the Celery app, or a reference to it as text, such as ``"myapp.worker:app"``
    :param queue: the name of the queue that runs go to (`None`: where the app's routes say)
    :param result_timeout: how many seconds after it was sent the end of a run is waited for, the time in the queue
        included; a worker that comes to it later leaves it (`None`: as long as it takes)
    :param lost_after: how many seconds a worker with a run under way may not be heard of
    :param terminate: whether `cancel_run()` ends the process of a prefork pool that makes the run (SIGTERM). Celery
        warns that it may have gone on to another task by then: for workers that make nothing but such runs
    """

    takes_any_thread = True
    _engine = "Celery"

    def __init__(
        self,
        app: Any,
        *,
        queue: str | None = None,
        result_timeout: float | None = None,
        lost_after: float = 30,
        terminate: bool = False,
    ) -> None:
        super().__init__(result_timeout, lost_after)
        if self._lost_after_s is None:
            raise ValueError("lost_after=None would keep the runs of a dead worker for ever; give seconds")
        if isinstance(app, str):
            app = ref_to_obj(app)
        if not isinstance(app, Celery):
            raise TypeError(
                f"app={app!r} is no Celery app; give the app, or a text such as 'myapp.worker:app'"
            )
        self._app, self._queue, self._terminates = app, queue, asbool(terminate)
        self._sender, self._answers = self._new_line()
        self._down_until_s, self._down_why = 0.0, ""
        self._thread: threading.Thread | None = None
        self._end = threading.Event()
        self._starting = threading.Lock()

    def _new_line(self) -> tuple[Sender, Any]:
        answers = answers_queue(f"rapscheduler.answers.{gethostname()}.{uuid4().hex}")
        return Sender(self._app, (answers,)), answers

    def _reply(self) -> Any:
        return [self._answers.name, (self._lost_after_s or 0.0) / 5]

    def _send(self, errand: Errand, text: str) -> None:
        if monotonic() < self._down_until_s:
            raise ConnectionError(f"the broker did not answer a moment ago: {self._down_why}")
        self._listen()

        expires_s = self._result_timeout_s
        if expires_s is not None:
            expires_s = max(0.1, errand.sent_s + expires_s - monotonic())

        def publish(producer: Any) -> None:
            self._app.send_task(
                TASK, (text,), task_id=errand.id, queue=self._queue, producer=producer, serializer="json",
                ignore_result=True, retry=False, expires=expires_s, confirm_timeout=ANSWER_S,
                add_to_parent=False, shadow=f"{TASK}[{errand.order['func']}]", argsrepr=repr((errand.order["job"],)),
            )  # fmt: skip

        try:
            self._sender.send(publish)
        except Exception as exc:
            self._down_why, self._down_until_s = said(exc), monotonic() + _PAUSE_S
            raise

    def _revoke(self, errand: Errand) -> None:
        ends_process = {"terminate": True, "signal": "SIGTERM"} if self._terminates and errand.begun else {}

        def publish(producer: Any) -> None:
            channel = producer.channel
            there = {"connection": channel.connection.client, "channel": channel}
            self._app.control.revoke(errand.id, **ends_process, **there)
            if errand.begun:
                self._app.control.broadcast(END, arguments={"run_id": errand.id}, **there)

        self._sender.send(publish)

    def _cure_of_silence(self) -> str:
        queue = "the app's queues" if self._queue is None else f"queue {self._queue!r}"
        return (
            f"{super()._cure_of_silence()}. Is there a worker for {queue}, and does its app call "
            "rapscheduler.executors.celery.install(app, allowed_callables=[…])? Until then runs wait, or are lost "
            "after result_timeout"
        )

    # The thread that listens

    def _listen(self) -> None:
        with self._starting:
            if self._thread is None or not self._thread.is_alive():
                self._end = threading.Event()
                args = (self._end, self._sender, self._answers)
                self._thread = threading.Thread(
                    target=self._take_all, args=args, name="rapscheduler-celery", daemon=True
                )
                self._thread.start()

    def _ended_here(self) -> bool:
        return threading.current_thread() is self._thread

    def _take_all(self, end: threading.Event, sender: Sender, answers: Any) -> None:
        """The life of the thread: listen, and again when the connection was cut."""
        outage = False
        while not end.is_set():
            connection = None
            try:
                connection = self._app.connection_for_read(heartbeat=self._app.conf.broker_heartbeat)
                connection.connect()
                with connection.Consumer(answers, callbacks=[self._take], accept=["json"], auto_declare=True):
                    if outage:
                        log_line(self._logger.info, "The broker of Celery answers again")
                        outage = False
                    self._take_from(connection, end)
                connection.default_channel.queue_delete(answers.name)
            except Exception as exc:
                if not outage and not end.is_set():
                    outage = True
                    log_line(
                        self._logger.warning,
                        "The broker of Celery does not answer: %s -- trying again",
                        said(exc),
                    )
                self._sweep(None)
                end.wait(_PAUSE_S)
            finally:
                if connection is not None:
                    _let_go(connection)
        sender.close()

    def _take(self, body: Any, message: Any) -> None:
        self._hear(body)
        message.ack()

    def _take_from(self, connection: Any, end: threading.Event) -> None:
        since_s = monotonic()
        beats = bool(connection.supports_heartbeats and connection.get_heartbeat_interval())
        while not end.is_set():
            try:
                connection.drain_events(timeout=_PEEK_S)
            except TimeoutError:
                pass
            if beats:
                connection.heartbeat_check()
            self._sweep(since_s)

    def _close(self) -> None:
        thread = self._thread
        self._end.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join(ANSWER_S)
        self._thread = None
        self._sender, self._answers = self._new_line()

    def _leave_parent(self) -> None:
        super()._leave_parent()
        _of_parents.append((self._sender, self._thread))
        self._sender, self._answers = self._new_line()
        self._thread, self._starting = None, threading.Lock()


def _let_go(connection: Any) -> None:
    try:
        connection.collect()  # asks the broker nothing
    except Exception:  # it is gone anyhow
        pass
