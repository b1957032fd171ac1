from collections.abc import Sequence
from datetime import tzinfo as TzInfo
from typing import Protocol

LO_S: int
HI_S: int
CYCLE_S: int

class _Source(Protocol):
    def cover(self, utc_s: int) -> tuple[list[int], list[int], int, bool]: ...

class ZoneTable:
    tzinfo: TzInfo
    plain: bool
    source: _Source | None
    failure: str | None
    @classmethod
    def fixed(cls, offset_s: int, tzinfo: TzInfo) -> ZoneTable: ...
    @classmethod
    def from_transitions(
        cls,
        utc_s: Sequence[int],
        offset_s: Sequence[int],
        tzinfo: TzInfo,
        footer: str | None = None,
        plain: bool = True,
    ) -> ZoneTable: ...
    @classmethod
    def from_tzif(cls, data: bytes, tzinfo: TzInfo) -> ZoneTable: ...
    @classmethod
    def probed(cls, source: _Source, tzinfo: TzInfo, plain: bool, utc_s: int) -> ZoneTable: ...
    def range_at(self, utc_s: int) -> tuple[int, int, int]: ...
    def offset_at(self, utc_s: int) -> int: ...
    def local(self, wall_s: int) -> tuple[str, int, int]: ...
    def transitions(self, start_s: int, end_s: int) -> list[tuple[int, int, int]]: ...

class Rule:
    std_s: int
    dst_s: int

def parse_tzif(data: bytes) -> tuple[list[int], list[int], str | None]: ...
def parse_footer(text: str) -> Rule: ...
