"""Rows of others: whatever they hold, they are read or refused after work in proportion to their length."""

from __future__ import annotations

import enum
import json
import random
import string
import uuid

import orjson
import pytest
from tests.unit._serialization.samples import own_registry

from rapscheduler._serialization import bounds
from rapscheduler._serialization.codec import decode, encode
from rapscheduler._serialization.registry import register_type
from rapscheduler._serialization.values import pack_at, unpack
from rapscheduler.errors import DecodeError, EncodeError

__all__ = ["own_registry"]
pytestmark = pytest.mark.usefixtures("own_registry")

PRIME = 2**61 - 1  # hash(n) == n % PRIME
RUN = {"type": "date", "run_date": "2030-01-01 00:00:00", "timezone": "UTC"}
ROW = {"v": 1, "func": "a:b", "trigger": RUN, "args": [], "kwargs": {}, "name": "n", "executor": "default"}
ROW |= {"misfire_grace_time": 1, "coalesce": True, "max_instances": 1}


def row(**changes):
    return json.dumps(ROW | changes).encode()


def numbers(count, step=PRIME):
    return [{"$int": str(n * step)} for n in range(1, count + 1)]


class Counted:
    """A key whose hash is always the same; comparisons are counted."""

    compared = 0

    def __init__(self, number):
        self.number = number

    def __hash__(self):
        return 7

    def __eq__(self, other):
        Counted.compared += 1
        return self.number == other.number


class TestKeysOfOneHash:
    @pytest.mark.parametrize(
        "keys",
        [
            numbers(1000),
            [{"$decimal": str(n * PRIME)} for n in range(1000)],
            [{"$uuid": str(uuid.UUID(int=n * PRIME))} for n in range(1000)],
            [{"$range": ["0", str(n * PRIME), "1"]} for n in range(1000)],
            [{"$tuple": [{"$int": str(n * PRIME)}, 1]} for n in range(1000)],
            [{"$tuple": [-1 - (n >> bit & 1) for bit in range(10)]} for n in range(1000)],
            [{"$frozenset": [{"$int": str(n * PRIME)}]} for n in range(1, 1000)],
        ],
        ids=["int", "decimal", "uuid", "range", "tuple", "-1 and -2", "frozenset"],
    )
    @pytest.mark.parametrize("tag", ["$set", "$frozenset", "$dict"])
    def test_a_row_of_them_is_refused(self, tag, keys):
        content = [[key, 1] for key in keys] if tag == "$dict" else keys
        with pytest.raises(DecodeError, match="hashes are the same"):
            decode(row(args=[{tag: content}]))

    @pytest.mark.parametrize("tag", ["$set", "$dict"])
    def test_nothing_is_compared_before_it_is_refused(self, tag):
        register_type(Counted, name="counted", encode=lambda c: c.number, decode=Counted)
        keys = [{"$type": "counted", "value": n} for n in range(1000)]
        Counted.compared = 0
        with pytest.raises(DecodeError):
            decode(row(args=[{tag: [[key, 1] for key in keys] if tag == "$dict" else keys}]))
        assert Counted.compared == 0

    def test_what_could_not_be_read_is_not_written(self):
        for value in ({n * PRIME for n in range(200)}, {n * PRIME: n for n in range(200)}):
            with pytest.raises(EncodeError, match=r"args\[0\].*hashes are the same"):
                pack_at([value], "args")
        with pytest.raises(EncodeError, match="more than 20000"):
            pack_at([set(range(bounds.MAX_NUMBER_KEYS + 1))], "args")

    @pytest.mark.parametrize(
        "value",
        [
            set(range(bounds.MAX_NUMBER_KEYS)),
            {str(n) for n in range(30_000)},
            {n * PRIME for n in range(60)},
            {n / 7: n for n in range(5000)},
            {(n, str(n)) for n in range(5000)},
        ],
        ids=["numbers", "texts", "a few", "floats", "tuples"],
    )
    def test_honest_sets_and_dicts_come_back(self, value):
        assert unpack(pack_at(value, "args")) == value


