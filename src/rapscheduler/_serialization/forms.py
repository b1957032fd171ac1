"""Triggers as plain objects, for programs: what a row says of its trigger.

Here: the public `trigger_as_dict` and `trigger_from_dict`. Not here: the written form of each class (`triggers`), that
of a job (`codec`; a program has it by `Job.as_dict` and `BaseScheduler.import_job`).
"""

from __future__ import annotations

from typing import Any

import orjson

from ..errors import EncodeError
from ..triggers.base import BaseTrigger
from .triggers import trigger_json, unpack_trigger
from .values import Unwritable


def trigger_as_dict(trigger: BaseTrigger) -> dict[str, Any]:
    """The trigger as a row has it: an object of JSON such as ``{"type": "cron", "hour": "2", "timezone": "UTC"}``.

    :raises EncodeError: if the trigger, or a value in it, can't be written; ``path`` says which
    """
    try:
        form: dict[str, Any] = orjson.loads(trigger_json(trigger, strict=True))
    except (Unwritable, orjson.JSONEncodeError) as problem:
        path = "trigger" + "".join(reversed(getattr(problem, "trail", [])))
        raise EncodeError(f"{path} can't be written: {getattr(problem, 'reason', problem)}", path) from None
    return form


def trigger_from_dict(form: dict[str, Any]) -> BaseTrigger:
    """A new trigger from what `trigger_as_dict` gave, or the ``"trigger"`` of a job's `as_dict`.

    No class is found by name but those of triggers that are ours, registered, or declared by an installed package.

    :raises DecodeError: if it says no trigger, or one that isn't known in this process
    """
    return unpack_trigger(form)
