"""The shipped contract of job stores, run on the stores that need no server, and on one written for APScheduler.

Stores on real servers run the same suite in tests/stores.
"""

from __future__ import annotations

import pickle

import pytest

from rapscheduler.job import Job
from rapscheduler.jobstores.base import BaseJobStore, ConflictingIdError, JobLookupError
from rapscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from rapscheduler.testing.stores import JobStoreConformance


class ShelfStore(BaseJobStore):
    """A third-party store in APScheduler's manner: its eight public methods over a dict of pickles, nothing else."""

    def __init__(self, shelf):
        super().__init__()
        self.shelf = shelf

    def restore(self, data):
        job = Job.__new__(Job)
        job.__setstate__(pickle.loads(data))
        job._scheduler = self._scheduler
        job._jobstore_alias = self._alias
        return job

    def lookup_job(self, job_id):
        return self.restore(self.shelf[job_id]) if job_id in self.shelf else None

    def get_due_jobs(self, now):
        return [
            job for job in self.get_all_jobs() if job.next_run_time is not None and job.next_run_time <= now
        ]

    def get_next_run_time(self):
        return min((job.next_run_time for job in self.get_all_jobs() if job.next_run_time), default=None)

    def get_all_jobs(self):
        jobs = [self.restore(data) for data in list(self.shelf.values())]
        jobs.sort(key=lambda job: job.next_run_time.timestamp() if job.next_run_time else float("-inf"))
        self._fix_paused_jobs_sorting(jobs)
        return jobs

    def add_job(self, job):
        if self.shelf.setdefault(job.id, data := pickle.dumps(job.__getstate__())) is not data:
            raise ConflictingIdError(job.id)

    def update_job(self, job):
        if job.id not in self.shelf:
            raise JobLookupError(job.id)
        self.shelf[job.id] = pickle.dumps(job.__getstate__())

    def remove_job(self, job_id):
        if self.shelf.pop(job_id, None) is None:
            raise JobLookupError(job_id)

    def remove_all_jobs(self):
        self.shelf.clear()


class TestMemoryJobStore(JobStoreConformance):
    def make_store(self):
        memory = pytest.importorskip("rapscheduler.jobstores.memory")
        return memory.MemoryJobStore()


class TestThirdPartyStore(JobStoreConformance):
    most_jobs = 60

    def make_store(self):
        self.shelf: dict = {}
        return ShelfStore(self.shelf)

    def reopen(self):
        return ShelfStore(self.shelf)


class TestSQLiteInMemory(JobStoreConformance):
    keeps_rows = makes_places = True

    def make_store(self):
        return SQLAlchemyJobStore("sqlite://")


class TestSQLiteFile(JobStoreConformance):
    keeps_rows = makes_places = True

    @pytest.fixture(autouse=True)
    def folder(self, tmp_path):
        self.url = f"sqlite:///{tmp_path}/jobs.db"

    def make_store(self):
        return SQLAlchemyJobStore(self.url)

    def reopen(self):
        return SQLAlchemyJobStore(self.url)


class TestSubclassThatOverridesAPublicMethod(TestSQLiteInMemory):
    """A subclass in APScheduler's manner, as many programs have: what it overrides is what the loop uses."""

    keeps_rows = False

    def make_store(self):
        class Counting(SQLAlchemyJobStore):
            updated = 0

            def update_job(self, job):
                self.updated += 1
                super().update_job(job)

        return Counting("sqlite://")


class TestSubclassThatOverridesTheReading(TestSQLiteInMemory):
    keeps_rows = False

    def make_store(self):
        class Watching(SQLAlchemyJobStore):
            def get_due_jobs(self, now):
                return list(super().get_due_jobs(now))

            def remove_job(self, job_id):
                super().remove_job(job_id)

        return Watching("sqlite://")
