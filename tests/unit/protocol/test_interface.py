"""The interface that workers announce and gateways read."""

import json
from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from athena.protocol.interface import FORMATS, Canary, DataSpec, Interface, Limits, ParamSpec

GOLDEN = Path(__file__).parents[2] / "contract" / "interface.json"

names = st.text(min_size=1, max_size=8)
numbers = st.integers(-1000, 1000) | st.floats(-1e6, 1e6)
params = st.builds(
    ParamSpec,
    key=names,
    json_type=st.sampled_from(["string", "integer", "number", "boolean"]),
    required=st.booleans(),
    min_length=st.none() | st.integers(0, 9),
    max_length=st.none() | st.integers(0, 9),
    minimum=st.none() | numbers,
    maximum=st.none() | numbers,
    enum=st.lists(names | numbers, max_size=3).map(tuple),
    description=st.text(max_size=8),
    const=st.none() | names | numbers,
    default=st.none() | names | numbers,
    replace_key=st.text(max_size=8),
    format_as=st.sampled_from(FORMATS),
)
specs = st.builds(
    DataSpec,
    key=names,
    type=st.integers(0, 3),
    required=st.booleans(),
    members=st.none() | st.lists(params, max_size=2).map(tuple),
)
data = st.lists(specs, max_size=3).map(tuple)
positive = st.integers(1, 10**9)
interfaces = st.builds(
    Interface,
    service_id=names,
    version=names,
    description=st.text(max_size=8),
    params=st.lists(params, max_size=3).map(tuple),
    inputs=data,
    outputs=data,
    gpu_types=st.lists(names, max_size=3).map(tuple),
    fallback=st.booleans(),
    limits=st.builds(
        Limits,
        max_body_bytes=positive,
        max_queue_jobs=positive,
        max_queue_s=st.floats(0.1, 1e6),
        max_exec_s=st.floats(0.1, 1e6),
        wait_s=st.floats(0.1, 1e6),
    ),
    example=st.none() | st.dictionaries(names, names, max_size=2),
    header_params=st.lists(names, max_size=2).map(tuple),
)


@given(interfaces)
def test_interface_survives_its_way_through_redis(interface: Interface) -> None:
    assert Interface.decode(interface.encode()) == interface


def test_interface_is_written_as_the_contract_says() -> None:
    golden = json.loads(GOLDEN.read_text())

    interface = Interface.decode(GOLDEN.read_bytes())

    assert interface.params[0] == ParamSpec("suffix", max_length=100, min_length=0)
    assert interface.params[1].enum == (1, 2)
    assert interface.params[1].default == 1
    assert interface.inputs[1].members == (ParamSpec("encoding", enum=("raw", "mp3")),)
    assert interface.outputs == (DataSpec("text", 0),)
    assert interface.header_params == ("uid",)
    assert interface.limits == Limits(max_queue_jobs=7, wait_s=2.5)
    assert interface.canary == Canary(60, {"text": {"text": "aGk="}})
    assert json.loads(interface.encode()) == golden


def test_members_of_a_later_version_are_ignored() -> None:
    document = json.loads(GOLDEN.read_text())
    document["later"] = 1
    document["params"][0]["later"] = 1
    document["inputs"][0]["later"] = 1
    document["limits"]["later"] = 1

    assert Interface.decode(json.dumps(document).encode()) == Interface.decode(GOLDEN.read_bytes())


def test_same_interface_has_the_same_bytes() -> None:
    raw = Interface.decode(GOLDEN.read_bytes()).encode()

    assert Interface.decode(raw).encode() == raw


def test_an_interface_of_an_earlier_version_can_be_read() -> None:
    document = json.loads(GOLDEN.read_text())
    param, data = document["params"][0], document["inputs"][0]
    for name in ("const", "default", "replace_key", "format_as"):
        del param[name]
    for name in ("required", "members"):
        del data[name]

    assert Interface.decode(json.dumps(document).encode()) == Interface.decode(GOLDEN.read_bytes())


def test_only_an_ability_that_declares_nothing_is_permissive() -> None:
    declared = Interface.decode(GOLDEN.read_bytes())

    assert not declared.is_permissive
    assert not replace(declared, params=(), inputs=()).is_permissive
    assert replace(declared, params=(), inputs=(), outputs=()).is_permissive


def test_digest_is_that_of_the_release_before() -> None:
    text = DataSpec("text", 0, True)
    interface = Interface(
        "echo", "v1", "", (ParamSpec("suffix"),), (DataSpec("text"),), (text,), ("cpu",), True, Limits()
    )

    # Versions serve side by side; by another digest each job would be checked again.
    assert interface.digest == "721e46b160de7055"
