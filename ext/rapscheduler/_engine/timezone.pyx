"""Zone tables, compiled: sorted C arrays of transitions; see ``timezone.pxd`` for what the arrays mean.

What lives here: ``ZoneTable``, its search, the reader of TZif (RFC 9636, versions 1 to 4) and of its POSIX footer.
What must not: files, names of zones, ``zoneinfo``, datetimes.
"""

from itertools import pairwise

from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport free, malloc

from rapscheduler._engine._words cimport rap_hint, rap_newest, rap_publish, rap_set_hint
from rapscheduler._engine.calendar cimport (
    CivilDate,
    civil_from_days_c,
    days_from_civil_c,
    is_leap_c,
    last_weekday_c,
    nth_weekday_c,
)

LO_S = -(10**12)  # "always before": open end of the first range
HI_S = 10**12  # "for ever": open end of the last range
CYCLE_S = 146097 * 86400  # 400 Gregorian years

cdef int64_t C_LO_S = -1_000_000_000_000
cdef int64_t C_HI_S = 1_000_000_000_000
cdef int64_t C_CYCLE_S = 146097 * 86400
cdef int64_t C_MIN_S = -62135596800  # year 1
cdef int64_t C_MAX_S = 253402300799  # the end of year 9999
cdef int64_t MAX_OFFSET_S = 86400  # exclusive, as in datetime
cdef int32_t UNKNOWN_SPREAD_S = 2 * 86400


cdef tuple NO_CHANGES = ((C_LO_S,), (0,), C_HI_S, False)


cdef class ZoneTable:
    """The rule of one zone: instants to offsets and wall times to instants."""

    def __cinit__(self):
        self.block = NULL
        self.set_block(NO_CHANGES)  # one that nobody initialised is UTC, not a crash

    def __init__(self):
        raise TypeError("make a ZoneTable with from_tzif, from_transitions, fixed or probed")

    def __dealloc__(self):
        cdef ZoneBlock *block = self.block
        cdef ZoneBlock *older
        while block != NULL:
            older = block.older
            free(block)
            block = older

    @classmethod
    def fixed(cls, offset_s, tzinfo):
        """One offset for ever."""
        return cls.from_transitions([], [offset_s], tzinfo)

    @classmethod
    def from_transitions(cls, utc_s, offset_s, tzinfo, footer=None, plain=True):
        """``offset_s[i + 1]`` holds from ``utc_s[i]`` on, ``offset_s[0]`` before; then the POSIX footer."""
        cdef ZoneTable table = new_table(cls, tzinfo, plain, None)
        table.set_block(merged(list(utc_s), list(offset_s), footer))
        return table

    @classmethod
    def from_tzif(cls, data, tzinfo):
        """A zone out of the bytes of a TZif file; ``ValueError`` when they are not one."""
        utc_s, offset_s, footer = parse_tzif(data)
        return cls.from_transitions(utc_s, offset_s, tzinfo, footer)

    @classmethod
    def probed(cls, source, tzinfo, plain, utc_s):
        """A zone known through ``source``, first at ``utc_s``; further when it is asked for."""
        cdef ZoneTable table = new_table(cls, tzinfo, plain, source)
        table.set_block(tuple(source.cover(utc_s)))
        return table

    cdef ZoneBlock *set_block(self, tuple known) except NULL:
        """``known``: starts, offsets, end, cycle flag. The block made of them, which now is the zone's."""
        starts, offsets, end, cycles = known
        cdef list start_s = list(starts)
        cdef list offset_s = list(offsets)
        cdef int64_t end_s = end
        cdef bint cycle = cycles
        cdef ZoneBlock *block = new_block(start_s, offset_s, end_s)
        block.cycle = cycle
        if self.source is not None:
            block.spread_s = UNKNOWN_SPREAD_S
        block.older = self.block
        rap_publish(&self.block, block)
        return block

    def range_at(self, int64_t utc_s):
        """``(lo_s, hi_s, offset_s)``: the range of one offset around an instant."""
        cdef ZoneRange found
        zone_find(self, utc_s, &found)
        return found.lo_s, found.hi_s, found.offset_s

    def offset_at(self, int64_t utc_s):
        """Seconds east of UTC at an instant."""
        cdef ZoneRange found
        zone_find(self, utc_s, &found)
        return found.offset_s

    def local(self, int64_t wall_s):
        """What a wall time means: ``(kind, first_utc_s, second_utc_s)``.

        ``"unique"``: twice the instant. ``"fold"``: the wall time comes twice, at these instants. ``"gap"``: it does
        not exist; wall time minus the offset before the gap, and minus the offset after it (PEP 495).
        """
        cdef LocalTime time
        zone_local(self, wall_s, &time)
        return ("unique", "gap", "fold")[time.kind], time.first_utc_s, time.second_utc_s

    def transitions(self, int64_t start_s, int64_t end_s):
        """``(utc_s, offset_before_s, offset_after_s)`` of every change of offset with ``start_s <= utc_s < end_s``."""
        cdef ZoneRange found
        cdef int32_t before_s
        changes = []
        zone_find(self, start_s - 1, &found)
        while found.hi_s < end_s and found.hi_s < C_HI_S:
            before_s = found.offset_s
            zone_find(self, found.hi_s, &found)
            if found.offset_s != before_s and found.lo_s >= start_s:
                changes.append((found.lo_s, before_s, found.offset_s))
        return changes

    def __repr__(self):
        return f"<ZoneTable of {self.tzinfo!r}>"


