"""The demo's Starlette application."""

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from gatepass.cli.demo.resource import Parts, build, log_in
from gatepass_starlette import AccessTokenMiddleware, public, require_auth, to_response, token_endpoints

site: Parts = build()


@public
async def login(request: Request) -> Response:
    async with request.form() as form:
        username, password = str(form.get("username", "")), str(form.get("password", ""))
    return to_response(await run_in_threadpool(log_in, site, username, password))


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
        Route("/orders", orders),
        Route("/healthz", healthz),
    ],
    middleware=[Middleware(AccessTokenMiddleware, server=site.server)],
)
