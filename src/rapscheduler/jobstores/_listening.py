"""Hearing at once of what others change in a shared store.

Here: `Listener`, a thread with a connection of its own. Not here: a database's way of telling; what is done about news.
What is told may be lost; whoever listens looks now and then all the same.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from threading import Event, Thread
from typing import Any

LOOK_S = 0.5  # whether it is to end
AGAIN_S = 1.0  # after an error


class Listener(ABC):
    """Calls `told()` for each message on a channel, or `told(earliest_us)` where the message says when the earliest job
    of the store is due, in µs of the store's clock. `source`: where connections come from."""

    def __init__(self, source: Any, channel: str, told: Callable[..., Any]) -> None:
        self._source, self._channel, self._told = source, channel, told
        self._end = Event()
        self.hears = Event()  # it listens
        Thread(target=self._run, name=f"{channel}-listener", daemon=True).start()

    def stop(self) -> None:
        """End soon."""
        self._end.set()

    def _run(self) -> None:
        while not self._end.is_set():
            try:
                self._listen()
            except Exception:  # the keeper of the lease meets the same server, and says what is wrong
                self.hears.clear()
                self._end.wait(AGAIN_S)

    @abstractmethod
    def _listen(self) -> None:
        """Connect, set `hears`, call `told()` for what came before and for each message, until `_end` is set."""
