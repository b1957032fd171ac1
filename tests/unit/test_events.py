"""Events: APScheduler's codes, classes and attributes, and ours."""

from __future__ import annotations

import apscheduler.events as theirs
import pytest

from rapscheduler import events as ours

CODES = [name for name in dir(theirs) if name.startswith("EVENT_") and name != "EVENT_ALL"]


@pytest.mark.parametrize("name", CODES)
def test_codes_are_apschedulers(name):
    assert getattr(ours, name) == getattr(theirs, name)


def test_all_is_the_or_of_all_codes():
    codes = {value for name, value in vars(ours).items() if name.startswith("EVENT_") and name != "EVENT_ALL"}
    assert sum(codes) == ours.EVENT_ALL | ours.EVENT_JOB_STARTED
    assert ours.EVENT_ALL & theirs.EVENT_ALL == theirs.EVENT_ALL


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("SchedulerEvent", (1, "x")),
        ("JobEvent", (512, "a", "default")),
        ("JobSubmissionEvent", (32768, "a", "default", [1])),
        ("JobExecutionEvent", (4096, "a", "default", 1, 2, None, "text")),
    ],
)
def test_attributes_are_apschedulers(name, args):
    attributes = vars(getattr(theirs, name)(*args))
    mine = vars(getattr(ours, name)(*args))
    assert mine.items() >= attributes.items()
    assert set(mine) - set(attributes) <= {"lateness_s", "cause"}


def test_repr_names_the_class():
    assert (
        repr(ours.JobParkedEvent(131072, "a", "default", "no executor")) == "<JobParkedEvent (code=131072)>"
    )
