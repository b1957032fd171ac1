"""A scheduler that looks for due jobs only when told, and runs them in the calling thread.

What lives here: moving the virtual clock from one run time to the next. What must not: rules of scheduling; the loop,
stores and executors are the real ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from rapscheduler.events import EVENT_JOB_ERROR, JobExecutionEvent
from rapscheduler.schedulers.base import NEVER_US, STATE_RUNNING, BaseScheduler
from rapscheduler.testing._clock import VirtualClock, _us
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
        start: datetime = DEFAULT_START,
        gconfig: Mapping[str, Any] = {},
        *,
        raise_errors: bool = False,
        **options: Any,
    ) -> None:
        self._errors: list[BaseException] = []
        options.setdefault("timezone", timezone.utc)
        super().__init__(gconfig, **options)
        self.clock = VirtualClock(start)
        self._clock = self.clock
        if raise_errors:
            self.add_listener(self._remember_error, EVENT_JOB_ERROR)

    def _remember_error(self, event: JobExecutionEvent) -> None:
        if event.exception is not None:
            self._errors.append(event.exception)

    def _create_default_executor(self) -> Any:
        return self._create_plugin_instance("executor", "debug", {})

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

    def advance(self, by: timedelta) -> None:
        """Let time pass and run every job at its time, in this thread."""
        if by < timedelta(0):
            raise ValueError(f"Time can't pass backwards: by={by!r}")
        self.run_until(self.clock.now() + by)

    def run_until(self, moment: datetime) -> None:
        """Let time pass until ``moment``, and run what is due up to and including it.

        :param moment: an aware datetime, now or later
        """
        end_us = _us(moment)
        if end_us < self.clock.now_us():
            raise ValueError(f"{moment} is over: the clock shows {self.clock.now()}")
        passes = 0
        while (next_us := self._pass()) is not None and next_us <= max(end_us, self.clock.now_us()):
            now_us = self.clock.now_us()
            passes = passes + 1 if next_us <= now_us else 0
            if passes > PASSES_PER_INSTANT:
                raise RuntimeError(f"Jobs keep coming due at {self.clock.now()} without time passing")
            if next_us > now_us:
                self.clock.set_us(next_us)
        if end_us > self.clock.now_us():
            self.clock.set_us(end_us)

    def _pass(self) -> int | None:
        """One pass over the jobs; when the next is due, or ``None``."""
        if self.state != STATE_RUNNING:
            return None
        self._process_jobs()
        if self._errors:
            errors, self._errors = self._errors, []
            raise errors[0]
        return None if self._wake_at_us == NEVER_US else self._wake_at_us
