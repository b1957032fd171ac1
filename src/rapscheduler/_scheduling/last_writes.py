"""Before the stores are closed: what they did not take while the scheduler ran is written once more, or named; and the
run times of backlogs that were handed to executors and not begun become due again, or are told as missed.

Here: these last writes. Not here: writing (`storing`), closing backlogs (`executors._home`), the order of a shutdown
(`start_stop`).

A job that was handed over has been moved on in its store. It is moved back only if it is there as this scheduler wrote
it: what a user, or another process, changed in the meantime stands; and if no later run time of it was submitted, or
that one would run twice.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from time import monotonic, sleep

from rapscheduler._engine.planning import MISSED_TOLD, Change
from rapscheduler._hints import TYPE_CHECKING, Any
from rapscheduler._instants import SECOND_US, moment
from rapscheduler._quoting import one_line, said
from rapscheduler._scheduling import storing
from rapscheduler.errors import log_line
from rapscheduler.events import EVENT_JOB_MISSED, JobExecutionEvent, SchedulerEvent

if TYPE_CHECKING:
    from rapscheduler._scheduling.ports import Scheduler
    from rapscheduler._scheduling.shelf import Shelf
    from rapscheduler.executors._home import Backlog
    from rapscheduler.jobstores.base import Times

LAST_WRITE_S = 5.0  # the longest wait for one store
NAMED_JOBS = 20  # in a message about many
LEAST_WAIT_S = 1.0  # for what is put back, however little time a shutdown has
LOOK_S = 0.001
SHUTDOWN = "shutdown"  # the cause of a run time that can't be made later


def settle_last(scheduler: Scheduler, timeout_s: float | None) -> None:
    """Write what is left, store by store; a store that does not answer must not keep the program from ending."""
    wait_s = LAST_WRITE_S if timeout_s is None else min(LAST_WRITE_S, timeout_s)
    if scheduler._backlogs.ends:
        from rapscheduler._scheduling import delays

        tried(wait_s, lambda: delays.move_on(scheduler, scheduler._shelves.all()))
    for shelf in scheduler._shelves.all():
        if shelf.hangs_since_us is not None and not _answered(shelf, wait_s):
            if shelf.writing:
                shelf.unsettled = {change.job.id: change for change in shelf.writing}
                _name(scheduler, shelf, TimeoutError("it does not answer"))
            continue
        if not shelf.unsettled:
            continue
        changes = list(shelf.unsettled.values())
        errors = list[BaseException | None]()
        error = tried(wait_s, lambda: errors.append(storing.write(shelf, changes))) or errors[0]  # noqa: B023
        if error is None:
            events = list[SchedulerEvent]()
            storing.add_removals(scheduler, shelf, changes, events)
            for event in events:
                scheduler._dispatch_event(event)
        else:
            _name(scheduler, shelf, error)


def _answered(shelf: Shelf, wait_s: float) -> bool:
    """Whether a store that hangs has answered after all."""
    end_s = monotonic() + wait_s
    while shelf.hangs_since_us is not None and monotonic() < end_s:
        sleep(LOOK_S)
    return shelf.hangs_since_us is None


def tried(wait_s: float, write: Callable[[], Any]) -> BaseException | None:
    """The error of a write; it is made in a thread of its own, which is left behind when it takes too long."""
    errors = list[BaseException | None]()

    def work() -> None:
        try:
            write()
        except BaseException as exc:
            errors.append(exc)
        else:
            errors.append(None)

    writer = Thread(target=work, daemon=True)
    writer.start()
    writer.join(wait_s)
    return errors[0] if errors else TimeoutError(f"no answer for {wait_s:g} s")


def _name(scheduler: Scheduler, shelf: Shelf, error: BaseException) -> None:
    ids = list(shelf.unsettled)
    log_line(
        scheduler._logger.error,
        "Job store %r is closed before it took the changes of %d jobs that have run: %s%s (%s) -- they run again when "
        "a scheduler is started in another process",
        shelf.alias,
        len(ids),
        ", ".join(map(one_line, ids[:NAMED_JOBS])),
        "…" if len(ids) > NAMED_JOBS else "",
        said(error),
    )


# What is left of backlogs


def put_back(scheduler: Scheduler, timeout_s: float | None, gone: Shelf | None = None) -> None:
    """Put back what is left of the closed backlogs. `gone`: a store that is in the table no more."""
    wait_s = LAST_WRITE_S
    if timeout_s is not None:
        wait_s = max(LEAST_WAIT_S, min(wait_s, timeout_s))
    shelves = {shelf.alias: shelf for shelf in scheduler._shelves.all()}
    if gone is not None:
        shelves.setdefault(gone.alias, gone)
    if scheduler._backlogs.waiting is not None:
        scheduler._backlogs.waiting.tell_ended()
    for backlog in scheduler._backlogs.take_closed():
        left = next(backlog.left(), None)
        shelf = shelves.get(backlog.submission.alias or "")
        if left is None or shelf is None:
            continue
        kept: list[bool | None] = []
        error = tried(
            wait_s,
            lambda: kept.append(_moved_back(scheduler, shelf, backlog, *left)),  # noqa: B023
        )
        if kept == [True]:
            log_line(
                scheduler._logger.info,
                'Job "%s" is due again at %s: its later run times were not begun',
                one_line(backlog.submission.job.id),
                moment(left[0], scheduler.timezone),
            )
        elif error is not None or kept == [False]:
            _tell(scheduler, backlog, error)


def _moved_back(scheduler: Scheduler, shelf: Shelf, backlog: Backlog, run_us: int, i: int) -> bool | None:
    """Whether the job is due at this run time again; None: somebody removed it."""
    while scheduler._passing_elsewhere():  # the pass that handed it over may not have moved it on yet
        sleep(LOOK_S)
    submission = backlog.submission
    job: Any = submission.job
    times: Times = (
        run_us,
        run_us if i or backlog.nominal_us is None else backlog.nominal_us,
        submission.run_time(i, run_us),
    )
    counts = "max_runs" in (job._extras or ())
    waiting = shelf.unsettled.get(job.id)
    if waiting is not None and not backlog.overtaken:  # the store has the time before all of them still
        shelf.unsettled[job.id] = Change(job, waiting.expected_us, *times[:2], run_time=times[2])
        if counts:
            _uncount(shelf, job, backlog)
        return True
    with shelf.lock:
        stored = shelf.store.lookup_job(job.id)
        if stored is None:
            if backlog.expected_us is not None:
                return None
            if backlog.overtaken:
                return False
            job._advance(*times)
            if counts:
                _uncount(shelf, job, backlog)
            shelf.store.add_job(job)
            return True
        if backlog.overtaken or stored.run_at_us is None or stored.run_at_us != backlog.expected_us:
            return False
        if counts:
            _uncount(shelf, stored, backlog)
        return bool(shelf.calls._update_if(stored, stored.run_at_us, times))


def _uncount(shelf: Shelf, job: Any, backlog: Backlog) -> None:
    from rapscheduler._scheduling import max_runs

    max_runs.given_back(shelf, job, sum(1 for _ in backlog.left()))


def _tell(scheduler: Scheduler, backlog: Backlog, error: BaseException | None) -> None:
    submission, left = backlog.submission, list(backlog.left())
    log_line(
        scheduler._logger.warning,
        '%d run times of job "%s", from %s to %s, are not made: the scheduler stopped before they were begun, and %s',
        len(left),
        one_line(submission.job.id),
        moment(left[0][0], scheduler.timezone),
        moment(left[-1][0], scheduler.timezone),
        "the job was changed or run meanwhile"
        if error is None
        else f"its job store did not take them: {said(error)}",
    )
    if not scheduler._wants(EVENT_JOB_MISSED):
        return
    now_us = scheduler._clock.now_us()
    for run_us, i in left[-MISSED_TOLD:]:
        scheduler._dispatch_event(
            JobExecutionEvent(
                EVENT_JOB_MISSED,
                submission.job.id,
                submission.alias,
                submission.run_time(i, run_us),
                lateness_s=(now_us - run_us) / SECOND_US,
                cause=SHUTDOWN,
            )
        )
