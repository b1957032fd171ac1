"""Job states -> bytes -> job states, and what every wrong row gets."""

from __future__ import annotations

import pickle

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.unit._serialization.samples import Colour, Every, own_registry, sample_state

from rapscheduler._serialization.codec import MAX_BYTES, CallableRule, decode, encode
from rapscheduler.errors import DecodeError, EncodeError

__all__ = ["own_registry"]

pytestmark = pytest.mark.usefixtures("own_registry")


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"args": ()},
        {"args": [1, (2,)]},
        {"args": (Colour.RED, b"x")},
        {"kwargs": {"$x": 1}},
        {"kwargs": {"deep": {"$y": (1,)}}},
        {"misfire_grace_time": None},
        {"coalesce": False, "max_instances": 7, "executor": "ünder", "name": "\U0001f40d"},
        {"trigger": Every(1.5)},
    ],
    ids=repr,
)
def test_a_state_comes_back_as_it_was(changes):
    state = sample_state(**changes)
    assert decode(encode(state)) == state


def test_rows_are_readable_json():
    document = orjson.loads(encode(sample_state()))
    assert document == {
        "v": 1,
        "func": "builtins:print",
        "trigger": {"type": "Every", "state": {"seconds": 5}},
        "args": [1, "two"],
        "kwargs": {"to": None},
        "name": "print",
        "executor": "default",
        "misfire_grace_time": 1,
        "coalesce": True,
        "max_instances": 1,
    }


def test_arguments_of_one_row_are_fresh_at_every_reading():
    data = encode(sample_state(args=([],), kwargs={"seen": {}}))
    decode(data)["args"][0].append(1)
    decode(data)["kwargs"]["seen"]["x"] = 1
    assert decode(data)["args"] == ([],)
    assert decode(data)["kwargs"] == {"seen": {}}


def row(**changes):
    document = orjson.loads(encode(sample_state()))
    for key, value in changes.items():
        if value is ...:
            del document[key]
        else:
            document[key] = value
    return orjson.dumps(document)


def nested(levels, opening, closing):
    return (
        b'{"v":1,"func":"builtins:print","args":[' + opening * levels + closing * levels + b'],"kwargs":{}}'
    )