cdef ZoneTable new_table(type cls, object tzinfo, bint plain, object source):
    cdef ZoneTable table = ZoneTable.__new__(cls)
    table.tzinfo = tzinfo
    table.plain = plain
    table.source = source
    return table


cdef ZoneBlock *new_block(list start_s, list offset_s, int64_t end_s) except NULL:
    """A block of these, checked as C has them: what says of itself that it is small enough need not be."""
    cdef Py_ssize_t count = len(start_s)
    if count != len(offset_s) or not count:
        raise ValueError("a zone needs as many starts as offsets, and one at least")
    cdef ZoneBlock *block = <ZoneBlock *>malloc(
        sizeof(ZoneBlock) + (count + 1) * sizeof(int64_t) + count * sizeof(int32_t)
    )
    if block == NULL:
        raise MemoryError()
    block.count = count
    block.last = block.other = count - 1
    block.cycle = False
    block.start_s = <int64_t *>(block + 1)
    block.offset_s = <int32_t *>(block.start_s + count + 1)
    try:
        fill_block(block, start_s, offset_s, end_s)
    except BaseException:
        free(block)
        raise
    return block


cdef int fill_block(ZoneBlock *block, list start_s, list offset_s, int64_t end_s) except -1:
    cdef Py_ssize_t i
    cdef int64_t offset
    cdef int64_t low = MAX_OFFSET_S
    cdef int64_t high = -MAX_OFFSET_S
    for i in range(block.count):
        block.start_s[i] = <int64_t>start_s[i]
        offset = <int64_t>offset_s[i]
        check_offset(offset)
        block.offset_s[i] = <int32_t>offset
        low = min(low, offset)
        high = max(high, offset)
    block.start_s[block.count] = end_s
    for i in range(block.count):
        if block.start_s[i] >= block.start_s[i + 1]:
            raise ValueError("the transitions of a zone must be strictly increasing")
    block.spread_s = <int32_t>(high - low)
    return 0


cdef ZoneBlock *grow(ZoneTable zone, int64_t utc_s) except NULL with gil:
    """Let the source probe as far as ``utc_s``; the block of what it says. What goes wrong is the caller's.

    The block is handed on, because another thread may put one in its place that knows less.
    """
    return zone.set_block(tuple(zone.source.cover(utc_s)))


cdef inline Py_ssize_t near_hints(ZoneBlock *block, int64_t utc_s) noexcept nogil:
    """The index of an instant in the range found before the last one, or near the last; -1 when it isn't."""
    cdef Py_ssize_t last = rap_hint(&block.last)
    cdef Py_ssize_t other = rap_hint(&block.other)
    if block.start_s[other] <= utc_s < block.start_s[other + 1]:
        return other
    if last + 2 < block.count and block.start_s[last + 1] <= utc_s < block.start_s[last + 3]:
        return last + 1 if utc_s < block.start_s[last + 2] else last + 2  # the same season of the next year
    if last > 0 and block.start_s[last - 1] <= utc_s < block.start_s[last]:
        return last - 1
    return -1


