"""What goes wrong when a gateway is called.

ClientError
├── UnreachableError     nobody has answered, or something that is no gateway
├── RefusedError         the gateway has refused the request; there is no job
├── JobFailedError       the job has ended, and not well
└── NotDoneError         the job has not ended in the time that it was given; it goes on
"""

from athena.client.job import Job
from athena.errors import AthenaError, Problem


class ClientError(AthenaError):
    """Base of all that a client raises.

    Attributes:
        code: the code of `header.code`; 0 where no gateway has answered.
        http_status: the answer's status; 0 where there is none.
        request_id: the caller's own id of the job; "" for none. The same call with it makes no second job.
        job_id: the gateway's id of the job; "" where there is none, or nobody knows.
    """

    code = 0
    http_status = 0

    def __init__(
        self,
        message: str,
        *,
        code: int = 0,
        http_status: int = 0,
        problems: tuple[Problem, ...] = (),
        retryable: bool = False,
        request_id: str = "",
        job_id: str = "",
    ) -> None:
        super().__init__(message, code=code, problems=problems)
        self.http_status = http_status
        self.retryable = retryable
        self.request_id = request_id
        self.job_id = job_id

    def __str__(self) -> str:
        told = (
            f"code {self.code}" if self.code else "",
            f"job {self.job_id}" if self.job_id else "",
            # Where there may be a job of which nobody has told.
            f"request_id {self.request_id}" if self.request_id and not self.job_id and self.retryable else "",
        )
        found = ", ".join(filter(None, told))
        return f"{self.message} ({found})" if found else self.message


class UnreachableError(ClientError):
    """Nobody has answered, or something that is no gateway; the job may be there all the same."""


class RefusedError(ClientError):
    """The gateway has refused the request; there is no job of it."""


class JobFailedError(ClientError):
    """The job has ended without a result: it failed, expired, was canceled, or killed its workers."""


class NotDoneError(ClientError):
    """The job has not ended in the time that it was given; it goes on.

    Attributes:
        job: as it stood last; None where that is not known.
    """

    def __init__(self, message: str, *, job: Job | None = None, request_id: str = "") -> None:
        super().__init__(message, request_id=request_id, job_id=job.id if job else "", retryable=True)
        self.job = job
