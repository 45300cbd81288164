"""Many jobs of an ability, queued by few requests."""

import base64
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from athena.client.abilities import ask_for_ability
from athena.client.answers import checked, refusal
from athena.client.attempts import Patience, persist
from athena.client.bodies import JSON, REQUEST_ID, File, data_of, is_data, json_text, named_values
from athena.client.errors import ClientError
from athena.client.exchange import Ask, Pause, Steps
from athena.client.job import Job

#: So many a gateway takes at once (docs/protocol.md, 2.1).
MAX_JOBS = 1000

#: A request with several jobs is no larger: what is lost on its way is sent again as a whole.
MAX_BYTES = 8 * 1024 * 1024

#: What can be done later: a full queue, a quota, an ability whose workers are not there yet.
_LATER = (429, 503)

#: The type of texts (docs/protocol.md, 1.2).
_TEXT = 0

#: Input -> what the ability declares of it.
Inputs = Mapping[str, Mapping[str, Any]]


@dataclass
class _Item:
    """One job that is to be queued.

    Attributes:
        text: its JSON.
        came_of_it: the job, or why there is none.
        is_put_off: whether the same may be accepted later.
        is_alone: whether that is said of this job, and not of all in its request.
    """

    request_id: str
    text: bytes
    came_of_it: Job | ClientError | None = None
    is_put_off: bool = False
    is_alone: bool = True


def submit_many(
    service_id: str,
    items: Sequence[Mapping[str, Any]],
    expect: Mapping[str, Mapping[str, Any]],
    patience: Patience,
) -> Steps[list[Job | ClientError]]:
    """Queues jobs; returns for each, in their order, the job or why there is none.

    Args:
        service_id: their ability.
        items: inputs, parameters and members of the header by name; `request_id` is among them where jobs may
            be sent again.
        expect: output -> what is expected of it, of each job.
        patience: how often, and how long.

    Raises:
        ClientError: none was queued, all for this reason.
        ValueError: a value cannot be sent; the message names it.
        OSError: a file cannot be read.
    """
    inputs: Inputs = {}
    if any(is_data(value) for item in items for value in item.values()):
        described = checked((yield from persist(ask_for_ability(service_id), patience)))
        inputs = {item["key"]: item for item in described.get("inputs", ())}
    sent = [_item(service_id, *numbered, expect, inputs) for numbered in enumerate(items)]
    yield from _send_all(service_id, sent, patience)
    found = [item.came_of_it for item in sent if item.came_of_it is not None]
    if sent and isinstance(found[0], ClientError) and not any(item.is_alone for item in sent):
        raise found[0]
    return found


def _send_all(service_id: str, items: Sequence[_Item], patience: Patience) -> Steps[None]:
    """Sends all of them, and those again that can be accepted later."""
    attempt, left = 0, list(items)
    while True:
        for chunk in _chunks(left):
            yield from _send(service_id, chunk, patience)
        left = [item for item in left if item.is_put_off]
        pause_s = patience.pause_s(attempt)
        if not left or attempt >= patience.retries or pause_s >= patience.left_s:
            return
        yield Pause(pause_s)
        attempt += 1


def _item(
    service_id: str,
    number: int,
    values: Mapping[str, Any],
    expect: Mapping[str, Mapping[str, Any]],
    inputs: Inputs,
) -> _Item:
    named = {
        name: _plain(f"item {number}, {name}", value, inputs.get(name)) if is_data(value) else value
        for name, value in named_values(values, expect).items()
    }
    document = {"service_id": service_id, **named, **expect}
    text = json_text(f"item {number}", document).encode("utf-8", "surrogatepass")
    return _Item(str(named.get(REQUEST_ID) or ""), text)


def _plain(name: str, value: Any, declared: Mapping[str, Any] | None) -> Any:
    """Returns data as the plain form has it: text where an input is one, else base64.

    Raises:
        ValueError: it is no text.
    """
    file: File = data_of(value)
    if declared is not None and declared.get("type") == _TEXT:
        try:
            text = file.data.decode()
            return json.loads(text) if declared.get("is_json") else text
        except ValueError as error:
            raise ValueError(f"{name} is a text, and these data are none: {error}") from None
    return f"data:{file.content_type};base64,{base64.b64encode(file.data).decode()}"


def _chunks(items: Iterable[_Item]) -> Iterator[list[_Item]]:
    """Yields the items of each request."""
    chunk: list[_Item] = []
    size = 0
    for item in items:
        if chunk and (len(chunk) == MAX_JOBS or size + len(item.text) > MAX_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(item)
        size += len(item.text) + 1
    if chunk:
        yield chunk


def _send(service_id: str, chunk: Sequence[_Item], patience: Patience) -> Steps[None]:
    """Sends some; each learns what came of it."""
    body = b"[" + b",".join(item.text for item in chunk) + b"]"
    # Without ids it may not be sent again: what was lost may have arrived.
    patience = patience if all(item.request_id for item in chunk) else patience.without_retries()
    try:
        told = checked((yield from persist(Ask("POST", "/v1/jobs", body, {"Content-Type": JSON}), patience)))
    except ClientError as error:
        for item in chunk:
            item.came_of_it, item.is_put_off, item.is_alone = error, False, False
        return
    for item, found in zip(chunk, told["jobs"], strict=True):
        item.came_of_it, item.is_alone = _came_of(service_id, item.request_id, found), True
        item.is_put_off = isinstance(item.came_of_it, ClientError) and item.came_of_it.retryable


def _came_of(service_id: str, request_id: str, found: Mapping[str, Any]) -> Job | ClientError:
    if "error" in found:
        header = found["error"]
        error = refusal(header, header["status"], header["status"] in _LATER)
        error.request_id = request_id
        return error
    return Job.of({"service_id": service_id, "state": "queued", "request_id": request_id, **found})
