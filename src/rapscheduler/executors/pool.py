"""Executors over pools: threads of our own, processes of our own, and any pool with `submit`.

Here: handing submissions to pools, and what becomes of runs that a pool lost. Not here: the run loop, the workers.
"""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Future
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rapscheduler._engine.planning import Submission
from rapscheduler._locks import KeptLock
from rapscheduler._quoting import one_line
from rapscheduler.errors import InterpreterEndingError, UnrunnableJobError, log_line
from rapscheduler.executors._home import Failures
from rapscheduler.executors._lines import flush
from rapscheduler.executors._unfinished import too_late
from rapscheduler.executors._workers import WorkerPool
from rapscheduler.executors.base import BaseExecutor, run_job
from rapscheduler.util import elsewhere

if TYPE_CHECKING:
    from rapscheduler.executors._process_runs import RemoteRun

__all__ = ("BasePoolExecutor", "ProcessPoolExecutor", "ThreadPoolExecutor")


if not TYPE_CHECKING:
    __getattr__ = elsewhere(__name__)

_of_parents: list[Any] = []  # pools that a forked child has inherited


class BasePoolExecutor(BaseExecutor):
    """Runs jobs in a pool that has `submit(fn, *args) -> future` and `shutdown(wait)`."""

    takes_any_thread = True

    _pool: Any

    @abstractmethod
    def __init__(self, pool: Any) -> None:
        super().__init__()
        self._pool = pool

    def _is_needed(self) -> bool:
        """Whether the scheduler goes on when the main thread ends."""
        return self._home.outlives_main()

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

    takes_any_thread = True
    _writes_later = True

    def __init__(self, max_workers: int = 10, pool_kwargs: dict[str, Any] | None = None) -> None:
        calls: dict[str, Any] = {
            "work": self._run_here,
            "failed": self._not_told,
            "lost": self._run_lost,
            "needed": self._is_needed,
            "rested": flush,
        }
        super().__init__(WorkerPool(_whole("max_workers", max_workers), **(pool_kwargs or {}), **calls))

    def start(self, scheduler: Any, alias: str) -> None:
        """Take jobs, also after a shutdown; see `BaseExecutor.start`."""
        super().start(scheduler, alias)
        if isinstance(self._pool, WorkerPool):
            quick = self._quick is not None and type(self)._run_here is BaseExecutor._run_here
            self._pool.reopen(self._quick.make if quick and self._quick else self._run_here)

    def _not_told(self, submission: Submission) -> None:
        """A scheduler's `_dispatch_event` raised; it must not cost us the worker."""
        log_line(self._logger.exception, "Error telling the outcome of job %s", one_line(submission.job.id))

    def _do_submit_job(self, job: Any, run_times: list[datetime]) -> None:
        if isinstance(self._pool, WorkerPool):
            self._pool.put((self._accept(job, run_times),))
        else:  # somebody put a pool of their own in its place
            super()._do_submit_job(job, run_times)

    def _submit_batch(self, submissions: Sequence[Submission]) -> Failures:
        if not isinstance(self._pool, WorkerPool):
            return super()._submit_batch(submissions)
        return self._submit_together(submissions, self._pool.put)

    def _leave_parent(self) -> None:
        if isinstance(self._pool, WorkerPool):
            self._pool.forget_workers()

    def _queue_depth(self) -> int | None:
        return self._pool.queued() if isinstance(self._pool, WorkerPool) else None

    def _has_ended(self) -> bool:
        return isinstance(self._pool, WorkerPool) and self._pool.has_ended()

    def shutdown(self, wait: bool = True, timeout: float | None = None) -> None:
        """Take no more jobs; the queued ones still run. See `BaseExecutor.shutdown`."""
        if not isinstance(self._pool, WorkerPool):
            super().shutdown(wait, timeout)
        elif not self._pool.shutdown(wait, timeout=timeout):
            raise too_late(self._pool.unfinished(), timeout)


