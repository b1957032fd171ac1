"""`allowed_callables`: which names of a list's kinds are found, and that nothing runs for one that is not on it."""

from __future__ import annotations

import builtins
import io
import json
import sys

import pytest

from rapscheduler._serialization.callables import CallableRule, find_callable
from rapscheduler.errors import DecodeError, EncodeError
from rapscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from rapscheduler.schedulers.background import BackgroundScheduler

MODULE = """
import os, subprocess, functools
from pathlib import Path
from subprocess import check_call
from other_tasks import elsewhere, listed

__all__ = ["listed", "send"]
read = []

class Lazy:
    @property
    def run(self):
        read.append("property")
        return os.getcwd
    def method(self):
        return "method"
    @staticmethod
    def static():
        return "static"
    @classmethod
    def made(cls):
        return cls
    def __getattr__(self, name):
        read.append("__getattr__")
        return os.getcwd

lazy = Lazy()
shell = subprocess

def send():
    return "sent"

@functools.lru_cache
def kept():
    return "kept"

def __getattr__(name):
    read.append("module")
    return os.getcwd
"""


@pytest.fixture
def tasks(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "other_tasks.py").write_text("def elsewhere(): pass\ndef listed(): pass\n")
    (tmp_path / "sec_tasks.py").write_text(MODULE)
    package = tmp_path / "sec_effects"
    (package / "inner").mkdir(parents=True)
    for folder in (package, package / "inner"):
        (folder / "__init__.py").write_text("import builtins\nbuiltins.sec_effects.append(__name__)\n")
    (package / "inner" / "leaf.py").write_text("import os\ndef x(): pass\n")
    monkeypatch.setattr(builtins, "sec_effects", [], raising=False)
    yield tmp_path
    for name in list(sys.modules):
        if name.partition(".")[0] in ("sec_tasks", "other_tasks", "sec_effects"):
            del sys.modules[name]


def found(reference, *allowed):
    rule = CallableRule(list(allowed))
    problem = rule.problem(reference)
    if problem is not None:
        raise DecodeError(problem)
    return find_callable(reference, rule)


@pytest.mark.usefixtures("tasks")
class TestWhatAListMeans:
    @pytest.mark.parametrize("name", ["send", "kept", "Lazy", "listed"])
    @pytest.mark.parametrize("allowed", ["sec_tasks:*", "sec_*:*", "*"])
    def test_a_star_is_what_the_module_defines_or_lists(self, name, allowed):
        import sec_tasks

        assert found(f"sec_tasks:{name}", allowed) is getattr(sec_tasks, name)

    @pytest.mark.parametrize(
        "name",
        [
            *(
                "check_call",
                "Path",
                "elsewhere",
                "os.system",
                "shell.check_call",
                "subprocess.run",
                "Path.touch",
            ),
            *("Lazy.static", "lazy.run", "lazy.method", "unknown", "Lazy.static.__call__"),
        ],
    )
    @pytest.mark.parametrize("allowed", ["sec_tasks:*", "*:*", "sec_tasks:[a-zA-Z]*"])
    def test_a_star_is_nothing_else_and_nothing_is_evaluated(self, name, allowed):
        with pytest.raises(DecodeError):
            found(f"sec_tasks:{name}", allowed)
        if "sec_tasks" in sys.modules:
            assert sys.modules["sec_tasks"].read == []

    @pytest.mark.parametrize(
        ("name", "answer"), [("Lazy.static", "static"), ("lazy.method", "method"), ("shell.list2cmdline", "")]
    )
    def test_what_is_written_out_is_found_wherever_it_is_from(self, name, answer):
        call = found(f"sec_tasks:{name}", f"sec_tasks:{name}")
        assert (call([]) if name.startswith("shell") else call()) == answer

    def test_a_class_method_is_bound_to_its_class(self):
        import sec_tasks

        assert found("sec_tasks:Lazy.made", "sec_tasks:Lazy.made")() is sec_tasks.Lazy

    @pytest.mark.parametrize("name", ["lazy.run", "lazy.other", "unknown"])
    def test_a_property_is_not_read_even_if_it_is_written_out(self, name):
        with pytest.raises(DecodeError):
            found(f"sec_tasks:{name}", f"sec_tasks:{name}")
        assert sys.modules["sec_tasks"].read == []

    def test_a_module_under_another_name_defines_nothing_there(self, monkeypatch):
        import subprocess

        monkeypatch.setitem(sys.modules, "sec_tasks.backend", subprocess)
        with pytest.raises(DecodeError, match="allowed_callables"):
            found("sec_tasks.backend:check_call", "sec_tasks*:*")

    def test_a_module_that_exits_when_it_is_imported_costs_its_row_only(self, tasks):
        (tasks / "sec_tasks.py").write_text("raise SystemExit(3)\n")
        with pytest.raises(DecodeError, match="can't be found"):
            found("sec_tasks:send", "sec_tasks:*")


