"""HTML that is escaped by construction: whatever is put into an element is a text, unless it is markup already."""

from __future__ import annotations

from html import escape

from rapscheduler._quoting import said

VOID = frozenset(("meta", "link", "input"))


class Markup(str):
    """Text that is HTML already. Made by `el` and `join` alone."""


def el(name: str, /, *content: object, **attributes: object) -> Markup:
    """An element. ``class_`` is ``class``, ``data_x`` is ``data-x``; True: an attribute without value, None: none."""
    parts = [name]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        word = key.rstrip("_").replace("_", "-")
        parts.append(word if value is True else f'{word}="{escape(said(value))}"')
    start = f"<{' '.join(parts)}>"
    return Markup(start if name in VOID else f"{start}{join(*content)}</{name}>")


def join(*content: object) -> Markup:
    """Texts and elements, one after the other; None is nothing."""
    return Markup(
        "".join(one if type(one) is Markup else escape(said(one)) for one in content if one is not None)
    )
