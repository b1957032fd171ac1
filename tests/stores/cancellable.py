"""A process with a scheduler on a shared store whose jobs run until they are cancelled, in a thread, an event loop and
another process. Each writes B when it begins, and C when it is told to end, with the id of its run.

python -m tests.stores.cancellable URL TABLE
"""

from __future__ import annotations

import asyncio
import os
import sys
import time

from tests.stores import shared_stores
from tests.stores.shared_worker import _write

from rapscheduler import current_run
from rapscheduler.schedulers.asyncio import AsyncIOScheduler


def note(word):
    _write(f"{word} {current_run().id} {os.getpid()} {time.time()}\n")


def in_thread():
    note("B")
    while not current_run().cancelled:
        time.sleep(0.01)
    note("C")
    current_run().check()


async def in_loop():
    note("B")
    try:
        await asyncio.sleep(600)
    except asyncio.CancelledError:
        note("C")
        raise


def in_process():
    note("B")
    time.sleep(600)


def quick():
    note("B")


async def main(url, table):
    store = shared_stores.settings(url, table) | {"shared": "true", "lease": "60", "poll_interval": "0.2"}
    settings = {f"apscheduler.jobstores.default.{name}": value for name, value in store.items()}
    for name, kind in (("threads", "threadpool"), ("processes", "processpool"), ("default", "asyncio")):
        settings[f"apscheduler.executors.{name}.type"] = kind
    AsyncIOScheduler(settings, timezone="UTC").start()
    await asyncio.sleep(3600)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
