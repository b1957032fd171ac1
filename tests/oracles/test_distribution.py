"""The second distribution: it is what packages require as `apscheduler`, and gives rapscheduler, in children too.

It is built as a wheel and put first on the path, before the real APScheduler that the tests have.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "ext" / "apscheduler-distribution"
REQUIRERS = {"flask-apscheduler": "flask_apscheduler", "django-apscheduler": "django_apscheduler"}
PROGRAMS = {"flask_apscheduler_app": "flask_apscheduler", "django_apscheduler_app": "django_apscheduler",
            "telegram_app": "telegram"}  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the distribution installed in it, without network."""
    place = tmp_path_factory.mktemp("distribution")
    source = place / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "apscheduler/__init__.py"):
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).write_bytes((SOURCE / name).read_bytes())
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
    ]
    done = subprocess.run(
        [*install, "--disable-pip-version-check", "--target", str(place / "lib"), str(source)],
        capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": path_of_tests()},
    )  # fmt: skip
    if "No module named pip" in done.stderr:
        pytest.skip("this environment has no pip")
    assert done.returncode == 0, done.stderr
    return place / "lib"


def path_of_tests() -> str:
    return os.pathsep.join(one for one in sys.path if one)


def run(place: Path, *words: str) -> str:
    path = os.pathsep.join((str(place), path_of_tests()))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", *words], capture_output=True, text=True, check=False, timeout=120,
        env={**os.environ, "PYTHONPATH": path, "TZ": "Europe/Berlin"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def version_of() -> str:
    return next(
        line.split('"')[1]
        for line in (SOURCE / "pyproject.toml").read_text().splitlines()
        if line.startswith("version")
    )


def test_every_name_is_ours(place: Path) -> None:
    said = run(
        place,
        "-c",
        "import apscheduler, importlib.metadata as m, logging\n"
        "from apscheduler.schedulers.background import BackgroundScheduler as B\n"
        "import apscheduler.triggers.cron as c, rapscheduler.triggers.cron as r\n"
        "assert c is r and apscheduler.version_info == (3, 11, 3)\n"
        "print(m.version('apscheduler'), apscheduler.__version__, B.__module__, B()._logger.name)\n"
        "import rapscheduler; rapscheduler.install_as_apscheduler()  # has nothing left to do\n"
        "names = sorted(e.name for e in m.distribution('apscheduler').entry_points)\n"
        "some = [e for e in m.distribution('apscheduler').entry_points if e.name in ('cron', 'memory', 'threadpool')]\n"
        "assert all(e.load().__module__.startswith('rapscheduler.') for e in some) and len(names) == 20",
    )
    assert said.split() == [
        version_of(),
        "3.11.3",
        "rapscheduler.schedulers.background",
        "apscheduler.scheduler",
    ]


def test_children_that_are_spawned_have_it_too(place: Path, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import multiprocessing, sys\n"
        "def where():\n    from apscheduler.triggers.cron import CronTrigger\n    return CronTrigger.__module__\n"
        "if __name__ == '__main__':\n"
        "    import apscheduler\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool:\n        print(pool.apply(where))\n"
    )
    assert run(place, str(program)) == "rapscheduler.triggers.cron\n"


@pytest.mark.parametrize("name", REQUIRERS)
def test_what_packages_require_is_satisfied(name: str) -> None:
    requirements = pytest.importorskip("packaging.requirements")
    try:
        needed = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        pytest.skip(f"{name} is not installed")
    wanted = [one for one in map(requirements.Requirement, needed) if one.name.lower() == "apscheduler"]
    assert wanted and all(one.specifier.contains(version_of()) for one in wanted)


@pytest.mark.parametrize(("program", "module"), PROGRAMS.items(), ids=list(PROGRAMS))
def test_libraries_run_on_it(program: str, module: str, place: Path) -> None:
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not installed")
    folder = ROOT / "tests" / "oracles" / "downstream"
    assert (
        len(run(place, str(folder / "run.py"), str(folder / f"{program}.py"), "distribution").splitlines())
        > 2
    )
