"""marshmallow schemas for the envelope; built once per ability, used for every request.

They follow the gateway of the original framework (docs/protocol.md): null passes every check, an unknown
member is refused at any level, `required` asks only that the member is there, lengths count bytes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from marshmallow import INCLUDE, RAISE, Schema, ValidationError, fields, validate

from athena.errors import AppIdError, Problem, RequestError
from athena.protocol.checks.fields import ByteLength, Decimal, ObjectOf, Text, Truth, WholeNumber, json_type
from athena.protocol.checks.quick_check import Check, compile_check
from athena.protocol.checks.widths import WidthCheck, check_shape, compile_widths, pointer_to, too_wide
from athena.protocol.enums import LANES
from athena.protocol.envelope import DATA_FIELDS
from athena.protocol.interface import DataSpec, Interface, ParamSpec

STATUSES = (0, 1, 2, 3)
MAX_SEQ = 9_999_999

#: Of what describes an output; a whole number beyond 64 bits could not even be queued.
MAX_SIZE = 2**31 - 1

MAX_SECONDS = 10**9

TEXT_ENCODINGS = ("utf8", "gb2312", "gbk")
COMPRESSIONS = ("raw", "gzip")
FORMATS = ("plain", "json", "xml")

#: What documents say of data in a payload.
BASE64 = {"contentEncoding": "base64"}

NOT_NULL: dict[str, Any] = {"null": "must be an object, got null"}

#: Scheduling hints that any ability accepts under its parameters (architecture.md, "Scheduling hints").
HINTS = {
    "category": 50,
    "application_mode": 50,
    "gpu_id": 64,
    "gpu_type": 32,
}


class EnvelopeSchema(Schema):
    """Base of all schemas here: unknown members are refused."""

    class Meta:
        """Options of marshmallow."""

        unknown = RAISE

    error_messages = {  # noqa: RUF012 - marshmallow's own declaration
        "unknown": "is not known here",
        "type": "must be an object",
    }


class OpenSchema(EnvelopeSchema):
    """Base of the schemas of an ability that declares nothing: unknown members are accepted."""

    class Meta:
        """Options of marshmallow."""

        unknown = INCLUDE


def text(maximum: int, required: bool = False, minimum: int = 0) -> Text:
    """Returns a field for a string of at most `maximum` bytes."""
    return Text(required=required, allow_none=True, validate=ByteLength(maximum, minimum))


def choice(values: tuple[Any, ...], kind: type[fields.Field[Any]] = Text) -> fields.Field[Any]:
    """Returns a field that holds one of `values`."""
    shown = ", ".join(str(value) for value in values)
    return kind(allow_none=True, validate=validate.OneOf(values, error=f"must be one of: {shown}"))


def status_field(required: bool = False) -> WholeNumber:
    """Returns a field for a stream status."""
    return WholeNumber(
        required=required,
        allow_none=True,
        validate=validate.OneOf((3,), error="must be 3 (the whole request in one message)"),
    )


def seconds() -> Decimal:
    """Returns a field for a time limit that a caller asks for."""
    above_0 = validate.Range(min=0, max=MAX_SECONDS, min_inclusive=False, error="must be above 0 seconds")
    return Decimal(allow_none=True, validate=above_0)


#: marshmallow asks for a match at the beginning only, and `$` would let a line break follow.
REQUEST_ID = validate.Regexp(
    r"[A-Za-z0-9._:-]{1,64}\Z", error="must be 1 to 64 letters, digits, '.', '_', ':' or '-'"
)


def check_request_id(request_id: str) -> None:
    """Refuses what cannot be a caller's own id of a job.

    Raises:
        RequestError: says what it must be.
    """
    try:
        REQUEST_ID(request_id)
    except ValidationError as error:
        raise RequestError(f"the request_id {request_id[:80]!r} {error.messages[0]}") from None


HEADER_FIELDS: dict[str, Callable[[], fields.Field[Any]]] = {
    "app_id": lambda: text(50),
    "appid": lambda: text(50),
    "status": lambda: status_field(required=True),
    "uid": lambda: text(50),
    "did": lambda: text(50),
    "imei": lambda: text(50),
    "imsi": lambda: text(50),
    "mac": lambda: text(50),
    "device_id": lambda: text(50),
    "net_type": lambda: choice(("wifi", "2G", "3G", "4G", "5G")),
    "net_isp": lambda: choice(("CMCC", "CUCC", "CTCC", "other")),
    "request_id": lambda: Text(allow_none=True, validate=REQUEST_ID),
    "res_id": lambda: text(1024),
    "directEngIp": lambda: text(1024),
    "max_queue_s": lambda: seconds(),
    "max_exec_s": lambda: seconds(),
    "priority": lambda: choice(LANES),
    "data_cleaner_ttl": lambda: text(13),
    "patch_id": lambda: fields.List(text(1024), allow_none=True),
    "scene": lambda: text(32),
    "live_push_url": lambda: text(200),
    "sid": lambda: text(64),
    "ath_id": lambda: text(64),
}


def output_request_fields(spec: DataSpec) -> dict[str, fields.Field[Any]]:
    """Returns the attributes by which a caller describes an expected output."""
    if spec.members is not None:
        return {member.key: param_field(member) for member in spec.members}
    return {
        "encoding": text(32),
        "compress": choice(COMPRESSIONS),
        "format": choice(FORMATS),
        "data_type": text(32),
        "status": WholeNumber(allow_none=True, validate=validate.OneOf(STATUSES)),
        "sample_rate": WholeNumber(allow_none=True, validate=validate.Range(0, MAX_SIZE)),
        "channels": WholeNumber(allow_none=True, validate=validate.Range(0, MAX_SIZE)),
        "bit_depth": WholeNumber(allow_none=True, validate=validate.Range(0, MAX_SIZE)),
        "frame_size": WholeNumber(allow_none=True, validate=validate.Range(0, MAX_SIZE)),
        "frame_rate": WholeNumber(allow_none=True, validate=validate.Range(0, MAX_SIZE)),
        "width": WholeNumber(allow_none=True, validate=validate.Range(0, MAX_SIZE)),
        "height": WholeNumber(allow_none=True, validate=validate.Range(0, MAX_SIZE)),
    }


def input_fields(spec: DataSpec) -> dict[str, fields.Field[Any]]:
    """Returns the members of the payload object that carries an input."""
    if spec.members is not None:
        return _declared_input_fields(spec, spec.members)
    members: dict[str, fields.Field[Any]] = {
        DATA_FIELDS[spec.type]: Text(allow_none=True, metadata=BASE64),
        "encoding": choice(TEXT_ENCODINGS) if spec.type == 0 else text(32),
        "status": status_field(),
        "seq": WholeNumber(allow_none=True, validate=validate.Range(0, MAX_SEQ)),
        "data_type": text(32),
    }
    numbers: dict[int, tuple[str, ...]] = {
        1: ("sample_rate", "channels", "bit_depth", "frame_size"),
        2: ("width", "height"),
        3: ("width", "height", "frame_rate"),
    }
    for name in numbers.get(spec.type, ()):
        # No upper end as in `MAX_SIZE`: attributes of inputs are queued as texts.
        members[name] = WholeNumber(allow_none=True, validate=validate.Range(0))
    if spec.type in (0, 1, 4):
        members["compress"] = choice(COMPRESSIONS)
        members["format"] = choice(FORMATS)
    return members


def _declared_input_fields(spec: DataSpec, members: tuple[ParamSpec, ...]) -> dict[str, fields.Field[Any]]:
    """The data is a text and the status 3, whatever is declared: anything else cannot be run."""
    declared = {member.key: member for member in members}
    data = declared.get(DATA_FIELDS[spec.type], ParamSpec(DATA_FIELDS[spec.type]))
    status = declared.get("status", ParamSpec("status"))
    return {
        **{key: param_field(member) for key, member in declared.items()},
        data.key: param_field(replace(data, json_type="string", enum=()), BASE64),
        "status": status_field(status.required),
    }


def param_field(spec: ParamSpec, metadata: Mapping[str, Any] | None = None) -> fields.Field[Any]:
    """Returns the field of a declared parameter, or of a declared member of an input or output."""
    kinds: dict[str, type[fields.Field[Any]]] = {
        "string": Text,
        "integer": WholeNumber,
        "number": Decimal,
        "boolean": Truth,
    }
    notes = {"description": spec.description, "default": spec.default}
    return kinds[spec.json_type](
        required=spec.required,
        allow_none=True,
        validate=_param_validator(spec),
        metadata={**(metadata or {}), **{key: note for key, note in notes.items() if note not in (None, "")}},
    )


def _param_validator(spec: ParamSpec) -> Any:
    if spec.enum:
        shown = ", ".join(str(value) for value in spec.enum)
        return validate.OneOf(spec.enum, error=f"must be one of: {shown}")
    if spec.json_type == "string":
        has_limits = spec.max_length is not None or spec.min_length
        return ByteLength(spec.max_length, spec.min_length or 0) if has_limits else None
    has_limits = spec.minimum is not None or spec.maximum is not None
    if spec.json_type in ("integer", "number") and has_limits:
        return validate.Range(spec.minimum, spec.maximum)
    return None


def parameter_fields(interface: Interface) -> dict[str, fields.Field[Any]]:
    """Returns the members of `parameter.<service_id>`."""
    members: dict[str, fields.Field[Any]] = {key: text(size) for key, size in HINTS.items()}
    members.update({spec.key: param_field(spec) for spec in interface.params})
    for output in interface.outputs:
        members[output.key] = _nested(output_request_fields(output), required=output.required)
    return members


@dataclass(frozen=True)
class RequestSchema:
    """The schema of an ability's requests, and the checks made from it that come before it."""

    schema: Schema
    quick_check: Check
    width_check: WidthCheck


