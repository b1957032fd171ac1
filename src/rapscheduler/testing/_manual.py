"""A scheduler that looks for due jobs only when told, and runs them in the calling thread.

What lives here: moving the virtual clock from one run time to the next. What must not: rules of scheduling; the loop,
stores and executors are the real ones.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from rapscheduler._instants import NEVER_US
from rapscheduler.events import EVENT_JOB_ERROR, JobExecutionEvent
from rapscheduler.schedulers.base import STATE_RUNNING, BaseScheduler
from rapscheduler.testing._clock import VirtualClock, _us, seconds_of
from rapscheduler.util import astimezone

DEFAULT_START = datetime(2025, 1, 1, tzinfo=timezone.utc)
PASSES_PER_INSTANT = 10_000  # more passes over the jobs without time passing: jobs that add jobs for ever


class ManualScheduler(BaseScheduler):
    """A scheduler on a virtual clock.

    :param start: what the clock shows at first (an aware datetime; default: 1 January 2025 in UTC)
    :param raise_errors: let `advance` and `run_until` raise what a job raised, instead of only logging it
    :param options: as for every scheduler; the default time zone is UTC here, the default executor runs jobs inline

    ``clock`` is the `VirtualClock`. A job that takes time says so: ``scheduler.clock.advance(timedelta(seconds=3))``.
    """

    def __init__(
        self,
        start: datetime | str = DEFAULT_START,
        gconfig: Mapping[str, Any] = {},
        *,
        raise_errors: bool = False,
        **options: Any,
    ) -> None:
        self._errors: list[BaseException] = []
        # coroutine jobs of a pass of `advance_async`
        self._runs: list[Coroutine[Any, Any, None]] | None = None
        options.setdefault("timezone", timezone.utc)
        self.clock = VirtualClock(start)
        super().__init__(gconfig, clock=self.clock, **options)
        if raise_errors:
            self.add_listener(self._remember_error, EVENT_JOB_ERROR)

    def _remember_error(self, event: JobExecutionEvent) -> None:
        if event.exception is not None:
            self._errors.append(event.exception)

    def _create_default_executor(self) -> Any:
        from rapscheduler.testing._executor import ManualExecutor

        return ManualExecutor()

    def _create_trigger(self, trigger: Any, trigger_args: dict[str, Any]) -> Any:
        """As there; what defaults to "now" means the virtual clock."""
        if trigger in (None, "date"):
            if trigger_args.get("run_date") is None:
                trigger_args["run_date"] = self.clock.now(self.timezone)
        elif trigger in ("interval", "calendarinterval") and trigger_args.get("start_date") is None:
            now = self.clock.now(astimezone(trigger_args.get("timezone")) or self.timezone)
            if trigger == "calendarinterval":
                trigger_args["start_date"] = now.date()
            else:  # one that checks the arguments, and knows its length
                first = super()._create_trigger(trigger, {**trigger_args, "start_date": now})
                trigger_args["start_date"] = now + first.interval
        return super()._create_trigger(trigger, trigger_args)

    def wakeup(self) -> None:
        """Nothing to do: `advance` and `run_until` look for themselves."""

    def shutdown(self, wait: bool = True, timeout: float | None = None) -> None:
        """Stop the scheduler; see `BaseScheduler.shutdown`."""
        super().shutdown(wait, timeout)

    def advance(self, by: timedelta | float) -> None:
        """Let time pass, a timedelta or a number of seconds, and run every job at its time, in this thread.

        Coroutine jobs run too, each on an event loop of its own; inside of a running one see `advance_async`.
        """
        self.run_until(self._after(by))

    async def advance_async(self, by: timedelta | float) -> None:
        """As `advance`, inside of a running event loop: coroutine jobs are awaited there.

        Those that are due at one instant run side by side; the virtual clock waits until they have ended.
        """
        await self.run_until_async(self._after(by))

    def _after(self, by: timedelta | float) -> datetime:
        by = seconds_of(by)
        if by < timedelta(0):
            raise ValueError(f"Time can't pass backwards: by={by!r}")
        return self.clock.now() + by

    def run_until(self, moment: datetime | str) -> None:
        """Let time pass until ``moment``, and run what is due up to and including it.

        :param moment: an aware datetime, or a text with its offset (``"2025-03-01T12:00:00Z"``), now or later
        """
        for _ in self._passes_until(moment):
            pass

    async def run_until_async(self, moment: datetime | str) -> None:
        """As `run_until`, inside of a running event loop: coroutine jobs are awaited there."""
        import asyncio

        if self._runs is not None:
            raise RuntimeError("advance_async() is under way: time passes once; await it before the next")
        self._runs = []
        try:
            for _ in self._passes_until(moment):
                while self._runs:
                    runs, self._runs = self._runs, []
                    await asyncio.gather(*runs)
                    self._pass()  # they may have added jobs, or moved the clock
        finally:
            left, self._runs = self._runs, None
            for run in left or ():
                run.close()

    def _passes_until(self, moment: datetime | str) -> Iterator[None]:
        """Move the clock from one run time to the next; yields after each pass."""
        end_us = _us(moment)
        if end_us < self.clock.now_us():
            raise ValueError(f"{moment} is over: the clock shows {self.clock.now()}")
        passes = 0
        while True:
            self._pass()
            yield
            next_us = self._next_us()
            if next_us is None or next_us > max(end_us, self.clock.now_us()):
                break
            now_us = self.clock.now_us()
            passes = passes + 1 if next_us <= now_us else 0
            if passes > PASSES_PER_INSTANT:
                raise RuntimeError(f"Jobs keep coming due at {self.clock.now()} without time passing")
            if next_us > now_us:
                self.clock.set_us(next_us)
        if end_us > self.clock.now_us():
            self.clock.set_us(end_us)

    def _pass(self) -> None:
        """One pass over the jobs."""
        if self.state == STATE_RUNNING:
            self._process_jobs()
        self._raise_error()

    def _raise_error(self) -> None:
        if self._errors:
            errors, self._errors = self._errors, []
            raise errors[0]

    def _next_us(self) -> int | None:
        """When the next job is due, as the last pass saw it, or ``None``."""
        if self.state != STATE_RUNNING or self._wake_at_us == NEVER_US:
            return None
        return self._wake_at_us
