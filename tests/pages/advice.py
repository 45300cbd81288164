"""What people need to know of each error beside its name; docs/errors.md shows it."""

from dataclasses import dataclass

from athena import errors as e


@dataclass(frozen=True)
class Advice:
    """What usually leads to an error, and what to do about it, each in a sentence or two."""

    cause: str
    remedy: str


ADVICE: dict[type[e.AthenaError], Advice] = {
    e.ConfigError: Advice(
        "a mistake in an option, a variable, an `ability.toml`; a port in use; no Redis.",
        "read the one line on standard error, which names the place and the remedy; "
        "[operations.md](operations.md#start-up-errors) lists them. Nothing has started.",
    ),
    e.RequestError: Advice(
        "a member is missing, unknown or of another type; base64 that is none; a text where a number is declared; "
        "what the wrapper refused by `InputError`, such as a sound that cannot be read.",
        "correct what `errors` lists. `athena schema DIR`, `GET /openapi.json` and `GET /v1/abilities/<service_id>` show "
        "what is accepted.",
    ),
    e.AppIdError: Advice(
        "`header.app_id` was left out.", "send any name for the calling application, of 50 bytes at most."
    ),
    e.MediaTypeError: Advice(
        "curl's `-d` without `-H 'Content-Type: application/json'` sends a form.",
        "name the `Content-Type`: `application/json`, `multipart/form-data`, or that of one bare input "
        "([protocol.md](protocol.md#17-without-base64-and-packed)).",
    ),
    e.ContentCodingError: Advice(
        "the body came with a `Content-Encoding` such as `br` or `zstd`.",
        "send it as it is, or packed as `Accept-Encoding` of the answer says.",
    ),
    e.BodyTooLargeError: Advice(
        "a large picture or film; base64 makes it a third larger.",
        "send less, send it without base64, or raise `limits.max_body_bytes` of the ability; "
        "`ATHENA_MAX_BODY_BYTES` is above all.",
    ),
    e.FetchError: Advice(
        "the URL's host is not in `ATHENA_FETCH_HOSTS`, leads to a private address, or does not answer in time.",
        "the message says which; send the data itself, or ask the operator to allow the host "
        "([protocol.md](protocol.md#18-inputs-by-reference)).",
    ),
    e.RequestIdConflictError: Advice(
        "an id was used again for another request, or the same request was written in another way.",
        "choose a new `request_id` for each request, and repeat the same bytes under the same one.",
    ),
    e.AbilityInUseError: Advice(
        "`athena abilities rm` while a worker serves the ability, or it still has jobs.",
        "stop its workers and wait for its jobs, or `--force`, which cancels them.",
    ),
    e.NewerMessageError: Advice(
        "gateways were upgraded before workers. No caller meets it: the worker gives the job back.",
        "upgrade the workers; until then `reason` of the job is `needs_newer_worker`.",
    ),
    e.KeyStateError: Advice(
        "an application is to be created that is there already, or has two live keys.",
        "the message names them; revoke a key before you make another.",
    ),
    e.JobStateError: Advice(
        "a job is to be tried again that still runs, succeeded, or was canceled.",
        "`GET /v1/jobs/<id>` tells its state; wait for its end.",
    ),
    e.ForbiddenError: Advice(
        "a proxy passes on a `Host` that the gateway does not know, or a page in a browser asks from another origin.",
        "list the name in `ATHENA_ALLOWED_HOSTS`, the page's origin in `ATHENA_ALLOWED_ORIGINS` "
        "([protocol.md](protocol.md#19-browsers)).",
    ),
    e.MethodError: Advice(
        "a `GET` where only `POST` is known, as on an ability's URL.",
        "use a method that `Allow` of the answer names.",
    ),
    e.SlowRequestError: Advice(
        "a slow or broken line; a client that announces a longer body than it sends.",
        "send it again; check `Content-Length` ([limits](protocol.md#6-limits-and-times)).",
    ),
    e.HeadTooLargeError: Advice(
        "large cookies, a very long query, or more than 100 headers.",
        "put parameters into a form or the body; 32 KiB is the limit.",
    ),
    e.CodingError: Advice(
        "a `Transfer-Encoding` other than `chunked`.", "send the body with `Content-Length`, or chunked."
    ),
    e.HttpVersionError: Advice(
        "a client that speaks something else to the port, HTTP/2 for example.",
        "speak HTTP/1.1; a proxy may speak HTTP/2 to callers.",
    ),
    e.CredentialsError: Advice(
        "no key where one is asked for, a mistyped or revoked one, a signature over another request, or a wrong admin token.",
        "the message says which; send `Authorization: Bearer <key>`, or for `/v1/admin` the value of `ATHENA_ADMIN_TOKEN`.",
    ),
    e.ScopeError: Advice(
        "the key is right, and does not open this ability or this route.",
        "ask the operator for a key that does.",
    ),
    e.NotFoundError: Advice(
        "a mistyped ability or version; a job whose record has expired, or that was answered in the same call without a "
        "`request_id`.",
        "`GET /v1/abilities` lists what there is; name a `request_id` to find a job later.",
    ),
    e.ResultExpiredError: Advice(
        "the job succeeded and its result was fetched too late (`ATHENA_RESULT_TTL_S`).",
        "send the request again with a new `request_id`; fetch sooner, or raise the setting.",
    ),
    e.QueueFullError: Advice(
        "more is sent than the workers can run: `limits.max_queue_jobs` or `limits.max_queue_bytes` is reached, or a gateway "
        "holds `ATHENA_MAX_HELD_BYTES`.",
        "wait as `Retry-After` says and send again; add workers, or raise the limit "
        "([runbook.md](runbook.md#the-queue-grows)).",
    ),
    e.QuotaError: Advice(
        "the caller's address has `ATHENA_MAX_CONNECTIONS_PER_ADDRESS` connections, or its app has used one of its quotas up.",
        "the message names the limit; wait as `Retry-After` says, close connections that are not needed, or have the "
        "operator raise it.",
    ),
    e.UnservedError: Advice(
        "the ability's workers did not start, are gone, or none has the GPU type that the ability insists on.",
        "the message says why; `athena workers ls` and `athena doctor` show more "
        "([runbook.md](runbook.md#requests-get-503)).",
    ),
    e.GatewayError: Advice(
        "the gateway is being replaced, or has as many connections as it may.",
        "send the same request again, as `Retry-After` says; start another gateway if it stays.",
    ),
    e.StoreError: Advice(
        "Redis is away, restarts, refuses writes (full disk, too few replicas), or is at 90 % of its memory.",
        "send it again with the same `request_id`; for the operator: `athena doctor` "
        "([runbook.md](runbook.md#redis-is-away)).",
    ),
    e.WaitTimeoutError: Advice(
        "the job waits or runs longer than the caller may wait (`limits.wait_s`).",
        "send `Prefer: respond-async` or a `request_id` and fetch the answer later; add workers.",
    ),
    e.WrapperError: Advice(
        "an input that the model cannot read, or a mistake in `wrapper.py`.",
        "read the message, which is the wrapper's own; the traceback is in the worker's log. "
        "`athena run DIR` repeats it without a server.",
    ),
    e.OutputError: Advice(
        "an output's key is not declared in `responseCls`, is there twice, or is not bytes or text.",
        "correct the wrapper; `athena check DIR` shows the line.",
    ),
    e.InterfaceChangedError: Advice(
        "the ability was changed while the job waited.",
        "send the request as the ability wants it now.",
    ),
    e.PoisonedError: Advice(
        "an input that kills its process (a crash in native code, memory) `limits.max_attempts` times.",
        "`athena dead show ID` tells how the processes died; mend the wrapper or the input, then `athena dead requeue ID` "
        "([runbook.md](runbook.md#dead-letters)).",
    ),
    e.ExecTimeoutError: Advice(
        "a large input, an endless loop, or `limits.max_exec_s` (or `header.max_exec_s`) that is too short.",
        "send less, or raise the limit; the job is not tried again by itself.",
    ),
    e.CanceledError: Advice(
        "somebody canceled it, or the only caller who could have fetched it hung up.",
        "send it again if it is still wanted; with a `request_id` a hang-up cancels nothing.",
    ),
    e.ExpiredError: Advice(
        "it waited longer than `limits.max_queue_s` (or `header.max_queue_s`) for a worker.",
        "add workers, raise the limit, or see why it waited ([runbook.md](runbook.md#a-job-waits)).",
    ),
    e.InternalError: Advice(
        "a mistake in Athena Serving.", "report it with the traceback of the gateway's or the worker's log."
    ),
}
