"""Executors over pools: threads of our own, processes of `concurrent.futures`, and any pool with `submit`.

Here: handing submissions to pools, and what becomes of runs that a pool lost. Not here: the run loop, the workers.
"""

from __future__ import annotations

import threading
import time
from abc import abstractmethod
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Future
from concurrent.futures import wait as wait_for
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rapscheduler._engine.planning import Submission
from rapscheduler.errors import InterpreterEndingError, MaxInstancesReachedError, UnrunnableJobError
from rapscheduler.executors._unfinished import too_late
from rapscheduler.executors._workers import WorkerPool
from rapscheduler.executors.base import BaseExecutor, Failures, run_job

if TYPE_CHECKING:
    import concurrent.futures.process

__all__ = ("BasePoolExecutor", "ProcessPoolExecutor", "ThreadPoolExecutor")


class BasePoolExecutor(BaseExecutor):
    """Runs jobs in a pool that has `submit(fn, *args) -> future` and `shutdown(wait)`."""

    _pool: Any

    @abstractmethod
    def __init__(self, pool: Any) -> None:
        super().__init__()
        self._pool = pool

    def _is_needed(self) -> bool:
        """Whether the scheduler goes on when the main thread ends."""
        return bool(getattr(self._scheduler, "_outlives_main", bool)())

    def _do_submit_job(self, job: Any, run_times: list[datetime]) -> None:
        def ended(future: Future[Any]) -> None:
            exc = _outcome(future)
            if exc is not None:
                self._run_job_error(job.id, exc, exc.__traceback__)
            else:
                self._run_job_success(job.id, future.result())

        future = self._pool.submit(run_job, job, job._jobstore_alias, run_times, self._logger.name)
        future.add_done_callback(ended)

    def shutdown(self, wait: bool = True, timeout: float | None = None) -> None:
        """Shut the pool down; see `BaseExecutor.shutdown`."""
        self._pool.shutdown(wait)


class ThreadPoolExecutor(BasePoolExecutor):
    """Runs jobs in a pool of threads. A job that returns an awaitable has it awaited on an event loop of its own.

    Plugin alias: ``threadpool``

    :param max_workers: the most threads; they are started as needed
    :param pool_kwargs: ``thread_name_prefix``, ``initializer``, ``initargs``, as in `concurrent.futures`
    """

    def __init__(self, max_workers: int = 10, pool_kwargs: dict[str, Any] | None = None) -> None:
        calls: dict[str, Any] = {"work": self._work, "lost": self._run_lost, "needed": self._is_needed}
        super().__init__(WorkerPool(int(max_workers), **(pool_kwargs or {}), **calls))

    def start(self, scheduler: Any, alias: str) -> None:
        """Take jobs, also after a shutdown; see `BaseExecutor.start`."""
        super().start(scheduler, alias)
        if isinstance(self._pool, WorkerPool):
            self._pool.reopen()

    def _work(self, submission: Submission) -> None:
        try:
            self._run_here(submission)
        except BaseException:  # a scheduler whose _dispatch_event raises must not cost us the worker
            self._logger.exception("Error telling the outcome of job %s", submission.job.id)

    def _do_submit_job(self, job: Any, run_times: list[datetime]) -> None:
        if isinstance(self._pool, WorkerPool):
            self._pool.put((self._accept(job, run_times),))
        else:  # somebody put a pool of their own in its place
            super()._do_submit_job(job, run_times)

    def _submit_batch(self, submissions: Sequence[Submission]) -> Failures:
        if self._lock is None or not isinstance(self._pool, WorkerPool):
            return super()._submit_batch(submissions)
        try:
            granted, refused = self._running.acquire_runs(submissions)
        except Exception:  # a job whose limit is no number; it must not keep the others back
            return super()._submit_batch(submissions)
        failures: Failures = [(one, MaxInstancesReachedError(one.job)) for one in refused]
        try:
            if granted:
                self._pool.put(granted)
        except Exception as exc:
            for one in granted:
                self._running.release(one.job.id)
            failures += [(one, exc) for one in granted]
        return failures

    def _queue_depth(self) -> int | None:
        return self._pool.queued() if isinstance(self._pool, WorkerPool) else None

    def shutdown(self, wait: bool = True, timeout: float | None = None) -> None:
        """Take no more jobs; the queued ones still run. See `BaseExecutor.shutdown`."""
        if not isinstance(self._pool, WorkerPool):
            super().shutdown(wait, timeout)
        elif not self._pool.shutdown(wait, timeout=timeout):
            raise too_late(self._pool.unfinished(), timeout)


