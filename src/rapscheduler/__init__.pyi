from typing import Final

from rapscheduler._serialization.forms import trigger_as_dict as trigger_as_dict
from rapscheduler._serialization.forms import trigger_from_dict as trigger_from_dict
from rapscheduler._serialization.registry import register_type as register_type
from rapscheduler.runs import Retry as Retry
from rapscheduler.runs import RetryLater as RetryLater
from rapscheduler.runs import current_run as current_run

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

__version__: Final[str]
version: Final[str]
release: Final[str]
version_info: Final[tuple[int, int, int]]

def install_as_apscheduler() -> None:
    """Make ``import apscheduler…`` give the modules of this package, for this process.

    :raises RuntimeError: if the real APScheduler has been imported already
    """
