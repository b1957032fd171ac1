"""One library in one process: reads a command per line (JSON) from standard input, answers each with a line.

    open {name, params} · answers · round · close

Whatever the library prints goes to standard error, so that it can't be taken for an answer.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from benchmarks.workloads import Unsupported, Workload, registry


class Worker:
    """The workload in hand, and the commands on it."""

    def __init__(self, library: str) -> None:
        self.library = library
        self.known = registry()
        self.workload: Workload | None = None

    def open(self, name: str, params: dict[str, Any]) -> dict[str, Any]:
        self.close()
        self.workload = self.known[name](self.library, **params)
        return {}

    def answers(self) -> dict[str, Any]:
        assert self.workload is not None
        return {"answers": self.workload.answers()}

    def round(self, repeat: int = 1) -> dict[str, Any]:
        assert self.workload is not None
        rounds = [self.workload.round() for _ in range(repeat)]
        seconds, count = (sum(one[what] for one in rounds) for what in ("seconds", "count"))
        # what times other processes has wall time only
        cpu = sum(one.get("cpu", one["seconds"]) for one in rounds)
        return {"seconds": seconds, "cpu": cpu, "count": count, "facts": rounds[-1]["facts"]}

    def close(self) -> dict[str, Any]:
        if self.workload is not None:
            workload, self.workload = self.workload, None
            workload.close()
        return {}


def main() -> None:
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    worker = Worker(sys.argv[1])
    for line in sys.stdin:
        command = json.loads(line)
        do = command.pop("do")
        try:
            reply = getattr(worker, do)(**command)
        except Unsupported as reason:
            reply = {"unsupported": str(reason)}
        except AttributeError as error:
            unbuilt = "'rapscheduler." in str(error)
            reply = {
                "unsupported" if unbuilt else "error": f"not built yet: {error}" if unbuilt else repr(error)
            }
        except Exception as error:
            import traceback

            traceback.print_exc()
            reply = {"error": f"{type(error).__name__}: {error}"}
        replies.write(json.dumps(reply) + "\n")
    worker.close()


if __name__ == "__main__":
    main()
