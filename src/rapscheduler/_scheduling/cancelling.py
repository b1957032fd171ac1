"""A run is cancelled by whoever makes it: this scheduler, or another one of a shared store, which is asked.

Here: `cancel_run`, what it answers, and how a scheduler that is asked answers. Not here: ending a run (`runbook`), how
a request comes to the other (`jobstores._requests`), the thread that looks for requests (`keeper`).

Only the scheduler that makes a run knows its id, so all those of the store whose lease is not over are asked, each by a
row of its own. The keeper of each looks for such rows when it hears of news, or at its next look (`poll_interval`).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import uuid4

from rapscheduler._quoting import one_line
from rapscheduler._runs import this_process
from rapscheduler.errors import ends_program, log_line
from rapscheduler.jobstores._requests import NOT_HERE, OPEN, TOLD, Request
from rapscheduler.jobstores._shared import Peer

TOLD_TO_END, NOT_UNDER_WAY, NO_ANSWER = "told", "not_under_way", "no_answer"
WAIT_S = 10.0
_LOOK_S = 0.02
_ID_LENGTH = 36


class Cancellation(NamedTuple):
    """What `cancel_run` did; true if the run was told to end.

    `outcome`: ``"told"``, ``"not_under_way"`` (no scheduler makes it: it has ended, or there never was such a run), or
    ``"no_answer"`` (those in `silent` did not answer in time; they end the run, if they make it, when they are back).
    `who`: the scheduler that makes it, `asked`: those that were asked besides this one, each as ``host:pid``.
    """

    run_id: str
    outcome: str
    who: str | None = None
    asked: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.outcome == TOLD_TO_END

    def __str__(self) -> str:
        run = f"run {self.run_id}"
        if self:
            return f"{run} was told to end, in process {self.who}"
        if self.outcome == NO_ANSWER:
            return (
                f"{run}: no answer from {', '.join(self.silent)}, which may make it; it is told to end there as soon "
                "as that scheduler looks at its store"
            )
        asked = f"; asked: {', '.join(self.asked)}" if self.asked else ""
        return f"{run} is not under way: it has ended, or there never was such a run{asked}"


def cancel_run(scheduler: Any, run_id: str, timeout: Any) -> Cancellation:
    """See `BaseScheduler.cancel_run`."""
    if type(run_id) is not str:
        raise TypeError(f"cancel_run() takes the id of a run, such as run.id, not {run_id!r}")
    if not isinstance(timeout, int | float) or timeout != timeout:
        raise TypeError(f"timeout must be a number of seconds, such as timeout=10; got {timeout!r}")
    tracker = scheduler._watched.tracker
    if tracker is not None and tracker.cancel(run_id):
        return Cancellation(run_id, TOLD_TO_END, this_process())
    found = Cancellation(run_id, NOT_UNDER_WAY)
    deadline_s = time.monotonic() + timeout
    for store in list(scheduler._jobstores.values()):
        claims = getattr(store, "_claims", None)
        if claims is None:
            continue
        answer = cancel_elsewhere(claims.rows, run_id, deadline_s - time.monotonic(), claims.me.id)
        if answer:
            return answer
        found = found._replace(
            outcome=NO_ANSWER if NO_ANSWER in (found.outcome, answer.outcome) else NOT_UNDER_WAY,
            asked=(*found.asked, *answer.asked),
            silent=(*found.silent, *answer.silent),
        )
    return found


def cancel_elsewhere(rows: Any, run_id: str, timeout: float, me: str | None = None) -> Cancellation:
    """Ask the schedulers that share a store, but for `me`. Raises what the store raises."""
    if len(run_id) != _ID_LENGTH or " " in run_id:
        return Cancellation(run_id, NOT_UNDER_WAY)
    now_us, found = rows.peers()
    peers = {one.id: one for one in found if one.id != me and not one.is_over(now_us)}
    if not peers:
        return Cancellation(run_id, NOT_UNDER_WAY)
    request = Request(uuid4().hex, run_id, this_process())
    rows.requests.ask(request, sorted(peers))
    answers = _wait(rows.requests, request.number, list(peers), timeout)
    rows.requests.withdraw(request.number)
    asked = tuple(map(_name, peers.values()))
    silent = tuple(_name(one) for key, one in peers.items() if answers.get(key, OPEN) == OPEN)
    for key, one in peers.items():
        if answers.get(key) == TOLD:
            return Cancellation(run_id, TOLD_TO_END, _name(one), asked)
    return Cancellation(run_id, NO_ANSWER if silent else NOT_UNDER_WAY, None, asked, silent)


def _wait(requests: Any, number: str, peers: Sequence[str], timeout: float) -> dict[str, str]:
    """The answers: until one is that the run was told, or all have come."""
    deadline_s = time.monotonic() + timeout
    while True:
        answers: dict[str, str] = requests.answers(number)
        if TOLD in answers.values() or all(answers.get(one, OPEN) != OPEN for one in peers):
            return answers
        if not time.monotonic() < deadline_s:  # nor where it is no number
            return answers
        time.sleep(_LOOK_S)


def _name(peer: Peer) -> str:
    return f"{peer.host}:{peer.pid}"


def answer(scheduler: Any, rows: Any, me: str, unwritten: dict[str, str]) -> None:
    """Do what others asked of this scheduler, and say so. Called by the keeper of the lease.

    `unwritten`: answers that the store did not take, by number: a run that was told may have ended by the next time.
    """
    asked = rows.requests.asked(me)
    for one in asked:
        if one.number not in unwritten:
            unwritten[one.number] = _told(scheduler, one)
    if asked:
        rows.requests.answer(me, {one.number: unwritten[one.number] for one in asked})
    unwritten.clear()


def _told(scheduler: Any, request: Request) -> str:
    tracker = scheduler._watched.tracker
    try:
        reason = f"cancelled by cancel_run() in process {request.by}"
        if tracker is None or not tracker.cancel(request.run_id, reason):
            return NOT_HERE
    except BaseException as exc:  # an event loop that was closed
        if ends_program(exc):
            raise
        log_line(
            scheduler._logger.warning,
            "Run %s could not be told to end",
            one_line(request.run_id),
            exc_info=True,
        )
        return NOT_HERE
    log_line(scheduler._logger.info, "Run %s is to end: %s", one_line(request.run_id), one_line(reason))
    return TOLD
