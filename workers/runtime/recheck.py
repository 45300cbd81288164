"""Jobs that were queued under another interface than the worker's: checked again before they run.

What a queue message holds is put back into the form of a request, and the ability's schema judges it as a
gateway would today. Data of inputs is not looked at.
"""

import contextlib
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from marshmallow import Schema, fields

from athena.errors import InterfaceChangedError, RequestError
from athena.jobs.intake import complete
from athena.jobs.message import JobMessage
from athena.protocol.checks.fields import Decimal, Truth, WholeNumber
from athena.protocol.checks.schema import RequestSchema, build_envelope_schema, validate_envelope
from athena.protocol.envelope import DATA_FIELDS, flatten
from athena.protocol.interface import Interface

#: Of the header, only its form matters here: the caller's own was found valid.
HEADER = {"app_id": "checked-before", "status": 3}


class Recheck:
    """Lets messages through that fit the interface, whatever they were made for."""

    def __init__(self, interface: Interface) -> None:
        self._interface = interface

    def fitting(self, message: JobMessage) -> JobMessage:
        """Returns a message that fits: as it is, or with the parameters that are filled in today.

        Raises:
            InterfaceChangedError: the interface has changed, and the request does not fit any more; the
                problems name the places.
        """
        interface = self._interface
        if message.interface == interface.digest:
            return message
        try:
            validate_envelope(self._schema, self._request_of(message))
        except RequestError as error:
            raise InterfaceChangedError(
                f"the interface of {interface.service_id} has changed since the job was queued, "
                "and the request does not fit it any more; send it again as the ability wants it now",
                problems=error.problems,
            ) from None
        if not interface.rewrites:
            return message
        params = complete(message.params, interface.params)
        return message._replace(params={key: flatten(value) for key, value in params.items()})

    @cached_property
    def _schema(self) -> RequestSchema:
        return build_envelope_schema(self._interface)

    def _request_of(self, message: JobMessage) -> dict[str, Any]:
        interface = self._interface
        given = {**self._params_of(message), **message.expected}
        # The data is null, which every check lets pass.
        payload = {
            item.key: {**item.attributes, DATA_FIELDS[item.type]: None, "status": item.status}
            for item in message.inputs
        }
        document = {"header": HEADER, "parameter": {interface.main_id: given}, "payload": payload}
        typed: dict[str, Any] = _typed(document, self._schema.schema)
        return typed

    def _params_of(self, message: JobMessage) -> dict[str, str | None]:
        """Returns the parameters that a caller can have sent; null for those that were rewritten since."""
        specs = {spec.key: spec for spec in self._interface.params}
        copies = {spec.replace_key for spec in specs.values()}
        filled_in = copies.union(self._interface.header_params) - specs.keys()
        return {
            key: None if key in specs and specs[key].rewrites else value
            for key, value in message.params.items()
            if key not in filled_in
        }


def _typed(document: Mapping[str, Any], schema: Schema) -> dict[str, Any]:
    """Returns an object whose texts are numbers and truths again, where the schema asks for these."""
    return {key: _typed_value(value, schema.fields.get(key)) for key, value in document.items()}


def _typed_value(value: Any, field: fields.Field[Any] | None) -> Any:
    if isinstance(field, fields.Nested) and isinstance(value, dict):
        return _typed(value, field.schema)
    if value == "" and field is not None:
        # So null is written for a wrapper, and every check lets null pass.
        return None
    if not isinstance(value, str) or not isinstance(field, WholeNumber | Decimal | Truth):
        return value
    if isinstance(field, Truth):
        return {"true": True, "false": False}.get(value, value)
    with contextlib.suppress(ValueError):
        return int(value)
    with contextlib.suppress(ValueError):
        return float(value)
    return value
