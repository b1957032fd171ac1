"""What differs from APScheduler and can be seen in the text of a program: data, with rows of docs/migration.md.

`tests/unit/cli/test_check.py` looks every row up in that page. Kinds: BREAKS (has to be changed), DIFFERS (worth a
look), SAME (touched, and as it was).
"""

from __future__ import annotations

from typing import NamedTuple

BREAKS, DIFFERS, SAME = "breaks", "differs", "same"


class Row(NamedTuple):
    """A row of docs/migration.md: the title of its section and the beginning of its first column."""

    section: str
    begins: str

    def __str__(self) -> str:
        return f"docs/migration.md, {self.section}: {self.begins}"


class Rule(NamedTuple):
    """What to say of a name: its kind, the text, the row."""

    kind: str
    text: str
    row: Row | None


STEPS = Row("Names", "`_set_field_value`, `_increment_field_value`")
COUNTS = Row("Names", "`executor._instances`")
LOGGERS = Row("Names", "loggers")
HOOKS_OF_ROWS = Row("Methods that subclasses override", "`_get_jobs`, `_reconstitute_job`")
HOOKS_OF_CRON = Row("Methods that subclasses override", "`_increment_field_value`, `_set_field_value`")
HOOK_OF_SHUTDOWN = Row("Methods that subclasses override", "`_shutdown` of the asyncio")
HOOK_OF_REMOVE = Row("Methods that subclasses override", "`scheduler.remove_job`")
PICKLE_PROTOCOL = Row("Job stores", "`pickle_protocol=`")
OWN_TYPES = Row("Job stores", "what a job in a store may hold")
OLD_ROWS = Row("Job stores", "rows of APScheduler in the table")
WEEKDAYS = Row("Triggers", "cron: numeric weekdays in `from_crontab`")
EXPORTS = Row("Adding and changing jobs", "`export_jobs` / `import_jobs`")

_GONE = "does not exist here; the step is another one"
_COUNTED = "runs under way are counted by executor._running.count(job_id)"

#: private attribute -> (words that the object it is asked of has in its name, what to say)
GONE: dict[str, tuple[tuple[str, ...], Rule]] = {
    "_instances": (("executor",), Rule(BREAKS, _COUNTED, COUNTS)),
    "_pool": (("executor",), Rule(DIFFERS, "is a pool of ours, with submit() and shutdown()", COUNTS)),
    "_ioloop": (("executor",), Rule(BREAKS, _GONE, STEPS)),
    "_jobs_index": (("store",), Rule(BREAKS, _GONE, STEPS)),
    "_get_job_index": (("store",), Rule(BREAKS, _GONE, STEPS)),
    "_get_jobs": (("store",), Rule(BREAKS, _GONE, STEPS)),
    "_reconstitute_job": (("store",), Rule(BREAKS, _GONE, STEPS)),
    "_reconstitute_jobs": (("store",), Rule(BREAKS, _GONE, STEPS)),
    "_ensure_paths": (("store",), Rule(BREAKS, _GONE, STEPS)),
    "_ensured_path": (("store",), Rule(BREAKS, _GONE, STEPS)),
    "_timeout": (("sched",), Rule(BREAKS, _GONE, STEPS)),
    "_delayedcall": (("sched",), Rule(BREAKS, _GONE, STEPS)),
    "_shutdown": (("sched",), Rule(BREAKS, "shutdown() does the work", HOOK_OF_SHUTDOWN)),
    "_increment_field_value": (("trigger",), Rule(BREAKS, _GONE, HOOKS_OF_CRON)),
    "_set_field_value": (("trigger",), Rule(BREAKS, _GONE, HOOKS_OF_CRON)),
}

