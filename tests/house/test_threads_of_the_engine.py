"""What the engine's classes are to threads is written down, and the sources say the same (docs/engine-safety.md)."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ENGINE = ROOT / "ext" / "rapscheduler" / "_engine"
KINDS = {"fixed", "locked", "one thread", "lock"}
# Special methods that ask for a length, or run while nobody else knows the object.
ALONE = {"__len__", "__cinit__", "__init__", "__dealloc__", "count"}
FIRST = ("cdef uint64_t last_converted", "block.last = block.other = count - 1")  # before anybody else looks
WORDS = ("last", "other", "month_days", "none_from", "none_until", "last_converted")


def table() -> dict[str, str]:
    """Class -> what it is."""
    text = (ROOT / "docs" / "engine-safety.md").read_text(encoding="utf-8")
    section = text.partition("| Class | Is | Why |")[2].partition("\n\n")[0]
    said: dict[str, str] = {}
    for line in section.splitlines()[2:]:
        names, kind = [cell.strip() for cell in line.split("|")[1:3]]
        said |= dict.fromkeys(re.findall(r"`(\w+)`", names), kind)
    return said


def bodies() -> dict[str, str]:
    """Class -> its lines in the .pyx."""
    found: dict[str, str] = {}
    for path in sorted(ENGINE.glob("*.pyx")):
        for part in re.split(r"^(?=\S)", path.read_text(encoding="utf-8"), flags=re.MULTILINE):
            if head := re.match(r"cdef class (\w+)", part):
                found[head[1]] = part
    return found


def unlocked(body: str) -> set[str]:
    """Methods of a class that Python can call and that are no critical section."""
    pairs = re.findall(r"((?:^    @.*\n)*)^    def (\w+)", body, flags=re.MULTILINE)
    return {name for marks, name in pairs if "critical_section" not in marks and "staticmethod" not in marks}


def test_every_class_is_in_the_table() -> None:
    said = table()
    assert set(said) == set(bodies())
    assert set(said.values()) <= KINDS


def test_locked_ones_are() -> None:
    said = table()
    open_methods = {name: unlocked(body) - ALONE for name, body in bodies().items() if said[name] == "locked"}
    assert open_methods == {name: set() for name in open_methods}


def test_fixed_ones_show_nothing_that_can_be_set() -> None:
    said = table()
    headers = "".join(path.read_text(encoding="utf-8") for path in sorted(ENGINE.glob("*.p[xy]*")))
    parts = re.split(r"^(?=\S)", headers, flags=re.MULTILINE)
    fixed = [
        part for part in parts if (head := re.match(r"cdef class (\w+)", part)) and said[head[1]] == "fixed"
    ]
    assert fixed and not [part for part in fixed if re.search(r"^    cdef public ", part, flags=re.MULTILINE)]


def test_shared_words_are_read_and_written_by_their_functions() -> None:
    """But where they are declared, and where nobody else knows the object yet."""
    wrong: list[str] = []
    word = re.compile(rf"(?<![&\w])(?:block|k)\.(?:{'|'.join(WORDS)})\b|(?<![&\w])last_converted\b")
    for path in sorted(ENGINE.glob("*.p[xy]*")):
        for line in path.read_text(encoding="utf-8").splitlines():
            code = line.partition("#")[0]
            if word.search(code) and not code.strip().startswith(FIRST):
                wrong.append(f"{path.name}: {line.strip()}")
    assert wrong == []


def test_no_room_says_that_it_needs_no_lock() -> None:
    assert not [path.name for path in ENGINE.glob("*.pyx") if "freethreading_compatible" in path.read_text()]
