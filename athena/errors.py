"""Every error that Athena raises on purpose.

AthenaError
├── ConfigError                  a setting, a file or the machine is not as it must be; nothing starts
├── RequestError                 400  10163  the request does not fit the envelope or the schema
│   ├── AppIdError               400  10313  app_id is missing or empty
│   ├── MediaTypeError           415  10163  the body's content type is not known
│   ├── ContentCodingError       415  10163  the body is packed in a way that is not known
│   ├── BodyTooLargeError        413  10163  the body is over the limit
│   ├── FetchError              400  10009  an input that the request names by URL cannot be had
│   ├── RequestIdConflictError   409  10163  the request_id belongs to another body
│   ├── AbilityInUseError        409  10163  a worker serves the ability, or it has jobs
│   ├── KeyStateError            409  10163  the application is there already, or has as many keys as it may
│   ├── JobStateError            409  10163  the job is not in a state that allows it
│   ├── NewerMessageError        409  10163  the queue message is of a version that this worker does not read
│   ├── ForbiddenError           403  10163  the request names a host or is of a page that is not allowed
│   ├── MethodError              405  10163  the path exists, not with this method
│   ├── SlowRequestError         408  10163  the request did not arrive in time
│   ├── HeadTooLargeError        431  10163  the request's head is over the limit
│   ├── CodingError              501  10163  the transfer coding is not known
│   └── HttpVersionError         505  10163  the version of HTTP is not served
├── CredentialsError             401  10405  the key or the signature is missing or wrong
├── ScopeError                   403  11200  the key is right, and does not open this
├── NotFoundError                404  10404  no such service, job or path
│   └── ResultExpiredError       410  10404  the record is still there, its result is not
├── QueueFullError               429  10110  the ability's queue is at its limit (retryable)
├── QuotaError                   429  11203  the caller has as much as one caller may have (retryable)
├── UnservedError                503  10225  no worker serves the ability (retryable)
├── GatewayError                 503  10222  the gateway is ending, or full (retryable)
├── StoreError                   503  10250  Redis cannot be reached or refuses writes (retryable)
├── WaitTimeoutError             504  10114  no answer within the wait limit (retryable)
├── WrapperError                 502  109xx  the wrapper reported, raised or returned something wrong
│   └── OutputError              502  10106  the wrapper's answer does not fit what it declared
├── InterfaceChangedError        409  10107  the job was queued for an interface that is no more
├── PoisonedError                502  10109  worker processes died under the job, again and again
├── ExecTimeoutError             504  10102  the job ran past its execution limit
├── CanceledError                409  10101  the job was canceled
├── ExpiredError                 504  10114  the job was not started in time (retryable)
└── InternalError                500  11502  our own mistake; the log holds the traceback

The numbers come from the ASF protocol (docs/errors.md lists them all). `api/http/problems.py` is the only
place that turns an error into HTTP.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong in a request, and where.

    Attributes:
        pointer: JSON pointer (RFC 6901) to the place in the request body, "" for the whole body.
        detail: what is wrong there, as a sentence for the caller.
    """

    pointer: str
    detail: str


