"""The garbage collector's pause: only for many, and never longer than the block."""

from __future__ import annotations

import gc

import pytest

from rapscheduler._collector import MANY, collector_paused


def test_it_pauses_for_many_and_goes_on_afterwards():
    with collector_paused(MANY):
        assert not gc.isenabled()
        with collector_paused(MANY):
            assert not gc.isenabled()
        assert not gc.isenabled()  # the inner one has nothing to end
    assert gc.isenabled()


def test_it_does_not_pause_for_a_few():
    with collector_paused(MANY - 1):
        assert gc.isenabled()


def test_it_goes_on_after_an_error():
    with pytest.raises(KeyError), collector_paused(MANY):
        raise KeyError
    assert gc.isenabled()


def test_a_collector_that_the_program_has_stopped_stays_stopped():
    gc.disable()
    try:
        with collector_paused(MANY):
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
