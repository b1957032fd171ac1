"""Errors keep APScheduler's ancestors and texts, and survive pickling."""

from __future__ import annotations

import io
import logging
import pickle
import sys
from types import SimpleNamespace

import apscheduler.executors.base
import apscheduler.jobstores.base
import apscheduler.schedulers
import pytest

from rapscheduler import errors

JOB = SimpleNamespace(id="backup", max_instances=3)
PAIRS = [
    (errors.JobLookupError("x"), apscheduler.jobstores.base.JobLookupError("x")),
    (errors.ConflictingIdError("x"), apscheduler.jobstores.base.ConflictingIdError("x")),
    (errors.TransientJobError("x"), apscheduler.jobstores.base.TransientJobError("x")),
    (errors.MaxInstancesReachedError(JOB), apscheduler.executors.base.MaxInstancesReachedError(JOB)),
    (errors.SchedulerAlreadyRunningError(), apscheduler.schedulers.SchedulerAlreadyRunningError()),
    (errors.SchedulerNotRunningError(), apscheduler.schedulers.SchedulerNotRunningError()),
]


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
def test_ancestors_and_texts_are_apschedulers(ours, theirs):
    assert str(ours).strip("'").startswith(str(theirs).strip("'"))
    for ancestor in type(theirs).__mro__[1:]:
        assert isinstance(ours, ancestor)
    assert isinstance(ours, errors.RapschedulerError)


@pytest.mark.parametrize("error", [ours for ours, _ in PAIRS] + [errors.EncodeError("can't", "args[0]")])
def test_errors_survive_pickling(error):
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), copy.__dict__) == (type(error), str(error), error.__dict__)


def test_a_line_that_can_be_shown_nowhere_raises_nothing(monkeypatch):
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stderr", closed)
    errors.log_line([].index, "an error of a logger")


def test_every_public_name_is_listed():
    classes = {
        name for name, value in vars(errors).items() if isinstance(value, type) and not name.startswith("_")
    }
    assert classes - {"Any"} == set(errors.__all__)


class Terse(logging.Logger):
    """A logger of somebody's, whose methods take no options."""

    def warning(self, msg, *args):
        super().warning("terse %s", msg % args)


@pytest.mark.parametrize("kind", [logging.Logger, Terse])
def test_a_line_names_the_place_that_has_something_to_say(kind):
    kept = []
    logger, handler = kind("errors"), logging.Handler()
    handler.emit = kept.append
    logger.addHandler(handler)
    errors.log_line(logger.warning, "%d left", 3)
    (record,) = kept
    assert record.getMessage().endswith("3 left")
    if kind is logging.Logger:
        assert (record.module, record.funcName) == (
            "test_errors",
            "test_a_line_names_the_place_that_has_something_to_say",
        )
