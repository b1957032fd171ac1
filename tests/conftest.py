"""Fixtures that every test may use. ``engine`` runs a test once per twin, both in one process."""

from __future__ import annotations

import importlib
from types import SimpleNamespace

import pytest
from hypothesis import settings

from rapscheduler import _engine

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
