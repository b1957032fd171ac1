"""``import apscheduler`` that gives rapscheduler: a finder in front of the import system.

What lives here: the finder and the facade module ``apscheduler``. What must not: anything that runs unless
``install_as_apscheduler()`` is called, or the distribution of ``ext/apscheduler-distribution`` is imported.
Approach: ``apscheduler.X`` is never loaded a second time. The finder imports ``rapscheduler.X`` and puts that very
module object into ``sys.modules`` under both names, so that classes are the same whichever name they are imported by.
Only the top package is a module of its own, because its version numbers have to be those of the API it stands for.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

ALIAS, TARGET = "apscheduler", "rapscheduler"
API_VERSION = "3.11.3"  # the version of APScheduler whose surface this package has


class AliasFinder:
    """Finds and loads ``apscheduler`` and every module below it."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: Any = None) -> ModuleSpec | None:
        if name != ALIAS and not name.startswith(ALIAS + "."):
            return None
        if name != ALIAS:
            own_name = TARGET + name[len(ALIAS) :]
            try:
                import_module(own_name)
            except ModuleNotFoundError as exc:
                if exc.name == own_name:
                    return None  # no such module here: let the import fail under the name that was asked for
                raise
        return ModuleSpec(name, AliasFinder, is_package=name == ALIAS)  # type: ignore[arg-type]

    @staticmethod
    def create_module(spec: ModuleSpec) -> ModuleType:
        if spec.name == ALIAS:
            return _facade()
        module = sys.modules[TARGET + spec.name[len(ALIAS) :]]
        _own_specs[module.__name__] = module.__spec__
        return module

    @staticmethod
    def exec_module(module: ModuleType) -> None:
        """The module has been executed under its own name; only give it back the spec of that name."""
        if module.__name__ in _own_specs:
            module.__spec__ = _own_specs.pop(module.__name__)


_own_specs: dict[str, ModuleSpec | None] = {}


def _facade() -> ModuleType:
    """The module ``apscheduler``."""
    module = ModuleType(ALIAS, "rapscheduler, installed under the name of APScheduler")
    _describe(module)
    return module


def _describe(module: ModuleType) -> None:
    module.version = module.__version__ = module.release = API_VERSION  # type: ignore[attr-defined]
    module.version_info = tuple(map(int, API_VERSION.split(".")))  # type: ignore[attr-defined]
    module.__path__ = []


def stand_in(name: str) -> None:
    """Called by the module ``apscheduler`` of the second distribution while it is imported: it becomes the facade."""
    from rapscheduler import util

    _describe(sys.modules[name])
    if AliasFinder not in sys.meta_path:
        sys.meta_path.insert(0, AliasFinder)
    util._log_root = ALIAS


def install() -> None:
    """Put the finder first. RuntimeError: the real APScheduler is loaded already."""
    from rapscheduler import util

    loaded = sys.modules.get(ALIAS)
    if loaded is not None:
        if AliasFinder in sys.meta_path:
            return
        raise RuntimeError(
            f"APScheduler has been imported already, from {getattr(loaded, '__file__', '?')}. Call "
            "rapscheduler.install_as_apscheduler() before the first import of apscheduler or of a library that uses it"
        )
    if AliasFinder not in sys.meta_path:
        sys.meta_path.insert(0, AliasFinder)
    util._log_root = ALIAS
