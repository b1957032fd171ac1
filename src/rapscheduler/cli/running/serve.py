"""A scheduler served until a signal: SIGTERM and SIGINT end it gracefully, a second one at once.

What lives here: finding a scheduler by its name, starting it in the way its class sleeps, the graceful end. The main
thread waits where signals arrive; a scheduler with an event loop runs in asyncio.run().

Rule: a signal handler interrupts the main thread anywhere, also while it holds a lock. It takes none, then: it sets a
`WakeUp` (an `Event` deadlocks under its own waiter) and starts no thread (`Thread.start` takes one, too).
One that comes after the interpreter's last look and before the thread sleeps is handled when that wakes: it sleeps for
`LOOK_S` at most.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import logging
import os
import signal
import threading
from typing import Any

from rapscheduler._quoting import said
from rapscheduler.cli._answers import CommandError
from rapscheduler.schedulers.background import BackgroundScheduler
from rapscheduler.schedulers.base import BaseScheduler
from rapscheduler.schedulers.blocking import BlockingScheduler, WakeUp

logger = logging.getLogger("rapscheduler.run")
SIGNALS = (signal.SIGTERM, signal.SIGINT)
EXIT_LEFT_RUNNING = 1
LOOK_S = 1.0


def scheduler_named(reference: str) -> Any:
    """The scheduler of ``module:name``; a function (a coroutine function, too) is called later. CommandError: none."""
    module, colon, name = reference.partition(":")
    if not colon or not module or not name:
        raise CommandError(f"{reference!r} names no scheduler; write module:name, e.g. myapp.jobs:scheduler")
    try:
        found: Any = importlib.import_module(module)
    except ModuleNotFoundError as exc:
        if exc.name is None or not (module == exc.name or module.startswith(f"{exc.name}.")):
            raise
        raise CommandError(
            f"{said(exc)}: run it in the directory of your program, or set PYTHONPATH"
        ) from exc
    for part in name.split("."):
        if not hasattr(found, part):
            raise CommandError(f"{module} has no {name}")
        found = getattr(found, part)
    if inspect.iscoroutinefunction(found):
        return found
    if not isinstance(found, BaseScheduler) and callable(found):
        found = found()
    if not isinstance(found, BaseScheduler):
        raise CommandError(
            f"{reference} is {said(repr(found))}, no scheduler of rapscheduler (a program that imports apscheduler is "
            "run by `rapscheduler exec`)"
        )
    return found


def serve(scheduler: Any, stop_timeout: float) -> int:
    """Run until a signal; 0: ended gracefully, 1: jobs were left running."""
    if inspect.iscoroutinefunction(scheduler) or hasattr(scheduler, "shutdown_async"):
        return asyncio.run(_serve_async(scheduler, stop_timeout))
    if isinstance(scheduler, BlockingScheduler) and not isinstance(scheduler, BackgroundScheduler):
        return _serve_blocking(scheduler, stop_timeout)
    if not isinstance(scheduler, BackgroundScheduler):
        raise CommandError(
            f"{type(scheduler).__name__} needs the event loop of its library; start it in your program"
        )
    asked = WakeUp()
    _on_signals(asked.set)
    if not scheduler.running:
        scheduler.start()
    _announce(scheduler)
    while not asked.wait(LOOK_S):
        pass
    return _ended(scheduler, stop_timeout)


def _serve_blocking(scheduler: BlockingScheduler, stop_timeout: float) -> int:
    """`start` returns when a thread shuts the scheduler down, since a signal handler must not wait."""
    codes: list[int] = []
    asked = WakeUp()
    over = False  # the scheduler has ended by itself

    def end() -> None:
        while not asked.wait():
            pass
        if not over:
            codes.append(_ended(scheduler, stop_timeout))

    ender = threading.Thread(target=end, name="rapscheduler-end", daemon=True)
    ender.start()
    _on_signals(asked.set)
    _announce(scheduler)
    scheduler.start()
    if not asked.is_set():
        over = True
        asked.set()
    ender.join()
    return max(codes, default=0)


async def _serve_async(scheduler: Any, stop_timeout: float) -> int:
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    _on_signals(lambda: loop.call_soon_threadsafe(asked.set))
    if inspect.iscoroutinefunction(scheduler):
        scheduler = await scheduler()
    if not scheduler.running:
        scheduler.start()
    _announce(scheduler)
    await asked.wait()
    logger.info("Ending: running jobs have %g s", stop_timeout)
    try:
        await asyncio.wait_for(scheduler.shutdown_async(), stop_timeout)
    except (asyncio.TimeoutError, TimeoutError):
        logger.warning("Jobs were still running after %g s", stop_timeout)
        return EXIT_LEFT_RUNNING
    logger.info("Ended")
    return 0


def _announce(scheduler: Any) -> None:
    logger.info("%s runs in process %d; SIGTERM or Ctrl-C ends it", type(scheduler).__name__, os.getpid())


def _ended(scheduler: Any, stop_timeout: float) -> int:
    logger.info("Ending: running jobs have %g s", stop_timeout)
    scheduler.shutdown(wait=True, timeout=stop_timeout)
    if any(getattr(one, "_instances", None) for one in scheduler._executors.values()):
        logger.warning("Jobs were still running after %g s", stop_timeout)
        return EXIT_LEFT_RUNNING
    logger.info("Ended")
    return 0


def _on_signals(ask: Any) -> None:
    """The first signal asks for a graceful end, the second one ends the process."""
    told: list[int] = []

    def handle(number: int, frame: Any) -> None:
        if told:
            os._exit(128 + number)
        told.append(number)
        ask()

    for number in SIGNALS:
        signal.signal(number, handle)