def build_envelope_schema(interface: Interface) -> RequestSchema:
    """Returns the schema of an ability's requests; building it is slow, using it is not."""
    schema = EnvelopeSchema.from_dict(
        {
            "header": _nested(
                {key: make() for key, make in HEADER_FIELDS.items()}, required=True, nullable=False
            ),
            "parameter": _parameter(interface),
            "payload": _open_payload() if interface.is_permissive else _payload(interface),
        }
    )()
    return RequestSchema(schema, compile_check(schema), compile_widths(schema))


def _parameter(interface: Interface) -> fields.Nested:
    has_required_params = any(spec.required for spec in interface.params)
    required = has_required_params or any(spec.required for spec in interface.outputs)
    base = OpenSchema if interface.is_permissive else EnvelopeSchema
    own = _nested(parameter_fields(interface), required=required, base=base)
    parameter = _nested({interface.main_id: own}, required=required)
    parameter.schema.error_messages["unknown"] = (
        f"is not known here; a request runs one service, this one {interface.main_id}"
    )
    return parameter


def _payload(interface: Interface) -> fields.Nested:
    inputs = {spec.key: _nested(input_fields(spec), required=spec.required) for spec in interface.inputs}
    return _nested(inputs, required=bool(inputs), nullable=False)


def _open_payload() -> ObjectOf:
    data: dict[str, fields.Field[Any]] = {
        name: Text(allow_none=True, metadata=BASE64) for name in DATA_FIELDS.values()
    }
    anything = _nested({**data, "status": status_field()}, base=OpenSchema)
    return ObjectOf(anything, error_messages=NOT_NULL)


