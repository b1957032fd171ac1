"""What schedulers on a shared table of PostgreSQL tell each other."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from tests.stores import shared_stores
from tests.stores.shared_stores import make_store
from tests.stores.shared_worker import work
from tests.stores.test_conformance_servers import fresh_name
from tests.stores.test_shared import until

from rapscheduler.jobstores._sqlnews import _earliest_us, channel_of
from rapscheduler.testing import ManualScheduler

DUE, DUE_US = "2026-01-01 00:00:00.123457+00:00", 1_767_225_600_123_457
LATER, LATER_US = "2027-01-01 00:00:00+00:00", 1_798_761_600_000_000


def test_a_message_says_when_the_earliest_job_is_due(server_url):
    url, table = server_url("postgresql"), fresh_name()
    store, heard = make_store(url, table, lease=60), []
    with ManualScheduler() as scheduler:
        store.start(scheduler, "shelf")
        listener = store._shared.listen(lambda *said: heard.append(said))
        try:
            assert listener.hears.wait(10)
            until(lambda: heard == [()])  # it was away
            jobs = [
                scheduler.add_job(work, "date", run_date=at, args=["x"], id=at, misfire_grace_time=None)
                for at in (LATER, DUE)
            ]
            for job, earliest_us in zip(jobs, (LATER_US, DUE_US), strict=True):
                heard.clear()
                store.add_job(job)
                until(lambda: heard)
                assert heard == [(earliest_us,)]
            store.remove_all_jobs()
            for message in (
                store._shared._notify,  # there is no job any more
                sa.select(sa.func.pg_notify(channel_of(store.jobs_t), "")),  # an older version
            ):
                heard.clear()
                with store.engine.begin() as connection:
                    connection.execute(message)
                until(lambda: heard)
                assert heard == [(None,)]
        finally:
            listener.stop()
    store.shutdown()
    shared_stores.drop(url, table)


@pytest.mark.parametrize(
    ("news", "earliest_us"),
    [
        (["3.5"], 3_500_000),
        (["3.5", b"2"], 2_000_000),  # both drivers
        (["3.5", ""], None),
        (["nan"], None),
        (["inf", "1"], None),
        (["1e300"], None),
        (["soon"], None),
    ],
)
def test_what_says_nothing_is_to_be_asked_for(news, earliest_us):
    assert _earliest_us(news) == earliest_us