class TestMuchInARow:
    def test_containers_are_counted_and_texts_are_not(self):
        with pytest.raises(DecodeError, match="more than 100000 lists"):
            decode(row(args=[[]] * (bounds.MAX_CONTAINERS + 1)))
        assert decode(row(args=["[" * 300_000]))["args"] == ("[" * 300_000,)

    def test_what_shares_its_parts_is_counted_when_it_is_written(self):
        value = [0] * 1000
        for _ in range(30):
            value = [value, value]
        with pytest.raises(EncodeError, match="more than"):
            pack_at(value, "args")

    @pytest.mark.parametrize(
        "field", ["second", "minute", "hour", "day", "month", "week", "day_of_week", "year"]
    )
    @pytest.mark.parametrize(
        "value",
        [
            "1," * 5000 + "1",
            "*/7," * 2000 + "1",
            ["1"] * 5000,
            {"$range": ["0", str(10**17), "1"]},
            "9" * 5000,
            {"$set": [1, 2]},
            [[1] * 3] * 3,
            {"$dict": []},
        ],
    )
    def test_a_field_of_cron_is_short_and_holds_texts_and_numbers(self, field, value):
        with pytest.raises(DecodeError):
            decode(row(trigger={"type": "cron", field: value, "timezone": "UTC"}))

    def test_triggers_together_are_short_too(self):
        member = {"type": "cron", "second": ",".join(["1-5/2"] * 600), "timezone": "UTC"}
        assert decode(row(trigger={"type": "or", "triggers": [member] * 5}))
        with pytest.raises(DecodeError, match="triggers of the job are longer"):
            decode(row(trigger={"type": "or", "triggers": [member] * 30}))

    @pytest.mark.parametrize("content", [2**64, -(2**63) - 1, "1", None, 1.0, [1]])
    def test_flags_are_numbers_of_64_bits(self, content):
        @register_type
        class Access(enum.Flag):
            READ = 1

        name = f"{Access.__module__}:{Access.__qualname__}"
        with pytest.raises(DecodeError):
            unpack({"$type": name, "value": pack_at(content, "")})
        assert len(Access._value2member_map_) == 1

    @pytest.mark.parametrize("exception", [KeyError, ValueError, MemoryError, RecursionError])
    def test_an_exception_that_says_nothing_is_still_the_one_error(self, exception):
        class Silent(exception):
            def __str__(self):
                raise RuntimeError

            __repr__ = __str__

        def broken(content):
            raise Silent

        register_type(Counted, name="counted", encode=lambda c: 1, decode=broken)
        with pytest.raises(DecodeError, match="Silent"):
            decode(row(args=[{"$type": "counted", "value": 1}]))


class Rows:
    """Random rows: whole documents with the keys, tags and triggers of rows, and other things in their places."""

    TAGS = (
        "tuple set frozenset dict int float str bytes bytearray datetime date time timedelta uuid decimal complex "
        "range zone path posixpath windowspath type list nothing"
    ).split()
    TRIGGERS = ("date", "interval", "calendarinterval", "cron", "and", "or", "nothing")
    ARGUMENTS = (
        "run_date timezone hour minute second day weeks days seconds start_date end_date jitter triggers horizon"
    ).split()
    TEXTS = (
        *(
            "",
            "1",
            "nan",
            "2030-01-01",
            "2030-01-01T00:00:00",
            "10:00",
            "UTC",
            "pytz:UTC",
            "+01:00",
            "*/5",
            "1-3",
            "mon",
        ),
        *(
            "0xff",
            "AAAA",
            "12345678123456781234567812345678",
            "1E999999999",
            "\ud83d\ude00",
            "\x00",
            "last",
            "a:b",
        ),
    )

    def __init__(self, seed):
        self.draw = random.Random(seed)

    def node(self, depth=0):
        pick = self.draw
        kind = pick.randrange(12 if depth < 4 else 6)
        if kind < 2:
            return pick.choice([None, True, False, 0, 1, -1, 2**63, 1.5, 1e308, -0.0, 10**18])
        if kind < 5:
            return pick.choice(self.TEXTS)
        if kind == 5:
            return "".join(pick.choices(string.printable, k=pick.randrange(20)))
        if kind < 7:
            return [self.node(depth + 1) for _ in range(pick.randrange(4))]
        if kind == 7:
            return {pick.choice(self.TEXTS): self.node(depth + 1) for _ in range(pick.randrange(3))}
        if kind == 8:
            return self.trigger(depth + 1)
        tag = {f"${pick.choice(self.TAGS)}": self.node(depth + 1)}
        if pick.random() < 0.3:
            tag[pick.choice(("zone", "fold", "offset_s", "name", "value"))] = self.node(depth + 1)
        return tag

    def trigger(self, depth=0):
        pick = self.draw
        node = {"type": pick.choice(self.TRIGGERS)}
        for name in pick.sample(self.ARGUMENTS, pick.randrange(4)):
            node[name] = self.node(depth + 1)
        return node

    def row(self):
        document = dict(ROW)
        for key in self.draw.sample([*ROW, "run_zone", "other"], self.draw.randrange(1, 4)):
            document[key] = self.trigger() if key == "trigger" and self.draw.random() < 0.8 else self.node()
        return document


@pytest.mark.parametrize("seed", range(40))
def test_any_row_is_read_or_refused_with_the_one_error(seed):
    rows = Rows(seed)
    for _ in range(100):
        document = rows.row()
        try:
            data = orjson.dumps(document)
        except orjson.JSONEncodeError:
            continue
        try:
            state = decode(data)
        except DecodeError as exc:
            str(exc)
            continue
        encode(state)  # what was read can be written
