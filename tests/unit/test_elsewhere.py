"""Names of others that APScheduler's modules have: found in ours, replaceable, and imported only when asked for."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
from unittest import mock

import apscheduler
import pytest

from rapscheduler import util
from rapscheduler.util import ref_to_obj

MODULES = [module.name for module in pkgutil.walk_packages(apscheduler.__path__, "apscheduler.")]
#: names of no use: what `qt` found while it looked for a binding, a pattern of their own
LEFT_OUT = {"apscheduler.schedulers.qt": {"pkgname", "version"}, "apscheduler.util": {"_DATE_REGEX"}}


@pytest.mark.parametrize("module", MODULES)
def test_every_name_of_their_module_is_found_in_ours(module):
    if module == "apscheduler.schedulers.qt":
        pytest.importorskip("PySide6")
    theirs, ours = importlib.import_module(module), importlib.import_module("r" + module)
    # modules of the package: there once they were imported
    own = {name.rpartition(".")[2] for name in MODULES}
    names = {name for name in dir(theirs) if not name.startswith("__")} - LEFT_OUT.get(module, set()) - own
    assert [name for name in sorted(names) if not hasattr(ours, name)] == []


def test_a_name_is_found_by_text_and_may_be_replaced():
    sqlalchemy = pytest.importorskip("sqlalchemy")
    assert ref_to_obj("rapscheduler.jobstores.sqlalchemy:create_engine") is sqlalchemy.create_engine
    before = util.timegm
    with mock.patch("rapscheduler.util.timegm") as fake:
        assert util.timegm is fake
    assert util.timegm is before


def test_other_names_stay_unknown():
    with pytest.raises(AttributeError, match="no_such_name"):
        util.no_such_name


def test_nothing_is_imported_before_somebody_asks():
    program = (
        "import sys, rapscheduler.executors.pool, rapscheduler.schedulers.base\n"
        "print('multiprocessing' in sys.modules)\n"
        "rapscheduler.executors.pool.multiprocessing\n"
        "print('multiprocessing' in sys.modules)\n"
    )
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert out.split() == ["False", "True"]
