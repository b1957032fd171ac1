"""Who uses a store, noted in the store: so that a second scheduler on one that is not shared can be warned.

Here: `Notes`, the port between a database and `_scheduling.presence`, its values, and whether a user of this machine is
gone. Not here: a database's language; when anything is written, what is said.

A note is one row or field for each scheduler: id, host, pid, when the process was born, whether it claims its runs,
and when it was heard of last, by the database's clock. One that was not heard of for `LEASE_S` counts as gone, and is
removed by the next who comes.
"""

from __future__ import annotations

import os
import socket
from abc import ABC, abstractmethod
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

LEASE_S = 60.0


class User(NamedTuple):
    """A scheduler that uses a store. `heard_s`: seconds since it was heard of; `claims`: it has shared=True, or
    acknowledge="end"; `born`: of its process, as `birth_of` tells."""

    id: str
    host: str
    pid: int
    born: str
    claims: bool
    heard_s: float = 0.0

    def is_gone(self) -> bool:
        """Whether its process has ended, as far as this one can tell: on the same host, under systems with pids."""
        if self.host != socket.gethostname()[:191] or os.name != "posix":
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except OSError:
            pass  # it is somebody else's
        born = birth_of(self.pid)
        return bool(self.born and born and self.born != born)


def this_user(claims: bool) -> User:
    """A scheduler of this process."""
    pid = os.getpid()
    return User(uuid4().hex, socket.gethostname()[:191], pid, birth_of(pid), claims)


def birth_of(pid: int) -> str:
    """When a process of this machine was started, in ticks since the machine was (Linux; elsewhere "")."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError, UnicodeDecodeError):
        return ""


class Notes(ABC):
    """The operations. Whatever they raise, nobody is told: notes are never in the way."""

    @abstractmethod
    def arrive(self, me: User) -> list[User]:
        """Note this user, making what is missing, and forget those who are gone. Who else is there, the first to have
        come first."""

    @abstractmethod
    def renew(self, me: User) -> None:
        """It still is there."""

    @abstractmethod
    def leave(self, me: User) -> None:
        """It is not any more."""
