"""Answers without an envelope: outputs by their names, or the data of one."""

from api.http.answers import ended_answer
from api.http.asgi import Answer
from api.http.heads import DATA_FAMILIES, names_data
from athena.protocol.enums import JobState
from athena.protocol.interface import Interface
from athena.protocol.outputs import data_outputs
from athena.protocol.plain import plain_body
from athena.store.submission import Reply

#: Names the job in an answer that has no place for it.
JOB_HEADER = b"athena-job-id"

_FAMILIES = tuple(family.decode() for family in DATA_FAMILIES)


def plain_answer(reply: Reply, interface: Interface) -> Answer:
    """Answers a plain call with the job's outputs, or with its error.

    Raises:
        ResultExpiredError: the result is gone already.
    """
    if reply.state is not JobState.SUCCEEDED or reply.payload is None:
        return ended_answer(reply)
    return Answer(200, plain_body(reply.payload, interface.json_outputs), _named(reply))


def data_answer(reply: Reply, media: tuple[str, ...], interface: Interface) -> Answer | None:
    """Answers a call with the data of the one output that is of a kind its caller takes; None for none."""
    if reply.state is not JobState.SUCCEEDED or reply.payload is None:
        return None
    outputs = data_outputs(reply.payload, interface.output_specs)
    found = [item for item in outputs if _is_among(item.content_type, media)]
    if len(found) != 1:
        return None
    # As where it is fetched from its job: no browser may run what is in it.
    headers = (*_named(reply), (b"content-disposition", b"attachment"))
    return Answer(200, found[0].data, headers, found[0].content_type.encode("latin-1"))


def accepted_media(accept: str) -> tuple[str, ...]:
    """Returns the kinds of data that an `Accept` header names; anything at all is none of them."""
    if not names_data(accept.encode("latin-1", "replace")):
        return ()
    kinds = (part.partition(";")[0].strip().lower() for part in accept.split(","))
    return tuple(kind for kind in kinds if kind.startswith(_FAMILIES))


def _is_among(content_type: str, media: tuple[str, ...]) -> bool:
    kinds = (content_type, f"{content_type.partition('/')[0]}/*")
    return any(kind in media for kind in kinds)


def _named(reply: Reply) -> tuple[tuple[bytes, bytes], ...]:
    return ((JOB_HEADER, reply.job_id.encode()),)
