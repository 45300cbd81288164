"""Whether this process lives, and whether it can serve."""

from typing import Any

from flask import Blueprint, Response, request

from api.gateway.gate import caller_of
from api.gateway.gateway import LOADING_RETRY_S, Gateway
from api.http.answers import json_response
from api.http.asgi import SCOPE
from api.views.abilities import known_abilities


def blueprint(gateway: Gateway) -> Blueprint:
    """Returns the routes."""
    routes = Blueprint("probes", __name__)

    @routes.get("/livez")
    def livez() -> Response:
        """Answers as long as the event loop turns."""
        return json_response({"live": True})

    @routes.get("/readyz")
    def readyz() -> Response:
        """Answers 200 when requests can be queued and answers can come back."""
        checks = gateway.checks()
        ready = all(checks.values())
        watch = gateway.watch
        document: dict[str, Any] = {"ready": ready}
        # Where keys are needed, strangers learn no more than their load balancer has to.
        if gateway.access is None or caller_of(request.environ[SCOPE]) is not None:
            knows = known_abilities()
            document |= {
                "checks": checks,
                "loading": [name for name in watch.loading if knows(name)],
                "broken": [name for name in watch.broken if knows(name)],
                "canaries_failing": {
                    name: why for name, why in gateway.canaries.failing.items() if knows(name)
                },
            }
        response = json_response(document, 200 if ready else 503)
        if not ready:
            response.headers["Retry-After"] = str(LOADING_RETRY_S)
        return response

    return routes
