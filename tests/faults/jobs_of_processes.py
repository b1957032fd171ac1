"""Functions that worker processes import by name."""

from __future__ import annotations

import os
import signal
from typing import Any


def double(x: int) -> int:
    return 2 * x


def pid() -> int:
    return os.getpid()


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def unpicklable() -> Any:
    return lambda: None


def leave() -> None:
    raise SystemExit(3)


async def double_later(x: int) -> int:
    return 2 * x


class Adder:
    def __init__(self, base: int) -> None:
        self.base = base

    def add(self, x: int) -> int:
        return self.base + x
