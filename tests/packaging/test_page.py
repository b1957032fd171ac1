"""The page of the package on an index: the README, whose links lead to the files where the repository lives."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

pytest.importorskip("setuptools")

ROOT = Path(__file__).resolve().parents[2]
REPOSITORY = "https://example.org/who/rapscheduler"


def metadata(folder: Path, **environment: str) -> Message:
    """What the build writes about the package."""
    subprocess.run(
        [sys.executable, "setup.py", "-q", "egg_info", "--egg-base", str(folder)],
        cwd=ROOT,
        env={**os.environ, "RAPSCHEDULER_NO_EXTENSIONS": "1", **environment},
        check=True,
        capture_output=True,
    )
    return Parser().parsestr((folder / "rapscheduler.egg-info" / "PKG-INFO").read_text("utf-8"))


def test_every_link_leads_to_a_file_of_the_version(tmp_path: Path) -> None:
    found = metadata(tmp_path, RAPSCHEDULER_REPOSITORY=REPOSITORY + "/")
    page = str(found.get_payload())
    links = [*re.findall(r"\]\(([^)]+)\)", page), *re.findall(r'src="([^"]+)"', page)]
    assert links and all(link.startswith("https://") for link in links), links
    ours = [link for link in links if link.startswith(REPOSITORY)]
    ours += [entry.split(", ", 1)[1] for entry in found.get_all("Project-URL", []) if "/blob/" in entry]
    for link in ours:
        kind, version, path = link.removeprefix(REPOSITORY + "/").split("/", 2)
        assert version == f"v{found['Version']}" and (ROOT / path).exists(), link
        assert (kind == "raw") == path.endswith((".png", ".svg")), link
    assert len(ours) > 10
    assert f"Source, {REPOSITORY}" in found.get_all("Project-URL", [])
    assert found["Description-Content-Type"] == "text/markdown"


def test_a_build_at_home_invents_no_address(tmp_path: Path) -> None:
    found = metadata(tmp_path, RAPSCHEDULER_REPOSITORY="")
    assert found.get_all("Project-URL") is None
    assert str(found.get_payload()).strip() == (ROOT / "README.md").read_text("utf-8").strip()
