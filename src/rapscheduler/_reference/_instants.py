"""Instants as numbers: int64 microseconds since 1970-01-01 UTC, and what stands for "no time"."""

SECOND_US = 1_000_000
NEVER_US = 2**63 - 1  # no time: a paused job, no further fire time; nothing is later
MIN_US = -62135596800_000000  # 0001-01-01T00:00:00Z
MAX_US = 253402300799_999999  # 9999-12-31T23:59:59.999999Z
