"""Fixtures that every test may use. ``engine`` runs a test once per twin, both in one process."""

from __future__ import annotations

import importlib
import signal
import tempfile
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import settings
from tests import workers
from tests.stores import servers

from rapscheduler import _engine
from rapscheduler.executors._home import Watched

# A shell that starts us in the background lets us ignore Ctrl-C, and what we start would too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# No test depends on how fast the machine is; sanitizers and coverage are many times slower.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def load_engine(name: str) -> SimpleNamespace:
    """All rooms of one twin, as attributes; ``NAME`` says which."""
    if name == "compiled" and _engine.NAME != "compiled":
        pytest.skip("the compiled engine is not the one this process chose")
    package = "_engine" if name == "compiled" else "_reference"
    rooms = {}
    for room in _engine.ROOMS:
        try:
            rooms[room] = importlib.import_module(f"rapscheduler.{package}.{room}")
        except ModuleNotFoundError as error:
            if error.name != f"rapscheduler.{package}.{room}":
                raise
    return SimpleNamespace(NAME=name, **rooms)


@pytest.fixture(scope="session", params=["compiled", "reference"])
def engine(request: pytest.FixtureRequest) -> SimpleNamespace:
    """The cellar's rooms of one twin: ``engine.cron``, ``engine.timezone``, …"""
    return load_engine(request.param)


# A test marked so lets zoneinfo forget its zones: a ZoneInfo which a test module holds is not the one of its name any
# more. Those run last; any other that does it is red, so that none is found by what it breaks further on.
_MARK = "forgets_zones"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the tests that make zoneinfo forget its zones last; in several processes, what takes long first."""
    if hasattr(config, "workerinput"):
        workers.tell(config, [item.nodeid for item in items if _forgets_zones(item)])
        items.sort(key=lambda item: workers.rank(item.nodeid))
    items.sort(key=_forgets_zones)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Before a process is begun: where it tells which tests are apart."""
    if not hasattr(node.config, "_rapscheduler_apart"):
        node.config._rapscheduler_apart = tempfile.TemporaryDirectory(prefix="rapscheduler-tests-")
    node.workerinput["apart"] = node.config._rapscheduler_apart.name


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    return workers.scheduling(config, log)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """A process of many tells the first one which servers it had."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["servers"] = servers.record(session.config)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    servers.record(node.config).update(getattr(node, "workeroutput", {}).get("servers", {}))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    servers.summary(terminalreporter, config)
    workers.summary(terminalreporter, config)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[Any]:
    """A file that needs a package of extra `test-all` is skipped, by name, where that is missing."""
    report = yield
    call = getattr(report, "call", None)
    name = workers.missing_package(call.excinfo.value) if call is not None and call.excinfo else None
    if name is not None:
        workers.skipped_for(report, collector.path, name)
        del report.call
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[Any]:
    report = yield
    name = workers.missing_package(call.excinfo.value) if call.excinfo else None
    if name is not None and report.failed:
        workers.skipped_for(report, item.path, name)
    return report


def _forgets_zones(item: pytest.Item) -> bool:
    # The conformance package, which others run too, knows no markers of ours.
    module = getattr(getattr(item, "function", None), "__module__", "")
    return module.endswith("testing._rules_of_time") or item.get_closest_marker(_MARK) is not None


@pytest.fixture(autouse=True)
def _runs_are_not_asked_for() -> None:
    """Importing the public `current_run` has every scheduler of the process keep its runs, until here."""
    Watched.asked = False


@pytest.fixture(autouse=True)
def _zones_are_remembered(request: pytest.FixtureRequest) -> Iterator[None]:
    held = ZoneInfo("Europe/Berlin")
    yield
    if not _forgets_zones(request.node) and ZoneInfo("Europe/Berlin") is not held:
        pytest.fail(f"this test made zoneinfo forget its zones: mark it with @pytest.mark.{_MARK}")
