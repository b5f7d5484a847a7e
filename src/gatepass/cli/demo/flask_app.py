"""The demo's Flask application."""

from flask import Flask, Response

from gatepass.cli.demo.resource import resource_server
from gatepass_flask import AccessTokenMiddleware, access_token, require_auth

app: Flask = Flask(__name__)
app.wsgi_app = AccessTokenMiddleware(app.wsgi_app, resource_server(), public=["/healthz"])  # type: ignore[method-assign]


@app.get("/orders")
@require_auth(scopes=["orders:read"])
def orders() -> Response:
    return Response(f"orders of {access_token.subject}", mimetype="text/plain")


@app.get("/healthz")
def healthz() -> Response:
    return Response("well", mimetype="text/plain")
