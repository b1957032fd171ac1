"""rapscheduler: APScheduler's API on a compiled core.

Nothing heavy happens here: the version, and ``install_as_apscheduler()``. Import what you need from the modules below,
which are named as in APScheduler: ``from rapscheduler.schedulers.background import BackgroundScheduler``.
"""

from __future__ import annotations

__all__ = (
    "Retry",
    "RetryLater",
    "__version__",
    "current_run",
    "install_as_apscheduler",
    "register_type",
    "release",
    "trigger_as_dict",
    "trigger_from_dict",
    "version",
    "version_info",
)

__version__ = version = release = "0.1.0"
version_info = (0, 1, 0)


def install_as_apscheduler() -> None:
    """Make ``import apscheduler…`` give the modules of this package, for this process.

    Call it before anything imports ``apscheduler``, so that libraries written for APScheduler run on this package
    unchanged. Loggers are then named ``apscheduler.*``.

    :raises RuntimeError: if the real APScheduler has been imported already
    """
    from rapscheduler._alias import install

    install()


def __getattr__(name: str) -> object:
    """What is loaded when somebody asks for it."""
    if name == "register_type":
        from rapscheduler._serialization.registry import register_type

        return register_type
    if name in ("trigger_as_dict", "trigger_from_dict"):
        from rapscheduler._serialization import forms

        of_triggers: object = getattr(forms, name)
        return of_triggers
    if name in ("current_run", "Retry", "RetryLater"):
        from rapscheduler import runs

        found: object = getattr(runs, name)
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
