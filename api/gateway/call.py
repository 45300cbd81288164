"""One caller's request for one job, from its arrival to its answer, whichever way it takes."""

import asyncio
import random
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from api.gateway.caller import Caller
from api.gateway.errand import Errand
from api.gateway.gate import GONE, Visit, visit_of
from api.gateway.gateway import Ability
from api.gateway.submitter import NO_PREFERENCE, Preference, Submitter
from api.http.answers import accepted_answer, ended_answer
from api.http.asgi import Answer, Scope
from api.http.exchange import ABILITY
from api.http.forms import identity_of
from api.http.json_body import JsonBody
from api.http.plain_answers import data_answer, plain_answer
from api.http.problems import problem_answer, unexpected
from api.http.request_body import Disconnected
from athena.errors import AthenaError, GatewayError, InternalError, StoreError, WaitTimeoutError
from athena.fleet.traffic_split import TrafficSplit
from athena.protocol.checks.schema import RequestSchema, names_app
from athena.protocol.envelope import names_in
from athena.protocol.plain import ANONYMOUS, plain_envelope, plain_problems
from athena.protocol.references import names_sources
from athena.store.submission import Reply

#: Where the ASGI scope holds the call of a request that another way has begun with.
CALL = "athena.call"


class Call:
    """A request: let in, made a job, and answered.

    The way that a request takes first opens a call (`open_call`) and prepares its job. A way that cannot do
    that hands the call on with what it has found out. Then `respond` does the rest. Where the job ends soon
    there is a way without a task: `errand.submit` and, with its end, `finish`.

    Attributes:
        body: what its JSON says, until there is a job.
        is_plain: whether it came in the plain form, in which it is answered then.
        media: what kinds of data its caller takes instead of JSON (`Accept`).
    """

    __slots__ = (
        "_errand",
        "_gateway",
        "_preference",
        "_scope",
        "_split",
        "_submitter",
        "_visit",
        "_wait_s",
        "body",
        "interface",
        "is_plain",
        "media",
        "schema",
    )

    def __init__(
        self, submitter: Submitter, ability: Ability, visit: Visit | None, split: TrafficSplit | None = None
    ) -> None:
        self._submitter, self._gateway = submitter, submitter.gateway
        self.interface, self.schema = ability
        self._visit = visit
        self._split = split
        self._scope: Scope | None = None
        self.body: JsonBody | None = None
        self.is_plain = False
        self.media: tuple[str, ...] = ()
        self._preference = NO_PREFERENCE
        self._wait_s = 0.0
        self._errand: Errand | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes a call that an error ends."""
        if error is not None:
            self.close(status_of(error))

    def close(self, status: int) -> None:
        """Notes how it was answered; only the first time counts."""
        visit, self._visit = self._visit, None
        self.body = None
        if visit is not None:
            visit.close(self.interface.service_id, status)

    # How its job is made.

    @property
    def limit_bytes(self) -> int:
        """The most bytes that its body may have."""
        return min(self.interface.limits.max_body_bytes, self._gateway.settings.max_body_bytes)

    @property
    def is_prepared(self) -> bool:
        """Whether its job is made."""
        return self._errand is not None

    @property
    def errand(self) -> Errand:
        """Its job, once that is made."""
        assert self._errand is not None
        return self._errand

    def read(self, raw: bytes) -> JsonBody:
        """Returns what its body says; it is parsed once, and not at all where another way has done that."""
        if self.body is None:
            choose = self._schema_for if self._split is not None else None
            self.body = JsonBody(raw, self.schema, self._envelope_of, choose)
            self.is_plain = self.body.is_plain
        return self.body

    @property
    def app_id(self) -> str:
        """Whose job it is where the request does not say."""
        caller = self._visit.caller if self._visit is not None else None
        return (caller.app_id if caller is not None else "") or ANONYMOUS

    def _envelope_of(self, document: Mapping[str, Any]) -> dict[str, Any]:
        return plain_envelope(self.interface, document, self.app_id)

    def note_in(self, scope: Scope) -> None:
        """Has a request's scope say which ability it is for."""
        self._scope = scope
        scope[ABILITY] = self.interface.service_id

    def settle_version(self, document: Any) -> bool:
        """Takes the version that the request's share falls to; returns whether that is another one.

        Only once: what a call was found to be for, it stays for.

        Args:
            document: what was sent, in either form, not validated.
        """
        split, self._split = self._split, None
        if split is None:
            return False
        app_id, request_id = names_in(document)
        main_id = self.interface.service_id
        version = split.version_for(main_id, app_id or self.app_id, request_id, random.random())
        chosen = self._gateway.side_version(main_id, version) if version else None
        if chosen is None:
            return False
        self.interface, self.schema = chosen
        if self._scope is not None:
            self.note_in(self._scope)
        return True

    def _schema_for(self, document: Any) -> RequestSchema:
        self.settle_version(document)
        return self.schema

    def prepare_ordinary(self, raw: bytes) -> bool:
        """Makes the job if the body is JSON that the quick check accepts; returns whether it is.

        Raises:
            AthenaError: see `prepare`.
        """
        body = self.read(raw)
        envelope = body.document
        if not body.is_quick or names_sources(envelope) or not names_app(envelope["header"]):
            return False
        try:
            self.prepare(envelope, body.raw, NO_PREFERENCE)
        except AthenaError as error:
            self._point(error)
            raise
        return True

    async def prepare_json(self, raw: bytes, preference: Preference) -> None:
        """Makes the job of any body of JSON.

        Raises:
            RequestError: it is not valid.
            AthenaError: see `prepare`.
        """
        body = self.read(raw)
        try:
            await self.prepare_envelope(body.envelope(), body.raw, preference, body.is_quick)
        except AthenaError as error:
            self._point(error)
            raise

    async def prepare_plain(self, document: Mapping[str, Any], preference: Preference) -> None:
        """Makes the job of a document in the plain form.

        Raises:
            RequestError: it is not valid.
            AthenaError: see `prepare`.
        """
        self.is_plain = True
        self.settle_version(document)
        try:
            envelope = self._envelope_of(document)
            await self.prepare_envelope(envelope, identity_of(envelope), preference)
        except AthenaError as error:
            self._point(error)
            raise

    def _point(self, error: AthenaError) -> None:
        """Has an error point into the request as it was sent."""
        if self.is_plain:
            error.problems = plain_problems(error.problems)

    async def prepare_envelope(
        self, envelope: Any, identity: bytes, preference: Preference, is_quick: bool | None = None
    ) -> None:
        """Makes the job of an envelope.

        Args:
            envelope: not validated.
            identity: the bytes by which a repeated request is recognised.
            preference: how its caller wants to be answered.
            is_quick: what the quick check has said of it, where it was asked already.

        Raises:
            RequestError: it is not valid.
            FetchError: an input cannot be fetched.
            AthenaError: see `prepare`.
        """
        checked = await self._submitter.validate(
            self.interface, self.schema, envelope, self.limit_bytes, is_quick
        )
        self.prepare(checked, identity, preference)

    def prepare(self, checked: dict[str, Any], identity: bytes, preference: Preference) -> None:
        """Makes the job of a valid envelope.

        Raises:
            RequestError: an input is not base64.
            UnservedError: no worker can run it.
            StoreError: Redis has no room for it.
            AthenaError: a rule of the gate refuses it.
        """
        trace = self._visit.trace if self._visit is not None else None
        carried = trace.carried() if trace is not None else ""
        job, payload = self._submitter.prepare(self.interface, checked, identity, preference, carried)
        self._gateway.check_room()
        if self._visit is not None:
            self._visit.submit(job, checked)
        self._gateway.http.count_job(job.service_id, job.bytes)
        self._preference = preference
        self._wait_s = self.interface.limits.wait_s if preference.wait_s is None else preference.wait_s
        self._errand = Errand(self._gateway, job, payload, self._wait_s)
        # Its caller may wait for minutes; what he sent is in the job.
        self.body = None

    # How it is answered.

    async def respond(self, caller: Caller) -> Answer:
        """Submits the job unless that was done, and returns its caller's answer, whatever becomes of it.

        Raises:
            Disconnected: he went away.
        """
        with self:
            try:
                answer = await self._answer(caller)
            except Disconnected:
                # Else it would be logged as unexpected, and answered to nobody.
                raise
            except Exception as error:
                answer = self._problem_of(error)
        return self._closed(answer)

    def refuse(self, error: Exception) -> Answer:
        """Returns the answer for a request of which no job can be made, or submitted."""
        answer = self._problem_of(error)
        self.close(answer.status)
        return answer

    def finish(self, end: Reply) -> Answer:
        """Returns the answer for a job that has ended, with its payload."""
        self.errand.forget(end)
        try:
            answer = self._ended(end)
        except Exception as error:
            # In a callback of a future: an error that got out would leave the caller without an answer.
            answer = self._problem_of(error)
        return self._closed(answer)

    def _closed(self, answer: Answer) -> Answer:
        self.close(answer.status)
        # What is told of quotas is told with every answer, also one that refuses.
        fields = self._errand.rate_fields if self._errand is not None else ()
        return answer._replace(headers=(*answer.headers, *fields)) if fields else answer

    def _problem_of(self, error: Exception) -> Answer:
        error = error if isinstance(error, AthenaError) else unexpected(error)
        if self._visit is not None:
            self._visit.problem = error
        return problem_answer(error)

    async def _answer(self, caller: Caller) -> Answer:
        if self._preference.respond_async:
            await self.errand.hand_in(caller.release)
            return await self._accepted()
        end = await self.errand.run(caller)
        if end is not None:
            return self._ended(end)
        if self._preference.wait_s is not None:
            return await self._accepted()
        raise self._waited_too_long()

    def _ended(self, end: Reply) -> Answer:
        if self.media and (found := data_answer(end, self.media, self.interface)):
            return found
        return plain_answer(end, self.interface) if self.is_plain else ended_answer(end)

    async def _accepted(self) -> Answer:
        job_id = self.errand.job_id
        record = await self._gateway.read(job_id)
        if record is None:
            # It lay in Redis, which has gone back to an older state since; nobody was told of it yet.
            raise StoreError(f"Redis lost job {job_id}; send the same request again", retry_after_s=1)
        return accepted_answer(record, self._gateway.settings.url_prefix)

    def _waited_too_long(self) -> AthenaError:
        if self._gateway.patience.is_over:
            job = "the job was canceled" if self.errand.is_private else "the job goes on"
            return GatewayError(f"the gateway is ending; {job}; send the same request again", retry_after_s=1)
        return WaitTimeoutError(
            f"no answer within {self._wait_s:g} s; send a request_id, or the header "
            "'Prefer: respond-async', to fetch the answer later"
        )


