"""The pages. All text goes through `_markup`, which escapes it; without JavaScript they read the same."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import quote, urlencode

from rapscheduler._instants import moment, us_of
from rapscheduler._quoting import shortened
from rapscheduler._states import PAUSED, SCHEDULED
from rapscheduler._views import STATES
from rapscheduler.dashboard._markup import Markup, el, join

LONGEST = 80
TIMELINE_H = 24


@dataclass
class Frame:
    """What surrounds every page."""

    root: str
    here: str
    title: str
    changes: bool
    token: str
    cookies: dict[str, str]
    has_failures: bool

    def page(self, title: str, *content: object, live: bool = False) -> Markup:
        places = [("", "Next"), ("jobs", "Jobs"), ("runs", "Runs")]
        if self.has_failures:
            places.append(("failures", "Failures"))
        places += [("parked", "Parked"), ("schedulers", "Schedulers"), ("health", "Health")]
        links = [
            el(
                "li",
                el(
                    "a",
                    text,
                    href=f"{self.root}/{place}",
                    aria_current="page" if place == self.here else None,
                ),
            )
            for place, text in places
        ]
        head = el(
            "head",
            el("meta", charset="utf-8"),
            el("title", f"{title} · rapscheduler"),
            el("meta", name="viewport", content="width=device-width, initial-scale=1"),
            el("link", rel="stylesheet", href=f"{self.root}/static/style.css"),
            el("script", src=f"{self.root}/static/live.js", defer=True) if live else None,
        )
        body = el(
            "body",
            el("a", "To the content", href="#content", class_="skip"),
            el(
                "header",
                el("strong", "rapscheduler"),
                el("span", self.title, class_="faint"),
                el("nav", el("ul", *links), aria_label="Pages"),
                el("span", "", id="live", class_="faint", role="status") if live else None,
            ),
            el(
                "main",
                el("h1", title),
                *content,
                id="content",
                data_events=f"{self.root}/events" if live else None,
            ),
        )
        return Markup(f"<!doctype html>{el('html', head, body, lang='en')}")

    def job_link(self, job_id: str) -> Markup:
        return el("a", shortened(job_id, LONGEST), href=f"{self.root}/jobs/{quote(job_id, safe='')}")

    def run_link(self, run_id: str, text: object) -> Markup:
        return el("a", text, href=f"{self.root}/runs/{quote(run_id, safe='')}")

    def action(self, kind: str, one_id: str, action: str, text: str, danger: bool = False) -> Markup:
        """A button that changes a job or a run; `kind`: ``jobs`` or ``runs``."""
        return el(
            "form",
            el("input", type="hidden", name="token", value=self.token),
            el("button", text, type="submit", class_="danger" if danger else None),
            method="post",
            action=f"{self.root}/{kind}/{quote(one_id, safe='')}/{action}",
            class_="inline",
        )


def error(frame: Frame, status: int, text: str) -> Markup:
    return frame.page(f"{status}", el("p", text, class_="notice"))


def table_of(heads: list[str], rows: list[list[object]], empty: str) -> Markup:
    if not rows:
        return el("p", empty, class_="faint")
    head = el("thead", el("tr", *(el("th", text, scope="col") for text in heads)))
    body = el("tbody", *(el("tr", *(el("td", cell) for cell in row)) for row in rows))
    return el("div", el("table", head, body), class_="scroll", tabindex=0, role="group", aria_label="Table")


def state_of(view: dict[str, Any]) -> Markup:
    return el("span", view["state"], class_=f"state {view['state']}")


def time_of(text: str | None) -> object:
    if text is None:
        return "–"
    return el("time", re.sub(r"\.\d+", "", text.replace("T", " ")), datetime=text)


def _short(value: Any) -> str:
    return "–" if value is None else shortened(str(value), LONGEST)


def _jobs_table(frame: Frame, views: list[dict[str, Any]]) -> Markup:
    rows: list[list[object]] = [
        [frame.job_link(one["id"]), time_of(one["next_run_time"]), state_of(one), _short(one["trigger"]),
         el("code", _short(one["func"])), _short(one["name"])]
        for one in views
    ]  # fmt: skip
    return table_of(["Job", "Next run", "State", "Schedule", "Calls", "Name"], rows, "No jobs.")


def overview(
    frame: Frame, health: dict[str, Any], views: list[dict[str, Any]], times_us: list[int]
) -> Markup:
    """``views`` of the next jobs, ``times_us``: of those and of more."""
    return frame.page(
        "What is next",
        _summary(health),
        _timeline(times_us),
        _jobs_table(frame, views),
        el("p", el("a", "All jobs", href=f"{frame.root}/jobs")),
        live=True,
    )


def _summary(health: dict[str, Any]) -> Markup:
    ok = bool(health["ok"])
    words = [el("strong", "all is well" if ok else "not well", class_="ok" if ok else "bad")]
    if health.get("reason"):
        words.append(join(": ", str(health["reason"])))
    if health.get("lag_s") is not None:
        words.append(join(f"; late by {health['lag_s']:.1f} s"))
    return el("p", *words)


def _timeline(times_us: list[int]) -> Markup | None:
    """A day of the next runs that are listed, one dot for each, an hour for each line."""
    now = datetime.now(timezone.utc)
    last_us = us_of(now + timedelta(hours=TIMELINE_H))
    upcoming = [moment(one_us) for one_us in times_us if one_us < last_us]
    if not upcoming:
        return None
    width, base = 1000, 60
    end = max(upcoming)
    span = max((end - now).total_seconds(), 60.0)
    marks = []
    for step in range(7):
        x = 10 + step * (width - 20) / 6
        when = now + timedelta(seconds=span * step / 6)
        marks.append(el("line", x1=f"{x:.0f}", x2=f"{x:.0f}", y1=6, y2=base, class_="axis"))
        anchor = "start" if step == 0 else "end" if step == 6 else "middle"
        marks.append(el("text", f"{when:%H:%M:%S}", x=f"{x:.0f}", y=base + 14, text_anchor=anchor))
    heights: dict[int, int] = {}
    for one in upcoming:
        x = round(10 + max(0.0, (one - now).total_seconds()) / span * (width - 20))
        heights[x] = heights.get(x, 0) + 1
        if heights[x] <= 9:
            marks.append(el("circle", cx=x, cy=base - 5 * heights[x], r=2.5, class_="fire"))
    text = f"The next {len(upcoming)} runs, from now (left) to {end:%Y-%m-%d %H:%M:%S} (right), UTC"
    picture = el("svg", *marks, viewBox=f"0 0 {width} {base + 20}", role="img", aria_label=text)
    return el("figure", picture, el("figcaption", text, class_="faint"))


def jobs(frame: Frame, views: list[dict[str, Any]], asked: dict[str, str], number: int, more: bool) -> Markup:
    search = search_for(asked, ("search", "Search"), ("any state", STATES))
    pages = page_links(frame, "jobs", asked, number, more)
    return frame.page("Jobs", search, _jobs_table(frame, views), pages, live=True)


def search_for(
    asked: dict[str, str], field: tuple[str, str], states: tuple[str, Iterable[str]], *more: object
) -> Markup:
    """A form: a field (its name and label), a choice of states (with the word for any), and what more there is."""
    name, label = field
    options = [el("option", states[0], value="")]
    options += [el("option", one, value=one, selected=one == asked.get("state")) for one in states[1]]
    return el(
        "form",
        el("div", el("label", label, for_=name),
           el("input", type="search", name=name, id=name, value=asked.get(name, ""))),
        el("div", el("label", "State", for_="state"), el("select", *options, name="state", id="state")),
        *more,
        el("button", "Search", type="submit"),
        class_="search",
        role="search",
    )  # fmt: skip


def page_links(frame: Frame, place: str, asked: dict[str, str], number: int, more: bool) -> Markup:
    """To the page before and the page after, for the same question."""
    links = []
    for text, target, there in (("Previous page", number - 1, number > 0), ("Next page", number + 1, more)):
        if there:
            query = urlencode({**{key: value for key, value in asked.items() if value}, "page": target})
            links.append(el("a", text, href=f"{frame.root}/{place}?{query}"))
            links.append(Markup("&nbsp; "))
    return el("p", *links)


def facts_of(pairs: list[tuple[str, object]]) -> Markup:
    return el("dl", *(part for name, value in pairs for part in (el("dt", name), el("dd", value))))


def job(
    frame: Frame, view: dict[str, Any], preview: dict[str, Any] | None, ended: list[dict[str, Any]]
) -> Markup:
    """``ended``: its last runs."""
    facts: list[tuple[str, object]] = [
        ("State", state_of(view)),
        ("Reason", view["reason"] or "–"),
        ("Next run", time_of(view["next_run_time"])),
        ("Schedule", view.get("words") or "–"),
        ("Trigger", el("code", str(view["trigger"]))),
        ("Calls", el("code", str(view["func"]))),
        ("Arguments", el("code", f"{view.get('args', '–')} {view.get('kwargs') or ''}")),
        ("Name", str(view["name"])),
        ("Executor", str(view.get("executor"))),
        ("Grace time", f"{view.get('misfire_grace_time')} s"),
        ("At once, at most", str(view.get("max_instances"))),
    ]
    content: list[object] = [facts_of(facts)]
    if frame.changes:
        job_id = view["id"]
        content.append(
            el(
                "div",
                frame.action("jobs", job_id, "run", "Run now"),
                frame.action("jobs", job_id, "pause", "Pause") if view["state"] == SCHEDULED else None,
                frame.action("jobs", job_id, "resume", "Resume") if view["state"] == PAUSED else None,
                frame.action("jobs", job_id, "remove", "Remove", danger=True),
            )
        )
    if view.get("fires"):
        content += [el("h2", "Next fires"), _fires(view["fires"])]
    if frame.changes:
        content += _editor(frame, view, preview)
    content += _last_runs(frame, view["id"], ended)
    for one in view.get("failures", []):
        content += [
            el("h2", f"{one['what']} at {one['time']}"),
            block_of(one["traceback"] or one["error"] or "–"),
        ]
    return frame.page(f"Job {shortened(view['id'], LONGEST)}", *content, live=preview is None)


def _last_runs(frame: Frame, job_id: str, ended: list[dict[str, Any]]) -> list[object]:
    every = el("p", el("a", "Its runs", href=f"{frame.root}/runs?{urlencode({'job': job_id})}"))
    if not ended:
        return [every]
    items = [el("li", frame.run_link(one["id"], time_of(one["ended"])), " ", state_of(one)) for one in ended]
    return [el("h2", "Last runs"), el("ul", *items), every]


def block_of(text: str) -> Markup:
    """Lines as they are; what is wider than the page is reached by the keyboard."""
    return el("pre", lines_of(text), tabindex=0)


def lines_of(text: str) -> Markup:
    """A text of several lines; each is quoted for itself."""
    return Markup("\n".join(join(line) for line in text.splitlines()))


def _fires(fires: list[str]) -> Markup:
    """Each with a note where the offset of the zone is another one than before."""
    items = []
    before: timedelta | None = None
    for text in fires:
        offset = datetime.fromisoformat(text).utcoffset()
        note = el("strong", " (the clock was changed)") if before is not None and offset != before else None
        items.append(el("li", time_of(text), note))
        before = offset
    return el("ol", *items)


def _editor(frame: Frame, view: dict[str, Any], preview: dict[str, Any] | None) -> list[object]:
    asked = preview or {"line": "", "timezone": view.get("timezone") or "UTC"}
    look = el(
        "form",
        el("div", el("label", "A line of cron", for_="line"),
           el("input", name="line", id="line", value=asked["line"], placeholder="30 9 * * mon-fri", required=True)),
        el("div", el("label", "Time zone", for_="timezone"),
           el("input", name="timezone", id="timezone", value=asked["timezone"])),
        el("button", "Preview", type="submit"),
        class_="search",
    )  # fmt: skip
    content: list[object] = [el("h2", "Another schedule"), look]
    if preview is None:
        return content
    if preview["problem"]:
        return [*content, el("p", preview["problem"], class_="notice", role="alert")]
    save = el(
        "form",
        el("input", type="hidden", name="token", value=frame.token),
        el("input", type="hidden", name="line", value=preview["line"]),
        el("input", type="hidden", name="timezone", value=preview["timezone"]),
        el("button", "Use this schedule", type="submit"),
        method="post",
        action=f"{frame.root}/jobs/{quote(view['id'], safe='')}/reschedule",
    )
    return [*content, el("p", preview["words"], class_="notice"), _fires(preview["fires"]), save]


def failures(frame: Frame, found: list[dict[str, Any]]) -> Markup:
    rows: list[list[object]] = [
        [one["time"], frame.job_link(one["id"]), one["what"], time_of(one["run_time"]), _short(one["error"])]
        for one in found
    ]
    note = el(
        "p", "Errors and missed runs since this dashboard was made, the last one first.", class_="faint"
    )
    return frame.page(
        "Failures", note, table_of(["At", "Job", "What", "Due", "Error"], rows, "None."), live=True
    )


def parked(frame: Frame, views: list[dict[str, Any]]) -> Markup:
    rows: list[list[object]] = [
        [frame.job_link(one["id"]), time_of(one["next_run_time"]), one["reason"]] for one in views
    ]
    note = "Jobs that can't be run are kept here with the reason. They are tried again when their scheduler starts."
    return frame.page(
        "Parked jobs", el("p", note, class_="faint"),
        table_of(["Job", "Was due", "Reason, and the cure"], rows, "None."), live=True,
    )  # fmt: skip


def health(frame: Frame, report: dict[str, Any]) -> Markup:
    facts: list[tuple[str, object]] = [(name.replace("_", " "), str(value)) for name, value in report.items()]
    return frame.page("Health", _summary(report), facts_of(facts), live=True)
