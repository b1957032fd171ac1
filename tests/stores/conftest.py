"""Fixtures of the tests on real servers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.stores import servers


@pytest.fixture(scope="session")
def server_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """``server_url("etcd")`` — the URL of a server that answers; skips the test when there is none."""
    started: dict[str, servers.PrivateServer] = {}
    known: dict[str, str | None] = {}
    said = servers.record(request.config)

    def find(name: str) -> str | None:
        url = servers.given_url(name)
        if url is None and name in servers.PRIVATE:
            server = servers.PRIVATE[name](tmp_path_factory.mktemp(name))
            if server is not None:
                started[name] = server
                url = server.url
        said[name] = "missing" if url is None else ("started for this run" if name in started else url)
        return url

    def server_url(name: str) -> str:
        servers.check_driver(name)
        if name not in known:
            known[name] = find(name)
        url = known[name]
        if url is None:
            advice = f"no {name} server; set {servers.url_variable(name)}"
            if name in servers.required():
                pytest.fail(advice)
            pytest.skip(advice)
        return url

    yield server_url
    for server in started.values():
        server.stop()


@pytest.fixture
def url_of(server_url: Callable[[str], str], tmp_path: Path) -> Callable[[str], str]:
    """``url_of("sqlite")`` — a file of the test's own, and else a server."""
    return lambda kind: f"sqlite:///{tmp_path}/jobs.db" if kind == "sqlite" else server_url(kind)


@pytest.fixture
def scratch() -> Iterator[Callable[[Callable[[], Any]], None]]:
    """``scratch(undo)`` — call ``undo`` after the test."""
    undone: list[Callable[[], Any]] = []
    yield undone.append
    for undo in reversed(undone):
        undo()
