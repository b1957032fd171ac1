"""The app of the Celery workers that tests start; the environment says where its broker and its queue are."""

from __future__ import annotations

import os

from celery import Celery

from rapscheduler.executors.celery import install


def app_of(broker: str, queue: str) -> Celery:
    app = Celery("tests", broker=broker)
    app.conf.update(
        task_default_queue=queue,
        worker_enable_remote_control="RAPSCHEDULER_TEST_CONTROL" in os.environ,  # else no queues of its own
        broker_connection_retry_on_startup=True,
        broker_connection_timeout=2,
        worker_enable_prefetch_count_reduction=False,  # with it, threads of 5.7 speak on one connection after a cut
    )
    if broker.startswith("redis"):
        app.conf.broker_transport_options = {"polling_interval": 0.1}
    return app


if "RAPSCHEDULER_TEST_QUEUE" in os.environ:
    app = app_of(os.environ["RAPSCHEDULER_TEST_BROKER"], os.environ["RAPSCHEDULER_TEST_QUEUE"])
    install(app, allowed_callables=["tests.engines.distant_jobs:*"])
