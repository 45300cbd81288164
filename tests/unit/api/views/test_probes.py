"""`GET /readyz`: who is told what."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from flask import Flask

from api.gateway.gateway import Gateway
from api.http.asgi import SCOPE
from api.views import probes
from athena.access.scopes import Scopes

TOLD = {
    "loading": ["iris", "ocr"],
    "broken": ["ocr"],
    "canaries_failing": {"iris": "a wrong answer", "ocr": "no answer in time"},
}


def readiness(monkeypatch: pytest.MonkeyPatch, scopes: Scopes | None, has_keys: bool) -> dict[str, Any]:
    """Returns what a gateway with two troubled abilities tells a caller; None: one who has no key."""
    caller = SimpleNamespace(scopes=scopes) if scopes is not None else None
    for module in ("api.views.probes", "api.views.abilities"):
        monkeypatch.setattr(f"{module}.caller_of", lambda scope: caller)
    gateway = SimpleNamespace(
        access=object() if has_keys else None,
        checks=lambda: {"redis": True, "canaries": False},
        watch=SimpleNamespace(loading=TOLD["loading"], broken=TOLD["broken"]),
        canaries=SimpleNamespace(failing=TOLD["canaries_failing"]),
    )
    app = Flask(__name__)
    app.register_blueprint(probes.blueprint(cast(Gateway, gateway)))
    answer = app.test_client().get("/readyz", environ_overrides={SCOPE: {}})
    assert answer.status_code == 503 and answer.headers["Retry-After"]
    document = cast(dict[str, Any], answer.json)
    return document


def test_without_keys_all_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    told = readiness(monkeypatch, None, has_keys=False)

    assert told == {"ready": False, "checks": {"redis": True, "canaries": False}, **TOLD}


def test_caller_hears_of_what_its_key_may_run_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    told = readiness(monkeypatch, Scopes(abilities=frozenset({"iris"})), has_keys=True)

    assert told["loading"] == ["iris"] and told["broken"] == []
    assert told["canaries_failing"] == {"iris": "a wrong answer"}


def test_stranger_hears_whether_it_is_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    assert readiness(monkeypatch, None, has_keys=True) == {"ready": False}
