"""Claims that are kept, whatever runs of other stores, triggers and loggers of others do."""

from __future__ import annotations

import logging
import threading
from datetime import datetime, timedelta, timezone

import pytest

from rapscheduler._scheduling import keeper
from rapscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED
from rapscheduler.jobstores._shared import RunRow
from rapscheduler.schedulers.background import BackgroundScheduler
from rapscheduler.testing import ManualScheduler
from rapscheduler.triggers.interval import IntervalTrigger

SQLAlchemyJobStore = pytest.importorskip("rapscheduler.jobstores.sqlalchemy").SQLAlchemyJobStore
began, may_end = threading.Event(), threading.Event()


def work_until_told():
    began.set()
    assert may_end.wait(60)


def fail_meanwhile():
    assert began.wait(60)
    raise ValueError


def test_a_run_goes_on_when_that_of_another_store_with_its_id_has_ended(tmp_path):
    began.clear()
    may_end.clear()
    store, failed = SQLAlchemyJobStore(f"sqlite:///{tmp_path}/jobs.db", shared=True), threading.Event()
    stores = {"default": store, "memory": {"type": "memory"}}
    with BackgroundScheduler(timezone="UTC", jobstores=stores) as scheduler:
        scheduler.add_listener(lambda event: failed.set(), EVENT_JOB_ERROR)
        scheduler.pause()
        due = {"run_date": datetime.now(timezone.utc), "misfire_grace_time": None, "max_instances": 2}
        scheduler.add_job(work_until_told, "date", id="a", **due)
        scheduler.add_job(fail_meanwhile, "date", id="a", jobstore="memory", **due)
        scheduler.resume()
        try:
            assert failed.wait(60)
            (claim,) = store._claims._under_way.values()
            assert claim is not None and store._claims.has(claim)
        finally:
            may_end.set()


def test_ctrl_c_while_a_run_that_is_skipped_is_told_costs_no_other(tmp_path, monkeypatch):
    store = SQLAlchemyJobStore(f"sqlite:///{tmp_path}/jobs.db", shared=True, lease=1, poll_interval=0.05)
    claim, ended = store._shared.claim, threading.Event()

    def one_is_busy(me, rows, others):
        refused = claim(me, [row for row in rows if row.change.id != "busy"], others)
        return refused and refused._replace(busy=refused.busy | {"busy"})

    def interrupt(record):
        if "skipped" in record.msg:
            raise KeyboardInterrupt

    monkeypatch.setattr(store._shared, "claim", one_is_busy)
    logger = logging.getLogger("rapscheduler.scheduler")
    with ManualScheduler(jobstores={"default": store}) as scheduler, monkeypatch.context() as patch:
        scheduler.add_listener(lambda event: ended.set(), EVENT_JOB_EXECUTED)
        for job_id in ("busy", "free"):
            scheduler.add_job(int, "date", run_date=scheduler.clock.now() + timedelta(1), id=job_id)
        patch.setattr(logger, "filter", interrupt)
        with pytest.raises(KeyboardInterrupt):
            scheduler.advance(timedelta(1))
        patch.undo()
        assert ended.wait(60)


class WithoutText(IntervalTrigger):
    def __str__(self):
        raise ValueError


def test_a_run_that_was_taken_over_is_tried_again_though_its_trigger_has_no_text(tmp_path):
    store = SQLAlchemyJobStore(f"sqlite:///{tmp_path}/jobs.db", shared=True)
    scheduler = BackgroundScheduler(timezone="UTC")
    job = scheduler.add_job(work_until_told, WithoutText(hours=1), id="a", executor="none of ours")
    store.start(scheduler, "default")
    kept = keeper.Keeper(scheduler, "default", store)
    store._shared.join(kept.me)
    kept._look()
    kept._waiting = [(run := RunRow("a", 1, 1, 1, None), job)]
    kept._submit_waiting()
    assert kept._waiting == [(run, job)]
    store.shutdown()
