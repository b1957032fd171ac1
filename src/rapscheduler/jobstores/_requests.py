"""Requests that one user of a shared store makes of its schedulers: to cancel a run.

Here: `Requests`, the port between a database and `_scheduling.cancelling`, and its values. Not here: a database's
language; who asks, and what is done.

A request is a row for each scheduler that is asked, so that nobody needs to know who makes the run: the number of the
request and the scheduler's id are its key, the run's id and who asks its words, and the answer is written into it by
that scheduler only. Whoever asks removes the rows that were answered; the others stay, for a scheduler that does not
answer in time may do what was asked when it is back. Rows older than `KEPT_US` are removed by the next who asks.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from .._instants import SECOND_US

KEPT_US = 3600 * SECOND_US
OPEN, TOLD, NOT_HERE = (
    "",
    "told",
    "not_here",
)  # answers: none yet; the run was told to end; this one does not make it


class Request(NamedTuple):
    """`number` of the request; the run that is to end, and who says so (`host:pid`)."""

    number: str
    run_id: str
    by: str


class Requests(ABC):
    """The operations, each atomic."""

    @abstractmethod
    def are_there(self) -> bool:
        """Whether the schedulers of this store know requests."""

    @abstractmethod
    def ask(self, request: Request, schedulers: Sequence[str]) -> None:
        """Write a request for each of these ids, and tell them that there is news."""

    @abstractmethod
    def asked(self, scheduler: str) -> list[Request]:
        """The requests that this one has not answered."""

    @abstractmethod
    def answer(self, scheduler: str, answers: Mapping[str, str]) -> None:
        """Its answers, by number; nothing for a request that is not there any more."""

    @abstractmethod
    def answers(self, number: str) -> dict[str, str]:
        """Scheduler -> answer, of one request."""

    @abstractmethod
    def withdraw(self, number: str) -> None:
        """Remove what was answered of a request."""
