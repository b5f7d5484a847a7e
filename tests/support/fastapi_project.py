"""Applications of FastAPI that several test files share."""

from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Security, WebSocketException
from fastapi.responses import PlainTextResponse
from tests.adapters.contract import AdapterContract

from gatepass import AccessToken, ResourceServer
from gatepass_fastapi import AccessTokenBearer, AccessTokenMiddleware, public


def same(answer: Any, golden: Any) -> None:
    AdapterContract().same(answer, golden)


def every_handler() -> dict[Any, Any]:
    async def replaced(request: Any, error: Any) -> PlainTextResponse:
        return PlainTextResponse("replaced", 418)

    return dict.fromkeys([400, 401, 403, 404, 500, 503, HTTPException, WebSocketException, Exception], replaced)


def plain(**settings: Any) -> FastAPI:
    return FastAPI(default_response_class=PlainTextResponse, **settings)


def app_with(server: ResourceServer, *, of_middleware: ResourceServer | None = None) -> FastAPI:
    app = plain()
    if of_middleware is not None:
        app.add_middleware(AccessTokenMiddleware, server=of_middleware)
    bearer_token = AccessTokenBearer(server)
    first, second = (Security(bearer_token, scopes=[scope]) for scope in ("a", "b"))

    @app.get("/", dependencies=[first])
    async def view(token: Annotated[AccessToken, second]) -> str:
        return token.subject

    @app.get("/open", dependencies=[Depends(bearer_token)])
    @public
    async def marked() -> str:
        return "in"

    return app
