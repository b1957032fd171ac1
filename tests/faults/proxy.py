"""A TCP proxy that cuts and heals, between a store and its server.

It counts what clients send, so that a test can cut at every single step of a pass: before the n-th message reaches the
server ("request"), or after the server did what it says, when its answer is on the way ("answer"). Or it is cut until
somebody heals it, or nothing passes until then.
"""

from __future__ import annotations

import socket
import threading
from typing import Any

_CHUNK = 1 << 20


class Proxy:
    """Listens on ``port`` and forwards to a server until it is told to cut.

    ``sent``: messages of clients so far. ``fired``: whether the cut that was asked for was made.
    """

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._lock = threading.Lock()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._swallowing = False
        self._cut_at: int | None = None
        self._lost = "request"
        self._refusals = 0
        self._down = False
        self._passes = threading.Event()
        self._passes.set()
        self.sent = 0
        self.fired = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut_at(self, message: int, lost: str, refuse: int = 0) -> None:
        """Cut every connection at the n-th message from now (1 = the next), and then refuse that many new ones."""
        with self._lock:
            self._cut_at, self._lost, self._refusals = self.sent + message, lost, refuse
            self.fired = self._swallowing = False

    def cut(self) -> None:
        """Close every connection, and refuse new ones until `heal`."""
        with self._lock:
            self._down = True
        self._cut()

    def stall(self) -> None:
        """Let nothing pass until `heal`, and then all of it: no connection is closed, new ones are not answered."""
        self._passes.clear()

    def heal(self) -> None:
        """Forget the cut that was asked for, refuse nobody, and let everything pass."""
        with self._lock:
            self._cut_at, self._refusals, self._swallowing, self._down = None, 0, False, False
        self._passes.set()

    def close(self) -> None:
        self._listener.close()
        self._cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._passes.wait()
            if self._refused():
                client.close()
                continue
            try:
                server = socket.create_connection(self._server)
            except OSError:
                client.close()
                continue
            for one in (client, server):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._pairs.append((client, server))
            threading.Thread(target=self._forward, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self._forward, args=(server, client, False), daemon=True).start()

    def _refused(self) -> bool:
        with self._lock:
            if self._down:
                return True
            if not self.fired or self._refusals <= 0:
                return False
            self._refusals -= 1
            return True

    def _forward(self, source: Any, goal: Any, from_client: bool) -> None:
        try:
            while data := source.recv(_CHUNK):
                if self._cuts_here(from_client):
                    self._cut()
                    return
                self._passes.wait()
                goal.sendall(data)
        except OSError:
            pass
        finally:
            for one in (source, goal):
                _shut(one)

    def _cuts_here(self, from_client: bool) -> bool:
        with self._lock:
            if not from_client:
                return self._swallowing
            if self.fired:
                return False
            self.sent += 1
            if self._cut_at is None or self.sent < self._cut_at:
                return False
            if self._lost == "answer":
                self._swallowing = True  # this message goes through; what comes back does not
                return False
            self._note_cut()
            return True

    def _note_cut(self) -> None:
        self.fired, self._swallowing, self._cut_at = True, False, None

    def _cut(self) -> None:
        with self._lock:
            if self._swallowing:
                self._note_cut()
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for one in pair:
                _shut(one)


def _shut(one: socket.socket) -> None:
    try:
        one.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    one.close()
