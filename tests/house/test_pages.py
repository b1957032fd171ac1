"""The pages: each stands in the side bar once, and `docs/api.md` has every public name.

What a module of a public package defines is public when its ``__all__`` has it. What it only hands on, because
APScheduler's module of that name does, is listed where it comes from.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import rapscheduler

DOCS = Path(__file__).resolve().parents[2] / "docs"
# Inside APScheduler's modules for their own use, or for those who write cron fields: known to `tests/oracles`.
LEFT_OUT = (
    "rapscheduler.util",
    "rapscheduler.triggers.cron.fields",
    "rapscheduler.triggers.cron.expressions",
)
HELPERS = {
    "rapscheduler.executors.base": {"run_job", "run_coroutine_job"},
    "rapscheduler.schedulers.asyncio": {"run_in_event_loop"},
    "rapscheduler.schedulers.base": {"TIMEOUT_MAX"},
    "rapscheduler.schedulers.blocking": {"WakeUp"},
    "rapscheduler.schedulers.tornado": {"run_in_ioloop"},
    "rapscheduler.schedulers.twisted": {"run_in_reactor"},
    "rapscheduler.testing.stores": {"JobStoreFixtures", "StepTrigger", "noop"},
    "rapscheduler.testing.zone_folders": {"make_folder", "read_zones_from", "tzif", "zones_read_from"},
}
PRIVATE = ("cli",)
_PAGE = re.compile(r"^[a-z-]+$", re.MULTILINE)


def _modules() -> Iterator[Any]:
    yield rapscheduler
    for found in pkgutil.walk_packages(rapscheduler.__path__, "rapscheduler."):
        parts = found.name.split(".")[1:]
        if any(part.startswith("_") for part in parts) or parts[0] in PRIVATE or found.name in LEFT_OUT:
            continue
        try:
            yield importlib.import_module(found.name)
        except ImportError:  # a driver is not here; its classes are checked where it is
            continue


def _owned(module: Any) -> Iterator[str]:
    """Names of ``__all__`` that are this module's to document."""
    for name in getattr(module, "__all__", ()):
        try:
            value = getattr(module, name)
        except ImportError:  # its driver is not here; it is checked where it is
            continue
        home = getattr(value, "__module__", None)
        if isinstance(home, str) and home.startswith("rapscheduler."):
            hands_on = not home.startswith("rapscheduler._") and home != module.__name__
            if home in LEFT_OUT or (
                hands_on and name in getattr(importlib.import_module(home), "__all__", ())
            ):
                continue
        elif not (
            name.isupper() and module.__name__ in ("rapscheduler.events", "rapscheduler.runs")
        ) and not (name.startswith("STATE_") or module is rapscheduler):
            continue  # of the standard library, or a constant that only APScheduler's module has
        if name != "get_localzone" and name not in HELPERS.get(module.__name__, ()):
            yield name


def _in_page(text: str, module: str, name: str) -> bool:
    """It is named, or its module is listed with all its members."""
    if re.search(rf"\b{name}\b", text):
        return True
    return re.search(rf"automodule:: {re.escape(module)}\n +:members:\n", text) is not None


@pytest.fixture(scope="module")
def public() -> list[tuple[str, str]]:
    """(module, name), found in a process of its own, which imports every driver that is here."""
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(path for path in sys.path if path))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", __file__],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return [(module, name) for module, name in json.loads(done.stdout)]


def test_the_page_of_the_api_has_every_public_name(public: list[tuple[str, str]]) -> None:
    text = (DOCS / "api.md").read_text(encoding="utf-8")
    assert [f"{module}.{name}" for module, name in public if not _in_page(text, module, name)] == []


def test_the_search_sees_public_names(public: list[tuple[str, str]]) -> None:
    """Else a page without anything would do."""
    assert {
        ("rapscheduler.schedulers.background", "BackgroundScheduler"),
        ("rapscheduler.jobstores.memory", "MemoryJobStore"),
        ("rapscheduler.executors.pool", "ThreadPoolExecutor"),
        ("rapscheduler.triggers.cron", "CronTrigger"),
        ("rapscheduler.events", "EVENT_JOB_PARKED"),
        ("rapscheduler.leader", "PostgreSQLLock"),
        ("rapscheduler.alerts", "webhook"),
        ("rapscheduler.runs", "Run"),
        ("rapscheduler", "register_type"),
    } <= set(public)
    assert not _in_page("", "rapscheduler.alerts", "webhook")
    one = ".. automodule:: rapscheduler.alerts\n   :members: heartbeat\n"
    assert not _in_page(one, "rapscheduler.alerts", "webhook")


def test_every_page_is_in_the_side_bar_once() -> None:
    trees = re.findall(
        r"```\{toctree\}\n(.*?)```", (DOCS / "index.md").read_text(encoding="utf-8"), re.DOTALL
    )
    listed = [page for tree in trees for page in _PAGE.findall(tree)]
    pages = sorted(path.stem for path in DOCS.glob("*.md") if path.stem != "index")
    assert sorted(listed) == pages


@pytest.mark.parametrize("page", sorted(path.name for path in DOCS.glob("*.md")))
def test_links_to_other_pages_lead_somewhere(page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([\w./-]+\.md)(?:#[\w-]+)?\)", text):
        assert (DOCS / target).exists(), target


if __name__ == "__main__":
    print(json.dumps([(module.__name__, name) for module in _modules() for name in _owned(module)]))
