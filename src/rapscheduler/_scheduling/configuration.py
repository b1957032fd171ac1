"""Settings of a scheduler: from the three ways of writing them to one checked record.

What lives here: prefixes, nesting, coercion of texts, defaults and advice about misspelt names.
What must not: creating executors and stores (``components``), reading files.
Approach: ``nested()`` turns ``{"apscheduler.job_defaults.coalesce": "no"}`` into nested dictionaries and lays the
keyword options over them; ``read_core()`` takes out what the base scheduler knows. Keys it does not know are left to
the subclass that may know them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import tzinfo

from rapscheduler._clock import Clock
from rapscheduler._hints import Any, NamedTuple
from rapscheduler._zones import get_localzone
from rapscheduler.errors import SettingTypeError
from rapscheduler.util import asbool, asint, astimezone, logger_name, maybe_ref

DEFAULT_PREFIX = "apscheduler."
OWN_PREFIX = "rapscheduler."
RETRY_INTERVAL_S = 10.0
KNOWN_SETTINGS = (
    "clock",
    "daemon",
    "event_loop",
    "executors",
    "groups",
    "history",
    "job_defaults",
    "jobstore_retry_interval",
    "jobstores",
    "leader",
    "leader_callback",
    "limits",
    "logger",
    "timezone",
)
_SECTIONS = ("executors", "job_defaults", "jobstores")  # those that `read_core` leaves where they are
KNOWN_JOB_DEFAULTS = ("coalesce", "max_instances", "misfire_grace_time")


class CoreSettings(NamedTuple):
    """What every scheduler is configured with. ``job_defaults`` always has the three keys."""

    logger: Any
    clock: Clock | None
    timezone: tzinfo
    jobstore_retry_interval_s: float
    job_defaults: dict[str, Any]
    executors: Mapping[str, Any]
    jobstores: Mapping[str, Any]
    history: Any = None
    groups: Mapping[str, int] = {}
    limits: Mapping[str, str] = {}


def nested(gconfig: Mapping[str, Any], prefix: str | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """One dictionary of dictionaries from prefixed, dotted keys and keyword options (which win).

    With APScheduler's default prefix, keys that begin with ``rapscheduler.`` are read as well, and win over those
    with the other prefix. An empty prefix takes every key.
    """
    _must_map("gconfig", gconfig)
    prefixes = (prefix, OWN_PREFIX) if prefix == DEFAULT_PREFIX else (prefix or "",)
    config: dict[str, Any] = {}
    for each in prefixes:
        for key, value in gconfig.items():
            if key.startswith(each):
                _put(config, key[len(each) :], value)
    config.update(options)
    return config


def _put(config: dict[str, Any], path: str, value: Any) -> None:
    *parents, name = path.split(".")
    for parent in parents:
        config = config.setdefault(parent, {})
        if not isinstance(config, dict):
            raise TypeError(
                f"The setting {path!r} needs {parent!r} to be a section, but it has a value: {config!r}"
            )
    config[name] = dict(value) if isinstance(value, dict) else value


def _must_map(name: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise SettingTypeError(
            f"Expected a mapping for {name}, got {type(value).__name__} instead: {value!r}. "
            f"Write {name}={{'name': …}}"
        )
    return value


def read_core(config: dict[str, Any], get_localzone: Callable[[], tzinfo] = get_localzone) -> CoreSettings:
    """Take the settings of the base scheduler out of ``config`` and check them."""
    logger = _logger(config.pop("logger", None))
    settings = CoreSettings(
        logger=logger,
        clock=_clock(config.pop("clock", None)),
        timezone=astimezone(config.pop("timezone", None)) or _local_timezone(get_localzone),
        jobstore_retry_interval_s=_seconds(
            "jobstore_retry_interval", config.pop("jobstore_retry_interval", RETRY_INTERVAL_S)
        ),
        job_defaults=_job_defaults(config.get("job_defaults", {}), logger),
        executors=_must_map("executors", config.get("executors", {})),
        jobstores=_must_map("jobstores", config.get("jobstores", {})),
        history=config.pop("history", None),
        groups=_groups(config.pop("groups", {})),
        limits=_must_map("limits", config.pop("limits", {})),
    )
    unknown = sorted(name for name in config if name not in _SECTIONS)
    if unknown:
        from rapscheduler._advice import nearest

        named = ", ".join(f"{name!r}{nearest(name, KNOWN_SETTINGS)}" for name in unknown)
        logger.warning("Settings that this scheduler does not know, and ignores: %s", named)
    return settings


def _clock(value: Any) -> Clock | None:
    if value is None or isinstance(value, Clock):
        return value
    raise TypeError(
        f"clock={value!r} is no Clock: give an instance of a subclass of rapscheduler.testing.Clock, such as "
        "VirtualClock(start)"
    )


def _logger(value: Any) -> Any:
    if isinstance(value, str) and ":" not in value:
        raise ValueError(
            f'Invalid reference {value!r} for logger: give a Logger or a text like "module:name"'
        )
    import logging  # here, so that no other thread is the first to load it

    logger: Any = maybe_ref(value) or logging.getLogger(logger_name("scheduler"))
    if hasattr(logger, "isEnabledFor") and hasattr(logger, "log"):  # a Logger, or a LoggerAdapter
        return logger
    from rapscheduler._scheduling.plain_logger import PlainLogger

    if all(callable(getattr(logger, name, None)) for name in PlainLogger.NEEDED):
        return PlainLogger(logger)
    raise TypeError(
        f"logger={value!r} is no logger: give a logging.Logger, a reference to one such as 'module:name', or an object "
        f"with the methods {', '.join(PlainLogger.NEEDED)}"
    )


def _job_defaults(given: Any, logger: Any) -> dict[str, Any]:
    _must_map("job_defaults", given)
    for name in given:
        if name not in KNOWN_JOB_DEFAULTS:
            from rapscheduler._advice import nearest

            logger.warning("The job default %r is ignored%s", name, nearest(name, KNOWN_JOB_DEFAULTS))
    return {
        name: _converted(f"job_defaults[{name!r}]", convert, given.get(name, default))
        for name, convert, default in (
            ("misfire_grace_time", asint, 1),
            ("coalesce", asbool, True),
            ("max_instances", asint, 1),
        )
    }


def _groups(given: Any) -> dict[str, int]:
    """How many runs the jobs of each group may have under way together."""
    groups: dict[str, int] = {}
    for group, most in _must_map("groups", given).items():
        name = f"groups[{group!r}]"
        groups[group] = _converted(name, asint, most)
        if isinstance(most, bool) or not groups[group] or groups[group] < 1:
            raise ValueError(
                f"{name}={most!r} makes no sense; give how many runs may be under way, 1 or more"
            )
    return groups


def _seconds(name: str, value: Any) -> float:
    """A length of time that somebody can wait."""
    seconds: float = _converted(name, float, value)
    if not 0 <= seconds < float("inf"):
        raise ValueError(f"{name}={value!r} makes no sense; give a number of seconds, 0 or more")
    return seconds


def _converted(name: str, convert: Callable[[Any], Any], value: Any) -> Any:
    """A setting as what it must be; the message of a text that is none names the setting."""
    try:
        return convert(value)
    except (ValueError, TypeError) as exc:
        what = {float: "a number", asint: "a whole number", asbool: "true or false"}[convert]
        raise type(exc)(f"{exc} ({name}={value!r}; give {what})") from None


def _local_timezone(get_localzone: Callable[[], tzinfo]) -> tzinfo:
    """The zone of this machine. ZoneInfoNotFoundError and others of tzlocal are passed on with the cure."""
    try:
        return get_localzone()
    except Exception as exc:
        raise type(exc)(
            f"The time zone of this machine can't be told ({exc}). Give the scheduler one, for example "
            'timezone="Europe/Berlin", or set the environment variable TZ to such a name'
        ) from exc
