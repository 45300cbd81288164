"""From a request's envelope to a job that is ready for its queue."""

import hashlib
from dataclasses import dataclass
from typing import Any

from api.gateway.gateway import Gateway
from athena.fleet.routing import Hints
from athena.jobs.celery_message import encode_message
from athena.jobs.intake import prepare_job
from athena.protocol.checks.schema import RequestSchema, check_widths, validate_envelope
from athena.protocol.envelope import new_job_id
from athena.protocol.interface import Interface
from athena.protocol.references import find_references, names_sources, with_data, without_sources
from athena.store.submission import Submission


@dataclass(frozen=True)
class Preference:
    """What the `Prefer` header asks for (RFC 7240): `respond-async`, `wait=N`, or nothing."""

    respond_async: bool = False
    wait_s: float | None = None


NO_PREFERENCE = Preference()

#: A job ready for its queue, and the inputs that go beside its message.
Prepared = tuple[Submission, bytes | None]


class Submitter:
    """Validates envelopes and makes jobs of them."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway

    async def validate(
        self,
        interface: Interface,
        schema: RequestSchema,
        envelope: Any,
        limit_bytes: int,
        is_quick: bool | None = None,
    ) -> dict[str, Any]:
        """Returns a valid envelope; inputs that it names by reference are fetched once the rest is valid.

        Args:
            interface: the ability.
            schema: of its requests.
            envelope: what was sent.
            limit_bytes: how much may be fetched.
            is_quick: what the quick check has said of it, where it was asked already.

        Raises:
            RequestError: it is not valid.
            FetchError: an input cannot be fetched.
        """
        if not names_sources(envelope):
            return validate_envelope(schema, envelope, is_quick)
        check_widths(schema, envelope)
        envelope = without_sources(envelope)
        references = find_references(envelope, interface)
        if not references:
            return validate_envelope(schema, envelope)
        # With placeholders: nothing is fetched for a request that would be refused anyway.
        validate_envelope(schema, with_data(envelope, references))
        data = await self.gateway.fetcher.fetch_all(references, limit_bytes)
        return validate_envelope(schema, with_data(envelope, references, data))

    def prepare(
        self,
        interface: Interface,
        checked: dict[str, Any],
        identity: bytes,
        preference: Preference,
        trace: str = "",
    ) -> Prepared:
        """Returns a job ready for its queue, and the inputs that go beside its message.

        Args:
            interface: the ability.
            checked: the valid envelope.
            identity: the bytes by which a repeated request is recognised.
            preference: how its caller wants to be answered.
            trace: what the message carries of the request's trace.

        Raises:
            RequestError: an input is not base64.
            UnservedError: no worker can run it.
        """
        settings = self.gateway.settings
        header = checked["header"]
        job_id = new_job_id()
        message, payload = prepare_job(job_id, interface, checked, settings.inline_payload_bytes)
        if trace:
            message = message._replace(trace=trace)
        place = self.gateway.route(interface, Hints.of(message.params, header, settings.gpu_aliases))
        encoded = encode_message(message, place.queue)
        request_id = header.get("request_id") or ""
        # Nobody could find such a job again: once its caller is gone it is canceled.
        is_private = not request_id and not preference.respond_async and preference.wait_s is None
        app_id = header.get("appid") or header["app_id"]
        submission = Submission(
            job_id=job_id,
            service_id=interface.service_id,
            queue=place.queue,
            home=place.home,
            message=encoded,
            app_id=app_id,
            quota=self.gateway.quotas.find(app_id, interface.service_id),
            request_id=request_id,
            body_hash=hashlib.blake2b(identity, digest_size=16).hexdigest() if request_id else "",
            gateway="" if preference.respond_async else self.gateway.id,
            abandonable=is_private,
            claim=payload is not None,
            bytes=len(encoded) + len(payload or b""),
            max_queue_jobs=interface.limits.max_queue_jobs,
            max_open_bytes=interface.limits.max_queue_bytes,
            max_queue_s=min(
                header.get("max_queue_s") or interface.limits.max_queue_s, interface.limits.max_queue_s
            ),
            result_ttl_s=settings.sync_ttl_s if is_private else settings.result_ttl_s,
            record_ttl_s=settings.sync_ttl_s if is_private else settings.record_ttl_s,
            failure_ttl_s=settings.record_ttl_s if is_private else 0.0,
        )
        return submission, payload
