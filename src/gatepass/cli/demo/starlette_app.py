"""The demo's Starlette application."""

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from gatepass.cli.demo.resource import (
    Parts,
    build,
    end_session,
    list_sessions,
    log_in,
    log_out_everywhere,
    set_role,
)
from gatepass_starlette import AccessTokenMiddleware, public, require_auth, to_response, token_endpoints

site: Parts = build()


@public
async def login(request: Request) -> Response:
    async with request.form() as form:
        sent = [str(form.get(name, "")) for name in ("username", "password", "device")]
    return to_response(await run_in_threadpool(log_in, site, *sent))


def sessions(request: Request) -> Response:  # not async: Starlette runs it in a worker thread, as the next three
    return to_response(list_sessions(site, request.state.access_token))


def end(request: Request) -> Response:
    return to_response(end_session(site, request.state.access_token, request.path_params["family_id"]))


def logout_everywhere(request: Request) -> Response:
    return to_response(log_out_everywhere(site, request.state.access_token))


def role(request: Request) -> Response:
    return to_response(set_role(site, request.state.access_token, request.path_params["name"]))


@require_auth(scopes=["orders:read"])
async def orders(request: Request) -> Response:
    return PlainTextResponse(f"orders of {request.state.access_token.subject}")


@public
async def healthz(_request: Request) -> Response:
    return PlainTextResponse("well")


app: Starlette = Starlette(
    routes=[
        Route("/login", login, methods=["POST"]),
        *token_endpoints(site.endpoints),
        Route("/sessions", sessions),
        Route("/sessions/{family_id}", end, methods=["DELETE"]),
        Route("/logout-everywhere", logout_everywhere, methods=["POST"]),
        Route("/role/{name}", role, methods=["POST"]),
        Route("/orders", orders),
        Route("/healthz", healthz),
    ],
    middleware=[Middleware(AccessTokenMiddleware, server=site.server)],
)
