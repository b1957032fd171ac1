"""Every name of APScheduler 3.11.3 is here, below `rapscheduler.`, and can be used in the same way.

Compared with the installed package: names of modules and classes, class relations, signatures (the same parameters in
order, with the same defaults; ours may take more, with defaults), constants, exceptions, texts of `repr` and `str`.
What is left out is in the tables below, with the words under which `docs/migration.md` lists it.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import pkgutil
import subprocess
import sys
import warnings
from datetime import timezone
from types import ModuleType, SimpleNamespace
from typing import Any

import apscheduler
import pytest
from tests.oracles.differential import MIGRATION, NOON, Package, Programs, Raised, Record, compare, logged

PRIVATE_STEPS = "private steps of stores, schedulers and the cron search"

#: module.name or module.class.name -> where docs/migration.md speaks of it
LEFT_OUT = {
    "util._Undefined.__nonzero__": PRIVATE_STEPS,
    "util._DATE_REGEX": PRIVATE_STEPS,
    "triggers.cron.CronTrigger._increment_field_value": PRIVATE_STEPS,
    "triggers.cron.CronTrigger._set_field_value": PRIVATE_STEPS,
    "jobstores.memory.MemoryJobStore._get_job_index": PRIVATE_STEPS,
    "jobstores.sqlalchemy.SQLAlchemyJobStore._get_jobs": PRIVATE_STEPS,
    "jobstores.sqlalchemy.SQLAlchemyJobStore._reconstitute_job": PRIVATE_STEPS,
    "jobstores.redis.RedisJobStore._reconstitute_job": PRIVATE_STEPS,
    "jobstores.redis.RedisJobStore._reconstitute_jobs": PRIVATE_STEPS,
    "jobstores.mongodb.MongoDBJobStore._get_jobs": PRIVATE_STEPS,
    "jobstores.mongodb.MongoDBJobStore._reconstitute_job": PRIVATE_STEPS,
    "jobstores.rethinkdb.RethinkDBJobStore._get_jobs": PRIVATE_STEPS,
    "jobstores.rethinkdb.RethinkDBJobStore._reconstitute_job": PRIVATE_STEPS,
    "jobstores.zookeeper.ZooKeeperJobStore._ensure_paths": PRIVATE_STEPS,
    "jobstores.zookeeper.ZooKeeperJobStore._get_jobs": PRIVATE_STEPS,
    "jobstores.zookeeper.ZooKeeperJobStore._reconstitute_job": PRIVATE_STEPS,
    "jobstores.etcd.EtcdJobStore._get_jobs": PRIVATE_STEPS,
    "jobstores.etcd.EtcdJobStore._reconstitute_job": PRIVATE_STEPS,
    "schedulers.asyncio.AsyncIOScheduler._shutdown": PRIVATE_STEPS,
    "schedulers.asyncio.AsyncIOScheduler._timeout": PRIVATE_STEPS,
    "schedulers.tornado.TornadoScheduler._shutdown": PRIVATE_STEPS,
    "schedulers.tornado.TornadoScheduler._timeout": PRIVATE_STEPS,
    "schedulers.twisted.TwistedScheduler._shutdown": PRIVATE_STEPS,
    "schedulers.twisted.TwistedScheduler._delayedcall": PRIVATE_STEPS,
    "schedulers.gevent.GeventScheduler._event": PRIVATE_STEPS,
}
#: class -> the base that ours has not
OTHER_BASES = {
    "schedulers.gevent.GeventScheduler": ("BlockingScheduler", "`GeventScheduler` is a `BlockingScheduler`")
}
#: constant or default -> why it differs
OTHER_VALUES = {
    "events.EVENT_ALL": "`EVENT_ALL`",
    "schedulers.base.EVENT_ALL": "`EVENT_ALL`",
    "schedulers.base.TIMEOUT_MAX": "`TIMEOUT_MAX`",
    "schedulers.blocking.TIMEOUT_MAX": "`TIMEOUT_MAX`",
}
MODULES = sorted(
    module.name.partition(".")[2] for module in pkgutil.walk_packages(apscheduler.__path__, "apscheduler.")
)
OWN_NAMES = {"__init__", "__repr__", "__str__", "__eq__", "__getstate__", "__setstate__"}
NOT_COMPARED = {
    *dir(object),
    "__dict__",
    "__weakref__",
    "_abc_impl",
    "__abstractmethods__",
    "__slots__",
    "__slotnames__",  # written by copyreg when an object of the class is pickled
} - OWN_NAMES


def pair(module: str) -> tuple[ModuleType, ModuleType]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module(f"apscheduler.{module}"), importlib.import_module(
            f"rapscheduler.{module}"
        )


def own(value: Any, module: ModuleType, name: str) -> bool:
    """Whether a name of a module of theirs belongs to their package (others' imports are not compared)."""
    if inspect.ismodule(value) or name.startswith("__"):
        return False
    home = getattr(value, "__module__", None)
    if home is None or not isinstance(home, str):
        return name in vars(module) and (name.isupper() or name == "undefined")
    return home.startswith("apscheduler")


def names_of(cls: type) -> list[str]:
    return [name for name in dir(cls) if name not in NOT_COMPARED and not name.startswith("__weakref")]


def missing(module: str) -> list[str]:
    theirs, ours = pair(module)
    found = []
    for name, value in vars(theirs).items():
        if not own(value, theirs, name):
            continue
        if not hasattr(ours, name):
            found.append(f"{module}.{name}")
        elif inspect.isclass(value) and value.__module__ == theirs.__name__:
            twin = getattr(ours, name)
            found += [f"{module}.{name}.{each}" for each in names_of(value) if not hasattr(twin, each)]
    return found


def misfits(where: str, theirs: Any, ours: Any) -> list[str]:
    """What is wrong with our signature for somebody who calls theirs."""
    try:
        there = list(inspect.signature(theirs).parameters.values())
    except (TypeError, ValueError):
        return []
    try:
        signature = inspect.signature(ours)
    except (TypeError, ValueError):  # compiled without one; the docstring says it
        names = ", ".join(parameter.name for parameter in there)
        return (
            []
            if f"({names})" in (ours.__doc__ or "")
            else [f"{where}: its docstring does not begin with ({names})"]
        )
    here = list(signature.parameters.values())
    kinds = {parameter.kind for parameter in here}
    takes_all = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD} <= kinds
    wrong = []
    fixed = [p for p in there if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    for place, parameter in enumerate(fixed):
        twin = signature.parameters.get(parameter.name)
        if twin is None:
            if not takes_all:
                wrong.append(f"{where}: no parameter {parameter.name}")
        elif place == 0 and parameter.name == "self":
            continue  # compiled methods take it by position only, and nobody gives it by name
        elif twin.kind != parameter.kind or (twin.kind != twin.KEYWORD_ONLY and here.index(twin) != place):
            wrong.append(f"{where}: {parameter.name} has another place")
        elif repr(twin.default) != repr(parameter.default) and parameter.name != "mask":
            wrong.append(f"{where}: {parameter.name}={twin.default!r}, there {parameter.default!r}")
    for parameter in here:
        needed = parameter.default is parameter.empty and parameter.kind not in (
            parameter.VAR_POSITIONAL,
            parameter.VAR_KEYWORD,
        )
        if needed and parameter.name not in {each.name for each in there}:
            wrong.append(f"{where}: needs {parameter.name}")
    if (
        any(p.kind == p.VAR_KEYWORD for p in there)
        and fixed[1:]
        and inspect.Parameter.VAR_KEYWORD not in kinds
    ):
        wrong.append(f"{where}: takes no other keywords")
    return wrong


def wrong_signatures(module: str) -> list[str]:
    theirs, ours = pair(module)
    wrong = []
    for name, value in vars(theirs).items():
        if getattr(value, "__module__", None) != theirs.__name__ or not hasattr(ours, name):
            continue
        if inspect.isfunction(value):
            wrong += misfits(f"{module}.{name}", value, getattr(ours, name))
        elif inspect.isclass(value):
            for each in names_of(value):
                method = getattr(value, each)
                if method is getattr(object, each, None):  # theirs has none of its own
                    continue
                if inspect.isroutine(method) and hasattr(getattr(ours, name), each):
                    wrong += misfits(f"{module}.{name}.{each}", method, getattr(getattr(ours, name), each))
    return wrong


def wrong_relations(module: str) -> list[str]:
    """Classes whose bases are not those of theirs, in that order, maybe with others between."""
    theirs, ours = pair(module)
    wrong = []
    for name, value in vars(theirs).items():
        if inspect.isclass(value) and value.__module__ == theirs.__name__ and hasattr(ours, name):
            but = OTHER_BASES.get(f"{module}.{name}", ("ABC",))[0]
            here = iter([base.__name__ for base in getattr(ours, name).__mro__])
            there = [base.__name__ for base in value.__mro__ if base.__name__ not in ("ABC", but)]
            if not all(base in here for base in there):
                wrong.append(f"{module}.{name}: {there}")
    return wrong


def wrong_constants(module: str) -> list[str]:
    theirs, ours = pair(module)
    wrong = []
    for name, value in vars(theirs).items():
        if not isinstance(value, (int, str, float, tuple, list)) or not own(value, theirs, name):
            continue
        twin = getattr(ours, name, value)
        if twin != value and f"{module}.{name}" not in OTHER_VALUES:
            wrong.append(f"{module}.{name} = {twin!r}, there {value!r}")
    return wrong


def differences(module: str) -> list[str]:
    absent = [name for name in missing(module) if name not in LEFT_OUT]
    return absent + wrong_signatures(module) + wrong_relations(module) + wrong_constants(module)


@pytest.mark.parametrize("module", [module for module in MODULES if module != "jobstores.etcd"])
def test_module(module):
    if module == "schedulers.qt":
        pytest.importorskip("PySide6")
    assert differences(module) == []


def test_module_of_etcd():
    """Its driver needs the Python form of protobuf, which must be chosen before anything imports that."""
    if importlib.util.find_spec("etcd3") is None:
        pytest.skip("etcd3 is not installed")
    code = "from tests.oracles.test_surface import differences; print(differences('jobstores.etcd'))"
    environment = {**os.environ, "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python"}
    environment["PYTHONPATH"] = os.pathsep.join([os.getcwd(), *(path for path in sys.path if path)])
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert (done.stdout, done.returncode) == ("[]\n", 0), done.stderr


def test_the_tables_are_true_and_listed():
    stale = {name for name in LEFT_OUT if not name.startswith("jobstores.etcd")}
    for module in {name.rpartition(".")[0].rpartition(".")[0] for name in stale} | {"util"}:
        if module in MODULES:
            stale -= set(missing(module))
    assert stale <= {"util._DATE_REGEX"}
    listed = MIGRATION.read_text(encoding="utf-8")
    words = {*LEFT_OUT.values(), *OTHER_VALUES.values(), *(why for _, why in OTHER_BASES.values())}
    assert [each for each in words if each not in listed] == []


INSTANCES = "`executor._instances`"
#: attributes that only objects have, not their classes
ATTRIBUTES_LEFT_OUT = {"_instances": INSTANCES, "_jobs_index": PRIVATE_STEPS}


def attributes(ap: Package) -> dict[str, set[str]]:
    """The names of what objects of a running scheduler have."""
    scheduler = ap("schedulers.background:BackgroundScheduler")(timezone="UTC")
    scheduler.start(paused=True)
    found = {
        "scheduler": scheduler,
        "threads": scheduler._lookup_executor("default"),
        "store": scheduler._lookup_jobstore("default"),
        "job": scheduler.add_job(print, "interval", hours=1),
        "cron": ap("triggers.cron:CronTrigger")(day="2nd fri", hour=1, timezone="UTC"),
        "calendar": ap("triggers.calendarinterval:CalendarIntervalTrigger")(days=1, timezone="UTC"),
        "sql": ap("jobstores.sqlalchemy:SQLAlchemyJobStore")("sqlite://"),
        "asyncio": ap("executors.asyncio:AsyncIOExecutor")(),
    }
    found |= {field.name: field for field in found["cron"].fields}
    found |= {f"{name} expression": found[name].expressions[0] for name in ("day", "hour")}
    scheduler.shutdown()
    return {name: {each for each in dir(value) if not each.startswith("__")} for name, value in found.items()}


def test_attributes_of_objects():
    theirs, ours = attributes(Package("apscheduler")), attributes(Package("rapscheduler"))
    methods = {name.rpartition(".")[2] for name in LEFT_OUT} | NOT_COMPARED
    left_out = {
        f"{where}.{name}" for where, names in theirs.items() for name in names - ours[where] - methods
    }
    assert {name.rpartition(".")[2] for name in left_out} == set(ATTRIBUTES_LEFT_OUT), sorted(left_out)
    assert INSTANCES in MIGRATION.read_text(encoding="utf-8")


programs = Programs()


@programs()
def errors(ap: Package, out: Record) -> None:
    job = SimpleNamespace(id="x", max_instances=3)
    for path, given in {
        "jobstores.base:JobLookupError": "x",
        "jobstores.base:ConflictingIdError": "x",
        "jobstores.base:TransientJobError": "x",
        "executors.base:MaxInstancesReachedError": job,
        "schedulers:SchedulerAlreadyRunningError": None,
        "schedulers:SchedulerNotRunningError": None,
    }.items():
        cls = ap(path)
        error = cls() if given is None else cls(given)
        bases = [
            base.__name__ for base in cls.__mro__ if base.__name__ not in ("RapschedulerError", "_JobIdError")
        ]
        out(path, [Raised(error), bases])


@programs({"repr SchedulerEvent": "`repr` of events", "repr JobEvent": "`repr` of events"})
def events(ap: Package, out: Record) -> None:
    module = ap("events")
    for event in (
        module.SchedulerEvent(1),
        module.SchedulerEvent(64, "default"),
        module.JobEvent(512, "x", "default"),
        module.JobSubmissionEvent(32768, "x", "default", [NOON]),
        module.JobExecutionEvent(4096, "x", "default", NOON, 5),
        module.JobExecutionEvent(8192, "x", "default", NOON, exception=ValueError("x"), traceback="tb"),
    ):
        name = type(event).__name__
        if event.code in (1, 512):
            out(f"repr {name}", repr(event))
        theirs = {key: value for key, value in vars(event).items() if key not in ("lateness_s", "cause")}
        out(f"{name} {event.code}", {key: repr(value) for key, value in theirs.items()})
        out(f"{name} {event.code} alias", event.alias)
    codes = {name: value for name, value in vars(module).items() if name.startswith("EVENT_")}
    out(
        "codes",
        {
            name: value
            for name, value in codes.items()
            if value <= codes["EVENT_JOB_MAX_INSTANCES"]  # those beyond are ours; EVENT_ALL has them all
        },
    )


@programs()
def texts(ap: Package, out: Record) -> None:
    """`repr` and `str` of stores, executors, schedulers, jobs, the undefined value."""
    out("undefined", [repr(ap("util:undefined")), bool(ap("util:undefined"))])
    stores = [ap("jobstores.memory:MemoryJobStore")()]
    stores.append(ap("jobstores.sqlalchemy:SQLAlchemyJobStore")(url="sqlite://"))
    stores.append(ap("jobstores.redis:RedisJobStore")())
    for store in stores:
        out(f"{type(store).__name__}", [repr(store), str(store)])
    out.attempt("no url", ap("jobstores.sqlalchemy:SQLAlchemyJobStore"))
    for path in (
        "executors.debug:DebugExecutor",
        "executors.pool:ThreadPoolExecutor",
        "executors.asyncio:AsyncIOExecutor",
    ):
        executor = ap(path)()
        out(path, [type(executor).__name__, executor._scheduler, executor._lock])
    scheduler = ap.scheduler()
    job = scheduler.add_job(len, "cron", args=["x"], hour=3, id="x", name="Name")
    out("pending", [repr(job), str(job)])
    scheduler.start(paused=True)
    out("running", [repr(job), str(job)])
    job.pause()
    out("paused", [repr(job), str(job), repr(job.trigger)])
    with logged(ap) as lines:
        scheduler.shutdown()
    out("lines", lines)
    out("zone", scheduler.timezone is timezone.utc)


@programs.parametrize()
def test_as_there(program, differs):
    compare(program, differs)
