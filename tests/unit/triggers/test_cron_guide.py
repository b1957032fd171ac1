"""The examples of the guide to cron schedules run as they are printed."""

from __future__ import annotations

import doctest
from pathlib import Path

GUIDE = Path(__file__).resolve().parents[3] / "docs" / "cron.md"


def test_the_examples_of_the_guide() -> None:
    result = doctest.testfile(str(GUIDE), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.attempted > 10
    assert result.failed == 0
