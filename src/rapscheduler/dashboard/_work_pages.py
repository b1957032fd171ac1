"""The pages of runs that ended and of schedulers; what `_pages` says of text and scripts holds here too."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from rapscheduler._quoting import shortened
from rapscheduler._states import QUEUED, RUN_STATES, RUNNING
from rapscheduler.dashboard._markup import Markup, el, join
from rapscheduler.dashboard._pages import (
    LONGEST,
    Frame,
    block_of,
    facts_of,
    lines_of,
    page_links,
    search_for,
    state_of,
    table_of,
    time_of,
)

ENDED = tuple(state for state in RUN_STATES if state not in (QUEUED, RUNNING))


def runs(
    frame: Frame,
    found: list[dict[str, Any]],
    asked: dict[str, str],
    number: int,
    more: bool,
    note: str | None,
    live: list[dict[str, Any]],
) -> Markup:
    """``note``: why there are none to be had; then there is nothing to look for. ``live``: runs under way."""
    under_way = _under_way(frame, live)
    if note is not None:
        return frame.page("Runs", *under_way, el("p", note, class_="notice"), live=True)
    since = el(
        "div", el("label", "Ended since", for_="since"),
        el("input", name="since", id="since", value=asked.get("since", ""), placeholder="2h, 3d, 2025-03-01"),
    )  # fmt: skip
    search = search_for(asked, ("job", "Job"), ("any end", ENDED), since)
    heads = ["Ended", "Job", "State", "Late", "Took", "Try", "By", "Why"]
    rows: list[list[object]] = [
        [frame.run_link(one["id"], time_of(one["ended"])), frame.job_link(one["job_id"]), state_of(one),
         _late(one), _seconds(one["duration"]),
         _attempt(one), one["who"] or "–", _why(one)]
        for one in found
    ]  # fmt: skip
    links = page_links(frame, "runs", asked, number, more)
    return frame.page("Runs", *under_way, search, table_of(heads, rows, "No runs."), links, live=True)


def _under_way(frame: Frame, live: list[dict[str, Any]]) -> list[object]:
    if not live:
        return []
    rows: list[list[object]] = [
        [frame.run_link(one["id"], time_of(one["scheduled_time"])), frame.job_link(one["job_id"]), state_of(one),
         time_of(one["started"]), one["attempt"]]
        for one in live
    ]  # fmt: skip
    return [
        el("h2", "Under way"),
        table_of(["Due", "Job", "State", "Began", "Try"], rows, ""),
        el("h2", "Ended"),
    ]


def run(frame: Frame, view: dict[str, Any]) -> Markup:
    """A run in full (`_stored_runs.in_full`)."""
    is_over = view["ended"] is not None
    facts: list[tuple[str, object]] = [
        ("State", state_of(view)),
        ("Job", frame.job_link(view["job_id"])),
        ("Due", time_of(view["scheduled_time"])),
        ("Began", time_of(view["started"])),
        ("Late", _seconds(view["lateness"])),
        ("Ended", time_of(view["ended"])),
        ("Took", _seconds(view["duration"])),
        ("Attempt", view["attempt"]),
        ("Tried again", time_of(view["retry_at"])),
        ("Made by", view["who"] or "–"),
        ("Job store", view["jobstore"] or "–"),
        ("Reason", lines_of(view["reason"] or "–")),
        ("Run", el("code", view["id"])),
    ]
    content: list[object] = [facts_of(facts)]
    if frame.changes and not is_over:
        content.append(el("div", frame.action("runs", view["id"], "cancel", "Cancel", danger=True)))
    if len(view["attempts"]) > 1:
        content += [el("h2", "Attempts"), _attempts(frame, view)]
    content += _error(view)
    return frame.page(f"Run of {shortened(view['job_id'], LONGEST)}", *content, live=True)


def _attempts(frame: Frame, view: dict[str, Any]) -> Markup:
    rows: list[list[object]] = [
        ["this one" if one["id"] == view["id"] else frame.run_link(one["id"], f"attempt {one['attempt']}"),
         state_of(one), time_of(one["ended"]), _why(one)]
        for one in view["attempts"]
    ]  # fmt: skip
    return table_of(["Attempt", "State", "Ended", "Why"], rows, "")


def _error(view: dict[str, Any]) -> list[object]:
    """What it raised: with the traceback where the dashboard heard it."""
    if view["traceback"]:
        return [el("h2", "Error"), block_of(view["traceback"])]
    if view["error"] is None:
        return []
    note = f"The traceback is in the log of {view['who'] or 'the scheduler'}: a history keeps the error only."
    return [el("h2", "Error"), block_of(view["error"]), el("p", note, class_="faint")]


def _why(one: dict[str, Any]) -> object:
    """What it raised, or why it was not made; what is long can be opened."""
    text = one["error"] or one["reason"]
    if text is None:
        return "–"
    first, *more = text.splitlines() or [""]
    if not more and len(text) <= LONGEST:
        return first
    return el("details", el("summary", shortened(first, LONGEST)), block_of(text))


def _late(one: dict[str, Any]) -> str:
    if one["started"] is None:
        return "–"
    begun, due = (datetime.fromisoformat(one[name]) for name in ("started", "scheduled_time"))
    return _seconds((begun - due).total_seconds())


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f} s"


def _attempt(one: dict[str, Any]) -> object:
    if one["retry_at"] is None:
        return one["attempt"]
    return join(f"{one['attempt']}, again ", time_of(one["retry_at"]))


def schedulers(frame: Frame, found: dict[str, Any]) -> Markup:
    notes = [el("p", note, class_="notice") for note in found["notes"]]
    rows: list[list[object]] = [
        [one["host"], one["pid"], _alive(one), f"{one['silent_s']:.1f} s ago", f"{one['lease_s']:g} s",
         time_of(one["started"]), _work(frame, one)]
        for one in found["peers"]
    ]  # fmt: skip
    heads = ["Host", "Process", "Alive", "Heard of", "Lease", "Since", "Runs"]
    several = len({one.get("store") for one in found["peers"]}) > 1
    if several:
        heads.append("Store")
        rows = [[*row, one["store"]] for row, one in zip(rows, found["peers"])]
    content: list[object] = [*notes, table_of(heads, rows, "") if rows else None]
    if found["left"]:
        jobs = [
            el("li", frame.job_link(one["job_id"]), " due ", time_of(one["run_time"]))
            for one in found["left"]
        ]
        content += [el("h2", "Runs that wait for a scheduler to take them over"), el("ul", *jobs)]
    return frame.page("Schedulers", *content, live=True)


def _alive(one: dict[str, Any]) -> Markup:
    return el("span", "yes" if one["alive"] else "no", class_=f"state {'ok' if one['alive'] else 'bad'}")


def _work(frame: Frame, one: dict[str, Any]) -> object:
    if not one["running"]:
        return "none"
    jobs = [
        join(", " if number else " ", frame.job_link(run["job_id"])) for number, run in enumerate(one["runs"])
    ]
    return join(f"{one['running']}:", *jobs, ", …" if one["running"] > len(jobs) else None)
