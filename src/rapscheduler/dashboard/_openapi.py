"""The OpenAPI document of the JSON API."""

from __future__ import annotations

from typing import Any

from rapscheduler._states import JOB_STATES, QUEUED, RUN_STATES, RUNNING, UNREADABLE

_TEXT = {"type": "string"}
_MAYBE = {"type": ["string", "null"]}
_TIME = {"type": "string", "format": "date-time"}
_MAYBE_TIME = {"type": ["string", "null"], "format": "date-time"}
_JOB = {
    "type": "object",
    "required": ["id", "state", "next_run_time"],
    "properties": {
        "id": _TEXT,
        "name": _MAYBE,
        "func": _MAYBE,
        "trigger": _MAYBE,
        "state": {"enum": [*JOB_STATES, UNREADABLE]},
        "reason": _MAYBE,
        "next_run_time": _MAYBE_TIME,
        "executor": _MAYBE,
        "misfire_grace_time": {"type": ["integer", "null"]},
        "coalesce": {"type": ["boolean", "null"]},
        "max_instances": {"type": ["integer", "null"]},
        "timezone": {**_MAYBE, "description": "of its schedule, where that has one by name"},
        "words": _TEXT,
        "fires": {"type": "array", "items": _TIME},
    },
}
_RUN: dict[str, Any] = {
    "type": "object",
    "required": ["id", "job_id", "state", "scheduled_time", "ended"],
    "properties": {
        "id": _TEXT,
        "job_id": _TEXT,
        "jobstore": _MAYBE,
        "attempt": {"type": "integer"},
        "state": {"enum": [one for one in RUN_STATES if one not in (QUEUED, RUNNING)]},
        "scheduled_time": _TIME,
        "started": _MAYBE_TIME,
        "ended": _TIME,
        "retry_at": _MAYBE_TIME,
        "duration": {"type": ["number", "null"], "description": "seconds"},
        "who": _MAYBE,
        "error": _MAYBE,
        "reason": _MAYBE,
    },
}
_RUN_UNDER_WAY = {
    **_RUN,
    "required": [name for name in _RUN["required"] if name != "ended"],
    "properties": {**_RUN["properties"], "state": {"enum": list(RUN_STATES)}, "ended": _MAYBE_TIME},
}
_RUN_IN_FULL = {
    **_RUN_UNDER_WAY,
    "properties": {
        **_RUN_UNDER_WAY["properties"],
        "lateness": {"type": ["number", "null"], "description": "seconds from when it was due to its start"},
        "attempts": {"type": "array", "items": {"$ref": "#/components/schemas/RunUnderWay"}},
        "traceback": {**_MAYBE, "description": "where the dashboard heard the error"},
    },
}
_UNDER_WAY = {
    "type": "object",
    "properties": {"job_id": _TEXT, "run_time": _TIME, "store": _TEXT},
}
_SCHEDULER = {
    "type": "object",
    "properties": {
        "host": _TEXT,
        "pid": {"type": "integer"},
        "alive": {"type": "boolean"},
        "started": _TIME,
        "heard": _TIME,
        "silent_s": {"type": "number"},
        "lease_s": {"type": "number"},
        "running": {"type": "integer"},
        "runs": {"type": "array", "items": {"$ref": "#/components/schemas/UnderWay"}},
        "store": _TEXT,
    },
}


def _get(text: str, *parameters: dict[str, Any], schema: Any = None) -> dict[str, Any]:
    content = {"application/json": {"schema": schema or {"type": "object"}}}
    responses = {"200": {"description": text, "content": content}}
    return {"get": {"summary": text, "parameters": list(parameters), "responses": responses}}


def _query(name: str, text: str, kind: str = "string") -> dict[str, Any]:
    return {"name": name, "in": "query", "description": text, "schema": {"type": kind}}


def _list(name: str, schema: str) -> dict[str, Any]:
    """An object with a list, and what else goes with its page."""
    items = {"type": "array", "items": {"$ref": f"#/components/schemas/{schema}"}}
    return {
        "type": "object",
        "properties": {name: items, "page": {"type": "integer"}, "more": {"type": "boolean"}},
    }


def _post(text: str, parameter: dict[str, Any]) -> dict[str, Any]:
    return {
        "post": {
            "summary": f"{text}; needs allow_changes and the header X-CSRF-Token",
            "parameters": [parameter],
            "responses": {"200": {"description": "done"}, "403": {"description": "not allowed"}},
        }
    }


def _runs() -> dict[str, Any]:
    return _get(
        "Runs that ended, the latest first; status 404 where no history is kept",
        _query("job", "id of a job"),
        _query("state", ", ".join(RUN_STATES[2:])),
        _query("since", "15m, 2h, 3d ago, or an ISO 8601 time (UTC)"),
        _query("page", "from 0", "integer"),
        _query("limit", "runs of a page, at most 500", "integer"),
        schema=_list("runs", "Run"),
    )


def _schedulers() -> dict[str, Any]:
    properties = {
        "peers": {"type": "array", "items": {"$ref": "#/components/schemas/Scheduler"}},
        "left": {"type": "array", "items": {"$ref": "#/components/schemas/UnderWay"}},
        "notes": {"type": "array", "items": _TEXT},
    }
    return _get(
        "Schedulers that share the stores, and runs that wait for one to take them over",
        schema={"type": "object", "properties": properties},
    )


def document(root: str) -> dict[str, Any]:
    job_id = run_id = {"name": "id", "in": "path", "required": True, "schema": _TEXT}
    paths: dict[str, Any] = {
        "/api/jobs": _get(
            "Jobs by their next run time",
            _query("search", "words that id, name, callable or trigger must have"),
            _query("state", "scheduled, paused, parked or unreadable"),
            _query("page", "from 0", "integer"),
            _query("limit", "jobs of a page, at most 500", "integer"),
            schema=_list("jobs", "Job"),
        ),
        "/api/jobs/{id}": _get("One job", job_id, schema={"$ref": "#/components/schemas/Job"}),
        "/api/runs": _runs(),
        "/api/runs/{id}": _get(
            "One run, and all attempts at its call", run_id, schema={"$ref": "#/components/schemas/RunInFull"}
        ),
        "/api/running": _get(
            "Runs that have not ended, of this process", schema=_list("runs", "RunUnderWay")
        ),
        "/api/schedulers": _schedulers(),
        "/api/parked": _get("Jobs that can't be run, and why"),
        "/api/failures": _get("Errors and missed runs since the dashboard was made"),
        "/api/health": _get("Whether jobs are run; status 503 when not"),
    }
    for action in ("pause", "resume", "run", "remove", "reschedule"):
        paths[f"/api/jobs/{{id}}/{action}"] = _post(f"{action} a job", job_id)
    paths["/api/runs/{id}/cancel"] = _post("cancel a run that is under way in this process", run_id)
    return {
        "openapi": "3.1.0",
        "info": {"title": "rapscheduler dashboard", "version": "1"},
        "servers": [{"url": root or "/"}],
        "paths": paths,
        "components": {
            "schemas": {
                "Job": _JOB,
                "Run": _RUN,
                "RunUnderWay": _RUN_UNDER_WAY,
                "RunInFull": _RUN_IN_FULL,
                "Scheduler": _SCHEDULER,
                "UnderWay": _UNDER_WAY,
            }
        },
    }
