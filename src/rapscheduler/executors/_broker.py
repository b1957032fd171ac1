"""Sending by way of a Celery app's broker: the same on both sides.

Here: `Sender`, one connection of a process, and the queue that answers go to. Not here: what is sent; listening.

A message counts as sent when the broker has it: RabbitMQ confirms, Redis answers. A connection that was cut is opened
again, once for each message, or for as long as the caller says. A process that was forked opens its own and leaves its
parent's as it is, for closing it would speak on the parent's line.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from time import monotonic, sleep
from typing import Any

ANSWER_S = 10.0  # for the broker, to one message
KEPT_S = 86400.0  # answers that nobody takes, for their scheduler died
TASK = "rapscheduler.run"
END = "rapscheduler_end"  # the command to workers that ends a run

_of_parents: list[Any] = []  # connections that a forked child has inherited


def answers_queue(name: str) -> Any:
    """The queue of one executor; it outlives a restart of the broker, and its executor by a day."""
    from kombu import Exchange, Queue

    return Queue(name, Exchange(""), routing_key=name, durable=True, auto_delete=False, expires=KEPT_S)


class Sender:
    """`declared`: queues that have to be there, whenever a connection was opened."""

    def __init__(self, app: Any, declared: Sequence[Any] = ()) -> None:
        self._app, self._declared = app, declared
        self._lock = threading.Lock()
        self._connection: Any = None
        self._producer: Any = None
        self._pid = os.getpid()

    def send(self, publish: Callable[[Any], object], patience_s: float = 0.0) -> None:
        """Call `publish` with a producer; on failure once more, or for so many seconds. Raises what the last did."""
        if self._pid != os.getpid():
            self.leave_parent()
        end_s, tries = monotonic() + patience_s, 0
        while True:
            try:
                with self._lock:
                    publish(self._opened())
                return
            except Exception:
                tries += 1
                with self._lock:
                    self._drop()
                if tries > 1 and monotonic() >= end_s:
                    raise
            if tries > 1:
                sleep(min(1.0, 0.1 * tries))

    def answer(self, queue: str, text: str, patience_s: float = 0.0) -> None:
        """Send a text to a queue of answers."""

        def publish(producer: Any) -> None:
            producer.publish(
                text, exchange="", routing_key=queue, serializer="json", delivery_mode=2,
                confirm_timeout=ANSWER_S, retry=False,
            )  # fmt: skip
            if self._connection.transport.driver_type == "redis":
                producer.channel.client.expire(queue, round(KEPT_S))

        self.send(publish, patience_s)

    def _opened(self) -> Any:
        if self._producer is None:
            app = self._app
            kind = app.connection_for_write().transport.driver_type
            options: dict[str, Any] = {"confirm_publish": True} if kind == "amqp" else {}
            if kind == "redis":
                given = app.conf.broker_transport_options or {}
                options = {
                    name: given.get(name, ANSWER_S) for name in ("socket_timeout", "socket_connect_timeout")
                }
            self._connection = connection = app.connection_for_write(transport_options=options)
            connection.connect()
            channel = connection.channel()
            for queue in self._declared:
                queue(channel).declare()
            self._producer = app.amqp.Producer(channel, auto_declare=False)
        return self._producer

    def _drop(self) -> None:
        connection, self._connection, self._producer = self._connection, None, None
        if connection is not None:
            try:
                connection.collect()  # asks the broker nothing
            except Exception:  # it is gone anyhow
                pass

    def close(self) -> None:
        """Let go of the connection; another one is opened when something is sent."""
        with self._lock:
            self._drop()

    def leave_parent(self) -> None:
        """In a forked child: the connection is the parent's."""
        self._lock = threading.Lock()  # it may have been held there
        _of_parents.append((self._connection, self._producer))
        self._connection = self._producer = None
        self._pid = os.getpid()
