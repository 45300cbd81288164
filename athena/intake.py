"""From a validated envelope to the queue message; for gateways, and for tasks that came by send_task."""

from collections.abc import Mapping
from typing import Any

from athena.interface import Interface
from athena.jobs import JobMessage, make_message
from athena.protocol import read_inputs, split_parameters


def prepare_job(
    job_id: str, interface: Interface, checked: Mapping[str, Any], inline_limit_bytes: int
) -> tuple[JobMessage, bytes | None]:
    """Returns a job's message, and its inputs when they are over the limit and must lie beside it.

    Raises:
        RequestError: an input is not base64.
    """
    given = (checked.get("parameter") or {}).get(interface.service_id) or {}
    outputs = {spec.key: spec.type for spec in interface.outputs}
    params, expected = split_parameters(given, outputs)
    types = {spec.key: spec.type for spec in interface.inputs}
    inputs = read_inputs(checked.get("payload") or {}, types)
    return make_message(
        job_id,
        interface.service_id,
        params,
        inputs,
        expected,
        inline_limit_bytes,
        resource_id=(checked.get("header") or {}).get("res_id") or "",
    )