class AthenaError(Exception):
    """Base of all errors raised on purpose.

    Attributes:
        code: the ASF error code that goes into `header.code`.
        http_status: the HTTP status that goes with it.
        retryable: whether the same request may succeed later.
        place: where in the ability's source it came about; "" where that is not known.
    """

    code = 11502
    http_status = 500
    retryable = False
    place = ""

    def __init__(
        self,
        message: str,
        *,
        code: int | None = None,
        problems: tuple[Problem, ...] = (),
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.problems = problems
        self.retry_after_s = retry_after_s
        if code is not None:
            self.code = code

    @property
    def summary(self) -> str:
        """The message, with the first of the problems and how many more there are."""
        if not self.problems:
            return self.message
        first = self.problems[0]
        more = f" (and {len(self.problems) - 1} more)" if len(self.problems) > 1 else ""
        return f"{self.message}: {first.pointer or '/'} {first.detail}{more}"

    def forget_origin(self) -> None:
        """Lets go of the frames that raised it, once it is an answer.

        They hold all that they knew, and where one of them knows the error too, nothing of it is free until
        the garbage collector has looked, which halts the process for long after thousands of refusals.
        """
        self.__traceback__ = self.__context__ = self.__cause__ = None


class ConfigError(AthenaError):
    """A setting, a file or the machine is not as it must be; nothing starts."""


class RequestError(AthenaError):
    """The request does not fit the envelope or the ability's schema."""

    code = 10163
    http_status = 400


class AppIdError(RequestError):
    """`header.app_id` is missing or empty."""

    code = 10313


class MediaTypeError(RequestError):
    """The body's content type is not known."""

    http_status = 415


class ContentCodingError(RequestError):
    """The body is packed in a way that is not known."""

    http_status = 415


class BodyTooLargeError(RequestError):
    """The body is over the limit."""

    http_status = 413


class FetchError(RequestError):
    """An input that the request names by URL cannot be had."""

    code = 10009


class RequestIdConflictError(RequestError):
    """The `request_id` belongs to a job with another body."""

    http_status = 409


class AbilityInUseError(RequestError):
    """The ability cannot be forgotten: a worker serves it, or it has jobs."""

    http_status = 409


class KeyStateError(RequestError):
    """The application is there already, or has as many live keys as it may."""

    http_status = 409


class JobStateError(RequestError):
    """The job's state does not allow what is asked, for example to try a job again that still runs."""

    http_status = 409


class NewerMessageError(RequestError):
    """The queue message is of a later version, or needs what this worker does not know; no caller meets it.

    A worker gives such a job back, for one that reads it.
    """

    http_status = 409


class ForbiddenError(RequestError):
    """The request names a host that the gateway does not answer to, or is of a page that may not send any."""

    http_status = 403


class MethodError(RequestError):
    """The path exists, but not with this HTTP method."""

    http_status = 405


class SlowRequestError(RequestError):
    """The request did not arrive within the time it is given."""

    http_status = 408


class HeadTooLargeError(RequestError):
    """The request's line and headers are over the limit."""

    http_status = 431


class CodingError(RequestError):
    """The body is transferred in a coding that is not known."""

    http_status = 501


class HttpVersionError(RequestError):
    """The request is of a version of HTTP that is not served."""

    http_status = 505


class CredentialsError(AthenaError):
    """The key, the signature or the admin token is missing or wrong."""

    code = 10405
    http_status = 401


class ScopeError(AthenaError):
    """The key is right, and does not open what was asked for."""

    code = 11200
    http_status = 403


class NotFoundError(AthenaError):
    """No such service, job or path."""

    code = 10404
    http_status = 404


class ResultExpiredError(NotFoundError):
    """The job's record is still there, its result is not."""

    http_status = 410


class QueueFullError(AthenaError):
    """The ability's queue holds as many jobs as it may."""

    code = 10110
    http_status = 429
    retryable = True


class QuotaError(AthenaError):
    """The caller's address or app has as much as it may have; the message names the limit."""

    code = 11203
    http_status = 429
    retryable = True


class UnservedError(AthenaError):
    """No worker serves the ability, or none of the GPU type that the request insists on."""

    code = 10225
    http_status = 503
    retryable = True


class GatewayError(AthenaError):
    """The gateway is ending before the request could be answered, or has no room for it."""

    code = 10222
    http_status = 503
    retryable = True


class StoreError(AthenaError):
    """Redis cannot be reached, or refuses writes."""

    code = 10250
    http_status = 503
    retryable = True


class WaitTimeoutError(AthenaError):
    """No answer came within the wait limit of a synchronous call."""

    code = 10114
    http_status = 504
    retryable = True


class WrapperError(AthenaError):
    """The wrapper reported, raised or returned something wrong; `code` says in which stage.

    Attributes:
        kinds: by what `[retry]` of its ability may name it: the exception with all its bases, or its code.
    """

    code = 10909
    http_status = 502

    def __init__(
        self,
        message: str,
        *,
        code: int | None = None,
        problems: tuple[Problem, ...] = (),
        retry_after_s: int | None = None,
        kinds: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__(message, code=code, problems=problems, retry_after_s=retry_after_s)
        self.kinds = kinds


class OutputError(WrapperError):
    """The wrapper's answer does not fit what it declared."""

    code = 10106


class InterfaceChangedError(AthenaError):
    """The job was queued under an earlier interface of the ability, and does not fit the present one."""

    code = 10107
    http_status = 409


class PoisonedError(AthenaError):
    """Worker processes died under the job, as often as the ability allows."""

    code = 10109
    http_status = 502


class ExecTimeoutError(AthenaError):
    """The job ran past its execution limit and its process was ended."""

    code = 10102
    http_status = 504


class CanceledError(AthenaError):
    """The job was canceled before it had a result."""

    code = 10101
    http_status = 409


class ExpiredError(AthenaError):
    """The job was not started within the time it was allowed to queue."""

    code = 10114
    http_status = 504
    retryable = True


class InternalError(AthenaError):
    """A mistake of our own; the log holds the traceback."""


def http_status_of(code: int) -> int:
    """Returns the HTTP status of a finished job's error code.

    A job's record keeps the ASF code alone, so that its meaning does not depend on the version that wrote it.
    """
    return _STATUS_BY_JOB_CODE.get(code, WrapperError.http_status)


#: Only errors that end a job: others share these codes, with another status.
_STATUS_BY_JOB_CODE = {
    error.code: error.http_status
    for error in (
        InterfaceChangedError,
        PoisonedError,
        ExecTimeoutError,
        CanceledError,
        ExpiredError,
        RequestError,
        InternalError,
    )
}