class ProcessPoolExecutor(BasePoolExecutor):
    """Runs jobs in a pool of processes, started by ``spawn`` unless `pool_kwargs` has another ``mp_context``.

    The callable, the arguments and what the job returns or raises are pickled; what can't be is an error of that run
    (`LostValueError` on the way back). When a process dies, the run that it was making is reported as an error
    (`BrokenProcessPool`), and another process takes its place. A pool whose processes can't start is replaced.

    Plugin alias: ``processpool``

    :param max_workers: the most processes; they are started as needed
    :param pool_kwargs: as for `concurrent.futures.ProcessPoolExecutor`: ``mp_context``, ``initializer``, ``initargs``,
        ``max_tasks_per_child``
    """

    takes_any_thread = True

    def __init__(self, max_workers: int = 10, pool_kwargs: dict[str, Any] | None = None) -> None:
        self.pool_kwargs = dict(pool_kwargs or {})
        if "mp_context" not in self.pool_kwargs:
            import multiprocessing  # here: it is heavy, and few schedulers run jobs in processes

            self.pool_kwargs["mp_context"] = multiprocessing.get_context("spawn")
        self._max_workers = _whole("max_workers", max_workers)
        self._was_shut_down = False
        self._renewing = KeptLock()
        super().__init__(self._new_pool())

    def start(self, scheduler: Any, alias: str) -> None:
        """Take jobs, after a shutdown in a new pool; see `BaseExecutor.start`."""
        super().start(scheduler, alias)
        if self._was_shut_down:
            self._was_shut_down = False
            self._pool = self._new_pool()

    def _new_pool(self) -> Any:
        options = self._aliased(dict(self.pool_kwargs))
        if not _has_lean_pools():
            from concurrent.futures.process import ProcessPoolExecutor as Pool

            return Pool(self._max_workers, **options)
        import rapscheduler.executors._process_runs  # noqa: F401 (here, so that no pass is the first to load it)
        from rapscheduler.executors._processes import ProcessPool

        return ProcessPool(self._max_workers, **options, needed=self._is_needed)

    def _aliased(self, options: dict[str, Any]) -> dict[str, Any]:
        """Where `apscheduler` is ours, it has to be so in the workers before anything of the user's is imported."""
        import sys

        from rapscheduler._alias import AliasFinder

        if AliasFinder not in sys.meta_path:
            return options
        from multiprocessing.reduction import ForkingPickler

        from rapscheduler.executors._remote import begin_worker

        own = (options.pop("initializer", None), options.pop("initargs", ()))
        options.update(initializer=begin_worker, initargs=(bytes(ForkingPickler.dumps(own)),))
        return options

    def _do_submit_job(self, job: Any, run_times: list[datetime]) -> None:
        submission = self._accept(job, run_times)
        _check(job)
        self._hand_over((submission,))

    def _submit_batch(self, submissions: Sequence[Submission]) -> Failures:
        failures: Failures = []
        good = []
        for submission in submissions:
            try:
                _check(submission.job)
            except UnrunnableJobError as exc:
                failures.append((submission, exc))
            else:
                good.append(submission)
        return failures + self._submit_together(good, self._hand_over)

    def _hand_over(self, submissions: Sequence[Submission]) -> None:
        from rapscheduler.executors._process_runs import RemoteRun

        runs = []
        try:
            for submission in submissions:
                backlogs = self._home.backlogs
                run = RemoteRun(self, submission, backlogs.of(submission) if backlogs else None)
                if run.next():
                    runs.append(run)
            if runs:
                self._put(runs)
        except BaseException:
            for run in runs:
                run.forget()
            raise

    def _put(self, runs: Sequence[RemoteRun]) -> None:
        pool = self._pool
        try:
            self._put_into(pool, runs)
        except BrokenExecutor:
            with self._renewing:
                if self._pool is pool:
                    self._logger.warning("Process pool is broken; replacing pool with a fresh instance")
                    pool.shutdown(wait=False)
                    self._pool = self._new_pool()
            self._put_into(self._pool, runs)
        except RuntimeError as exc:
            if self._has_ended() and not self._is_needed():
                raise InterpreterEndingError(str(exc)) from exc
            raise

    def _put_into(self, pool: Any, runs: Sequence[RemoteRun]) -> None:
        from rapscheduler.executors._processes import ProcessPool

        if isinstance(pool, ProcessPool):
            pool.put(runs)
        else:  # where there is no lean one, or somebody put a pool of their own in its place
            from rapscheduler.executors._process_runs import send_to

            for run in runs:
                send_to(pool, run)

    def _stop(self, run: RemoteRun) -> None:
        """Somebody cancelled it."""
        cancel = getattr(self._pool, "cancel", None)
        if cancel is not None:
            cancel(run)

    def _has_ended(self) -> bool:
        ended = getattr(self._pool, "has_ended", None)
        if ended is not None:
            return bool(ended())
        import concurrent.futures.process  # it closes every pool then

        return bool(getattr(concurrent.futures.process, "_global_shutdown", False))

    def _leave_parent(self) -> None:
        forget = getattr(self._pool, "forget_workers", None)
        if forget is not None:
            forget()
        else:
            _of_parents.append(self._pool)  # its end would wait for a lock, and wake a thread of the parent
        self._pool = self._new_pool()

    def _queue_depth(self) -> int | None:
        unfinished = getattr(self._pool, "unfinished", None)
        return None if unfinished is None else max(0, unfinished() - self._max_workers)

    def shutdown(self, wait: bool = True, timeout: float | None = None) -> None:
        """Take no more jobs; the queued ones still run. See `BaseExecutor.shutdown`."""
        self._was_shut_down = True
        if not hasattr(self._pool, "unfinished"):
            # a listener is called in the pool's own thread, which can't wait for itself
            own = threading.current_thread() is getattr(self._pool, "_executor_manager_thread", None)
            self._pool.shutdown(wait and not own)
        elif not self._pool.shutdown(wait, timeout=timeout):
            raise too_late(self._pool.unfinished(), timeout)


def _check(job: Any) -> None:
    if not job.func_ref:
        raise UnrunnableJobError(
            f"job {job.id} can't go to another process: its callable {job.func!r} has no importable name; "
            "use a function of a module, or a thread pool"
        )


def _has_lean_pools() -> bool:
    """Whether threads may wait for pipes here. gevent's can't; Windows has other pipes."""
    import os
    import sys

    monkey = sys.modules.get("gevent.monkey")
    return os.name == "posix" and (monkey is None or not monkey.is_module_patched("threading"))


def _whole(name: str, value: Any) -> int:
    """A whole number from a setting, which may be a text. The error names the argument."""
    try:
        return int(value)
    except (TypeError, ValueError):
        raise ValueError(
            f"{name}={value!r} is not a whole number; give how many workers there may be, such as {name}=10"
        ) from None


def _outcome(future: Future[Any]) -> BaseException | None:
    """The exception of a future that ended; a cancelled one has a CancelledError."""
    if future.cancelled():
        return CancelledError("the run was cancelled before it began")
    return future.exception()
