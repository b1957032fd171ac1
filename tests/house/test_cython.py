"""Rule 5 of docs/engine-safety.md: an attribute is replaced before its old value is let go."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_the_cython_that_builds_puts_a_value_in_place_before_it_lets_the_old_one_go(tmp_path: Path) -> None:
    pytest.importorskip("Cython")
    source = tmp_path / "one.pyx"
    source.write_text(
        "cdef class One:\n    cdef object value\n    def put(self, value):\n        self.value = value\n"
    )
    subprocess.run([sys.executable, "-m", "cython", "-3", str(source)], check=True, capture_output=True)
    made = source.with_suffix(".c").read_text()
    assert "__Pyx_DECREF_SET(__pyx_v_self->value, __pyx_v_value)" in made
    assert "__Pyx_DECREF(__pyx_v_self->value);" not in made


def test_the_build_asks_for_such_a_cython() -> None:
    (least,) = re.findall(r'"cython>=([\d.]+)"', (ROOT / "pyproject.toml").read_text())
    assert tuple(map(int, least.split("."))) >= (3, 3, 1)
