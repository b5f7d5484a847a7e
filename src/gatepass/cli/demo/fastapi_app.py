"""The demo's FastAPI application."""

from typing import Annotated

from fastapi import FastAPI, Security
from fastapi.responses import PlainTextResponse

from gatepass import AccessToken
from gatepass.cli.demo.resource import resource_server
from gatepass_fastapi import AccessTokenBearer

app: FastAPI = FastAPI(default_response_class=PlainTextResponse)
bearer: AccessTokenBearer = AccessTokenBearer(resource_server())


@app.get("/orders")
async def orders(token: Annotated[AccessToken, Security(bearer, scopes=["orders:read"])]) -> str:
    return f"orders of {token.subject}"


@app.get("/healthz")
async def healthz() -> str:
    return "well"