#: private attributes that are here as they are there; of `_thread` and the like, only where the object's name tells
KEPT_ANYWHERE = frozenset(
    "_lookup_job _lookup_jobstore _lookup_executor _real_add_job _jobstores _jobstores_lock _executors_lock "
    "_listeners_lock _pending_jobs _dispatch_event _create_trigger _create_plugin_instance _process_jobs "
    "_create_default_executor _create_default_jobstore _jobstore_alias _get_run_times _run_job_success _run_job_error "
    "_do_submit_job _fix_paused_jobs_sorting _apply_jitter _check_uwsgi _trigger_plugins _executor_plugins "
    "_jobstore_plugins _trigger_classes _executor_classes _jobstore_classes _main_loop".split()
)
KEPT_OF = {
    "_executors": ("sched",),
    "_listeners": ("sched",),
    "_job_defaults": ("sched",),
    "_eventloop": ("sched", "executor"),
    "_thread": ("sched",),
    "_event": ("sched",),
    "_logger": ("sched", "store", "executor"),
    "_daemon": ("sched",),
    "_configure": ("sched",),
    "_create_lock": ("sched",),
    "_pending_futures": ("executor",),
    "_scheduler": ("job", "store", "executor"),
    "_alias": ("store",),
    "_modify": ("job",),
    "_start_timer": ("sched",),
    "_stop_timer": ("sched",),
    "_reactor": ("sched",),
    "_greenlet": ("sched",),
}

#: method that a subclass overrides -> what to say; not called here
NOT_CALLED: dict[str, Rule] = {
    "_get_jobs": Rule(BREAKS, "is not called: rows are JSON here, and no pickles", HOOKS_OF_ROWS),
    "_reconstitute_job": Rule(BREAKS, "is not called: rows are JSON here, and no pickles", HOOKS_OF_ROWS),
    "_reconstitute_jobs": Rule(BREAKS, "is not called: rows are JSON here, and no pickles", HOOKS_OF_ROWS),
    "_get_job_index": Rule(BREAKS, "is not called", HOOKS_OF_ROWS),
    "_increment_field_value": Rule(BREAKS, "is not called: the search is compiled", HOOKS_OF_CRON),
    "_set_field_value": Rule(BREAKS, "is not called: the search is compiled", HOOKS_OF_CRON),
    "_shutdown": Rule(BREAKS, "is not called: shutdown() does the work", HOOK_OF_SHUTDOWN),
    "remove_job": Rule(DIFFERS, "is not called for a job whose schedule is over", HOOK_OF_REMOVE),
}
#: the base whose subclasses are meant, where the name of the method alone does not say it
OF_BASES = {
    "remove_job": ("Scheduler",),
    "_shutdown": ("AsyncIOScheduler", "TornadoScheduler", "TwistedScheduler"),
    "_get_job_index": ("MemoryJobStore",),
}

#: job stores that keep rows; what is in them was pickled
STORES_OF_ROWS = frozenset(
    (
        "SQLAlchemyJobStore",
        "RedisJobStore",
        "MongoDBJobStore",
        "ZooKeeperJobStore",
        "EtcdJobStore",
        "RethinkDBJobStore",
    )
)
STORE_ALIASES = frozenset(("sqlalchemy", "redis", "mongodb", "zookeeper", "etcd", "rethinkdb"))
#: top names of APScheduler 4, another program with another interface
OF_VERSION_4 = frozenset(
    (
        "AsyncScheduler",
        "Scheduler",
        "Schedule",
        "Task",
        "TaskDefaults",
        "ConflictPolicy",
        "CoalescePolicy",
        "JobOutcome",
        "RunState",
        "current_async_scheduler",
        "current_job",
        "task",
    )
)
#: packages that require the distribution `apscheduler` themselves
REQUIRERS = frozenset(
    (
        "flask-apscheduler",
        "django-apscheduler",
        "nonebot-plugin-apscheduler",
        "apscheduler-di",
        "apschedulerui",
        "elastalert2",
        "ndscheduler",
        "fastapi-scheduler",
        "fastapi-amis-admin",
    )
)
# A store of the program may call its own ones.
for _name in ("_get_jobs", "_reconstitute_job", "_reconstitute_jobs"):
    OF_BASES[_name] = tuple(STORES_OF_ROWS)
