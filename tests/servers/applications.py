"""The applications on the servers: the routes of the adapters' contract, the two endpoints, and a route that returns
the process id. Environment variables name the store and, if there is one, the key ring.
"""

import os
from datetime import timedelta

from tests.support.adapter_tokens import AUDIENCE, ISSUER, KEY
from tests.support.databases.serving_process import open_store

from gatepass import KeyRing, ResourceServer, TokenEndpoints, TokenIssuer, TokenService, TokenVerifier
from gatepass.stores.memory import MemoryStore

PLACE, RING, BUSY = "GATEPASS_SERVED_STORE", "GATEPASS_SERVED_RING", "GATEPASS_SERVED_BUSY"


def parts():
    """Return the resource server, the endpoints and the service, as a module of a project creates them."""
    keys = KeyRing(os.environ[RING], rotate_every=None) if RING in os.environ else KEY
    kind, _, place = os.environ.get(PLACE, "memory").partition(" ")
    store = MemoryStore() if kind == "memory" else open_store(kind, place)
    if BUSY in os.environ:  # use the store in the process that loads the application, before it forks
        store.get("nothing")
    issuer = TokenIssuer(issuer=ISSUER, audience=AUDIENCE, keys=keys, client_id="web", access_ttl=timedelta(minutes=15))
    service = TokenService(issuer, store, check_subject=lambda subject: True, grace=60)
    server = ResourceServer(TokenVerifier(issuer=ISSUER, audience=AUDIENCE, keys=keys), https="off")
    return server, TokenEndpoints(service), service


def flask_app():
    from flask import Flask

    from gatepass_flask import AccessTokenMiddleware, access_token, public, to_response, token_endpoints

    server, endpoints, service = parts()
    app = Flask(__name__)
    app.wsgi_app = AccessTokenMiddleware(app.wsgi_app, server)
    app.register_blueprint(token_endpoints(endpoints))

    @app.get("/protected")
    def protected():
        return {"for": access_token.subject}

    @app.get("/process")
    @public
    def process():
        return {"process": os.getpid()}

    @app.post("/login")
    @public
    def login():
        return to_response(endpoints.login_response(service.grant("anna")))

    return app


def starlette_app():
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    from gatepass_starlette import AccessTokenMiddleware, public, to_response, token_endpoints

    server, endpoints, service = parts()

    def protected(request):
        return JSONResponse({"for": request.state.access_token.subject})

    @public
    def process(request):
        return JSONResponse({"process": os.getpid()})

    @public
    async def login(request):
        return to_response(endpoints.login_response(await run_in_threadpool(service.grant, "anna")))

    routes = [
        Route("/protected", protected),
        Route("/process", process),
        Route("/login", login, methods=["POST"]),
        *token_endpoints(endpoints),
    ]
    app = Starlette(routes=routes)
    app.add_middleware(AccessTokenMiddleware, server=server)
    return app
