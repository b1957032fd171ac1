from collections.abc import Callable, Iterator
from typing import Any

class KnownDrafts:
    def __init__(
        self,
        kind: Any,
        scheduler: Any,
        new_id: Callable[[], str],
        func: Any = None,
        args: Any = None,
        trigger: Any = None,
    ) -> None: ...
    def learn(
        self, spec: Any, given: Any, facts: tuple[Any, ...], arg_count: int, trigger: Any = None
    ) -> None: ...
    def draft_on(self, specs: Iterator[Any], jobs: list[Any], end: Any) -> Any: ...

def complete_jobs(jobs: list[Any], grace: int | None, coalesce: bool, max_instances: int) -> list[Any]: ...
def set_store_alias(jobs: list[Any], alias: str | None) -> None: ...
def earliest_us(jobs: list[Any]) -> int | None: ...
