"""What a scheduler has under way on a shared store stays known to it, and what it took over is begun or told."""

from __future__ import annotations

import threading
import time
from datetime import datetime, timezone

import pytest
from tests.unit.schedulers import test_claimed_runs as claimed

from rapscheduler._engine import planning
from rapscheduler.events import EVENT_JOB_LOST, EVENT_JOB_MAX_INSTANCES
from rapscheduler.jobstores._shared import RunRow
from rapscheduler.schedulers.background import BackgroundScheduler

SQLAlchemyJobStore = pytest.importorskip("rapscheduler.jobstores.sqlalchemy").SQLAlchemyJobStore
kept = claimed.kept
left, made, put_runs, work = claimed.left, claimed.made, claimed.put_runs, claimed.work


def begun_in(kept):
    """A run that was claimed and has begun: its submission and change, its claim."""
    job = kept.scheduler.add_job(work, "date", id="a", max_instances=3)
    kept._look()
    pair = planning.Submission(job, [1], 1), planning.Change(job, 1)
    claim = kept.hold(*pair, kept.me.epoch)
    assert claim.begin(0)
    return pair, claim


def test_a_run_under_way_stays_known_when_its_job_is_set_back_to_its_time(kept, monkeypatch):
    """Else its end is not told, and it is found as one whose claim nobody knows: it was run a second time."""
    pair, claim = begun_in(kept)
    assert kept.claim([pair], []).out == {"a"} and kept.has(claim)

    def deaf(*batch):
        raise ConnectionError("the server was restarted")

    with monkeypatch.context() as patch, pytest.raises(ConnectionError):
        patch.setattr(kept.rows, "claim", deaf)
        kept.claim([pair], [])
    assert kept.has(claim)
    claim.end()
    assert list(kept._ended) == [("a", 1)]


def test_a_run_that_is_claimed_again_while_its_end_is_told_is_known(kept, monkeypatch):
    pair, claim = begun_in(kept)
    claim.end()
    write, again = kept.rows.write, []

    def claimed_meanwhile(*told):
        later = write(*told)
        again.append(kept.hold(*pair, kept.me.epoch))
        return later

    monkeypatch.setattr(kept.rows, "write", claimed_meanwhile)
    kept.flush()
    assert kept.has(again[0])


@pytest.mark.parametrize("grouped", [{}, {"group": "g"}])
def test_a_job_that_is_added_anew_with_the_time_of_its_run_under_way_runs_once(tmp_path, grouped):
    made.clear()
    store = SQLAlchemyJobStore(f"sqlite:///{tmp_path}/jobs.db", shared=True)
    may_end, skipped = threading.Event(), threading.Event()
    options = {"run_date": datetime.now(timezone.utc), "id": "a", "misfire_grace_time": None} | grouped
    with BackgroundScheduler(timezone="UTC", jobstores={"default": store}) as scheduler:
        scheduler.add_listener(lambda event: skipped.set(), EVENT_JOB_MAX_INSTANCES)
        begun = threading.Event()
        slow_work.events = begun, may_end
        scheduler.add_job(slow_work, "date", max_instances=3, **options)
        assert begun.wait(20)
        scheduler.add_job(slow_work, "date", max_instances=3, replace_existing=True, **options)
        assert skipped.wait(20)
        assert len(store._claims.known()) == left(store) == 1
        may_end.set()
        until_s = time.monotonic() + 20
        while left(store) and time.monotonic() < until_s:
            time.sleep(0.02)
    assert (made, left(store)) == ([1], 0)


def slow_work():
    begun, may_end = slow_work.events
    made.append(1)
    begun.set()
    assert may_end.wait(20)


class Moody:
    """A trigger of somebody else, which raises when it is asked for a further time."""

    def get_next_fire_time(self, previous, now):
        raise LookupError("no calendar today")


def test_a_backlog_whose_trigger_raises_is_told_when_it_is_taken_over_and_ended(kept, caplog):
    """Else the store has it for this scheduler for ever, and no line in the log names it."""
    told = []
    kept.scheduler.add_listener(told.append, EVENT_JOB_LOST)
    jobs = [kept.scheduler.add_job(work, "date", id=job_id, max_instances=1) for job_id in ("run0", "other")]
    put_runs(kept.store, kept.me.id, kept.me.epoch, 1, last_us=9)
    kept._look()
    jobs[0].trigger = Moody()
    keys = [("run0", 1), ("other", 1)]
    kept._under_way.update(dict.fromkeys(keys))
    kept._waiting = [(RunRow(*keys[0], 1, 9, None), jobs[0]), (RunRow(*keys[1], 1, 1, None), jobs[1])]
    kept.scheduler._executors["default"] = executor = Plain()
    kept._submit_waiting()
    assert not kept._waiting and executor.ids == ["other"]
    assert [(event.job_id, event.rerun) for event in told] == [("run0", False)]
    assert "no calendar today" in caplog.text
    kept.flush()
    assert kept.known() == {keys[1]} and not kept.rows.own(kept.me)


class Plain:
    """An executor that knows APScheduler's contract only."""

    def __init__(self):
        self.ids = []

    def submit_job(self, job, run_times):
        self.ids.append(job.id)


def test_a_run_that_was_taken_over_goes_to_an_executor_that_only_knows_apschedulers_contract(kept):
    job = kept.scheduler.add_job(work, "date", id="run0", max_instances=1)
    kept._look()
    kept._under_way["run0", 1] = None
    kept._waiting = [(RunRow("run0", 1, 1, 1, None), job)]
    kept.scheduler._executors["default"] = executor = Plain()
    kept._submit_waiting()
    assert executor.ids == ["run0"] and not kept._waiting
