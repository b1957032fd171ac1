"""A span of OpenTelemetry for each run (the extra ``opentelemetry``), linked to the one that scheduled the job.

``scheduler.add_middleware(opentelemetry())``; and where a job is added inside a span,
``add_job(…, metadata=linked_here())`` keeps that span's context with the job.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

try:
    from opentelemetry import context, propagate, trace
except ImportError as exc:
    raise ImportError("tracing needs OpenTelemetry: pip install rapscheduler[opentelemetry]") from exc

__all__ = ("linked_here", "opentelemetry")


def linked_here(**metadata: Any) -> dict[str, Any]:
    """Metadata for a job: the present span's context (``traceparent``), and what else is given."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return {**carrier, **metadata}


def _links(run: Any) -> list[Any]:
    carrier = {key: text for key, text in run.job.metadata.items() if isinstance(text, str)}
    linked = trace.get_current_span(propagate.extract(carrier, context.Context())).get_span_context()
    return [trace.Link(linked)] if linked.is_valid else []


def opentelemetry(tracer_provider: Any = None) -> Callable[[Any, Callable[[], Any]], Any]:
    """A middleware that makes a span for each run; its name is the job's."""
    tracer = trace.get_tracer("rapscheduler", tracer_provider=tracer_provider)

    def around(run: Any, call: Callable[[], Any]) -> Any:
        attributes = {
            "rapscheduler.job.id": run.job_id,
            "rapscheduler.run.id": run.id,
            "rapscheduler.run.attempt": run.attempt,
            "rapscheduler.run.scheduled_time": run.scheduled_time.isoformat(),
        }
        span = tracer.start_span(run.job.name, context.Context(), links=_links(run), attributes=attributes)
        try:
            with trace.use_span(span, record_exception=True, set_status_on_exception=True):
                value = call()
        except BaseException:
            span.end()
            raise
        if value is not None and hasattr(value, "__await__"):
            return _awaited(span, value)
        span.end()
        return value

    return around


async def _awaited(span: Any, value: Any) -> Any:
    with trace.use_span(span, end_on_exit=True, record_exception=True, set_status_on_exception=True):
        return await value