class ProcessPoolExecutor(BasePoolExecutor):
    """Runs jobs in a pool of processes, started by ``spawn`` unless `pool_kwargs` has another ``mp_context``.

    The callable, the arguments and what the job returns or raises are pickled; what can't be is an error of that run
    (`LostValueError` on the way back). A pool that breaks (a process was killed) is replaced; the runs that were in it
    are reported as errors.

    Plugin alias: ``processpool``

    :param max_workers: the most processes
    :param pool_kwargs: as for `concurrent.futures.ProcessPoolExecutor` (``max_tasks_per_child``, ``initializer``…)
    """

    def __init__(self, max_workers: int = 10, pool_kwargs: dict[str, Any] | None = None) -> None:
        self.pool_kwargs = dict(pool_kwargs or {})
        if "mp_context" not in self.pool_kwargs:
            import multiprocessing  # here: it is heavy, and few schedulers run jobs in processes

            self.pool_kwargs["mp_context"] = multiprocessing.get_context("spawn")
        self._max_workers = int(max_workers)
        self._was_shut_down = False
        self._futures: set[Future[Any]] = set()
        super().__init__(self._new_pool())

    def start(self, scheduler: Any, alias: str) -> None:
        """Take jobs, after a shutdown in a new pool; see `BaseExecutor.start`."""
        super().start(scheduler, alias)
        if self._was_shut_down:
            self._was_shut_down = False
            self._pool = self._new_pool()

    def _new_pool(self) -> concurrent.futures.process.ProcessPoolExecutor:
        from concurrent.futures.process import ProcessPoolExecutor as Pool

        return Pool(self._max_workers, **self.pool_kwargs)

    def _do_submit_job(self, job: Any, run_times: list[datetime]) -> None:
        submission = self._accept(job, run_times)
        if not job.func_ref:
            raise UnrunnableJobError(
                f"job {job.id} can't go to another process: its callable {job.func!r} has no importable name; "
                "use a function of a module, or a thread pool"
            )
        from rapscheduler.executors._remote import RemoteJob, run_remote

        text = str(job)
        remote = RemoteJob(job, text)
        args = (run_remote, remote, submission.alias, run_times, submission.found_us, self._logger.name)
        try:
            future = self._pool.submit(*args)
        except RuntimeError as exc:
            if self._is_python_ending():
                if not self._is_needed():
                    raise InterpreterEndingError(str(exc)) from exc
                raise RuntimeError(
                    "the main thread has ended, and Python closes all pools of processes then; let it wait, for "
                    "instance in thread.join(), or use a thread pool"
                ) from exc
            if not isinstance(exc, BrokenExecutor):
                raise
            self._logger.warning("Process pool is broken; replacing pool with a fresh instance")
            self._pool = self._new_pool()
            future = self._pool.submit(*args)
        self._futures.add(future)
        future.add_done_callback(lambda ended: self._ended(submission, text, ended))

    @staticmethod
    def _is_python_ending() -> bool:
        """Whether `concurrent.futures` has closed every pool because the main thread ended."""
        import concurrent.futures.process

        return bool(getattr(concurrent.futures.process, "_global_shutdown", False))

    def _ended(self, submission: Submission, text: str, future: Future[Any]) -> None:
        from rapscheduler.executors._remote import unpacked

        self._futures.discard(future)
        exc = _outcome(future)
        if exc is not None:
            self._run_lost(submission, exc)
        else:
            self._run_job_success(submission.job.id, unpacked(future.result(), text, self._logger))

    def _queue_depth(self) -> int | None:
        return max(0, len(self._futures) - self._max_workers)

    def shutdown(self, wait: bool = True, timeout: float | None = None) -> None:
        """Take no more jobs; the queued ones still run. See `BaseExecutor.shutdown`."""
        self._was_shut_down = True
        # a listener is called in the pool's own thread, which can't wait for itself
        own = threading.current_thread() is getattr(self._pool, "_executor_manager_thread", None)
        if not wait or timeout is None or own:
            self._pool.shutdown(wait and not own)
            return
        deadline = time.monotonic() + timeout
        self._pool.shutdown(wait=False)
        pending = wait_for(list(self._futures), max(0.0, deadline - time.monotonic()))[1]
        if pending:
            raise too_late(len(pending), timeout)


def _outcome(future: Future[Any]) -> BaseException | None:
    """The exception of a future that ended; a cancelled one has a CancelledError."""
    if future.cancelled():
        return CancelledError("the run was cancelled before it began")
    return future.exception()
