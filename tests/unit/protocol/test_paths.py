"""Names of versions in URLs, queues and under `parameter`."""

from athena.jobs.queues import QueueName, queue_name
from athena.protocol.checks.schema import build_envelope_schema, validate_envelope
from athena.protocol.interface import DataSpec, Interface, Limits
from athena.protocol.openapi.document import openapi_document
from athena.protocol.paths import is_side, main_of, run_path, side_id
from athena.protocol.plain import plain_envelope

SIDE = Interface("ocr@v2", "v2", "", (), (DataSpec("text"),), (), ("cpu",), True, Limits())
REQUEST = {
    "header": {"app_id": "a", "status": 3},
    "parameter": {"ocr": {}},
    "payload": {"text": {"text": "aGk="}},
}


def test_side_version_has_a_name_of_both() -> None:
    assert side_id("ocr", "v2") == "ocr@v2"
    assert (main_of("ocr@v2"), main_of("ocr")) == ("ocr", "ocr")
    assert is_side("ocr@v2") and not is_side("ocr")


def test_side_version_has_a_path_of_its_own() -> None:
    assert (run_path("ocr"), run_path("ocr@v2")) == ("/v1/private/ocr", "/v2/private/ocr")


def test_queue_of_a_side_version_is_told_apart() -> None:
    name = queue_name("ocr@v2", "T4G16", "high")

    assert QueueName.parse(name) == QueueName("ocr@v2", "T4G16", "high")


def test_callers_say_the_same_to_all_versions() -> None:
    schema = build_envelope_schema(SIDE)

    assert validate_envelope(schema, REQUEST)["payload"] == REQUEST["payload"]
    assert schema.quick_check(REQUEST)
    assert plain_envelope(SIDE, {"text": "hi"}, "a")["parameter"] == {"ocr": {}}


def test_openapi_tells_of_both_under_names_that_it_takes() -> None:
    main = Interface("ocr", "v1", "", (), (DataSpec("text"),), (), ("cpu",), True, Limits())
    document = openapi_document([main, SIDE])

    assert {"/v1/private/ocr", "/v2/private/ocr"} <= document["paths"].keys()
    assert {"ocr.Request", "ocr.v2.Request"} <= document["components"]["schemas"].keys()
    assert not any("@" in name for name in document["components"]["schemas"])
