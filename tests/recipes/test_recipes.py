"""Runs the recipes of docs/recipes.md, each in a process of its own, with a few lines that look at what it does.

A recipe is a python block below its heading; it becomes the module ``recipe``. Its output to stderr must be
empty: no noise at the end of the interpreter. RAPSCHEDULER_REQUIRE_RECIPES: a missing package fails instead of skips.
"""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[2] / "docs" / "recipes.md"
AWAIT_TICKS = """
def wait_until(condition, seconds=20):
    import time
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)
"""


def recipe(heading: str, number: int = 0) -> str:
    section = PAGE.read_text(encoding="utf-8").split(f"\n## {heading}", 1)[1]
    return re.findall(r"^```python\n(.*?)^```", section, re.DOTALL | re.MULTILINE)[number]


def need(*modules: str) -> None:
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    if missing and os.environ.get("RAPSCHEDULER_REQUIRE_RECIPES"):
        pytest.fail(f"{missing} not installed, and RAPSCHEDULER_REQUIRE_RECIPES asks for every recipe")
    if missing:
        pytest.skip(f"{missing} not installed")


@pytest.fixture
def place(tmp_path):
    """`place(heading)`: the recipe as ``recipe.py`` in a directory, and how to start Python there."""

    def put(heading: str, name: str = "recipe.py", number: int = 0) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(recipe(heading, number), encoding="utf-8")
        return tmp_path

    return put


def environment(directory: Path) -> dict[str, str]:
    paths = [str(directory), *(path for path in sys.path if path)]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "IPYTHONDIR": str(directory)}


def run(directory: Path, code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", AWAIT_TICKS + textwrap.dedent(code)],
        cwd=directory,
        env=environment(directory),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_fastapi(place):
    need("fastapi", "httpx")
    code = """
        import warnings; warnings.simplefilter("ignore")
        from fastapi.testclient import TestClient
        import recipe
        with TestClient(recipe.app) as client:
            assert list(client.get("/jobs").json()) == ["tick"]
            wait_until(lambda: len(recipe.ticks) >= 2)
            scheduler = recipe.app.state.scheduler
            assert scheduler.running
        assert not scheduler.running
    """
    run(place("FastAPI"), code)


def test_flask(place):
    need("flask", "flask_apscheduler")
    code = """
        import recipe
        assert recipe.app.test_client().get("/scheduler/jobs").json[0]["id"] == "tick"
        wait_until(lambda: len(recipe.ticks) >= 2)
        assert type(recipe.scheduler.scheduler).__module__ == "rapscheduler.schedulers.background"
    """  # and it ends without shutdown(), as Flask programs do
    run(place("Flask with"), code)


def test_django(place):
    need("django", "django_apscheduler")
    directory = place("Django with", "shop/management/commands/runjobs.py", 1)
    (directory / "head_of_settings.py").write_text(recipe("Django with"), encoding="utf-8")
    for package in ("shop", "shop/management", "shop/management/commands"):
        (directory / package / "__init__.py").touch()
    code = """
        import head_of_settings, threading, django
        from django.conf import settings
        settings.configure(
            INSTALLED_APPS=["shop", "django_apscheduler"], TIME_ZONE="UTC", USE_TZ=True,
            DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}},
            DEFAULT_AUTO_FIELD="django.db.models.BigAutoField", APSCHEDULER_DATETIME_FORMAT="N j, Y, f:s a",
        )
        django.setup()
        from shop.management.commands import runjobs
        from django.core.management import call_command
        call_command("migrate", verbosity=0)
        command = runjobs.Command()
        thread = threading.Thread(target=call_command, args=(command,))
        thread.start()
        wait_until(lambda: len(runjobs.ticks) >= 2)
        from django_apscheduler.models import DjangoJob, DjangoJobExecution
        wait_until(lambda: DjangoJobExecution.objects.filter(status="Executed").count() >= 2)
        assert [job.id for job in DjangoJob.objects.all()] == ["tick"]
        command.scheduler.shutdown()
        thread.join()
    """
    run(directory, code)


def test_python_telegram_bot(place):
    need("telegram")
    code = """
        import asyncio, recipe

        async def main():
            application = recipe.build("123:offline")
            queue = application.job_queue
            await queue.start()
            while len(recipe.ticks) < 2:
                await asyncio.sleep(0.005)
            assert [job.name for job in queue.jobs()] == ["tick"]
            queue.get_jobs_by_name("tick")[0].schedule_removal()
            queue.run_daily(recipe.tick, __import__("datetime").time(3), name="daily")
            assert queue.get_jobs_by_name("daily")[0].next_t.hour == 3
            await queue.stop()
            assert not queue.scheduler.running
            assert type(queue.scheduler).__module__ == "rapscheduler.schedulers.asyncio"

        asyncio.run(main())
    """
    run(place("python-telegram-bot"), code)


@pytest.mark.skipif(os.name == "nt", reason="SIGTERM can't be caught there")
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_ends_its_jobs_at_a_signal(place, signum):
    directory = place("A worker")
    with subprocess.Popen(
        [sys.executable, "recipe.py"],
        cwd=directory,
        env=environment(directory),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "begun\n"
        worker.send_signal(signum)
        out, err = worker.communicate(timeout=30)
    assert (worker.returncode, out, err) == (0, "ended\n", "")


def test_jupyter_cells(place):
    need("IPython")
    code = """
        from IPython.core.interactiveshell import InteractiveShell
        shell = InteractiveShell()
        cells = [open("recipe.py").read(), "import asyncio\\nwhile len(ticks) < 2: await asyncio.sleep(0.005)",
                 "await scheduler.shutdown_async()"]

        async def notebook():  # all cells in one running loop, as ipykernel does
            for cell in cells:
                (await shell.run_cell_async(cell, transformed_cell=cell)).raise_error()

        import asyncio; asyncio.run(notebook())
        assert not shell.user_ns["scheduler"].running
        shell.history_manager.enabled = False
    """
    run(place("Jupyter"), code)