cdef int zone_search(ZoneTable zone, int64_t utc_s, ZoneRange *out) except -1 nogil:
    """``zone_find`` in full: by bisection, with the endless rule and the probing of foreign zones."""
    cdef ZoneBlock *block = <ZoneBlock *>rap_newest(&zone.block)
    cdef int64_t shift_s = 0
    cdef Py_ssize_t low, size, half
    if zone.source is not None and (
        utc_s < block.start_s[0] or (utc_s >= block.start_s[block.count] and not block.cycle)
    ):
        block = grow(zone, utc_s)
    cdef int64_t end_s = block.start_s[block.count]
    if utc_s >= end_s and block.cycle:
        shift_s = ((utc_s - end_s) // C_CYCLE_S + 1) * C_CYCLE_S
    elif utc_s >= end_s or utc_s < block.start_s[0]:
        outside(block, utc_s, out)
        return 0
    low = near_hints(block, utc_s - shift_s)
    if low < 0:
        low, size = 0, block.count
        while size > 1:  # without a branch that the processor would guess wrong
            half = size >> 1
            low = low + half if block.start_s[low + half] <= utc_s - shift_s else low
            size -= half
    rap_set_hint(&block.other, rap_hint(&block.last))
    rap_set_hint(&block.last, low)
    out.lo_s = block.start_s[low] + shift_s
    out.hi_s = block.start_s[low + 1] + shift_s
    out.offset_s = block.offset_s[low]
    out.before_s = block.offset_s[low - 1] if low > 0 else out.offset_s
    return 0


cdef void outside(ZoneBlock *block, int64_t utc_s, ZoneRange *out) noexcept nogil:
    """Beyond all knowledge (an instant that no datetime has): the nearest offset goes on."""
    if utc_s < block.start_s[0]:
        out.lo_s = min(C_LO_S, utc_s)
        out.hi_s = block.start_s[0]
        out.offset_s = block.offset_s[0]
    else:
        out.lo_s = block.start_s[block.count]
        out.hi_s = max(C_HI_S, utc_s + 1)
        out.offset_s = block.offset_s[block.count - 1]
    out.before_s = out.offset_s


cdef int zone_local(ZoneTable zone, int64_t wall_s, LocalTime *out) except -1 nogil:
    """The instants of a wall time. The usual case, far from both ends of the last range, takes a few loads."""
    cdef ZoneBlock *block = <ZoneBlock *>rap_newest(&zone.block)
    cdef Py_ssize_t i = rap_hint(&block.last)
    cdef int64_t utc_s = wall_s - block.offset_s[i]
    if block.start_s[i] + block.spread_s <= utc_s < block.start_s[i + 1] - block.spread_s:
        out.kind = UNIQUE
        out.first_utc_s = out.second_utc_s = utc_s
        return 0
    return local_search(zone, wall_s, out)


cdef int local_search(ZoneTable zone, int64_t wall_s, LocalTime *out) except -1 nogil:
    cdef ZoneRange here
    cdef int64_t utc_s
    cdef int32_t before_s
    cdef int found = 0
    out.kind = GAP
    zone_find(zone, wall_s - MAX_OFFSET_S, &here)
    before_s = here.offset_s
    while True:
        utc_s = wall_s - here.offset_s
        if here.lo_s <= utc_s < here.hi_s:
            if not found:
                out.first_utc_s = utc_s
            out.second_utc_s = utc_s
            found += 1
        elif not found and wall_s - before_s >= here.lo_s > utc_s:
            out.first_utc_s = wall_s - before_s
            out.second_utc_s = utc_s
        if here.hi_s > wall_s + MAX_OFFSET_S or here.hi_s >= C_HI_S:
            break
        before_s = here.offset_s
        zone_find(zone, here.hi_s, &here)
    if found:
        out.kind = FOLD if found > 1 else UNIQUE
    return 0


cdef int check_offset(object offset_s) except -1:
    if not -86400 < offset_s < 86400:
        raise ValueError(f"an offset from UTC must be less than 24 hours, not {offset_s} seconds")
    return 0


cdef int check_increasing(list instants) except -1:
    for a, b in pairwise(instants):
        if a >= b:
            raise ValueError("the transitions of a zone must be strictly increasing")
    return 0


cdef tuple merged(list utc_s, list offset_s, object footer):
    """Starts, offsets, end, cycle flag: the transitions merged and the footer written out."""
    if len(offset_s) != len(utc_s) + 1:
        raise ValueError("a zone needs one offset more than it has transitions")
    check_increasing(utc_s)
    rule = parse_footer(footer) if footer else None
    cdef list starts = [C_LO_S]
    cdef list offsets = [offset_s[0]]
    last_s = C_LO_S  # the rule holds from here on, also when nothing changes here: slim files end with such a transition
    for at_s, offset in zip(utc_s, offset_s[1:]):
        if at_s > C_MAX_S:
            return starts, offsets, C_HI_S, False
        if at_s < C_MIN_S:
            offsets[len(offsets) - 1] = offset
        else:
            append(starts, offsets, at_s, offset)
            last_s = at_s
    if rule is None:
        return starts, offsets, C_HI_S, False
    return with_rule(starts, offsets, last_s, rule)


cdef int append(list starts, list offsets, object at_s, object offset_s) except -1:
    if offset_s != offsets[len(offsets) - 1]:
        starts.append(at_s)
        offsets.append(offset_s)
    return 0


cdef tuple with_rule(list starts, list offsets, int64_t last_s, Rule rule):
    """Go on with the POSIX rule after the last transition; without any transition it holds at all times."""
    cdef CivilDate date
    date.year = 1
    if last_s != C_LO_S:
        civil_from_days_c((last_s - (86399 if last_s < 0 else 0)) // 86400, &date)
    cdef list changes = rule.changes(date.year - 1, date.year + 403)
    state = rule.std_s
    for at_s, offset in changes:
        if at_s <= last_s:
            state = offset
    if last_s == C_LO_S and changes:
        state = rule.std_s if changes[0][1] != rule.std_s else rule.dst_s
    if <int64_t>starts[len(starts) - 1] != last_s:
        append(starts, offsets, last_s, state)
    elif state != offsets[len(offsets) - 1]:
        offsets[len(offsets) - 1] = state
        if len(offsets) > 1 and offsets[len(offsets) - 2] == state:
            del starts[len(starts) - 1]
            del offsets[len(offsets) - 1]
    for at_s, offset in changes:
        if at_s > last_s:
            append(starts, offsets, at_s, offset)
    if starts[len(starts) - 1] <= last_s + C_CYCLE_S:  # the rule never changes the offset
        return starts, offsets, C_HI_S, False
    end_s = starts.pop()
    offsets.pop()
    return starts, offsets, end_s, True


# --- TZif -------------------------------------------------------------------------------------------------------------

_HEADER = ">4sc15x6l"
_HEADER_SIZE = 44


def parse_tzif(bytes data not None):
    """Transition instants, offsets (one more), POSIX footer or None; ``ValueError`` for anything malformed."""
    import struct  # by whoever reads a zone's file: importing a scheduler reads none

    try:
        version, counts, body = header(data, 0)
        if version == 1:
            utc_s, offset_s, _ = read_body(data, body, counts, 4)
            return utc_s, offset_s, None
        _, counts, body = header(data, body + body_size(counts, 4))
        utc_s, offset_s, end = read_body(data, body, counts, 8)
    except struct.error as error:
        raise ValueError(f"TZif data ends too early: {error}") from None
    return utc_s, offset_s, footer_line(data, end)


cdef tuple header(bytes data, object at):
    from struct import unpack_from

    magic, version, *counts = unpack_from(_HEADER, data, at)
    if magic != b"TZif":
        raise ValueError("this is not TZif data: it does not begin with 'TZif'")
    for count in counts:
        if count < 0:
            raise ValueError("TZif data with a negative count")
    return (1 if version == b"\0" else version[0] - ord(b"0")), counts, at + _HEADER_SIZE


cdef object body_size(list counts, object width):
    utc_count, std_count, leap_count, time_count, type_count, char_count = counts
    return time_count * (width + 1) + type_count * 6 + char_count + leap_count * (width + 4) + std_count + utc_count


cdef tuple read_body(bytes data, object at, list counts, object width):
    from struct import unpack_from

    end = at + body_size(counts, width)
    if end > len(data):
        raise ValueError("TZif data ends too early")
    time_count, type_count = counts[3], counts[4]
    if not type_count:
        raise ValueError("TZif data without a local time type")
    utc_s = list(unpack_from(f">{time_count}{'q' if width == 8 else 'l'}", data, at))
    at += time_count * width
    kinds = data[at : at + time_count]
    at += time_count
    types = [unpack_from(">lBB", data, at + 6 * i) for i in range(type_count)]
    first = None  # before the first transition: the first standard time type, as zoneinfo
    for offset, is_dst, _ in types:
        check_offset(offset)
        if first is None and not is_dst:
            first = offset
    offset_s = [types[0][0] if first is None else first]
    for kind in kinds:
        if kind >= type_count:
            raise ValueError("TZif data names a local time type that it does not have")
        offset_s.append(types[kind][0])
    return utc_s, offset_s, end


cdef object footer_line(bytes data, object at):
    line = data[at:].split(b"\n")
    if len(line) < 3 or line[0]:
        raise ValueError("TZif data without a footer line")
    try:
        return line[1].decode("ascii") or None
    except UnicodeDecodeError:
        raise ValueError("TZif data with a footer that is not ASCII") from None


# --- POSIX TZ string --------------------------------------------------------------------------------------------------

_NAME = r"(?:[A-Za-z]{3,}|<[A-Za-z0-9+-]{3,}>)"
_OFFSET = r"[+-]?\d{1,3}(?::\d{2}(?::\d{2})?)?"
_DAY = r"(?:J\d{1,3}|\d{1,3}|M\d{1,2}\.\d\.\d)"
_FOOTER = (
    rf"{_NAME}(?P<std>{_OFFSET})"
    rf"(?:{_NAME}(?P<dst>{_OFFSET})?,(?P<start>{_DAY})(?:/(?P<start_at>{_OFFSET}))?"
    rf",(?P<end>{_DAY})(?:/(?P<end_at>{_OFFSET}))?)?"
)

ctypedef struct RuleDay:
    char kind  # 'M': month, week, weekday (0 = Monday); 'J': day 1..365 without 29 February; 'D': day 0..365
    int32_t month
    int32_t week
    int32_t day
    int32_t at_s


cdef class Rule:
    """A POSIX TZ rule: standard and summer offset and, if there is summer time, the days of its start and end."""

    cdef readonly int32_t std_s
    cdef readonly int32_t dst_s
    cdef bint has_summer
    cdef RuleDay start
    cdef RuleDay end

    cdef list changes(self, int32_t first_year, int32_t last_year):
        """Sorted ``(utc_s, offset from then on)``, up to December of the last year.

        Where end and start fall together summer time goes on; the next start must be known to see that.
        """
        cdef int32_t year
        cdef list changes = []
        if self.has_summer:
            for year in range(first_year, last_year + 1):
                changes.append((wall_s_of(&self.end, year) - self.dst_s, 0, self.std_s))
                changes.append((wall_s_of(&self.start, year) - self.std_s, 1, self.dst_s))
        changes.sort()
        cdef int64_t end_s = days_from_civil_c(last_year, 12, 1) * 86400
        return list({at_s: offset_s for at_s, _, offset_s in changes if at_s < end_s}.items())


cdef int64_t wall_s_of(RuleDay *rule, int32_t year) noexcept nogil:
    """Wall seconds of a rule's change in a year."""
    cdef int64_t days
    cdef int32_t day
    if rule.kind == b"M":
        day = nth_weekday_c(year, rule.month, rule.week, rule.day)
        if day == 0:
            day = last_weekday_c(year, rule.month, rule.day)
        days = days_from_civil_c(year, rule.month, day)
    else:
        days = days_from_civil_c(year, 1, 1) + rule.day
        if rule.kind == b"J" and (rule.day < 60 or not is_leap_c(year)):
            days -= 1
    return days * 86400 + rule.at_s


def parse_footer(str text not None):
    """The rule of a POSIX TZ string, with the extensions of TZif version 3 (times from -167 to 167 hours)."""
    import re

    match = re.fullmatch(_FOOTER, text, re.ASCII)
    if match is None:
        raise ValueError(f"not a POSIX time zone rule: {text!r}")
    cdef Rule rule = Rule.__new__(Rule)
    std_s = -seconds(match["std"], 24)
    check_offset(std_s)
    rule.std_s = rule.dst_s = std_s
    rule.has_summer = match["start"] is not None
    if rule.has_summer:
        dst_s = -seconds(match["dst"], 24) if match["dst"] else std_s + 3600
        check_offset(dst_s)
        rule.dst_s = dst_s
        set_day(&rule.start, match["start"], match["start_at"])
        set_day(&rule.end, match["end"], match["end_at"])
    return rule


cdef int seconds(str text, int max_hours) except? -1:
    parts = [*map(int, text.lstrip("+-").split(":")), 0, 0]
    if parts[0] > max_hours or parts[1] > 59 or parts[2] > 59:
        raise ValueError(f"not a time of a POSIX time zone rule: {text!r}")
    return (-1 if text.startswith("-") else 1) * (parts[0] * 3600 + parts[1] * 60 + parts[2])


cdef int set_day(RuleDay *rule, str text, object at) except -1:
    if text.startswith("M"):
        rule.kind = b"M"
        month, week, day = map(int, text[1:].split("."))
        good = 1 <= month <= 12 and 1 <= week <= 5 and day <= 6
        rule.month, rule.week, rule.day = month, week, (day + 6) % 7  # POSIX counts from Sunday
    elif text.startswith("J"):
        rule.kind = b"J"
        rule.day = int(text[1:])
        good = 1 <= rule.day <= 365
    else:
        rule.kind = b"D"
        rule.day = int(text)
        good = rule.day <= 365
    if not good:
        raise ValueError(f"not a day of a POSIX time zone rule: {text!r}")
    rule.at_s = seconds(at or "2", 167)
    return 0