REFUSED = "sec_effects.inner.leaf:x"


@pytest.mark.usefixtures("tasks")
class TestNothingIsImportedForARefusedName:
    @pytest.fixture
    def scheduler(self):
        store = SQLAlchemyJobStore("sqlite://", allowed_callables=["sec_tasks:*"])
        with BackgroundScheduler(
            timezone="UTC", jobstores={"default": store, "memory": {"type": "memory"}}
        ) as scheduler:
            yield scheduler
        assert builtins.sec_effects == []

    @pytest.mark.parametrize("name", [REFUSED, "sec_tasks:check_call", "sec_tasks:os.getcwd"])
    def test_add_job(self, scheduler, name):
        with pytest.raises(EncodeError, match="allowed_callables"):
            scheduler.add_job(name, "interval", hours=1)

    def test_add_jobs(self, scheduler):
        with pytest.raises(EncodeError, match="allowed_callables"):
            scheduler.add_jobs([{"func": REFUSED}], trigger="interval", hours=1)

    def test_add_job_before_the_start(self):
        scheduler = BackgroundScheduler(timezone="UTC")
        scheduler.add_jobstore(SQLAlchemyJobStore("sqlite://", allowed_callables=["sec_tasks:*"]))
        with pytest.raises(EncodeError, match="allowed_callables"):
            scheduler.add_job(REFUSED, "interval", hours=1)
        job = scheduler.add_job("sec_tasks:send", "interval", hours=1)
        with pytest.raises(EncodeError, match="allowed_callables"):
            job.modify(func=REFUSED)
        assert builtins.sec_effects == []

    def test_modify_job(self, scheduler):
        job = scheduler.add_job("sec_tasks:send", "interval", hours=1)
        with pytest.raises(EncodeError, match="allowed_callables"):
            scheduler.modify_job(job.id, func=REFUSED)

    @pytest.mark.parametrize("alias", ["default", "memory"])
    def test_import_jobs(self, scheduler, alias):
        with pytest.raises(DecodeError, match="allowed_callables"):
            scheduler.import_jobs(document(REFUSED), alias)

    def test_import_jobs_with_a_list_of_its_own(self):
        with BackgroundScheduler(timezone="UTC") as scheduler:
            with pytest.raises(DecodeError, match="allowed_callables"):
                scheduler.import_jobs(document(REFUSED), allowed_callables=["sec_tasks:*"])
            scheduler.import_jobs(document("sec_tasks:send"), allowed_callables=["sec_tasks:*"])
            assert [job.func() for job in scheduler.get_jobs()] == ["sent"]
        assert builtins.sec_effects == []

    def test_a_list_given_to_import_jobs_does_not_widen_that_of_the_store(self, scheduler):
        with pytest.raises(DecodeError, match="sec_tasks:"):
            scheduler.import_jobs(document(REFUSED), allowed_callables=["*"])


def document(func, **entry):
    trigger = {"type": "interval", "hours": 1, "timezone": "UTC"}
    job = {
        "v": 1,
        "func": func,
        "trigger": trigger,
        "args": [],
        "kwargs": {},
        "name": "n",
        "executor": "default",
    }
    job |= {"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
    entry = {"id": "a", "job": job} | entry
    return io.StringIO(json.dumps({"format": "rapscheduler.jobs", "version": 1, "jobs": [entry]}))


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, "no json", '{"format": "rapscheduler.jobs", "version": ' + "9" * 5000 + ', "jobs": []}'],
    ids=["deep", "no json", "long number"],
)
def test_a_document_is_read_or_refused_with_the_one_error(text):
    with BackgroundScheduler(timezone="UTC") as scheduler, pytest.raises(DecodeError):
        scheduler.import_jobs(io.StringIO(text))


@pytest.mark.parametrize(
    "times", [{"nominal_us": 10**30}, {"run_at_us": -(10**30)}, {"run_at_us": 5, "nominal_us": 1 << 62}]
)
def test_a_time_beyond_the_calendar_is_a_decode_error(times):
    with (
        BackgroundScheduler(timezone="UTC") as scheduler,
        pytest.raises(DecodeError, match="years 1 and 9999"),
    ):
        scheduler.import_jobs(document("time:sleep", **{"run_at_us": None} | times))
