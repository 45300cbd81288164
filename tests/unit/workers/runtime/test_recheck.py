"""A job that was queued under another interface runs only if a gateway would take its request today."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given, settings

from athena.errors import InterfaceChangedError, RequestError, http_status_of
from athena.jobs.intake import prepare_job
from athena.jobs.message import JobMessage
from athena.protocol.checks.schema import build_envelope_schema, validate_envelope
from athena.protocol.interface import DataSpec, Interface, Limits, ParamSpec
from tests.unit.protocol.checks.test_quick_check import INTERFACE as MANY
from tests.unit.protocol.checks.test_quick_check import SCHEMA, changed_requests
from workers.runtime.recheck import Recheck

OLD = Interface(
    service_id="speak",
    version="v1",
    description="",
    params=(
        ParamSpec("lang", enum=("en", "de")),
        ParamSpec("speed", "number", minimum=0, maximum=2),
        ParamSpec("count", "integer"),
        ParamSpec("loud", "boolean"),
    ),
    inputs=(DataSpec("text", 0, required=True), DataSpec("picture", 2)),
    outputs=(DataSpec("sound", 1),),
    gpu_types=("cpu",),
    fallback=True,
    limits=Limits(),
    header_params=("uid",),
)

REQUEST: dict[str, Any] = {
    "header": {"app_id": "a", "status": 3, "uid": "me"},
    "parameter": {
        "speak": {
            **{"lang": "en", "speed": 0.5, "count": 3, "loud": True, "category": "x"},
            "sound": {"encoding": "wav", "sample_rate": 16000},
        }
    },
    "payload": {
        "text": {"text": "aGk=", "encoding": "utf8"},
        "picture": {"image": "AAEC", "width": 3},
    },
}


def queued(interface: Interface = OLD, request: dict[str, Any] = REQUEST) -> JobMessage:
    checked = validate_envelope(build_envelope_schema(interface), request)
    message, _ = prepare_job("j1", interface, checked, 1000)
    return JobMessage.decode(message.encode())


def changed(**params: Any) -> Interface:
    """Returns the interface with other parameters; None drops one."""
    kept = [spec for spec in OLD.params if spec.key not in params]
    return replace(OLD, params=(*kept, *(spec for spec in params.values() if spec)))


def test_message_of_the_same_interface_is_not_looked_at() -> None:
    message = queued()._replace(params={"whatever": "x"})

    assert message.interface == OLD.digest == Interface.decode(OLD.encode()).digest
    assert Recheck(OLD).fitting(message) is message


@pytest.mark.parametrize("digest", ["", "0123456789abcdef"])
def test_message_that_fits_runs_as_it_is(digest: str) -> None:
    message = queued()._replace(interface=digest)

    assert Recheck(OLD).fitting(message) is message


@pytest.mark.parametrize(
    "interface",
    [
        replace(OLD, version="v2", description="new", limits=Limits(max_exec_s=5), gpu_types=("T4G16",)),
        replace(OLD, fallback=False, example={"header": {}}),
    ],
)
def test_what_asks_for_the_same_requests_has_the_same_digest(interface: Interface) -> None:
    assert interface.digest == OLD.digest


REFUSED = [
    (changed(lang=None, language=ParamSpec("language")), "/parameter/speak/lang is not known here"),
    (changed(voice=ParamSpec("voice", required=True)), "/parameter/speak/voice is required"),
    (changed(lang=ParamSpec("lang", enum=("fr",))), "/parameter/speak/lang must be one of: fr"),
    (changed(speed=ParamSpec("speed", "number", maximum=0.1)), "/parameter/speak/speed"),
    (changed(speed=ParamSpec("speed", "integer")), "/parameter/speak/speed must be an integer"),
    (changed(lang=ParamSpec("lang", "boolean")), "/parameter/speak/lang must be true or false"),
    (replace(OLD, inputs=(DataSpec("words"), *OLD.inputs[1:])), "/payload/text is not known here"),
    (replace(OLD, inputs=(*OLD.inputs, DataSpec("mask", 2, required=True))), "/payload/mask is required"),
    (
        replace(OLD, inputs=(OLD.inputs[0], DataSpec("picture", 3))),
        "/payload/picture/image is not known here",
    ),
    (replace(OLD, outputs=(DataSpec("audio", 1),)), "/parameter/speak/sound is not known here"),
    (replace(OLD, header_params=()), "/parameter/speak/uid is not known here"),
]


@pytest.mark.parametrize(("interface", "place"), REFUSED)
def test_message_that_does_not_fit_is_refused(interface: Interface, place: str) -> None:
    with pytest.raises(InterfaceChangedError, match="has changed since the job was queued") as refusal:
        Recheck(interface).fitting(queued())

    told = [f"{problem.pointer} {problem.detail}" for problem in refusal.value.problems]
    assert any(text.startswith(place) for text in told)
    assert (refusal.value.code, http_status_of(refusal.value.code)) == (10107, 409)


ACCEPTED = [
    changed(voice=ParamSpec("voice")),
    changed(speed=ParamSpec("speed", "number", maximum=10), count=ParamSpec("count", "number")),
    replace(OLD, inputs=(*OLD.inputs, DataSpec("mask", 2))),
    replace(OLD, params=(), inputs=(), outputs=()),
]


@pytest.mark.parametrize("interface", ACCEPTED)
def test_interface_that_asks_for_no_more_runs_the_message(interface: Interface) -> None:
    message = queued()

    assert interface.digest != OLD.digest
    assert Recheck(interface).fitting(message) is message


def test_what_the_new_interface_fills_in_is_filled_in() -> None:
    interface = changed(
        voice=ParamSpec("voice", required=True, default="soft"),
        lang=ParamSpec("lang", enum=("en", "de"), format_as="upper", replace_key="language"),
        count=ParamSpec("count", "integer", const=7),
    )
    first = queued()._replace(params={"lang": "en", "count": "3", "voice": "loud"})

    once = Recheck(interface).fitting(first)
    twice = Recheck(interface).fitting(once)

    assert once.params == twice.params == {"lang": "EN", "language": "en", "count": "7", "voice": "loud"}


@settings(max_examples=500, deadline=None, derandomize=True)
@given(changed_requests())
def test_request_that_a_gateway_takes_fits(request: Any) -> None:
    try:
        checked = validate_envelope(SCHEMA, request)
        message, _ = prepare_job("j1", MANY, checked, 1000)
    except RequestError:
        return
    # Null in place of all parameters passes too, but leaves no trace in the message.
    assume(message.params)

    assert Recheck(MANY).fitting(message._replace(interface="")) == message._replace(interface="")
