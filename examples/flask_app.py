"""Flask: everything is protected but /healthz, and /orders wants a scope.

export JWT_SECRET_KEY="$(gatepass keygen HS256)"
flask --app examples/flask_app.py run
"""

from flask import Flask

from gatepass import Key, ResourceServer, TokenVerifier
from gatepass_flask import AccessTokenMiddleware, access_token, require_auth

server = ResourceServer(
    TokenVerifier(
        issuer="https://auth.example.com",
        audience="https://api.example.com",
        keys=Key.from_env("JWT_SECRET_KEY"),
    )
)

app = Flask(__name__)
app.wsgi_app = AccessTokenMiddleware(app.wsgi_app, server, public=["/healthz"])


@app.get("/orders")
@require_auth(scopes=["orders:read"])
def orders():
    return {"for": access_token.subject, "orders": ["tea", "biscuits"]}


@app.get("/healthz")
def healthz():
    return {"well": True}
