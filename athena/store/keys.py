"""All Redis keys. Nobody but this module and the scripts names one.

| key | type | holds | lives until |
|---|---|---|---|
| `<service_id>.<gpu type>`, `.any`; with `.high`, `.low` | list | Celery messages, newest left | taken |
| `<service_id>.<gpu uuid>` | list | the same, for one GPU | taken |
| `athena:queues:<service_id>` | set | queues that hold jobs, or did | for ever, or their GPU is gone |
| `athena:none` | - | never anything: some scripts begin by deleting it | - |
| `athena:bell:<queue>` | list | one token while the queue may hold a job | taken |
| `athena:line:<queue>` | hash | numbers of its last jobs; `paused`, `waits` | for ever; not of a lost GPU |
| `athena:line:<service_id>` | hash | `paused`, for queues that the ability gets | resumed |
| `athena:job:<id>` | hash | the job's record | record TTL after its final state; dead letters: theirs |
| `athena:payload:<id>` | string | inputs too large for the message | success or cancel; else as the message |
| `athena:message:<id>` | string | message of a job that failed | result TTL; dead letters: theirs |
| `athena:result:<id>` | string | JSON of the answer's payload | result TTL after the final state |
| `athena:request:<request_id>` | hash | ability, NUL, app_id -> job id, body hash | as its job's record |
| `athena:open:<service_id>` | sorted set | jobs that are not final, by when they must start | final |
| `athena:ended:<service_id>` | sorted set | final jobs that can be asked for, by their end | record TTL |
| `athena:app_open:<app_id>` | sorted set | the same of an app, but those only their callers know | final |
| `athena:app_ended:<app_id>` | sorted set | final jobs of an app, by their end | record TTL |
| `athena:load:<service_id>` | hash | bytes of open jobs and kept inputs; numbers of events | for ever |
| `athena:counts:<service_id>` | hash | what metrics count (`athena/store/books/counts.py`) | forgotten |
| `athena:tally:<service_id>` | string | ends of jobs that are not in `counts` yet | a second, or 2 KiB |
| `athena:kept:<service_id>` | list | sizes and ids of failed jobs whose inputs are kept | pushed out |
| `athena:history:<service_id>` | list | sizes and ids of failed jobs, their callers' alone | pushed out |
| `athena:dead` | sorted set | dead letters: poisoned jobs, by their end | their TTL, tried again, dropped |
| `athena:later:<service_id>` | sorted set | messages of jobs to be tried again, by when | the sweep after |
| `athena:inflight:<incarnation>` | hash | job id -> message of held jobs | given back, finished, fenced |
| `athena:canceled:<incarnation>` | set | held jobs that were canceled | let go of, as from the hash |
| `athena:workers` | hash | incarnation -> what it serves | stopped, fenced |
| `athena:fenced:<incarnation>` | string | that a worker's end is counted | an hour after |
| `athena:beats` | hash | incarnation -> heartbeats, by its supervisor; below 0: a stray | stopped, fenced |
| `athena:gateways` | hash | gateway -> when, how often and what it told of itself | it stops; an hour |
| `athena:orders` | hash | worker name -> what an operator wants of it | carried out |
| `athena:sizes` | hash | service_id -> processes of it on each host's CPU | an operator takes it back |
| `athena:shares` | hash | service_id -> how its requests are divided between versions (JSON) | rolled back |
| `athena:hosts` | hash | supervisor -> its host's GPUs and its workers (JSON) | it stops |
| `athena:supervisor:<host>` | string | who names the workers of a host | 10 s after its end |
| `athena:failures` | hash | service_id -> why its last worker did not start or restart | one starts, mended |
| `athena:abilities` | hash | service_id -> its interface (JSON); outlives the workers | forgotten |
| `athena:canaries` | hash | service_id -> how its last canary fared (JSON) | forgotten |
| `athena:canary:<service_id>` | string | gateway that sent the last canary | the next one is due |
| `athena:forgotten` | hash | service_id -> when an operator had it forgotten | a day after the last |
| `athena:apps` | hash | app_id -> its scopes and keys (JSON); `""` -> their version | for ever |
| `athena:quotas` | hash | app_id, or app_id, NUL, service_id -> its quota (JSON) | an operator removes it |
| `athena:account:<app>` | hash | service_id, or `""` for all -> what it has open, its bucket | for ever |
| `athena:accounts` | set | apps that have an account | for ever |
| `athena:usage:<day>` | hash | app, NUL, service_id, NUL, what -> how much of it | 100 days |
| `athena:trail` | stream | what operators have done (JSON), chained; the last 100,000 | pushed out |
| `athena:trace:<id>` | list | spans (JSON) of a traced job that took long | record TTL, or pushed out |
| `athena:traces` | sorted set | jobs whose spans are kept, by when; the last 1,000 | pushed out |
| `athena:exemplars:<service_id>` | hash | field of `counts` -> a trace that shows such a time | forgotten |
| `athena:reply:<gateway>` | channel | jobs that ended and for which this gateway waits | - |

Dead letters have a `load` and a `kept` key of their own, with `athena:dead` in place of the
service_id. That of a side version is `<service_id>@<version>`; quotas and request_ids are of all versions.
"""

