"""Builds the compiled island: every ``ext/**/*.pyx`` becomes an extension module named by its path.

Switches (environment):
    RAPSCHEDULER_NO_EXTENSIONS=1       build a pure-Python wheel; the reference engine serves
    RAPSCHEDULER_REQUIRE_EXTENSIONS=1  a compile error stops the build (wheels, CI)
    RAPSCHEDULER_SANITIZE=1            compile under AddressSanitizer and UndefinedBehaviorSanitizer;
                                       =thread: under ThreadSanitizer
    RAPSCHEDULER_TRACE=1               tell each line that runs (`make coverage`); C files lie beside their sources
    RAPSCHEDULER_REPOSITORY=https://…  where the repository lives (the release workflow says it): an index shows the
                                       README away from its files, so its links lead there
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from setuptools import Extension, setup

EXT_ROOT = Path("ext")


def _switch(name: str) -> bool:
    return os.environ.get(name, "") not in ("", "0")


def _extensions() -> list[Extension]:
    """One extension per ``.pyx``; the module name is the path below ``ext``."""
    headers = sorted(str(path) for path in EXT_ROOT.rglob("*.pxd"))
    compile_args = ["-O3", "-fno-strict-aliasing", "-Wno-unreachable-code"]
    link_args: list[str] = []
    if _switch("RAPSCHEDULER_SANITIZE"):
        which = "thread" if os.environ["RAPSCHEDULER_SANITIZE"] == "thread" else "address,undefined"
        flags = [f"-fsanitize={which}", "-fno-omit-frame-pointer", "-g"]
        compile_args = ["-O1", *flags]
        link_args = flags
    if _switch("RAPSCHEDULER_TRACE"):
        compile_args = ["-O1", "-DCYTHON_TRACE=1", "-DCYTHON_TRACE_NOGIL=1"]
    if os.name == "nt":
        compile_args, link_args = ["/O2"], []
    return [
        Extension(
            ".".join(source.relative_to(EXT_ROOT).with_suffix("").parts),
            [str(source)],
            depends=[str(source), *headers],
            extra_compile_args=compile_args,
            extra_link_args=link_args,
        )
        for source in sorted(EXT_ROOT.rglob("*.pyx"))
    ]


def _cythonized() -> list[Extension]:
    from Cython.Build import cythonize

    extensions = cythonize(
        _extensions(),
        include_path=[str(EXT_ROOT)],
        build_dir=None if _switch("RAPSCHEDULER_TRACE") else "build/cython",
        # Processes are forked: where they would be spawned, each would run this file again.
        nthreads=os.cpu_count() or 1 if sys.platform == "linux" else 0,
        compiler_directives={
            "language_level": 3,
            "auto_pickle": False,
            "autotestdict": False,
            "boundscheck": False,
            "wraparound": False,
            "cdivision": True,
            "initializedcheck": False,
            "embedsignature": True,  # in the form that `inspect.signature` and `help` read
            "embedsignature.format": "clinic",
            "linetrace": _switch("RAPSCHEDULER_TRACE"),
        },
    )
    if not _switch("RAPSCHEDULER_REQUIRE_EXTENSIONS"):
        for extension in extensions:  # cythonize() drops the flag, so it is set here
            extension.optional = True
    return extensions


def _page() -> dict[str, object]:
    """The README as an index shows it, and where else to look."""
    text = Path("README.md").read_text("utf-8")
    address = os.environ.get("RAPSCHEDULER_REPOSITORY", "").rstrip("/")
    urls: dict[str, str] = {}
    if address:
        (version,) = re.findall(r'^version = "(.+)"', Path("pyproject.toml").read_text("utf-8"), re.MULTILINE)

        def absolute(link: re.Match[str]) -> str:
            path = link[2]
            kind = "raw" if path.endswith((".png", ".svg")) else "blob"
            return f"{link[1]}{address}/{kind}/v{version}/{path}"

        text = re.sub(r"(\]\(|src=\")(?![a-z]+:|#)([^)\s\"]+)", absolute, text)
        urls = {
            "Source": address,
            "Documentation": f"{address}/blob/v{version}/docs/index.md",
            "Changes": f"{address}/blob/v{version}/CHANGELOG.md",
            "Issues": f"{address}/issues",
        }
    return {"long_description": text, "long_description_content_type": "text/markdown", "project_urls": urls}


setup(ext_modules=[] if _switch("RAPSCHEDULER_NO_EXTENSIONS") else _cythonized(), **_page())
