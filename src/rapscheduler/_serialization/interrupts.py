"""Whether what an import raised is the program's end, or the imported module's own doing.

What lives here: that one question. What must not: imports. A row may name a module that raises `SystemExit` (a script
without ``if __name__ == "__main__"``) or `KeyboardInterrupt` while it is imported: that costs the row. Ctrl-C, and a
handler of a signal that calls `sys.exit()`, may come while a module is imported: that ends the program, as always.

Python runs handlers of signals in the main thread only, between two instructions of whatever runs there. So a handler
of the program's is a frame of the traceback, and Python's own handler of Ctrl-C is none: then the last instruction that
ran was no `raise`.
"""

from __future__ import annotations

import signal
import threading
from opcode import opname
from types import CodeType, TracebackType
from typing import Any


def is_interrupt(exc: BaseException) -> bool:
    """Whether this exception, raised by an import, was sent to the program by a signal."""
    if isinstance(exc, Exception) or threading.current_thread() is not threading.main_thread():
        return False
    handlers = {code for number in signal.valid_signals() for code in _codes(signal.getsignal(number))}
    last = exc.__traceback__
    while last is not None and last.tb_frame.f_code not in handlers:
        if last.tb_next is None:
            return isinstance(exc, KeyboardInterrupt) and not _raises(last)
        last = last.tb_next
    return True


def _raises(last: TracebackType) -> bool:
    """Whether the instruction that a frame stands at is a `raise`."""
    instruction = last.tb_frame.f_code.co_code[last.tb_lasti]
    return opname[instruction] in ("RAISE_VARARGS", "RERAISE")


def _codes(handler: Any) -> list[CodeType]:
    """The code of a handler written in Python, however it is wrapped."""
    for _ in range(10):
        inner = getattr(handler, "func", None) or getattr(handler, "__func__", None)
        if inner is None:
            break
        handler = inner
    call = vars(type(handler)).get("__call__")  # an object that can be called
    found = getattr(handler, "__code__", None) or getattr(call, "__code__", None)
    return [found] if isinstance(found, CodeType) else []
