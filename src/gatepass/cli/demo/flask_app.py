"""The demo's Flask application."""

from flask import Flask, Response, request

from gatepass.cli.demo.resource import Parts, build, log_in
from gatepass_flask import AccessTokenMiddleware, access_token, public, require_auth, to_response, token_endpoints

site: Parts = build()
app: Flask = Flask(__name__)
app.wsgi_app = AccessTokenMiddleware(app.wsgi_app, site.server, public=["/healthz"])  # type: ignore[method-assign]
app.register_blueprint(token_endpoints(site.endpoints))


@app.post("/login")
@public
def login() -> Response:
    return to_response(log_in(site, request.form.get("username", ""), request.form.get("password", "")))


@app.get("/orders")
@require_auth(scopes=["orders:read"])
def orders() -> Response:
    return Response(f"orders of {access_token.subject}", mimetype="text/plain")


@app.get("/healthz")
def healthz() -> Response:
    return Response("well", mimetype="text/plain")
