"""The program that the type checkers read (`make types`) also runs, and what they forbid is not there."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest

import rapscheduler
from rapscheduler import _fields
from rapscheduler._scheduling.health import Health
from rapscheduler.job import EXTRAS
from rapscheduler.schedulers.base import BaseScheduler
from rapscheduler.testing import ManualScheduler
from rapscheduler.triggers.calendarinterval import CalendarIntervalTrigger
from rapscheduler.triggers.combining import AndTrigger
from rapscheduler.triggers.cron import CronTrigger
from rapscheduler.triggers.date import DateTrigger
from rapscheduler.triggers.interval import IntervalTrigger
from rapscheduler.triggers.rrule import RRuleTrigger

PROGRAM = Path(__file__).parents[1] / "types" / "program.py"


def test_the_typed_program_runs() -> None:
    paths = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(
        [sys.executable, str(PROGRAM)],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "at 09:00 on Monday to Friday, UTC" in done.stdout


def test_the_stub_of_the_package_names_what_is_there() -> None:
    stub = Path(rapscheduler.__file__).with_suffix(".pyi").read_text(encoding="utf-8")
    for name in rapscheduler.__all__:
        assert getattr(rapscheduler, name) and f"{name}" in stub
    with pytest.raises(AttributeError, match="Foo"):
        rapscheduler.Foo


def test_every_key_that_the_type_of_health_names_is_there() -> None:
    assert Health.__required_keys__ <= ManualScheduler().health().keys()


@pytest.mark.parametrize(
    ("fields", "trigger"),
    [
        (_fields.Cron, CronTrigger),
        (_fields.Interval, IntervalTrigger),
        (_fields.CalendarInterval, CalendarIntervalTrigger),
        (_fields.Date, DateTrigger),
        (_fields.RRule, RRuleTrigger),
        (_fields.Combined, AndTrigger),
    ],
)
def test_the_typed_fields_of_a_trigger_are_those_it_takes(fields: type, trigger: type) -> None:
    assert set(fields.__annotations__) == set(inspect.signature(trigger).parameters)


def test_the_typed_options_of_a_job_are_those_add_job_takes() -> None:
    named = set(inspect.signature(BaseScheduler.add_job).parameters) - {"self", "trigger_args"}
    options = EXTRAS - {"retry_of", "runs_begun"}  # those that a job gets from us
    call = {"func", "trigger", "args", "kwargs", "id", "name", "replace_existing"}
    assert set(_fields.JobOptions.__annotations__) == named - call | options
    changeable = set(_fields._Options.__annotations__)
    assert set(_fields.Changes.__annotations__) == changeable | {"func", "args", "kwargs", "name", "trigger"}
    of_triggers = set[str]().union(
        *(kind.__annotations__ for kind in (_fields.Cron, _fields.Interval, _fields.CalendarInterval)),
        *(kind.__annotations__ for kind in (_fields.Date, _fields.RRule, _fields.Combined)),
    )
    assert set(_fields.Shared.__annotations__) == named | options | of_triggers


def test_a_program_imports_no_module_that_is_for_type_checkers() -> None:
    code = "import sys, rapscheduler.schedulers.asyncio, rapscheduler.testing; print(*sys.modules)"
    paths = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
    )
    assert {"rapscheduler._typed", "rapscheduler._fields"}.isdisjoint(done.stdout.split())
    assert "rapscheduler.schedulers.asyncio" in done.stdout.split()
