"""Inputs that a request names instead of holding them (`dataSrc`)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pybase64

from athena.errors import FetchError, Problem
from athena.protocol.envelope import DATA_FIELDS
from athena.protocol.interface import Interface

#: Where an input's data is: in the request, or behind the `url`.
SOURCE, CLIENT, HTTP, URL = "dataSrc", "client", "http", "url"

#: Stands for data that is not here yet, when a request is validated before it is fetched.
PLACEHOLDER = "AAAA"


@dataclass(frozen=True)
class Reference:
    """An input that lies elsewhere.

    Attributes:
        field: the member of the payload object that its data belongs in.
    """

    key: str
    field: str
    url: str

    @property
    def pointer(self) -> str:
        """Where the request names it."""
        return f"/payload/{self.key}/{URL}"


def names_sources(envelope: Any) -> bool:
    """Whether any input says where its data is; most requests do not."""
    payload = envelope.get("payload") if isinstance(envelope, dict) else None
    return isinstance(payload, dict) and any(
        isinstance(value, dict) and SOURCE in value for value in payload.values()
    )


def find_references(envelope: Any, interface: Interface) -> list[Reference]:
    """Returns what an envelope, not validated yet, names by reference.

    Raises:
        FetchError: `dataSrc` or `url` cannot be used.
    """
    payload = envelope.get("payload") if isinstance(envelope, dict) else None
    if not isinstance(payload, dict):
        return []
    found = []
    for key, value in payload.items():
        if isinstance(value, dict) and value.get(SOURCE) not in (None, CLIENT):
            found.append(_reference(key, value, interface))
    return found


def _reference(key: str, value: Mapping[str, Any], interface: Interface) -> Reference:
    if value[SOURCE] != HTTP:
        raise _problem(f"/payload/{key}/{SOURCE}", f"must be {CLIENT!r} or {HTTP!r}")
    url = value.get(URL)
    if not isinstance(url, str):
        raise _problem(f"/payload/{key}/{URL}", "must be there, a text, where dataSrc is http")
    return Reference(key, DATA_FIELDS[interface.input_types.get(key, 0)], url)


def with_data(
    envelope: Mapping[str, Any], references: Iterable[Reference], data: Mapping[str, bytes] | None = None
) -> dict[str, Any]:
    """Returns an envelope that holds its inputs itself.

    Args:
        envelope: it stays as it is.
        references: what `find_references` found in it.
        data: input key -> its bytes; None puts a placeholder in their place.
    """
    payload = dict(envelope["payload"])
    for item in references:
        kept = {name: value for name, value in payload[item.key].items() if name not in (SOURCE, URL)}
        text = PLACEHOLDER if data is None else pybase64.b64encode_as_string(data[item.key])
        payload[item.key] = {**kept, item.field: text}
    return {**envelope, "payload": payload}


def without_sources(envelope: Any) -> Any:
    """Returns an envelope without the `dataSrc: client`, which says what is true anyway."""
    payload = envelope.get("payload") if isinstance(envelope, dict) else None
    if not isinstance(payload, dict):
        return envelope
    said = {key: value for key, value in payload.items() if _is_client(value)}
    if not said:
        return envelope
    plain = {
        key: {name: item for name, item in value.items() if name != SOURCE} for key, value in said.items()
    }
    return {**envelope, "payload": {**payload, **plain}}


def _is_client(value: Any) -> bool:
    return isinstance(value, dict) and value.get(SOURCE) == CLIENT


def _problem(pointer: str, detail: str) -> FetchError:
    return FetchError("an input cannot be fetched", problems=(Problem(pointer, detail),))