HOSTILE = {
    "pickle": (pickle.dumps({"func": "os:system"}, 5), "rapscheduler migrate"),
    "pickle of protocol 0": (pickle.dumps({"func": "os:system"}, 0), "isn't a job"),
    "empty": (b"", "isn't a job"),
    "not json": (b"{", "isn't a job"),
    "not utf-8": (b'{"v":1,"func":"\xff"}', "isn't a job"),
    "not an object": (b"[]", "isn't a job"),
    "no version": (b"{}", "isn't a job"),
    "version of the future": (row(v=2), "update rapscheduler"),
    "version as text": (row(v="1"), "version"),
    "version true": (row(v=True), "version"),
    "version as fraction": (row(v=1.0), "version"),
    "no callable": (row(func=...), "names no callable"),
    "callable as list": (row(func=["os:system"]), "names no callable"),
    "callable without module": (row(func="system"), "isn't a reference"),
    "callable with blanks": (row(func="os: system"), "isn't a reference"),
    "callable with a call": (row(func="os:system('x')"), "isn't a reference"),
    "dunder path": (row(func="builtins:print.__class__.__subclasses__"), "double-underscore"),
    "dunder module": (row(func="a.__builtins__:eval"), "double-underscore"),
    "very long callable": (row(func="a:" + "b" * 5000), "isn't a reference"),
    "args as object": (row(args={"a": 1}), "'args'"),
    "args as text": (row(args="abc"), "'args'"),
    "args as tagged text": (row(args={"$list": "abc"}), "'args'"),
    "kwargs as list": (row(kwargs=[1]), "'kwargs'"),
    "kwargs with a number": (row(kwargs={"$dict": [[1, 2]]}), "'kwargs'"),
    "kwargs as a date": (row(kwargs={"$date": "2025-01-01"}), "'kwargs'"),
    "class reference": (row(args=[{"$type": "subprocess:Popen", "value": ["id"]}]), "isn't registered"),
    "name missing": (row(name=...), "'name'"),
    "executor a number": (row(executor=5), "'executor'"),
    "coalesce a text": (row(coalesce="yes"), "'coalesce'"),
    "negative grace": (row(misfire_grace_time=-1), "'misfire_grace_time'"),
    "fractional grace": (row(misfire_grace_time=1.5), "'misfire_grace_time'"),
    "no instances": (row(max_instances=0), "'max_instances'"),
    "true instances": (row(max_instances=True), "'max_instances'"),
    "huge instances": (
        row(max_instances=...).replace(b"{", b'{"max_instances":1' + b"0" * 400 + b",", 1),
        "",
    ),
    "trigger missing": (row(trigger=...), "trigger"),
    "trigger as text": (row(trigger="cron"), "trigger"),
    "trigger of another class": (row(trigger={"type": "subprocess:Popen", "state": "id"}), "isn't known"),
    "trigger that is a value": (row(trigger={"type": "Colour", "state": "RED"}), "isn't a trigger"),
    "trigger without state": (row(trigger={"type": "Every"}), "trigger"),
    "trigger type a number": (row(trigger={"type": 5}), "'type'"),
    "run zone a path": (row(run_zone="../../etc/passwd"), "time zone"),
    "deep list": (nested(500, b"[", b"]"), "deep"),
    "deeper than orjson": (nested(100_000, b"[", b"]"), "isn't a job"),
    "deep tags": (nested(300, b'{"$tuple":[', b"]}"), "deep"),
    "deep objects": (nested(400, b'{"a":', b"}").replace(b":}", b":1}"), "deep"),
    "too long": (b" " * (MAX_BYTES + 1), "bytes"),
    "unknown tag": (row(args=[{"$func": "os:system"}]), "newer version"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_row_gets_the_one_error_and_its_advice(name):
    data, advice = HOSTILE[name]
    with pytest.raises(DecodeError) as caught:
        decode(data)
    assert advice in str(caught.value)
    assert len(str(caught.value)) < 1000


@given(st.binary(max_size=200))
@example(b"\x80\x05.")
def test_no_bytes_do_anything_but_return_or_raise_the_one_error(data):
    with pytest.raises(DecodeError):
        decode(data)


json_trees = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["os:system", "cron", "Every", "UTC", "Colour", "2025-01-01"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(max_size=4)
            | st.sampled_from(
                [
                    "$tuple",
                    "$set",
                    "$dict",
                    "$type",
                    "value",
                    "$datetime",
                    "zone",
                    "$int",
                    "$str",
                    "$range",
                    "$time",
                    "type",
                    "state",
                    "triggers",
                    "$list",
                    "$timedelta",
                    "$decimal",
                    "$path",
                    "fold",
                    "offset_s",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from([*orjson.loads(row()), "run_zone"]), json_trees))
def test_no_json_does_anything_but_return_or_raise_the_one_error(changes):
    document = orjson.loads(row()) | changes
    try:
        state = decode(orjson.dumps(document))
    except DecodeError:
        return
    assert isinstance(state["kwargs"], dict)
    assert isinstance(state["args"], (tuple, list))


class TestAllowedCallables:
    @pytest.mark.parametrize(
        "allowed", ["myapp.tasks:*", "myapp.tasks:send", "myapp.*:*", "myapp.*:send", "myapp.*", "*"]
    )
    def test_accepts_what_a_pattern_matches(self, allowed):
        assert CallableRule([allowed]).problem("myapp.tasks:send") is None

    @pytest.mark.parametrize("allowed", ["myapp.tasks:Mailer.send", "myapp.*:Mailer.send"])
    def test_a_name_with_dots_is_accepted_where_it_is_written_out(self, allowed):
        assert CallableRule([allowed]).problem("myapp.tasks:Mailer.send") is None

    @pytest.mark.parametrize(
        "reference",
        [
            "os:system",
            "myapp.tasks2:send",
            "xmyapp.tasks:send",
            "myapp:tasks.send",
            "myapp.tasks:os.system",
            "myapp.tasks:Mailer.send",
            "myapp.tasks.__main__:send",
        ],
    )
    @pytest.mark.parametrize("allowed", ["myapp.tasks:*", "myapp.tasks*:s*d"])
    def test_refuses_the_rest_naming_the_setting(self, reference, allowed):
        if allowed == "myapp.tasks*:s*d" and reference == "myapp.tasks2:send":
            return
        assert "allowed_callables" in str(CallableRule([allowed]).problem(reference))

    def test_a_name_of_a_module_alone_says_what_to_write(self):
        with pytest.raises(ValueError, match=r"'myapp\.tasks:\*'"):
            CallableRule(["myapp.tasks"])

    def test_an_empty_list_allows_nothing(self):
        assert CallableRule([]).problem("a:b") is not None

    def test_texts_from_a_configuration_file_are_split_at_commas(self):
        rule = CallableRule("a:*, b:c")
        assert [rule.problem(reference) is None for reference in ("a:x", "b:c", "b:d")] == [True, True, False]

    def test_os_system_is_refused_both_ways(self):
        rule = CallableRule(["myapp.*:*"])
        with pytest.raises(EncodeError, match="allowed_callables"):
            encode(sample_state(func="os:system"), rule)
        with pytest.raises(DecodeError, match="allowed_callables"):
            decode(encode(sample_state(func="os:system")), rule)


class TestEncode:
    def test_a_path_leads_to_the_value(self):
        with pytest.raises(EncodeError) as caught:
            encode(sample_state(kwargs={"opts": [1, {"x": object()}]}))
        assert caught.value.path == "kwargs['opts'][1]['x']"

    def test_lone_surrogates_survive_in_arguments(self):
        state = sample_state(args=("\ud800", {"\udfff": 1}))
        assert decode(encode(state)) == state

    @pytest.mark.parametrize("option", ["name", "executor"])
    def test_lone_surrogates_elsewhere_are_refused_by_name(self, option):
        with pytest.raises(EncodeError, match=option):
            encode(sample_state(**{option: "\ud800"}))

    def test_a_trigger_that_is_not_registered_is_named(self):
        class Other(Every):
            pass

        with pytest.raises(EncodeError, match="register_type"):
            encode(sample_state(trigger=Other(1)))

    def test_a_trigger_state_that_cannot_be_written_is_named(self):
        with pytest.raises(EncodeError) as caught:
            encode(sample_state(trigger=Every(object())))  # type: ignore[arg-type]
        assert caught.value.path == "trigger.__getstate__()['seconds']"

    def test_a_job_of_many_megabytes_is_refused(self):
        with pytest.raises(EncodeError, match="bytes"):
            encode(sample_state(args=("x" * (MAX_BYTES + 1),)))
