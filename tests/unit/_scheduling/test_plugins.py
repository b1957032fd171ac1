"""Plugin tables: built-ins without a look at the installed packages, entry points of both groups when needed."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

from rapscheduler._scheduling import plugins
from rapscheduler.schedulers.background import BackgroundScheduler
from rapscheduler.triggers.base import BaseTrigger


class Never(BaseTrigger):
    def __init__(self, timezone=None):
        pass

    def get_next_fire_time(self, previous_fire_time, now):
        return None


class Foreign:
    """A trigger that knows nothing of our base class, as one written for APScheduler."""

    def __init__(self, timezone=None):
        pass

    def get_next_fire_time(self, previous_fire_time, now):
        return None


def no_class():
    pass


@pytest.fixture
def installed(monkeypatch):
    """Entry points that packages have, and how often somebody asked."""
    asked = []
    points = {
        "rapscheduler.triggers": [EntryPoint("never", f"{__name__}:Never", "rapscheduler.triggers")],
        "apscheduler.triggers": [
            EntryPoint("foreign", f"{__name__}:Foreign", "apscheduler.triggers"),
            EntryPoint("never", "no_such_module:X", "apscheduler.triggers"),
            EntryPoint("cron", "no_such_module:X", "apscheduler.triggers"),
            EntryPoint("broken", f"{__name__}:no_class", "apscheduler.triggers"),
            EntryPoint("missing", "no_such_driver.x:X", "apscheduler.triggers"),
        ],
    }

    def entry_points(*, group):
        asked.append(group)
        return points.get(group, [])

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)
    monkeypatch.setitem(
        sys.modules, __name__, sys.modules.get(__name__) or __import__("types").ModuleType(__name__)
    )
    for name, value in (("Never", Never), ("Foreign", Foreign), ("no_class", no_class)):
        setattr(sys.modules[__name__], name, value)
    return asked


def test_built_ins_are_known_without_a_scan(installed):
    table = plugins.trigger_plugins()
    assert table["cron"].load().__name__ == "CronTrigger"
    assert table["or"].load().__name__ == "OrTrigger"
    assert installed == []


def test_entry_points_of_both_groups_and_ours_win(installed):
    table = plugins.trigger_plugins()
    assert table["never"].load() is Never
    assert table["foreign"].load() is Foreign
    assert table["cron"].load().__name__ == "CronTrigger"
    assert installed == ["rapscheduler.triggers", "apscheduler.triggers"], "one scan"


@pytest.fixture
def scheduler(installed, monkeypatch):
    monkeypatch.setattr(BackgroundScheduler, "_trigger_plugins", plugins.trigger_plugins(), raising=False)
    monkeypatch.setattr(BackgroundScheduler, "_trigger_classes", {}, raising=False)
    return BackgroundScheduler(timezone="UTC")


@pytest.mark.parametrize(("alias", "cls"), [("never", Never), ("foreign", Foreign)])
def test_a_scheduler_uses_them(scheduler, alias, cls):
    assert type(scheduler.add_job(print, alias).trigger) is cls


def test_what_is_no_trigger_class_is_refused(scheduler):
    with pytest.raises(TypeError, match="trigger plugin 'broken' points to"):
        scheduler.add_job(print, "broken")


def test_a_missing_package_is_an_import_error(scheduler):
    with pytest.raises(ImportError, match="no_such_driver"):
        scheduler.add_job(print, "missing")


def test_an_unknown_alias_names_the_nearest(scheduler):
    with pytest.raises(
        LookupError, match="No trigger by the name \"intervall\" was found; did you mean 'interval'"
    ):
        scheduler.add_job(print, "intervall")


def test_a_program_may_put_plugins_in(scheduler):
    scheduler._trigger_plugins["mine"] = plugins.Plugin("mine", f"{__name__}:Never", "mine")
    assert type(scheduler.add_job(print, "mine").trigger) is Never
    del scheduler._trigger_plugins["mine"]
    assert "mine" not in scheduler._trigger_plugins
    assert {"cron", "never", "foreign"} <= set(scheduler._trigger_plugins)


def test_every_built_in_has_a_module():
    from importlib.util import find_spec

    tables = (plugins.trigger_plugins(), plugins.executor_plugins(), plugins.jobstore_plugins())
    missing = [
        plugin.value
        for table in tables
        for plugin in table._known.values()
        if find_spec(plugin.value.partition(":")[0]) is None
    ]
    assert missing == []


def test_adding_a_job_scans_no_packages():
    code = (
        "import sys; from rapscheduler.schedulers.background import BackgroundScheduler as S; s = S(timezone='UTC');"
        "s.add_job(print, 'cron', hour=5); s.start(); s.shutdown(); print('importlib.metadata' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
