"""What commands print shows no password: not of the words that were typed, nor of what drivers say about them.

What lives here: `secrets_hidden`, around a command. What must not: how a password is found (`_quoting`). Errors of the
command line, warnings, log lines and tracebacks of anybody are written to the streams of the program, and end up in the
logs of whoever runs it; so it is the streams that hide.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rapscheduler._quoting import masked, secrets_in


class _Masking:
    """A stream that masks what is written to it."""

    def __init__(self, stream: Any, secrets: Sequence[str]) -> None:
        self._stream, self._secrets = stream, secrets

    def write(self, text: str) -> int:
        self._stream.write(masked(text, self._secrets))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def secrets_hidden(words: Iterable[str]) -> Iterator[None]:
    """Mask the standard streams while a command runs; ``words`` are those of its command line."""
    secrets = sorted({secret for word in words for secret in secrets_in(word)}, key=len, reverse=True)
    streams = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = _Masking(sys.stdout, secrets), _Masking(sys.stderr, secrets)
    try:
        yield
    except Exception as exc:
        if not secrets:
            raise
        sys.excepthook(type(exc), exc, exc.__traceback__)  # here, where the streams hide what it quotes
        raise SystemExit(1) from None
    finally:
        sys.stdout, sys.stderr = streams
