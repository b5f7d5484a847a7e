"""A typed Flask program. Type checkers read it; it never runs."""

from typing import assert_type

from flask import Flask

from gatepass import AccessToken, ResourceServer
from gatepass_flask import (
    AccessTokenMiddleware,
    access_token,
    current_access_token,
    optional_auth,
    public,
    require_auth,
)


def application(server: ResourceServer) -> Flask:
    app = Flask(__name__)
    app.wsgi_app = AccessTokenMiddleware(app.wsgi_app, server, public=["/healthz"])  # type: ignore[method-assign]
    AccessTokenMiddleware(app, server, routes_of=app)
    AccessTokenMiddleware(app.wsgi_app, server, routes_of=None)

    @app.get("/orders/<int:number>")
    @require_auth(scopes=["orders:read"], any_roles=["clerk"])
    def order(number: int) -> dict[str, str]:
        assert_type(access_token.subject, str)
        return {"for": access_token.subject, "number": str(number)}

    @app.get("/greeting")
    @optional_auth
    def greeting() -> str:
        token = current_access_token()
        assert_type(token, AccessToken | None)
        return "hello" if token is None else f"hello {token.subject}"

    @app.get("/terms")
    @public
    async def terms() -> str:
        return "be kind"

    assert_type(order(1), dict[str, str])
    return app
