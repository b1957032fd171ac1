"""Functions that worker processes import by name."""

from __future__ import annotations

import os
import signal
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
