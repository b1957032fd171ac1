"""Options that few jobs have: what each may be, and how it is kept.

Here: one line for each in `EXTRAS`. Not here: what they do. A job keeps those it has in one mapping, `_extras`, and no
mapping when it has none; a row has it under the key ``"extras"``. Its values are plain (what JSON can say), so that a
row, an export and a user see the same; the properties of a `Job` give them as they were meant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any, NamedTuple

from rapscheduler._instants import MAX_US, MIN_US
from rapscheduler._retries import Retry

ON_LOST = ("rerun", "skip")
OVERLAPS = ("skip", "queue_one", "queue_all", "cancel_other", "allow")


class Extra(NamedTuple):
    """``check``: the plain form of a value (`None`: as if it were not given); ``show``: the value of a plain form."""

    check: Callable[[str, Any], Any]
    show: Callable[[Any], Any]
    default: Any = None


def _as_it_is(value: Any) -> Any:
    return value


def _text(name: str, value: Any) -> Any:
    if value is not None and (type(value) is not str or not value):
        raise TypeError(f"{name} must be a nonempty text or None, got {value!r}")
    return value


def seconds(name: str, value: Any) -> float | int:
    """A length of time as seconds, from a number of them or a timedelta."""
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if type(value) not in (int, float) or not 0 < value < 1e12:
        raise TypeError(f"{name} must be a positive number of seconds or a timedelta, got {value!r}")
    plain: float | int = value
    return plain


def _length(name: str, value: Any) -> Any:
    return None if value is None else seconds(name, value)


def _on_lost(name: str, value: Any) -> Any:
    return _one_of(ON_LOST, name, value)


def _overlap(name: str, value: Any) -> Any:
    return _one_of(OVERLAPS, name, value)


def _one_of(words: tuple[str, ...], name: str, value: Any) -> Any:
    """A word, of which the first is the default, and not kept."""
    if value is not None and (type(value) is not str or value not in words):
        raise ValueError(f"{name}={value!r} is not understood: give one of {', '.join(map(repr, words))}")
    return None if value == words[0] else value


def _tags(name: str, value: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        text = value if isinstance(value, str) and value else "eu"
        raise TypeError(f"{name} must be a set of texts, such as {{{text!r}}}; got {value!r}")
    tags = list(value)
    for tag in tags:
        if type(tag) is not str or not tag:
            raise TypeError(f"{name} must be nonempty texts, got {tag!r} among them")
    return sorted(set(tags)) or None


def _metadata(name: str, value: Any) -> Any:
    if value is None:
        return None
    if not isinstance(value, Mapping) or not all(type(key) is str for key in value):
        raise TypeError(f"{name} must be a mapping with texts as keys, got {value!r}")
    return dict(value) or None


def _retry(name: str, value: Any) -> Any:
    return None if value is None else Retry.of(value).plain()


def _retry_of(name: str, value: Any) -> Any:
    """The job, run and attempt that a row is the next attempt of."""
    if value is None:
        return None
    kinds = {"job": str, "attempt": int, "scheduled_us": int, "lasting": bool}
    if type(value) is not dict or {key: type(one) for key, one in value.items()} != kinds:
        raise TypeError(f"{name} must have {', '.join(kinds)}; got {value!r}")
    if not MIN_US <= value["scheduled_us"] <= MAX_US:
        raise ValueError(f"{name}: {value['scheduled_us']} is no time")
    return value


def _count(name: str, value: Any) -> Any:
    if value is not None and (type(value) is not int or value < 1):
        raise TypeError(f"{name} must be a positive integer or None, got {value!r}")
    return value


def _true(name: str, value: Any) -> Any:
    if type(value) is not bool and value is not None:
        raise TypeError(f"{name} must be True or False, got {value!r}")
    return value or None


#: name -> what it is; the names are also arguments of `add_job` and `modify_job`, and properties of a `Job`
EXTRAS: dict[str, Extra] = {
    "group": Extra(_text, _as_it_is),
    "max_runs": Extra(_count, _as_it_is),
    "metadata": Extra(_metadata, dict, {}),
    "on_lost": Extra(_on_lost, _as_it_is, ON_LOST[0]),
    "owner": Extra(_text, _as_it_is),
    "overlap": Extra(_overlap, _as_it_is, OVERLAPS[0]),
    "retry": Extra(_retry, Retry.of),
    "retry_of": Extra(_retry_of, dict),
    "runs_begun": Extra(_count, _as_it_is, 0),  # of `max_runs`
    "start_immediately": Extra(_true, _as_it_is, False),  # until the job is scheduled
    "tags": Extra(_tags, frozenset, frozenset()),
    "timeout": Extra(_length, _as_it_is),
}


def plain(changes: Mapping[str, Any], extras: Mapping[str, Any] | None = None) -> dict[str, Any] | None:
    """The extras of a job with these changes made; `None`: it has none. TypeError, ValueError: of a value."""
    result = dict(extras or {})
    for name, value in changes.items():
        kept = EXTRAS[name].check(name, value)
        if kept is None:
            result.pop(name, None)
        else:
            result[name] = kept
    most, begun = result.get("max_runs"), result.get("runs_begun", 0)
    if most is None:
        result.pop("runs_begun", None)
    elif begun >= most:
        raise ValueError(
            f"max_runs={most}: {begun} runs of this job began already; give a larger number, or remove it"
        )
    return result or None


def shown(name: str, extras: Mapping[str, Any] | None) -> Any:
    """The value of one of them, or its default."""
    extra = EXTRAS[name]
    kept = None if extras is None else extras.get(name)
    return (
        (extra.default.copy() if type(extra.default) is dict else extra.default)
        if kept is None
        else extra.show(kept)
    )
