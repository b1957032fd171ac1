"""Where the real servers are: by environment variable, at the usual local port, or started here for the test run.

For each of NAMES: RAPSCHEDULER_TEST_<NAME>_URL wins; else a server that listens at the usual local port (PostgreSQL,
MariaDB, Redis, MongoDB, RethinkDB, RabbitMQ); else ZooKeeper, etcd and pgbouncer (before that PostgreSQL, transaction
mode) are started privately when their programs are installed.
RAPSCHEDULER_REQUIRE_SERVERS=postgresql,redis,... turns the skip of a missing one into a failure.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import unquote

NAMES = (
    "postgresql", "mariadb", "redis", "zookeeper", "etcd", "mongodb", "rethinkdb", "rabbitmq", "pgbouncer"
)  # fmt: skip
USUAL = {
    "postgresql": (5432, "postgresql+psycopg://postgres@127.0.0.1:5432/test"),
    "mariadb": (3306, "mysql+pymysql://root@127.0.0.1:3306/test"),
    "redis": (6379, "redis://127.0.0.1:6379/9"),
    "mongodb": (27017, "mongodb://127.0.0.1:27017"),
    "rethinkdb": (28015, "rethinkdb://127.0.0.1:28015"),
    "rabbitmq": (5672, "amqp://guest:guest@127.0.0.1:5672//"),
}
ZOOKEEPER_JARS = ("/usr/share/java/*", "/usr/share/zookeeper/lib/*", "/opt/zookeeper/lib/*")
#: by whose absence a test of this server is skipped (by name, and only where packages may be missing)
DRIVERS = {
    "postgresql": "psycopg",
    "mariadb": "pymysql",
    "redis": "redis",
    "zookeeper": "kazoo",
    "etcd": "etcd3",
    "mongodb": "pymongo",
    "rethinkdb": "rethinkdb",
    "rabbitmq": "celery",
    "pgbouncer": "psycopg",
}
_START_TIMEOUT_S = 40


def url_variable(name: str) -> str:
    return f"RAPSCHEDULER_TEST_{name.upper()}_URL"


def required() -> set[str]:
    """The servers that must be there."""
    listed = os.environ.get("RAPSCHEDULER_REQUIRE_SERVERS", "")
    names = {name.strip().lower() for name in listed.split(",") if name.strip()}
    return set(NAMES) if "all" in names else names


def given_url(name: str) -> str | None:
    """The URL of the environment, or of a server at the usual local port."""
    url = os.environ.get(url_variable(name))
    if url:
        return url
    port, usual = USUAL.get(name, (0, ""))
    return usual if port and listens(port) else None


def check_driver(name: str) -> None:
    """ModuleNotFoundError: the driver of this server is missing. Processes that a test starts would not say so."""
    driver = DRIVERS[name]
    if driver not in sys.modules and find_spec(driver) is None:
        raise ModuleNotFoundError(f"No module named {driver!r}", name=driver)


def listens(port: int, host: str = "127.0.0.1") -> bool:
    with closing(socket.socket()) as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((host, port)) == 0


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class PrivateServer:
    """A server process of our own, with its data in a folder of the test run."""

    def __init__(self, url: str, process: subprocess.Popen[bytes]) -> None:
        self.url = url
        self.process = process

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)


def start_etcd(folder: Path) -> PrivateServer | None:
    program = shutil.which("etcd")
    if program is None:
        return None
    port, peer_port = free_port(), free_port()
    client, peer = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{peer_port}"
    command = [
        program, "--data-dir", str(folder / "etcd"), "--listen-client-urls", client, "--advertise-client-urls", client,
        "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}",
        "--unsafe-no-fsync", "--logger", "zap", "--log-level", "error",
    ]  # fmt: skip
    if (
        "unsafe-no-fsync"
        not in subprocess.run([program, "--help"], check=False, capture_output=True, text=True).stdout
    ):
        command.remove("--unsafe-no-fsync")
    return _started(command, folder / "etcd.log", port, f"etcd://127.0.0.1:{port}")


def start_zookeeper(folder: Path) -> PrivateServer | None:
    java = shutil.which("java")
    if java is None or not any(Path(jars[:-1]).is_dir() and any(Path(jars[:-1]).glob("zookeeper*.jar"))
                               for jars in ZOOKEEPER_JARS):  # fmt: skip
        return None
    port = free_port()
    settings = folder / "zoo.cfg"
    settings.write_text(
        f"tickTime=500\ndataDir={folder / 'zookeeper'}\nclientPort={port}\nclientPortAddress=127.0.0.1\n"
        "admin.enableServer=false\nforceSync=no\nmaxClientCnxns=0\n"
    )
    command = [
        java, "-Xmx256m", "-cp", ":".join(ZOOKEEPER_JARS), "-Dzookeeper.forceSync=no",
        "org.apache.zookeeper.server.quorum.QuorumPeerMain", str(settings),
    ]  # fmt: skip
    return _started(command, folder / "zookeeper.log", port, f"zookeeper://127.0.0.1:{port}")


def start_pgbouncer(folder: Path) -> PrivateServer | None:
    """Gives each transaction to any of its connections to the PostgreSQL of the tests."""
    program, behind = (
        shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin"),
        given_url("postgresql"),
    )
    if program is None or behind is None:
        return None
    account, _, place = behind.split("://", 1)[1].partition("@")
    address, _, database = place.partition("/")
    user, _, password = (unquote(part) for part in account.partition(":"))
    host, _, server_port = address.partition(":")
    port, settings = free_port(), folder / "pgbouncer.ini"
    settings.write_text(
        f"[databases]\n* = host={host} port={server_port or 5432} user={user}"
        + (f" password={password}" if password else "")
        + f"\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n"
        f"pool_mode = transaction\ndefault_pool_size = 20\nadmin_users = {user}\n"
    )
    as_whom = ["-u", "nobody"] if os.geteuid() == 0 else []  # it refuses to run as root
    url = f"postgresql+psycopg://{user}@127.0.0.1:{port}/{database}"
    return _started([program, *as_whom, str(settings)], folder / "pgbouncer.log", port, url)


PRIVATE: dict[str, Callable[[Path], PrivateServer | None]] = {
    "etcd": start_etcd,
    "zookeeper": start_zookeeper,
    "pgbouncer": start_pgbouncer,
}


def _started(command: list[str], log: Path, port: int, url: str) -> PrivateServer:
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    deadline = time.monotonic() + _START_TIMEOUT_S
    while not listens(port):
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            print(log.read_text(errors="replace")[-2000:], file=sys.stderr)
            raise RuntimeError(f"{command[0]} did not start; its log is {log}")
        time.sleep(0.05)  # waiting for a process, not for a result
    return PrivateServer(url, process)


def host_and_port(url: str) -> tuple[str, int]:
    """From "scheme://host:port"."""
    host, _, port = url.split("://", 1)[1].rstrip("/").rpartition(":")
    return host, int(port)


def record(config: Any) -> dict[str, str]:
    """What the run did with each server, for the summary at its end."""
    if not hasattr(config, "_rapscheduler_servers"):
        config._rapscheduler_servers = {}
    found: dict[str, str] = config._rapscheduler_servers
    return found


def summary(terminalreporter: Any, config: Any) -> None:
    """Lines at the end of the run: which server was used, and loudly which was missing."""
    said = record(config)
    if not said:
        return
    missing = [name for name, state in said.items() if state == "missing"]
    terminalreporter.section("real servers", bold=True)
    for name, state in said.items():
        terminalreporter.write_line(f"{name:12} {'NOT RUN: no server' if state == 'missing' else state}")
    if missing:
        cure = ", ".join(url_variable(name) for name in missing)
        terminalreporter.write_line(
            f"NOT RUN ON A SERVER: {', '.join(missing)} (set {cure})", yellow=True, bold=True
        )
