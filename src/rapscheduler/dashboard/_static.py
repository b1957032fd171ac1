"""Style and script of the pages. They are served from the same origin, as the Content-Security-Policy wants it."""

from __future__ import annotations

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #fff; --soft: #f3f4f6; --line: #c9ced6; --faint: #545d69;
  --link: #0b57a4; --good: #1a6b34; --bad: #a4161a; --warn: #7a4d00; --mark: #2f6fab; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaed; --paper: #15181c; --soft: #1f242a; --line: #3b424c;
  --faint: #a3acb8; --link: #84bcf5; --good: #7ddb98; --bad: #ff9a9a; --warn: #ffcf70; --mark: #6fb1f0; } }
* { box-sizing: border-box; }
body { margin: 0; font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); }
a { color: var(--link); } a:focus-visible, button:focus-visible, input:focus-visible, select:focus-visible,
  summary:focus-visible, pre:focus-visible, .scroll:focus-visible {
  outline: 3px solid var(--mark); outline-offset: 2px; }
.skip { position: absolute; left: -99em; }
.skip:focus { left: 1em; top: .5em; background: var(--paper); padding: .3em; }
header { border-bottom: 1px solid var(--line); padding: .6em 1.2em; display: flex; flex-wrap: wrap; gap: .3em 1.4em;
  align-items: baseline; background: var(--soft); }
header strong { font-size: 1.1em; }
nav ul { display: flex; flex-wrap: wrap; gap: .2em 1.1em; list-style: none; margin: 0;
  padding: 0; } nav a[aria-current] { font-weight: 700; text-decoration: none; color: var(--ink); }
main { padding: .5em 1.2em 3em; max-width: 84em; margin: auto; } h1 { font-size: 1.45em; } h2 { font-size: 1.1em; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .35em .8em .35em 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td { overflow-wrap: anywhere; min-width: 7em; } td code { display: inline-block; min-width: 15em; }
time, .state { white-space: nowrap; } th { color: var(--faint); font-weight: 600; white-space: nowrap; }
code, pre, .mono { font-family: ui-monospace, monospace; font-size: .92em; }
pre { background: var(--soft); padding: .8em; overflow-x: auto; }
.state { font-weight: 600; } .scheduled, .done, .ok { color: var(--good); }
.paused, .skipped, .cancelled { color: var(--warn); }
.parked, .unreadable, .failed, .missed, .timed_out, .lost, .bad { color: var(--bad); }
summary { cursor: pointer; } .faint { color: var(--faint); }
form.inline { display: inline-block; margin: 0 .5em .5em 0; }
form.search { display: flex; flex-wrap: wrap; gap: .6em;
  margin: 1em 0; align-items: end; } label { display: block; color: var(--faint); font-size: .9em; }
input, select, button { font: inherit; color: inherit; background: var(--paper); border: 1px solid var(--faint);
  border-radius: 5px; padding: .3em .6em; min-height: 2.2em; } button { background: var(--soft); cursor: pointer; }
button.danger { color: var(--bad); border-color: var(--bad); } .notice { border-left: 4px solid var(--mark);
  background: var(--soft); padding: .6em 1em; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25em 1.2em; }
dt { color: var(--faint); } dd { margin: 0; overflow-wrap: anywhere; }
figure { margin: 1em 0; } svg { width: 100%; height: auto; max-height: 9em; }
svg text { fill: var(--faint); font-size: 11px; } svg .axis { stroke: var(--line); } svg .fire { fill: var(--mark); }
@media (max-width: 40em) { main, header { padding-left: .8em; padding-right: .8em; } dl { grid-template-columns: 1fr; }
  dt { margin-top: .4em; } .scroll table { width: max-content; min-width: 100%; } td { max-width: 18em; }
  .scroll td:first-child:not(:has(time)) { max-width: 9em; }
  svg { overflow: visible; margin-bottom: .6em; } svg text { font-size: 30px; transform: translateY(16px); }
  svg text:nth-of-type(even) { display: none; } svg .fire { r: 5px; } }
"""

SCRIPT = """
'use strict';
(() => {
  const main = document.querySelector('main');
  if (!main || !main.dataset.events || !window.EventSource) return;
  const live = document.querySelector('#live');
  const LEAST_MS = 3000;  // between two looks: a busy scheduler changes all the time
  let busy = false, waits = false, renewedAt = -LEAST_MS;
  const written = () => ['INPUT', 'SELECT', 'TEXTAREA'].includes(document.activeElement?.tagName);
  const renew = async () => {
    if (busy || document.hidden || written()) return;
    busy = true;
    try {
      const answer = await fetch(location.href, { headers: { Accept: 'text/html' } });
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
      const fresh = page.querySelector('main');
      if (fresh && !written()) main.replaceChildren(...fresh.childNodes);
    } finally { busy = false; renewedAt = performance.now(); }
  };
  const soon = () => {
    if (waits) return;
    waits = true;
    setTimeout(() => { waits = false; renew(); }, Math.max(0, renewedAt + LEAST_MS - performance.now()));
  };
  const events = new EventSource(main.dataset.events);
  events.addEventListener('open', () => { live.textContent = 'live'; });
  events.addEventListener('error', () => { live.textContent = 'not live'; });
  events.addEventListener('change', soon);
  document.addEventListener('visibilitychange', () => { if (!document.hidden) soon(); });
})();
"""
