"""The Flask application: its routes, and how errors are answered."""

from functools import partial
from inspect import iscoroutinefunction

from flask import Response, current_app, request
from werkzeug.exceptions import HTTPException

from api.access.origin_guard import OriginGuard
from api.access.permissions import check_permission
from api.access.proxies import ProxyView
from api.fast_path.fast_path import FastPath
from api.gateway.canaries import Canaries
from api.gateway.gateway import Gateway
from api.http.asgi import AsgiServer, InlineFlask
from api.http.problems import problem_response, unexpected
from api.http.request_body import ByteBudget
from api.views import (
    abilities,
    admin,
    admin_keys,
    admin_shares,
    bulk,
    jobs,
    metrics,
    openapi,
    page,
    probes,
    run,
    workers,
)
from api.views.abilities import known_abilities
from api.views.run import RUN_ENDPOINT, find_service
from athena.errors import AthenaError, MethodError, NotFoundError, RequestError

_ONLY_POST = frozenset(("POST", "OPTIONS"))


def create_app(gateway: Gateway) -> InlineFlask:
    """Returns the Flask application of a gateway."""
    app = InlineFlask("api", static_folder=None)
    operate = (admin, admin_keys, admin_shares)
    for view in (page, probes, abilities, workers, metrics, jobs, bulk, *operate, openapi, run):
        app.register_blueprint(view.blueprint(gateway))
    app.register_error_handler(AthenaError, problem_response)
    app.register_error_handler(HTTPException, partial(_http_problem, gateway))
    app.register_error_handler(Exception, _unexpected)
    if gateway.access is not None:
        app.before_request(check_permission)
    _check_hooks(app)
    return app


def create_server(gateway: Gateway, budget: ByteBudget) -> ProxyView:
    """Returns the gateway as an ASGI application; `budget` bounds the bodies that it holds."""
    canaries = Canaries(gateway)

    async def start() -> None:
        await gateway.start()
        canaries.start()

    async def close() -> None:
        await canaries.close()
        await gateway.close()

    server = AsgiServer(
        create_app(gateway),
        start,
        close,
        FastPath(gateway).answer,
        budget,
    )
    return ProxyView(OriginGuard(server, gateway.origins), gateway.proxies)


def _http_problem(gateway: Gateway, error: HTTPException) -> Response:
    description = (error.description or error.name).strip()
    if error.code == 404 or (error.code == 405 and _leads_nowhere(gateway, error)):
        return problem_response(NotFoundError("there is nothing at this path"))
    if error.code == 405:
        response = problem_response(MethodError("this path does not know this method"))
        response.headers["Allow"] = ", ".join(sorted(getattr(error, "valid_methods", None) or ()))
        return response
    problem = RequestError(description)
    problem.http_status = error.code or 400
    return problem_response(problem)


def _leads_nowhere(gateway: Gateway, error: HTTPException) -> bool:
    """Whether a request would lead to no ability even as a POST, which any path may be."""
    routes, methods = current_app.create_url_adapter(request), getattr(error, "valid_methods", None) or ()
    if routes is None or not _ONLY_POST.issuperset(methods) or routes.match(method="POST")[0] != RUN_ENDPOINT:
        return False
    try:
        service_id, _ = find_service(request.path.removeprefix("/"), request.args)
    except NotFoundError:
        return True
    return service_id not in gateway.watch.schemas or not known_abilities()(service_id)


def _unexpected(error: Exception) -> Response:
    return problem_response(unexpected(error))


def _check_hooks(app: InlineFlask) -> None:
    """Refuses async hooks: Flask would take the coroutine that they return for an answer."""
    hooks = [
        hook
        for functions in (app.before_request_funcs, app.after_request_funcs)
        for listed in functions.values()
        for hook in listed
    ]
    for hook in hooks:
        if iscoroutinefunction(hook):
            raise TypeError(f"hook {hook.__name__} must not be async")
