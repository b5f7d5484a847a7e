"""The demo's Flask application."""

from flask import Flask, Response, request

from gatepass.cli.demo.resource import (
    Parts,
    build,
    end_session,
    list_sessions,
    log_in,
    log_out_everywhere,
    set_role,
)
from gatepass_flask import AccessTokenMiddleware, access_token, public, require_auth, to_response, token_endpoints

site: Parts = build()
app: Flask = Flask(__name__)
app.wsgi_app = AccessTokenMiddleware(app.wsgi_app, site.server, public=["/healthz"])  # type: ignore[method-assign]
app.register_blueprint(token_endpoints(site.endpoints))


@app.post("/login")
@public
def login() -> Response:
    username, password, device = (request.form.get(name, "") for name in ("username", "password", "device"))
    return to_response(log_in(site, username, password, device))


@app.get("/sessions")
def sessions() -> Response:
    return to_response(list_sessions(site, access_token))


@app.delete("/sessions/<family_id>")
def end(family_id: str) -> Response:
    return to_response(end_session(site, access_token, family_id))


@app.post("/logout-everywhere")
def logout_everywhere() -> Response:
    return to_response(log_out_everywhere(site, access_token))


@app.post("/role/<name>")
def role(name: str) -> Response:
    return to_response(set_role(site, access_token, name))


@app.get("/orders")
@require_auth(scopes=["orders:read"])
def orders() -> Response:
    return Response(f"orders of {access_token.subject}", mimetype="text/plain")


@app.get("/healthz")
def healthz() -> Response:
    return Response("well", mimetype="text/plain")
