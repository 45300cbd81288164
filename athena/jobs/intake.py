"""From a validated envelope to the queue message; for gateways, and for tasks that came by send_task."""

import contextlib
from collections.abc import Iterable, Mapping
from typing import Any

from athena.jobs.message import JobMessage, make_message
from athena.protocol.envelope import flatten, read_inputs, split_parameters
from athena.protocol.interface import DataSpec, Interface, ParamSpec

#: Larger ones do not fit into the 64 bits that JSON writers know.
MAX_WHOLE = 2**63


def prepare_job(
    job_id: str, interface: Interface, checked: Mapping[str, Any], inline_limit_bytes: int
) -> tuple[JobMessage, bytes | None]:
    """Returns a job's message, and its inputs when they are over the limit and must lie beside it.

    Raises:
        RequestError: an input is not base64.
    """
    given = (checked.get("parameter") or {}).get(interface.main_id) or {}
    payload = checked.get("payload") or {}
    if interface.rewrites:
        given = complete_objects(complete(given, interface.params), interface.outputs)
        payload = complete_objects(payload, interface.inputs)
    params, expected = split_parameters(given, interface.output_types)
    header = checked.get("header") or {}
    for name in interface.header_params:
        if header.get(name) is not None:
            params.setdefault(name, flatten(header[name]))
    inputs = read_inputs(payload, interface.input_types)
    return make_message(
        job_id,
        interface.service_id,
        params,
        inputs,
        expected,
        inline_limit_bytes,
        resource_id=header.get("res_id") or "",
        max_exec_s=_less(header.get("max_exec_s"), interface.limits.max_exec_s),
        interface=interface.digest,
    )


def _less(asked: float | None, allowed: float) -> float:
    # 0 where it is the ability's own: jobs whose messages name different limits share no batch.
    return float(asked) if asked is not None and asked < allowed else 0


def complete(given: Mapping[str, Any], specs: Iterable[ParamSpec]) -> Mapping[str, Any]:
    """Returns the members of an object as their specs want them rewritten (see `ParamSpec`)."""
    rewriting = [spec for spec in specs if spec.rewrites]
    if not rewriting:
        return given
    members = dict(given)
    # The original framework's order, each step for all members: a later one sees what was filled in.
    members.update({spec.key: spec.const for spec in rewriting if spec.const is not None})
    for spec in rewriting:
        if spec.default is not None:
            members.setdefault(spec.key, spec.default)
    for spec in rewriting:
        if spec.replace_key and spec.key in members:
            members.setdefault(spec.replace_key, members[spec.key])
    for spec in rewriting:
        if spec.format_as and spec.key in members:
            members[spec.key] = convert(members[spec.key], spec.format_as)
    return members


def complete_objects(given: Mapping[str, Any], specs: Iterable[DataSpec]) -> Mapping[str, Any]:
    """Returns a payload, or the parameters, with the objects in it rewritten that are there."""
    changed = {
        spec.key: complete(given[spec.key], spec.members)
        for spec in specs
        if spec.members and given.get(spec.key) is not None
    }
    return {**given, **changed} if changed else given


def convert(value: Any, format_as: str) -> Any:
    """Returns a value in another type; null, and what is no number of 64 bits, stay as they are."""
    if value is None:
        return None
    text = flatten(value)
    if format_as == "string":
        return text
    if format_as == "lower":
        return text.lower()
    if format_as == "upper":
        return text.upper()
    if format_as == "boolean":
        return text not in ("", "0", "false")
    with contextlib.suppress(ValueError):
        # As a float it would be rounded.
        return value if abs(int(text)) >= MAX_WHOLE else int(text)
    with contextlib.suppress(ValueError):
        return float(text)
    return value