def _nested(
    members: Mapping[str, fields.Field[Any]],
    required: bool = False,
    nullable: bool = True,
    base: type[EnvelopeSchema] = EnvelopeSchema,
) -> fields.Nested:
    return fields.Nested(
        base.from_dict(dict(members))(), required=required, allow_none=nullable, error_messages=NOT_NULL
    )


def validate_envelope(request: RequestSchema, document: Any, is_quick: bool | None = None) -> dict[str, Any]:
    """Checks a request.

    Args:
        request: its schema.
        document: what was sent.
        is_quick: what the quick check has said of it, where it was asked already.

    Returns:
        The request, numbers that are written with a needless fraction made whole.

    Raises:
        RequestError: with one problem, and its pointer, for each thing that is wrong.
    """
    if is_quick is None:
        is_quick = request.quick_check(document)
    if not is_quick:
        # Widths first: for each wrong member marshmallow makes an error, at 10 to 50 µs.
        check_widths(request, document)
        document = _load(request.schema, document)
    checked: dict[str, Any] = document
    # No field can say that one of two has to be there; and it has an error code of its own.
    _check_app_id(checked["header"])
    return checked


def check_widths(request: RequestSchema, document: Any) -> None:
    """Checks that a document is small enough to be judged.

    Raises:
        RequestError: it is too wide or too deep; the problems name the places.
    """
    check_shape(document)
    problems = list(request.width_check(document, ""))
    if problems:
        raise too_wide(problems)


def _load(schema: Schema, document: Any) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise RequestError(
            "the request must be a JSON object",
            problems=(Problem("", f"must be an object, got {json_type(document)}"),),
        )
    try:
        checked: dict[str, Any] = schema.load(document)
    except ValidationError as error:
        raise _request_error(error, document) from None
    return checked


def names_app(header: Mapping[str, Any]) -> bool:
    """Whether a valid header says which app asks."""
    return bool(header.get("appid") or header.get("app_id"))


def _check_app_id(header: Mapping[str, Any]) -> None:
    if not names_app(header):
        raise AppIdError(
            "app_id cannot be empty",
            problems=(Problem("/header/app_id", "must be a text that is not empty"),),
        )


def _request_error(error: ValidationError, document: Mapping[str, Any]) -> RequestError:
    problems = tuple(_problems(error.messages, ""))
    return RequestError("the request does not fit the schema", problems=problems)


def _problems(messages: Any, pointer: str) -> list[Problem]:
    if isinstance(messages, dict):
        # What is wrong with an object as a whole marshmallow files under `_schema`.
        return [
            problem
            for key, inner in messages.items()
            for problem in _problems(inner, pointer if key == "_schema" else pointer_to(pointer, key))
        ]
    return [Problem(pointer, _sentence(message)) for message in messages]


def _sentence(message: Any) -> str:
    known = {
        "Missing data for required field.": "is required",
        "Unknown field.": "is not known here",
        "Not a valid list.": "must be a list",
    }
    text = str(message)
    return known.get(text, text)
