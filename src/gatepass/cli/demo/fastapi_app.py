"""The demo's FastAPI application."""

from typing import Annotated

from fastapi import Depends, FastAPI, Form, Response, Security
from fastapi.responses import PlainTextResponse
from fastapi.security import OAuth2PasswordBearer, OAuth2PasswordRequestForm

from gatepass import AccessToken
from gatepass.cli.demo.resource import (
    Parts,
    build,
    end_session,
    list_sessions,
    log_in,
    log_out_everywhere,
    set_role,
)
from gatepass_fastapi import AccessTokenBearer, to_response, token_endpoints

site: Parts = build()
app: FastAPI = FastAPI(default_response_class=PlainTextResponse)
app.include_router(token_endpoints(site.endpoints))
bearer: AccessTokenBearer = AccessTokenBearer(site.server, openapi=OAuth2PasswordBearer(tokenUrl="login"))


@app.post("/login")
def login(form: Annotated[OAuth2PasswordRequestForm, Depends()], device: Annotated[str, Form()] = "") -> Response:
    return to_response(log_in(site, form.username, form.password, device))


@app.get("/sessions")
def sessions(token: Annotated[AccessToken, Security(bearer)]) -> Response:
    return to_response(list_sessions(site, token))


@app.delete("/sessions/{family_id}")
def end(family_id: str, token: Annotated[AccessToken, Security(bearer)]) -> Response:
    return to_response(end_session(site, token, family_id))


@app.post("/logout-everywhere")
def logout_everywhere(token: Annotated[AccessToken, Security(bearer)]) -> Response:
    return to_response(log_out_everywhere(site, token))


@app.post("/role/{name}")
def role(name: str, token: Annotated[AccessToken, Security(bearer)]) -> Response:
    return to_response(set_role(site, token, name))


@app.get("/orders")
async def orders(token: Annotated[AccessToken, Security(bearer, scopes=["orders:read"])]) -> str:
    return f"orders of {token.subject}"


@app.get("/healthz")
async def healthz() -> str:
    return "well"
