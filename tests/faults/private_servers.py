"""Servers of our own that may be killed: Redis and PostgreSQL on free ports, everything written to disk at once."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.stores.servers import free_port, listens

_START_TIMEOUT_S = 40


class Missing(Exception):
    """The program isn't installed."""


class KillableServer:
    """``kill`` ends it as a power failure of the machine would end its process; ``start`` begins on the same data."""

    url = ""

    def __init__(self) -> None:
        memory = Path("/dev/shm")  # processes are killed here, not machines: what they wrote stays there
        self.folder = Path(
            tempfile.mkdtemp(
                prefix="rapscheduler-server-", dir=memory if os.access(memory, os.W_OK) else None
            )
        )
        self.port = free_port()
        self.process: Any = None

    def command(self) -> list[str]:
        raise NotImplementedError

    def ready(self) -> bool:
        return listens(self.port)

    def start(self) -> None:
        """Again when it ends by itself: PostgreSQL does while children of the one that was killed are still there."""
        self._spawn()
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not self.ready():
            if time.monotonic() > deadline:
                raise RuntimeError((self.folder / "log").read_text(errors="replace")[-2000:])
            time.sleep(0.02)  # waiting for a process, not for a result
            if self.process.poll() is not None:
                self._spawn()

    def _spawn(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command(), stdout=log, stderr=log, cwd=self.folder, start_new_session=True
            )

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        while listens(self.port):
            time.sleep(0.01)

    def restart(self) -> None:
        self.kill()
        self.start()

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


class RedisServer(KillableServer):
    def __init__(self) -> None:
        program = shutil.which("redis-server")
        if program is None:
            raise Missing("redis-server isn't installed")
        super().__init__()
        self._program = program
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def command(self) -> list[str]:
        return [
            self._program, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder),
            "--appendonly", "yes", "--appendfsync", "always", "--save", "",
        ]  # fmt: skip

    def ready(self) -> bool:
        import redis

        try:
            with redis.Redis(port=self.port) as client:
                return bool(client.ping())
        except redis.exceptions.RedisError:
            return False


class PostgresServer(KillableServer):
    """PostgreSQL refuses to run as root: then it runs as the user ``postgres``."""

    def __init__(self) -> None:
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        on_path = shutil.which("postgres")
        if not found and on_path is None:
            raise Missing("PostgreSQL's initdb isn't installed")
        self._programs = found[-1].parent if found else Path(str(on_path)).parent
        self._as: list[str] = []
        if os.getuid() == 0:
            if shutil.which("setpriv") is None:
                raise Missing(
                    "PostgreSQL doesn't run as root, and there is no setpriv to become another user"
                )
            try:
                user = pwd.getpwnam("postgres")
            except KeyError:
                raise Missing("PostgreSQL doesn't run as root, and there is no user postgres") from None
            self._as = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
        super().__init__()
        if self._as:
            shutil.chown(self.folder, "postgres")
        self.data = self.folder / "data"
        initdb = [
            *self._as,
            str(self._programs / "initdb"),
            "-D",
            str(self.data),
            "-U",
            "postgres",
            "-A",
            "trust",
        ]
        subprocess.run([*initdb, "--no-sync"], check=True, capture_output=True, cwd="/")
        self.url = f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/postgres"

    def command(self) -> list[str]:
        settings = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "shared_buffers": "16MB",
        }
        options = [word for item in settings.items() for word in ("-c", f"{item[0]}={item[1]}")]
        return [*self._as, str(self._programs / "postgres"), "-D", str(self.data), *options]

    def ready(self) -> bool:
        import psycopg

        try:
            psycopg.connect(
                f"postgresql://postgres@127.0.0.1:{self.port}/postgres", connect_timeout=2
            ).close()
        except psycopg.Error:
            return False
        return True
