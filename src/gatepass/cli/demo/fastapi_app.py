"""The demo's FastAPI application."""

from typing import Annotated

from fastapi import Depends, FastAPI, Response, Security
from fastapi.responses import PlainTextResponse
from fastapi.security import OAuth2PasswordBearer, OAuth2PasswordRequestForm

from gatepass import AccessToken
from gatepass.cli.demo.resource import Parts, build, log_in
from gatepass_fastapi import AccessTokenBearer, to_response, token_endpoints

site: Parts = build()
app: FastAPI = FastAPI(default_response_class=PlainTextResponse)
app.include_router(token_endpoints(site.endpoints))
bearer: AccessTokenBearer = AccessTokenBearer(site.server, openapi=OAuth2PasswordBearer(tokenUrl="login"))


@app.post("/login")
def login(form: Annotated[OAuth2PasswordRequestForm, Depends()]) -> Response:
    return to_response(log_in(site, form.username, form.password))


@app.get("/orders")
async def orders(token: Annotated[AccessToken, Security(bearer, scopes=["orders:read"])]) -> str:
    return f"orders of {token.subject}"


@app.get("/healthz")
async def healthz() -> str:
    return "well"
