"""For PyInstaller: where the hook of this package is. It finds this by the entry point ``pyinstaller40``.

What lives here: that, and ``hook-rapscheduler.py``. What must not: anything that a running program needs.
"""

from __future__ import annotations

import os

__all__ = ["get_hook_dirs"]


def get_hook_dirs() -> list[str]:
    """The folders with hooks."""
    return [os.path.dirname(__file__)]
