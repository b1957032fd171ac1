"""Coverage-guided fuzzing of what reads foreign text and bytes: garbage in, documented error out.

Not collected by pytest: run it, one target at a time, where ``atheris`` is installed (``pip install atheris``):

    python tests/fuzz/atheris_targets.py fields -max_total_time=120
    python tests/fuzz/atheris_targets.py tzif -max_total_time=120 [corpus directory]

Targets: ``fields`` (texts of cron fields), ``crontab`` (lines in five dialects), ``file`` (crontab files), ``tzif``
(time zone files), ``footer`` (their POSIX rules). atheris sees the branches of Python code: the texts' parsers and the
reference engine. The last two feed both engines and compare: same table or same error. A finding is: any exception but
the documented ones, a crash, a hang, or engines that differ.
"""

from __future__ import annotations

import sys
import zoneinfo
from pathlib import Path

try:
    import atheris
except ImportError:
    sys.exit("atheris is not installed; pip install atheris (CPython 3.11 to 3.13 on Linux)")

with atheris.instrument_imports(include=["rapscheduler"]):
    from targets import TARGETS  # beside this file

    from rapscheduler import _engine

SEEDS = {
    "fields": [
        b"\x07*/5",
        b"\x02last",
        b"\x023rd fri",
        b"\x04mon-fri/2",
        b"\x01jan-dec/3",
        b"\x02LW",
        b"\x02last-3",
    ],
    "crontab": [
        b"\x01*/5 22-2 * * fri-mon",
        b"\x010 0 13 * 5",
        b"\x02" + b"0 0 12 ? * 6#3 2030",
        b"\x01CRON_TZ=UTC @daily",
        b"\x030~59 ~/10 1~ * *",
        b"\x04H(0-29)/10 H H/3 * *",
    ],
    "file": [
        b"\x00# x\nA = 'b'\nCRON_TZ=UTC\n0 9 * * * root run %in\n@every 5m root poll\n@reboot root x",
        b"\x01-~ ~ * * * run\n",
        b"\x02TZ=UTC\nH H * * *\n",
    ],
    "footer": [
        b"CET-1CEST,M3.5.0,M10.5.0/3",
        b"<+1030>-10:30<+11>-11,M10.1.0,M4.1.0",
        b"EST5EDT,J60/25,300/-2",
    ],
}


def seeded(target: str, folder: Path) -> None:
    """Put examples of what is right into the corpus."""
    folder.mkdir(parents=True, exist_ok=True)
    examples = list(SEEDS.get(target, []))
    if target == "tzif":
        names = (
            "UTC",
            "Europe/Dublin",
            "Asia/Tehran",
            "America/New_York",
            "Australia/Lord_Howe",
            "Africa/Casablanca",
        )
        paths = [Path(root, name) for root in zoneinfo.TZPATH for name in names]
        examples += [path.read_bytes() for path in paths if path.is_file()]
    for number, example in enumerate(examples):
        (folder / f"seed-{number}").write_bytes(example)


def main() -> None:
    """``target [options of libFuzzer] [corpus]``."""
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(f"usage: {sys.argv[0]} {{{','.join(TARGETS)}}} [-max_total_time=SECONDS …] [corpus]")
    target, *options = sys.argv[1:]
    folders = [option for option in options if not option.startswith("-")]
    corpus = Path(folders[0]) if folders else Path("build", "atheris", target)
    seeded(target, corpus)
    print(f"target {target}, engine {_engine.NAME}, corpus {corpus}", flush=True)
    atheris.Setup(
        [sys.argv[0], *(option for option in options if option.startswith("-")), str(corpus)], TARGETS[target]
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main()
