"""The part of the stores' contract that is about rules of time zones that change between two looks at a store.

What lives here: `RulesOfTimeConformance`, over two made-up zone folders. What must not: where a run time goes in odd
cases, which tests of ``triggers._wall_times`` say.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from rapscheduler.events import EVENT_JOB_EXECUTED, EVENT_JOB_MODIFIED
from rapscheduler.jobstores.base import Change
from rapscheduler.testing._manual import ManualScheduler
from rapscheduler.testing.zone_folders import make_folder, read_zones_from, zones_read_from
from rapscheduler.triggers.calendarinterval import CalendarIntervalTrigger
from rapscheduler.triggers.combining import AndTrigger, OrTrigger
from rapscheduler.triggers.cron import CronTrigger
from rapscheduler.triggers.date import DateTrigger
from rapscheduler.triggers.interval import IntervalTrigger

WEST, PLAIN, SAME = "Test/West", "Test/Plain", "Test/Same"
_OLD = {WEST: "PST8PDT,M3.2.0,M11.1.0", PLAIN: "<+01>-1", SAME: "CET-1CEST,M3.5.0,M10.5.0/3"}
_NEW = {WEST: "<-07>7", PLAIN: "<+00>0", SAME: _OLD[SAME]}
NOW = "2027-01-14T20:00:00Z"

#: kind of job -> (arguments of add_job, wall time of its next run, the zone of that)
_KINDS: dict[str, tuple[dict[str, Any], str, str]] = {
    "cron": ({"trigger": lambda: CronTrigger(hour=9, timezone=WEST)}, "2027-01-15 09:00:00", WEST),
    "cron, other zone": (
        {"trigger": lambda: CronTrigger(hour=9, timezone=PLAIN)},
        "2027-01-15 09:00:00",
        PLAIN,
    ),
    "date": ({"trigger": lambda: DateTrigger("2027-01-15 09:00:00", WEST)}, "2027-01-15 09:00:00", WEST),
    "calendar interval": (
        {"trigger": lambda: CalendarIntervalTrigger(days=2, hour=9, start_date="2027-01-01", timezone=WEST)},
        "2027-01-15 09:00:00",
        WEST,
    ),
    "or": (
        {
            "trigger": lambda: OrTrigger(
                [CronTrigger(hour=9, timezone=WEST), DateTrigger("2027-01-17 12:00:00", WEST)]
            )
        },
        "2027-01-15 09:00:00",
        WEST,
    ),
    "and": (
        {
            "trigger": lambda: AndTrigger(
                [CronTrigger(hour="8-9", timezone=WEST), CronTrigger(hour="9-12", timezone=WEST)]
            )
        },
        "2027-01-15 09:00:00",
        WEST,
    ),
    "set by a user": (
        {
            "trigger": lambda: CronTrigger(hour=9, timezone=WEST),
            "next_run_time": lambda: datetime(2027, 1, 15, 11, 11, 11, tzinfo=ZoneInfo(WEST)),
        },
        "2027-01-15 11:11:11",
        WEST,
    ),
    "unchanged zone": (
        {"trigger": lambda: CronTrigger(hour=9, timezone=SAME)},
        "2027-01-15 09:00:00",
        SAME,
    ),
}


def noop(*args: Any, **kwargs: Any) -> None:
    """What the jobs of the suite call."""


def _wall(job: Any, zone: str) -> str:
    return f"{job.next_run_time.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M:%S}"


class RulesOfTimeConformance:
    """Needs ``make_store`` and ``reopen`` of `JobStoreFixtures`."""

    make_store: Any
    reopen: Any

    @pytest.fixture(params=["forwards", "backwards"])
    def rules(self, request: Any, tmp_path: Path) -> Iterator[tuple[Path, Path]]:
        """The folder of the rules under which jobs are stored, which are in force, and that of the later ones."""
        folders = make_folder(tmp_path / "old", _OLD), make_folder(tmp_path / "new", _NEW)
        before, after = folders if request.param == "forwards" else folders[::-1]
        with zones_read_from(before):
            yield before, after

    @pytest.fixture
    def opened(self) -> Iterator[Any]:
        """``opened(store)``: a scheduler that runs on this store, on a clock that shows ``NOW``."""
        schedulers: list[ManualScheduler] = []

        def opened(store: Any, **options: Any) -> ManualScheduler:
            scheduler = ManualScheduler(NOW, jobstores={"default": store}, timezone=WEST, **options)
            schedulers.append(scheduler)
            scheduler.start()
            return scheduler

        yield opened
        for scheduler in schedulers:
            if scheduler.state:
                scheduler.remove_all_jobs()
                scheduler.shutdown()

    def _reopened(self, rules: tuple[Path, Path]) -> Any:
        """The rules change, and a new process opens the store."""
        read_zones_from(rules[1])
        store = self.reopen()
        if store is None:
            pytest.skip("its jobs live in the store object")
        return store

    def _add(self, scheduler: Any, kind: str) -> Any:
        arguments = {name: value() if callable(value) else value for name, value in _KINDS[kind][0].items()}
        return scheduler.add_job(noop, id=kind, misfire_grace_time=None, **arguments)

    @pytest.mark.parametrize("kind", _KINDS)
    def test_a_stored_wall_time_survives_new_rules(self, rules: Any, opened: Any, kind: str) -> None:
        _, wall, zone = _KINDS[kind]
        first = opened(self.make_store())
        assert _wall(self._add(first, kind), zone) == wall
        first.shutdown()
        self._follows_stored_rules(first)
        second = opened(self._reopened(rules))
        assert _wall(second.get_job(kind), zone) == wall
        runs: list[str] = []
        second.add_listener(
            lambda event: runs.append(
                f"{event.scheduled_run_time.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M:%S}"
            ),
            EVENT_JOB_EXECUTED,
        )
        second.run_until("2027-01-15T23:00:00Z")
        assert runs == [wall]

    @pytest.mark.parametrize("kind", _KINDS)
    def test_a_running_scheduler_follows_files_that_were_read_again(
        self, rules: Any, opened: Any, kind: str
    ) -> None:
        _, wall, zone = _KINDS[kind]
        scheduler = opened(self.make_store())
        self._add(scheduler, kind)
        scheduler.advance(0)
        read_zones_from(rules[1])
        scheduler.advance(0)
        assert _wall(scheduler.get_job(kind), zone) == wall

    def test_an_interval_goes_on_in_elapsed_time(self, rules: Any, opened: Any) -> None:
        first = opened(self.make_store())
        trigger = IntervalTrigger(hours=5, start_date="2027-01-14 03:00:00", timezone=WEST)
        before = first.add_job(noop, trigger, id="five hours").next_run_time.astimezone(timezone.utc)
        first.shutdown()
        self._follows_stored_rules(first)
        second = opened(self._reopened(rules))
        assert second.get_job("five hours").next_run_time == before

    def test_jitter_stays_what_was_drawn(self, rules: Any, opened: Any) -> None:
        first = opened(self.make_store())
        before = first.add_job(noop, CronTrigger(hour=9, timezone=WEST, jitter=600), id="some time")
        late_us = before.run_at_us - before.nominal_us
        first.shutdown()
        self._follows_stored_rules(first)
        after = opened(self._reopened(rules)).get_job("some time")
        assert after.run_at_us - after.nominal_us == late_us
        nominal = datetime.fromtimestamp(after.nominal_us / 1e6, ZoneInfo(WEST))
        assert f"{nominal:%Y-%m-%d %H:%M:%S}" == "2027-01-15 09:00:00"

    def test_a_paused_job_has_its_wall_time_when_it_is_resumed(self, rules: Any, opened: Any) -> None:
        first = opened(self.make_store())
        self._add(first, "date").pause()
        first.shutdown()
        self._follows_stored_rules(first)
        second = opened(self._reopened(rules))
        assert "09:00:00" in str(second.get_job("date").trigger)
        assert _wall(second.resume_job("date"), WEST) == "2027-01-15 09:00:00"

    @pytest.mark.parametrize("kind", ["cron", "date"])
    @pytest.mark.parametrize("running", [False, True])
    def test_a_parked_job_has_its_wall_time_when_it_is_tried_again(
        self, rules: Any, opened: Any, kind: str, running: bool
    ) -> None:
        first = opened(self.make_store())
        job = self._add(first, kind)
        first._jobstores["default"]._settle([Change(job, job.run_at_us, park="why")])
        assert [parked.job_id for parked in first.get_parked_jobs()] == [kind]
        if running:
            read_zones_from(rules[1])
            first.advance(0)
            if first.get_parked_jobs():  # a store in memory tries a job that was moved again by itself
                first.resume_parked(kind)
            second = first
        else:
            first.shutdown()
            self._follows_stored_rules(first)
            second = opened(self._reopened(rules))
        assert second.get_parked_jobs() == []
        assert _wall(second.get_job(kind), WEST) == "2027-01-15 09:00:00"
        runs: list[datetime] = []
        second.add_listener(lambda event: runs.append(event.scheduled_run_time), EVENT_JOB_EXECUTED)
        second.run_until("2027-01-15T23:00:00Z")
        assert [f"{run.astimezone(ZoneInfo(WEST)):%d %H:%M}" for run in runs] == ["15 09:00"]

    def test_who_listens_hears_which_jobs_moved(self, rules: Any, opened: Any) -> None:
        first = opened(self.make_store())
        for kind in ("cron", "unchanged zone"):
            self._add(first, kind)
        first.shutdown()
        self._follows_stored_rules(first)
        store = self._reopened(rules)
        scheduler = ManualScheduler(NOW, jobstores={"default": store}, timezone=WEST)
        told: list[str] = []
        scheduler.add_listener(lambda event: told.append(event.job_id), EVENT_JOB_MODIFIED)
        scheduler.start()
        scheduler.remove_all_jobs()
        scheduler.shutdown()
        assert told == ["cron"]

    def _follows_stored_rules(self, scheduler: Any) -> None:
        """Skip stores that don't keep rules: they are followed while the process lives."""
        if not hasattr(scheduler._jobstores["default"], "_read_rules"):
            pytest.skip("this store keeps no rules of time zones")
