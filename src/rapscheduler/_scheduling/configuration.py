"""Settings of a scheduler: from the three ways of writing them to one checked record.

What lives here: prefixes, nesting, coercion of texts, defaults and advice about misspelt names.
What must not: creating executors and stores (``components``), reading files.
Approach: ``nested()`` turns ``{"apscheduler.job_defaults.coalesce": "no"}`` into nested dictionaries and lays the
keyword options over them; ``read_core()`` takes out what the base scheduler knows. Keys it does not know are left to
the subclass that may know them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import tzinfo
from typing import Any, NamedTuple

from rapscheduler.errors import SettingTypeError
from rapscheduler.util import asbool, asint, astimezone, logger_name, maybe_ref, nearest

DEFAULT_PREFIX = "apscheduler."
OWN_PREFIX = "rapscheduler."
RETRY_INTERVAL_S = 10.0
KNOWN_SETTINGS = (
    "daemon",
    "event_loop",
    "executors",
    "job_defaults",
    "jobstore_retry_interval",
    "jobstores",
    "logger",
    "timezone",
)
KNOWN_JOB_DEFAULTS = ("coalesce", "max_instances", "misfire_grace_time")


class CoreSettings(NamedTuple):
    """What every scheduler is configured with. ``job_defaults`` always has the three keys."""

    logger: logging.Logger
    timezone: tzinfo
    jobstore_retry_interval_s: float
    job_defaults: dict[str, Any]
    executors: Mapping[str, Any]
    jobstores: Mapping[str, Any]


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


def read_core(config: dict[str, Any]) -> CoreSettings:
    """Take the settings of the base scheduler out of ``config`` and check them."""
    logger = _logger(config.pop("logger", None))
    settings = CoreSettings(
        logger=logger,
        timezone=astimezone(config.pop("timezone", None)) or local_timezone(),
        jobstore_retry_interval_s=_converted(
            "jobstore_retry_interval", float, config.pop("jobstore_retry_interval", RETRY_INTERVAL_S)
        ),
        job_defaults=_job_defaults(config.get("job_defaults", {}), logger),
        executors=_must_map("executors", config.get("executors", {})),
        jobstores=_must_map("jobstores", config.get("jobstores", {})),
    )
    for name in config:
        if name not in KNOWN_SETTINGS and (cure := nearest(name, KNOWN_SETTINGS)):
            logger.warning("The setting %r is not known to this scheduler%s", name, cure)
    return settings


def _logger(value: Any) -> logging.Logger:
    if isinstance(value, str) and ":" not in value:
        raise ValueError(
            f'Invalid reference {value!r} for logger: give a Logger or a text like "module:name"'
        )
    logger: logging.Logger = maybe_ref(value) or logging.getLogger(logger_name("scheduler"))
    return logger


def _job_defaults(given: Any, logger: logging.Logger) -> dict[str, Any]:
    _must_map("job_defaults", given)
    for name in given:
        if name not in KNOWN_JOB_DEFAULTS:
            logger.warning("The job default %r is ignored%s", name, nearest(name, KNOWN_JOB_DEFAULTS))
    return {
        name: _converted(f"job_defaults[{name!r}]", convert, given.get(name, default))
        for name, convert, default in (
            ("misfire_grace_time", asint, 1),
            ("coalesce", asbool, True),
            ("max_instances", asint, 1),
        )
    }


def _converted(name: str, convert: Callable[[Any], Any], value: Any) -> Any:
    """A setting as what it must be; the message of a text that is none names the setting."""
    try:
        return convert(value)
    except (ValueError, TypeError) as exc:
        what = {float: "a number", asint: "a whole number", asbool: "true or false"}[convert]
        raise type(exc)(f"{exc} ({name}={value!r}; give {what})") from None


def local_timezone() -> tzinfo:
    """The zone of this machine. ZoneInfoNotFoundError and others of tzlocal are passed on with the cure."""
    from tzlocal import get_localzone

    try:
        return get_localzone()
    except Exception as exc:
        raise type(exc)(
            f"The time zone of this machine can't be told ({exc}). Give the scheduler one, for example "
            'timezone="Europe/Berlin", or set the environment variable TZ to such a name'
        ) from exc
