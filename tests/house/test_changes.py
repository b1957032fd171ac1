"""Each change that waits in docs/changes has a name that towncrier knows, and says something."""

from __future__ import annotations

import re
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "changes"
NAME = re.compile(r"(\d+|\+[a-z0-9-]+)\.(added|changed|deprecated|removed|fixed|security)(\.\d+)?\.md")


def _wrong(folder: Path) -> list[str]:
    """Names that towncrier would leave out, and files that say nothing or bring their own bullet."""
    files = [path for path in folder.iterdir() if path.name != "README.md"]
    return sorted(
        path.name
        for path in files
        if not NAME.fullmatch(path.name) or re.match(r"\s*(-|\*|#|$)", path.read_text(encoding="utf-8"))
    )


def test_every_change_that_waits_can_be_put_into_the_changelog() -> None:
    assert _wrong(FOLDER) == []


def test_a_wrong_name_and_an_empty_file_are_seen(tmp_path: Path) -> None:
    texts = {
        "17.added.md": "New.",
        "17.new.md": "New.",
        "types.fixed.md": "x",
        "+a.fixed.md": " ",
        "+b.fixed.md": "- x",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert _wrong(tmp_path) == ["+a.fixed.md", "+b.fixed.md", "17.new.md", "types.fixed.md"]