def open_call(submitter: Submitter, ability: Ability, visit: Visit | None, is_pinned: bool = False) -> Call:
    """Returns the call of a request; whoever opens it sees to it that it is closed, or hands it on.

    Args:
        submitter: makes its job.
        ability: that it names.
        visit: the request, as the gate sees it.
        is_pinned: whether it names the version, too.

    Raises:
        AthenaError: a rule of the gate refuses it.
    """
    splits = submitter.gateway.splits
    split = splits.get(ability[0].service_id) if splits and not is_pinned else None
    call = Call(submitter, ability, visit, split)
    if visit is not None:
        with call:
            visit.open(ability[0].service_id)
    return call


def open_call_of(scope: Scope, submitter: Submitter, ability: Ability, is_pinned: bool = False) -> Call:
    """Returns the call of a request that the application answers (see `open_call`)."""
    scope[ABILITY] = ability[0].service_id
    call = open_call(submitter, ability, visit_of(scope), is_pinned)
    call.note_in(scope)
    return call


def handed_on(scope: Scope) -> Call | None:
    """Returns the call that another way has opened for a request, and leaves it to whoever asks."""
    call = scope.pop(CALL, None)
    assert call is None or isinstance(call, Call)
    if call is not None:
        call.note_in(scope)
    return call


def problem_of(error: Exception) -> Answer:
    """Returns the answer for whatever went wrong."""
    return problem_answer(error if isinstance(error, AthenaError) else unexpected(error))


def status_of(error: BaseException) -> int:
    """Returns with what status a request is answered that an error ends."""
    if isinstance(error, AthenaError):
        return error.http_status
    if isinstance(error, Disconnected):
        return GONE
    # Canceled is who still waits when the gateway ends.
    return (GatewayError if isinstance(error, asyncio.CancelledError) else InternalError).http_status
