"""Words that the explanations of all triggers share: lengths of time, jitter. Not here: sentences."""

from __future__ import annotations

from datetime import timedelta

from rapscheduler._instants import MICROSECOND

_UNITS = ((86_400_000_000, "day"), (3_600_000_000, "hour"), (60_000_000, "minute"))


def duration_text(length: timedelta) -> str:
    """`1 hour 30 minutes`, `1 week`, `2.5 seconds`; `second` alone when it is one."""
    rest_us = length // MICROSECOND
    parts: list[tuple[str, str]] = []
    if rest_us % (7 * 86_400_000_000) == 0 and rest_us:
        parts.append((str(rest_us // (7 * 86_400_000_000)), "week"))
        rest_us = 0
    for unit_us, name in _UNITS:
        count, rest_us = divmod(rest_us, unit_us)
        if count:
            parts.append((str(count), name))
    if rest_us or not parts:
        parts.append((f"{rest_us / 1_000_000:.6f}".rstrip("0").rstrip("."), "second"))
    if len(parts) == 1 and parts[0][0] == "1":
        return parts[0][1]
    return " ".join(f"{count} {name}{'' if count == '1' else 's'}" for count, name in parts)


def jitter_text(jitter: float | None) -> str:
    """`, up to 30 s late`; nothing without a jitter."""
    return f", up to {jitter:g} s late" if jitter else ""
