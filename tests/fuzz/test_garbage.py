"""Garbage in, documented error out: texts of fields, crontab lines, time zone files and their rules.

The same targets are fed by coverage in ``atheris_targets.py``; inputs that ever failed are pinned here.
"""

from __future__ import annotations

import zoneinfo
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.fuzz.targets import crontab, crontab_file, fields, footer, tzif

quick = settings(max_examples=150, deadline=None)
SYNTAX = "* ? / - , # 0 1 5 7 31 59 99999999999 1970 last L LW 15W 2nd 6#3 5L fri mon-fri jan @daily CRON_TZ=UTC \x00 é"
SYNTAX += " H H(0-9)/3 ~ ="
WORDS = st.sampled_from(SYNTAX.split(" "))
TEXTS = st.one_of(
    st.text(max_size=20), st.lists(WORDS, max_size=12).map("".join), st.lists(WORDS, max_size=9).map(" ".join)
)
LETTERS = st.sampled_from(
    "CET EST <+1030> <-03> -1 5 , M3.5.0 M10.5.0/3 M4.1.0/-25 J60 J366 300 /2 /24:00:00 : / - . <".split(" ")
)


def files() -> list[bytes]:
    """Real time zone files to spoil."""
    names = ("Europe/Dublin", "America/New_York", "Australia/Lord_Howe", "UTC")
    paths = [Path(root, name) for root in zoneinfo.TZPATH for name in names]
    return [path.read_bytes() for path in paths if path.is_file()][:4] or [b"TZif2" + bytes(39)]


@st.composite
def spoiled_files(draw: st.DrawFn) -> bytes:
    """A real file with some bytes changed, cut off or put in."""
    data = bytearray(draw(st.sampled_from(files())))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.one_of(st.integers(0, 60), st.integers(0, len(data))))
        kind = draw(st.sampled_from(("set", "cut", "put", "end")))
        if kind == "set" and at < len(data):
            data[at] = draw(st.integers(0, 255))
        elif kind == "cut":
            del data[at : at + draw(st.integers(1, 9))]
        elif kind == "put":
            data[at:at] = draw(st.binary(min_size=1, max_size=9))
        else:
            del data[at:]
    return bytes(data)


@given(st.integers(0, 7), TEXTS)
@example(1, "lastfoo")
@example(4, "fri-")
@example(2, "5th")
@quick
def test_texts_of_fields(number, text):
    """Any text for any field makes a trigger or a ``ValueError``; a trigger is made again from its own text."""
    fields(bytes([number]) + text.encode("utf-8", "surrogatepass"))


@given(st.integers(0, 4), TEXTS)
@example(1, "CRON_TZ=Nowhere/Land * * * * *")
@example(1, "CRON_TZ=../../etc/passwd * * * * *")
@quick
def test_crontab_lines(number, text):
    """Any line in any dialect makes a trigger or a documented error."""
    crontab(bytes([number]) + text.encode("utf-8", "surrogatepass"))


@given(st.integers(0, 2), st.lists(TEXTS, max_size=5).map("\n".join))
@example(0, "@every 1.m x\nTZ=../../etc/passwd")
@example(1, "-\n~ ~ ~ ~ ~ ~")
@quick
def test_crontab_files(number, text):
    """Any text is a crontab file, or its bad lines are named."""
    crontab_file(bytes([number]) + text.encode("utf-8", "surrogatepass"))


@given(spoiled_files())
@quick
def test_spoiled_time_zone_files(data):
    """Both engines read the same table from a file, or raise the same ``ValueError``."""
    tzif(data)


@given(st.one_of(st.lists(LETTERS, max_size=9).map("".join), st.text(max_size=30)))
@example("CET-1CEST,M3.5.0,M10.5.0/3")
@example("<+1030>-10:30<+11>-11,M10.1.0,M4.1.0")
@quick
def test_footers(text):
    """Both engines understand a POSIX rule alike, or raise the same ``ValueError``."""
    footer(text.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("data", [b"", b"\xff\xff", bytes(100)])
def test_targets_take_anything(data):
    """No target fails on bytes that are no text."""
    for target in (fields, crontab, crontab_file, tzif, footer):
        target(data)
