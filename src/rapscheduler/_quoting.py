"""How text of others is quoted in what we print and log: on one line, printable, without passwords.

What lives here: `one_line`, `job_text`, `masked`, `said`, `short`. What must not: what is said, and where. Names and
ids of jobs, reasons, values of rows and the messages of exceptions may have been written by anybody. Logged as they
are, a line break in one begins a log line of its own, an escape sequence talks to the terminal, and a driver that
quotes the URL it was given tells its password.

All of it costs time in proportion to the length of the text, whatever is in it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import cache

from rapscheduler._hints import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import re

#: blanks, and what joins letters and emoji: not "printable" for Python, and harmless in a line
_HARMLESS = frozenset(
    "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000\u200c\u200d"
)
_MOST_CHARACTERS = 10_000
_MASK = "***"

_NAME = r"(?:passw|passphrase|passcode|pwd|secret)[\w.\-]{0,40}"
_MORE = r"(?:token|api[_-]?key|access[_-]?key|credential)[\w.\-]{0,40}|\bpass|\bpw|\bauth"
_VALUE = r"(?P<value>\"(?:[^\"\\]|\\.)*\"?|'(?:[^'\\]|\\.)*'?|\{[^}]*\}?|[^\s&;]+)"
#: password=x, 'password': 'x', PWD={x}; pwd: x
_SETTING = (
    r"(?is)"
    rf"(?P<name>{_NAME}|{_MORE})(?P<is>[\"']?\s{{0,3}}(?:=>?|%3D)\s{{0,3}}|[\"']\s{{0,3}}:\s{{0,3}}){_VALUE}"
    rf"|(?P<name2>{_NAME})(?P<is2>\s{{0,3}}:\s{{0,3}})(?P<value2>[^\s&;]+)"
)
_SECRET_NAME = f"(?i){_NAME}|{_MORE}"
_HOST = r"(?:\[[^\]]*\]|[^:,\[\]]*)(?::\d{0,5})?"
_HOSTS = rf"{_HOST}(?:,{_HOST})*"
#: user:password@host, with no scheme before it
_BARE = r":[^\s@:/]{1,200}@(?=[\w\[])"
_AFTER_VALUE = "\"')],.}"


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """The patterns above are compiled when the first text is masked: importing us need not load ``re``."""
    import re

    return re.compile(pattern)


def one_line(thing: object) -> str:
    """A text, or what an object says, with what isn't printable (line breaks, escape sequences) as Python writes it."""
    text = thing if type(thing) is str else _text(thing)
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() or c in _HARMLESS else c.encode("unicode_escape").decode() for c in text
    )


def job_text(job: Any) -> str:
    """A job as text, or its id, when its trigger has no text."""
    try:
        return one_line(str(job))
    except Exception:  # of somebody else's trigger
        return one_line(job.id)


def _text(thing: object) -> str:
    try:
        return str(thing)
    except Exception:  # an exception whose __str__ is broken, an integer of too many digits
        return f"<{type(thing).__name__}>"


def said(thing: object) -> str:
    """What an object of others says of itself: never raises, one line, no passwords, its middle left out if long."""
    text = _text(thing)
    if len(text) > _MOST_CHARACTERS:  # the end begins with a whole word: half a URL would show its password
        half = _MOST_CHARACTERS // 2
        text = f"{text[:half]} … {text[-half:].partition(' ')[2]}"
    return one_line(masked(text))


def shortened(text: str, most: int) -> str:
    """At most so many characters; of a longer text the middle is left out, as the cure is at the end of a reason."""
    if len(text) <= most:
        return text
    end = most // 2
    return f"{text[: most - end - 1]}…{text[-end:]}"


def short(value: object) -> str:
    """A value of a row, for a message: nothing that takes long is asked of it."""
    kind: Any = type(value)
    if kind is str or kind is bytes:
        text: Any = value
        return repr(text) if len(text) <= 100 else repr(text[:97]) + "…"
    if kind is int:
        number: Any = value
        return repr(number) if number.bit_length() < 200 else f"<int of {number.bit_length()} bits>"
    if value is None or kind is bool or kind is float:
        return repr(value)
    return f"<{kind.__name__}>"


def masked(text: str, secrets: Collection[str] = ()) -> str:
    """The text without passwords: those of URLs (before the host, in the query), of settings, and ``secrets``."""
    for secret in secrets:
        text = text.replace(secret, _MASK)
    if "//" in text:
        first, *parts = text.split("//")
        text = "//".join((first, *map(_without_password, parts)))
    if "@" in text:
        text = _compiled(_BARE).sub(f":{_MASK}@", text)
    return _compiled(_SETTING).sub(_hidden, text)


def _hidden(match: re.Match[str]) -> str:
    value = match["value"] or match["value2"]
    before = (match["name"] or match["name2"]) + (match["is"] or match["is2"])
    rest = ""
    if value[0] not in "\"'{":
        plain = value.rstrip(_AFTER_VALUE)
        plain, rest = (plain, value[len(plain) :]) if plain else (value, "")
        if plain.lower() in ("yes", "no", "none", "null", "true", "false"):
            return match[0]
    return before + _MASK + rest


def _without_password(part: str) -> str:
    """What follows the "//" of a URL, up to the next one."""
    found = _compiled(r"\s").search(part)
    end = len(part) if found is None else found.start()
    at = _user_end(part, end)
    if at == 0:
        return part
    kept = "" if part[at : at + 1] == "@" else part[: part.find(":", 0, at) + 1]
    return f"{kept}{_MASK}{part[at:]}"


def _user_end(part: str, end: int) -> int:
    """Where user and password end in what follows the "//" of a URL; 0: there are none."""
    token = part[:end]
    stop = min((place for place in map(token.find, "/?#") if place >= 0), default=end)
    at = token.rfind("@", 0, stop)
    if at < 0:
        if _compiled(_HOSTS).fullmatch(token[:stop].rstrip(_AFTER_VALUE + ";:>")):
            return 0
        at = part.rfind("@")  # what should be encoded in a password isn't; or the URL was cut off
    return end if at < 0 else at


def secrets_in(word: str) -> Iterator[str]:
    """The passwords in a word of a command line, as they are written and as they are read; short ones are left out."""
    from urllib.parse import unquote, unquote_plus

    for found in _secrets(word):
        for secret in (found, unquote(found), unquote_plus(found)):
            if len(secret) > 3:
                yield secret


def _secrets(word: str) -> Iterator[str]:
    from urllib.parse import parse_qsl

    _, slashes, rest = word.partition("//")
    if slashes:
        user, _, password = rest[: _user_end(rest, len(rest))].partition(":")
        yield password or user
    _, _, query = word.partition("?")
    for pairs in (query, word):
        for name, value in parse_qsl(pairs, keep_blank_values=True):
            if _compiled(_SECRET_NAME).search(name):
                yield value
    for match in _compiled(_SETTING).finditer(word):
        yield (match["value"] or match["value2"]).strip("\"'{}")
