"""Functions that worker processes import by name."""

from __future__ import annotations

import os
import signal
import time
from typing import Any


def fail_if_there(path: str) -> None:
    if os.path.exists(path):
        raise OSError("not ready")


def double(x: int) -> int:
    return 2 * x


def pid() -> int:
    return os.getpid()


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def unpicklable() -> Any:
    return lambda: None


class Unreadable:
    """Pickle can write it and not read it."""

    def __getstate__(self) -> str:
        return "written"

    def __setstate__(self, state: str) -> None:
        raise ValueError("nobody can read this")


def unreadable() -> Unreadable:
    return Unreadable()


class TwoArguments(Exception):
    """As many exceptions are: pickle calls the class with the one argument that it passed on."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} {second}")


def raise_two_arguments() -> None:
    raise TwoArguments("boom", "bang")


def take(value: object) -> object:
    return value


def leave() -> None:
    raise SystemExit(3)


async def double_later(x: int) -> int:
    return 2 * x


class Adder:
    def __init__(self, base: int) -> None:
        self.base = base

    def add(self, x: int) -> int:
        return self.base + x


def leave_at_once(code: int) -> None:
    os._exit(code)


def note(path: str, text: str) -> int:
    """Append a line; whoever waits for it sees that this run has begun."""
    with open(path, "a") as out:
        out.write(f"{text}\n")
    return os.getpid()


def note_and_wait(path: str, text: str, until: str) -> int:
    """The same, and wait until there is a file."""
    note(path, text)
    while not os.path.exists(until):
        time.sleep(0.005)
    return os.getpid()


def wait_if(flag: bool, path: str, until: str) -> int:
    """Quick, or not."""
    return note_and_wait(path, "long", until) if flag else os.getpid()


def note_and_kill_parent(path: str) -> None:
    note(path, str(os.getpid()))
    os.kill(os.getppid(), signal.SIGKILL)


def wait_for_ever(path: str) -> None:
    note(path, str(os.getpid()))
    while True:
        time.sleep(60)


class Leaves:
    """Ends whatever writes or reads it, if that lets it."""

    def __init__(self, when: str) -> None:
        self.when = when

    def __reduce__(self) -> Any:
        if self.when == "written":
            raise SystemExit("from __reduce__")
        return leave_reader, ()


def leave_reader() -> None:
    raise SystemExit("while it was read")


def leaves(when: str) -> Leaves:
    return Leaves(when)


def leave_a_child(path: str) -> None:
    """Die, and leave a process behind that has everything of this one that children inherit."""
    if os.fork() == 0:
        note(path, str(os.getpid()))
        time.sleep(60)
        os._exit(0)
    while not os.path.exists(path):
        time.sleep(0.005)
    os._exit(7)


def big(count: int) -> bytes:
    return bytes(count)


def length(value: bytes) -> int:
    return len(value)


setting = "unset"


def set_up(value: str) -> None:
    global setting
    setting = value


def get_setting() -> str:
    return setting