WORKERS = "athena:workers"
BEATS = "athena:beats"
GATEWAYS = "athena:gateways"
ABILITIES = "athena:abilities"
FAILURES = "athena:failures"
FORGOTTEN = "athena:forgotten"
CANARIES = "athena:canaries"
HOSTS = "athena:hosts"
ORDERS = "athena:orders"
SIZES = "athena:sizes"
SHARES = "athena:shares"
DEAD = "athena:dead"
APPS = "athena:apps"
TRAIL = "athena:trail"
QUOTAS = "athena:quotas"
ACCOUNTS = "athena:accounts"
TRACES = "athena:traces"
NONE = "athena:none"


#: Pattern of all keys but queues.
ALL = "athena:*"


#: The types of the keys that hold something about jobs, by what kind of key they are.
TYPES = {
    "open": "zset",
    "ended": "zset",
    "app_open": "zset",
    "app_ended": "zset",
    "dead": "zset",
    "load": "hash",
    "kept": "list",
    "history": "list",
    "inflight": "hash",
    "canceled": "set",
    "queues": "set",
    "later": "zset",
    "line": "hash",
    "account": "hash",
    "counts": "hash",
    "tally": "string",
}


def kind_of(key: str) -> tuple[str, str]:
    """Returns what a key holds, such as `job` or `app_open`, and of whom."""
    kind, _, owner = key.removeprefix("athena:").partition(":")
    return kind, owner


def supervisor_key(name: str) -> str:
    """Key of the claim on a host's name, with the suffix of its workers' names."""
    return f"athena:supervisor:{name}"


def canary_key(service_id: str) -> str:
    """Key of the claim on sending an ability's next canary."""
    return f"athena:canary:{service_id}"


def job_key(job_id: str) -> str:
    """Key of a job's record."""
    return f"athena:job:{job_id}"


def payload_key(job_id: str) -> str:
    """Key of the inputs that lie beside the message."""
    return f"athena:payload:{job_id}"


def result_key(job_id: str) -> str:
    """Key of the answer's payload."""
    return f"athena:result:{job_id}"


def bell_key(queue: str) -> str:
    """Key of the list that an idle worker blocks on."""
    return f"athena:bell:{queue}"


def request_key(request_id: str) -> str:
    """Key that maps a caller's own id to the job, per ability and app_id."""
    return f"athena:request:{request_id}"


def reply_channel(gateway: str) -> str:
    """Channel on which a gateway hears of jobs that ended."""
    return f"athena:reply:{gateway}"


def message_key(job_id: str) -> str:
    """Key of the message of a job that did not succeed."""
    return f"athena:message:{job_id}"


def load_key(service_id: str) -> str:
    """Key of an ability's books: `bytes`, `ended`, `kept_bytes`, `history_bytes`, `retries`, `breaks`."""
    return f"athena:load:{service_id}"


def line_key(queue: str) -> str:
    """Key of a queue's numbers, `in`, `out`, `paused`, `waits` (job id and why); of an ability: `paused`."""
    return f"athena:line:{queue}"


def inflight_key(incarnation: str) -> str:
    """Key of the jobs that a worker holds."""
    return f"athena:inflight:{incarnation}"


def queues_key(service_id: str) -> str:
    """Key of the names of an ability's queues."""
    return f"athena:queues:{service_id}"


def open_key(service_id: str) -> str:
    """Key of an ability's jobs that are not final."""
    return f"athena:open:{service_id}"


def ended_key(service_id: str) -> str:
    """Key of an ability's final jobs that can be asked for."""
    return f"athena:ended:{service_id}"


def app_open_key(app_id: str) -> str:
    """Key of an app's jobs that are not final, but for those that only their callers know."""
    return f"athena:app_open:{app_id}"


def app_ended_key(app_id: str) -> str:
    """Key of an app's final jobs that can be asked for."""
    return f"athena:app_ended:{app_id}"


def history_key(service_id: str) -> str:
    """Key of an ability's failed jobs that only their callers knew."""
    return f"athena:history:{service_id}"


def later_key(service_id: str) -> str:
    """Key of the messages of an ability's jobs that are tried again."""
    return f"athena:later:{service_id}"


def canceled_key(incarnation: str) -> str:
    """Key of the canceled jobs that a worker holds."""
    return f"athena:canceled:{incarnation}"


def counts_key(service_id: str) -> str:
    """Key of what metrics count of an ability (`athena.store.books.counts`)."""
    return f"athena:counts:{service_id}"


def account_key(app: str) -> str:
    """Key of what a metered app has open, and of its buckets."""
    return f"athena:account:{app}"


def usage_key(day: int) -> str:
    """What was used on a day, counted from 1970."""
    return f"athena:usage:{day}"


def trace_key(job_id: str) -> str:
    """Key of the spans that are kept of a job."""
    return f"athena:trace:{job_id}"


def exemplars_key(service_id: str) -> str:
    """Key of the traces that show an ability's times."""
    return f"athena:exemplars:{service_id}"
