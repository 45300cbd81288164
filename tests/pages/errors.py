"""docs/errors.md: every error, what usually causes it, and what to do."""

from collections.abc import Iterator

from athena import errors
from athena.errors import AthenaError, ConfigError
from tests.pages.advice import ADVICE, Advice
from tests.pages.markdown import note, table

INTRO = """\
# Errors

An error has one form everywhere. `errors` lists what is wrong in a request, with JSON pointers (RFC 6901; `""` is the
whole body); `sid` is empty where there is no job. It has at most 50 entries; where there are more, the last one says
how many: `and 31 more`. Long names and texts of the request are cut in it.

```json
{"header": {"code": 10163, "message": "the request does not fit the schema: /header/x is not known here", "sid": "",
            "errors": [{"pointer": "/header/x", "detail": "is not known here"}]}}
```

The HTTP status and `header.code` tell the kind of error. A job that was queued keeps its code and message:
`GET /v1/jobs/<id>` and `athena jobs show ID` have them as long as its record is kept.

**Send it again?** Of those marked *again*, the same request may succeed later. Where the answer has `Retry-After`, wait so
many seconds. With a `request_id` a repetition never makes a second job
([protocol.md](protocol.md#5-sending-twice-request_id)).
"""

STAGES = """\
## Codes of a wrapper's stages

`WrapperError` has another code in some stages. All are HTTP 502, but for those of the start, which no caller gets.

| code | stage |
| --- | --- |
| 10909 | `wrapperOnceExec` raised (`ValueError: …`) or returned its own code N (`<wrapperError(N)>;code=N`) |
| 10910 | the result that came by `callback` is an error (`<wrapperError(N)>;code=N`) |
| 10903 | `wrapperLoadRes` raised or returned a code that is not 0 |
| 30003 | `wrapperOnceExec` returned nothing |
| 30001 | `wrapperInit` raised: the worker does not start; its supervisor prints why, `GET /v1/abilities` shows it |
| 30002 | `wrapperInit` returned a code that is not 0: the same |
"""


def all_errors(cls: type[AthenaError] = AthenaError) -> Iterator[type[AthenaError]]:
    """Yields the classes of athena/errors.py; other modules may derive more."""
    for item in cls.__subclasses__():
        if item.__module__ == errors.__name__:
            yield item
            yield from all_errors(item)


def render() -> str:
    """Returns the page."""
    found = sorted(all_errors(), key=_order)
    missing = [item.__name__ for item in found if item not in ADVICE]
    if missing:
        raise LookupError(f"say in ADVICE of tests/pages/advice.py what to do: {', '.join(missing)}")
    index = ((_status(item), _code(item), _link(item), _again(item), _meaning(item)) for item in found)
    head = ("HTTP", "code", "error", "send again?", "meaning")
    sections = (_section(item, ADVICE[item]) for item in found)
    return "\n".join([note("athena/errors.py"), INTRO, table(head, index), *sections, STAGES])


def _section(item: type[AthenaError], advice: Advice) -> str:
    facts = (
        f"HTTP {_status(item)}, code {_code(item)}"
        if item is not ConfigError
        else "Ends a process at its start"
    )
    again = "; the same request may succeed later" if item.retryable else ""
    return (
        f"## {item.__name__}\n\n{facts}{again}. {_meaning(item)}\n\n"
        f"- Usual cause: {advice.cause}\n- What to do: {advice.remedy}\n"
    )


def _order(item: type[AthenaError]) -> tuple[bool, int, int, str]:
    return item is ConfigError, item.http_status, item.code, item.__name__


def _meaning(item: type[AthenaError]) -> str:
    return (item.__doc__ or "").strip().splitlines()[0]


def _status(item: type[AthenaError]) -> str:
    return "none" if item is ConfigError else str(item.http_status)


def _code(item: type[AthenaError]) -> str:
    return "none" if item is ConfigError else str(item.code)


def _again(item: type[AthenaError]) -> str:
    return "again" if item.retryable else ""


def _link(item: type[AthenaError]) -> str:
    return f"[{item.__name__}](#{item.__name__.lower()})"
