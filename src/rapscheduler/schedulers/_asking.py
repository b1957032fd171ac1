"""What may be asked of all jobs, done to many of them, or awaited. The work is in `_scheduling/asking`.

Here: names, arguments, words. Not here: stores, jobs.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Mapping

from rapscheduler._hints import TYPE_CHECKING, Any
from rapscheduler.job import Job
from rapscheduler.util import as_written

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from rapscheduler._fields import Changes
    from rapscheduler._scheduling.cancelling import Cancellation
    from rapscheduler._typed import AddJob, RescheduleJob, like

    adds_async = like(AddJob[Coroutine[Any, Any, Job]].call)
    reschedules_async = like(RescheduleJob[Coroutine[Any, Any, Job]].call)
else:
    adds_async = reschedules_async = as_written


class Asking:
    """A part of `BaseScheduler`."""

    def count_jobs(self, jobstore: str | None = None, **filters: Any) -> int:
        """How many jobs there are, of those that `get_jobs` would give.

        :param filters: ``prefix``, ``tag``, ``owner``, ``state``, as `get_jobs` takes them
        """
        from rapscheduler._scheduling import asking

        return asking.count(self, jobstore, filters)

    def pause_jobs(
        self, ids: Iterable[str] | None = None, jobstore: str | None = None, **filters: Any
    ) -> list[str]:
        """Pause many jobs: those of these ids, or those that `get_jobs` would give; their ids.

        An id that isn't there any more is left out. Without ids a filter must be given.
        """
        from rapscheduler._scheduling import asking

        return asking.each(self, "pause_job", ids, jobstore, filters)

    def resume_jobs(
        self, ids: Iterable[str] | None = None, jobstore: str | None = None, **filters: Any
    ) -> list[str]:
        """Resume many jobs; see `pause_jobs`."""
        from rapscheduler._scheduling import asking

        return asking.each(self, "resume_job", ids, jobstore, filters)

    def remove_jobs(
        self, ids: Iterable[str] | None = None, jobstore: str | None = None, **filters: Any
    ) -> list[str]:
        """Remove many jobs; see `pause_jobs`."""
        from rapscheduler._scheduling import asking

        return asking.each(self, "remove_job", ids, jobstore, filters)

    def modify_jobs(
        self,
        changes: Mapping[str, Any],
        ids: Iterable[str] | None = None,
        jobstore: str | None = None,
        **filters: Any,
    ) -> list[str]:
        """Make the same changes, as `modify_job` takes them, to many jobs; see `pause_jobs`."""
        from rapscheduler._scheduling import asking

        return asking.each(self, "modify_job", ids, jobstore, filters, changes)

    def sync_jobs(self, specs: Iterable[Mapping[str, Any]], owner: str, jobstore: str = "default") -> Any:
        """Make the jobs of an owner those that are declared here: add, change, keep, remove.

        A job that is declared as it is keeps its next run time; so does a changed one whose trigger is the same. Jobs
        of other owners, and those without one, are never touched.

        :param specs: arguments of `add_job`, as mappings; each with an id
        :return: ids as ``added``, ``changed``, ``kept`` and ``removed``
        :raises ValueError: if a spec has no id, or an id comes twice
        :raises ConflictingIdError: if an id is that of a job of somebody else; nothing is done then
        """
        from rapscheduler._scheduling import asking

        return asking.sync(self, specs, owner, jobstore)

    @adds_async
    async def add_job_async(self, *args: Any, **kwargs: Any) -> Job:
        """`add_job`, awaited: where a store has to be waited for, a thread does it."""
        job: Job = await self._awaited("add_job", args, kwargs)
        return job

    async def modify_job_async(
        self, job_id: str, jobstore: str | None = None, **changes: Unpack[Changes]
    ) -> Job:
        """`modify_job`, awaited."""
        job: Job = await self._awaited("modify_job", (job_id, jobstore), changes)
        return job

    @reschedules_async
    async def reschedule_job_async(self, *args: Any, **kwargs: Any) -> Job:
        """`reschedule_job`, awaited."""
        job: Job = await self._awaited("reschedule_job", args, kwargs)
        return job

    async def pause_job_async(self, job_id: str, jobstore: str | None = None) -> Job:
        """`pause_job`, awaited."""
        job: Job = await self._awaited("pause_job", (job_id, jobstore), {})
        return job

    async def resume_job_async(self, job_id: str, jobstore: str | None = None) -> Job | None:
        """`resume_job`, awaited."""
        job: Job | None = await self._awaited("resume_job", (job_id, jobstore), {})
        return job

    async def remove_job_async(self, job_id: str, jobstore: str | None = None) -> None:
        """`remove_job`, awaited."""
        await self._awaited("remove_job", (job_id, jobstore), {})

    async def get_job_async(self, job_id: str, jobstore: str | None = None) -> Job | None:
        """`get_job`, awaited."""
        job: Job | None = await self._awaited("get_job", (job_id, jobstore), {})
        return job

    async def get_jobs_async(self, *args: Any, **kwargs: Any) -> list[Job]:
        """`get_jobs`, awaited."""
        jobs: list[Job] = await self._awaited("get_jobs", args, kwargs)
        return jobs

    async def cancel_run_async(self, run_id: str, timeout: float = 10.0) -> Cancellation:
        """`cancel_run`, awaited."""
        answer: Cancellation = await self._awaited("cancel_run", (run_id, timeout), {})
        return answer

    async def _awaited(self, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        from rapscheduler._scheduling import asking

        return await asking.awaited(self, getattr(self, name), args, kwargs)
