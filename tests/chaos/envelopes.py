"""Requests to the two abilities of chaos."""

from typing import Any

#: Two abilities that do the same: one runs calls in batches, the other side by side.
LEDGER, LONG = SERVICES = ("ledger", "ledger_long")

#: Whose all requests are.
APP_ID = "chaos"

#: What is sent if nothing else is: "hello".
HELLO = "aGVsbG8="


def envelope(request_id: str, service: str = LEDGER, text: str = HELLO, **params: Any) -> dict[str, Any]:
    """Returns a request to one of the abilities."""
    return {
        "header": {"app_id": APP_ID, "request_id": request_id, "status": 3},
        "parameter": {service: {"tag": request_id, **params}},
        "payload": {"text": {"text": text}},
    }
