"""A coroutine function compiled by Cython is awaited like any other, and a compiled plain function is none."""

from __future__ import annotations

import asyncio
import importlib.util
import subprocess
import sys
import sysconfig

import pytest

from rapscheduler.events import EVENT_JOB_EXECUTED
from rapscheduler.schedulers.asyncio import AsyncIOScheduler

pytestmark = pytest.mark.slow

SOURCE = """# cython: language_level=3, binding=True
async def coroutine():
    return 7

def plain():
    return 7
"""


@pytest.fixture
def compiled(tmp_path):
    pytest.importorskip("Cython")
    (tmp_path / "compiled_jobs.pyx").write_text(SOURCE)
    command = [sys.executable, "-m", "Cython.Build.Cythonize", "-i", "-q", "compiled_jobs.pyx"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    path = tmp_path / f"compiled_jobs{sysconfig.get_config_var('EXT_SUFFIX')}"
    if not path.exists():
        pytest.skip(f"no compiler: {done.stderr[-300:]}")
    spec = importlib.util.spec_from_file_location("compiled_jobs", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_compiled_functions(compiled):
    async def main():
        values, both = [], asyncio.Event()

        def listen(event):
            values.append(event.retval)
            if len(values) == 2:
                both.set()

        async with AsyncIOScheduler(timezone="UTC") as scheduler:
            scheduler.add_listener(listen, EVENT_JOB_EXECUTED)
            scheduler.add_job(compiled.coroutine)
            scheduler.add_job(compiled.plain)
            await asyncio.wait_for(both.wait(), 20)
        assert values == [7, 7]

    asyncio.run(main())
