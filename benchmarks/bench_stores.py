"""pytest-benchmark over the store workloads: ``pytest benchmarks/bench_stores.py``. A missing server skips."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.bench_scheduler import run
from benchmarks.work_stores import StoreAdds, StoreFires, StoreLoads
from benchmarks.workloads import Unsupported

COUNT = 5000


@pytest.mark.parametrize("backend", ["sqlite", "postgresql", "mariadb", "redis"])
@pytest.mark.parametrize("kind", [StoreFires, StoreAdds, StoreLoads])
def bench_store(benchmark: Any, kind: Any, backend: str) -> None:
    try:
        workload = kind("rapscheduler", backend=backend, count=COUNT)
    except Unsupported as reason:
        pytest.skip(str(reason))
    run(benchmark, workload)
