"""A typed login service in four frameworks. Type checkers read it; it never runs."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, assert_type

import flask
import starlette.responses
from django.http import HttpResponse
from django.urls import URLPattern
from fastapi import APIRouter, FastAPI
from flask import Blueprint, Flask
from starlette.applications import Starlette
from starlette.routing import Route

import gatepass_django
import gatepass_fastapi
import gatepass_flask
import gatepass_starlette
from gatepass import (
    AccessTokenRevocation,
    CookieTransport,
    ResourceServer,
    TokenEndpointError,
    TokenEndpoints,
    TokenIssuer,
    TokenPair,
    TokenService,
    TokenVerifier,
)
from gatepass.adapter import BrowserRequest, Response, TokenRequest
from gatepass.refresh import Family, RefreshStore, Session, SessionPage
from gatepass.refresh.errors import InvalidGrant
from gatepass.stores.memory import MemoryStore


def alarm(family: Family) -> None:
    assert_type(family.subject, str)


def service(issuer: TokenIssuer) -> TokenService:
    store = MemoryStore()
    kept: RefreshStore = store
    return TokenService(
        issuer,
        kept,
        check_subject=lambda subject: subject == "anna",
        refresh_ttl=timedelta(days=7),
        absolute_ttl=timedelta(days=30),
        grace=10,
        claims_for=lambda session: {"roles": [session.subject]},
        scopes_for=lambda session: session.scope,
        revocation=AccessTokenRevocation(store, access_ttl=issuer.access_ttl, fail_open_for=30),
        on_reuse=alarm,
    )


async def claims_for(session: Session) -> dict[str, str]:
    return {"tenant": session.claims["tenant"]}


async def check_subject(subject: str) -> bool:
    return subject == "anna"


async def notify(family: Family) -> None:
    assert_type(family.label, str | None)


async def awaited(issuer: TokenIssuer, store: RefreshStore) -> TokenPair:
    tokens = TokenService(issuer, store, check_subject=check_subject, claims_for=claims_for, on_reuse=notify)
    pair = await tokens.grant_async("anna", scope="orders:read", claims={"tenant": "north"}, refresh_ttl=3_600)
    assert_type(pair, TokenPair)
    return await tokens.refresh_async(pair.refresh_token)


def devices(tokens: TokenService) -> None:
    tokens.grant("anna", claims={"tenant": "north"}, label="phone", refresh_ttl=timedelta(1), absolute_ttl=86_400)
    page = tokens.sessions("anna", limit=20)
    assert_type(page, SessionPage)
    assert_type(page.next, str | None)
    for one in page.sessions:
        assert_type(one.label, str | None)
        assert_type(one.last_used_at, datetime)
        assert_type(tokens.revoke_family(one.family_id, subject="anna"), bool)


def session(tokens: TokenService) -> TokenPair | None:
    first = tokens.grant("anna", scope=["orders:read"], auth_time=datetime.now(UTC), amr=["pwd"])
    try:
        second = tokens.refresh(first.refresh_token, scope="orders:read")
    except InvalidGrant:
        return None
    except TokenEndpointError as error:
        assert_type(error.reason, str)
        raise
    tokens.revoke(second.refresh_token)
    assert_type(tokens.revoke_subject("anna"), int)
    assert_type(second.expires_in, int)
    return second


def authenticate_client(client_id: str, secret: str | None) -> bool:
    return client_id == "shop" and secret is not None


async def authenticate_client_by_query(client_id: str, secret: str | None) -> bool:
    return client_id == "shop" and secret is not None


async def in_this_thread(function: Callable[[], Any]) -> Any:
    return function()


async def on_an_event_loop(tokens: TokenService, request: TokenRequest) -> None:
    endpoints = TokenEndpoints(tokens, authenticate_client=authenticate_client_by_query)
    assert_type(endpoints.needs_event_loop, bool)
    assert_type(await endpoints.token_async(request, run_blocking=in_this_thread), Response)
    assert_type(await endpoints.revoke_async(request, run_blocking=in_this_thread), Response)
    endpoints.require_sync()


def mounted(tokens: TokenService, verifier: TokenVerifier) -> None:
    endpoints = TokenEndpoints(tokens, authenticate_client=authenticate_client, verifier=verifier, realm="shop")
    request = TokenRequest(
        method="POST", content_type="", authorization=(), body=b"", url_scheme="https", peer="::1", forwarded=False
    )
    assert_type(endpoints.token(request), Response)
    blueprint = gatepass_flask.token_endpoints(endpoints, token_path="/oauth/token")
    assert_type(blueprint, Blueprint)
    Flask(__name__).register_blueprint(blueprint)
    routes = gatepass_starlette.token_endpoints(endpoints)
    assert_type(routes, list[Route])
    Starlette(routes=[*routes])
    router = gatepass_fastapi.token_endpoints(endpoints)
    assert_type(router, APIRouter)
    FastAPI().include_router(router)
    assert_type(gatepass_django.token_endpoints(endpoints), list[URLPattern])


def in_cookies(tokens: TokenService, verifier: TokenVerifier) -> None:
    cookies = CookieTransport(origins=["https://app.example"], same_site="lax", access_cookie="__Host-shop")
    endpoints = TokenEndpoints(tokens, cookies=cookies, https="warn")
    server = ResourceServer(verifier, cookies=cookies)
    assert_type(cookies.access_cookie, str | None)
    assert_type(cookies.trusts(None), bool)
    browser = BrowserRequest(method="POST", cookie=("a=b",), origin=("https://app.example",))
    assert_type(server.authenticate([], url_scheme="http", peer="::1", forwarded=False, browser=browser).subject, str)
    pair = tokens.grant("anna")
    assert_type(pair.refresh_expires_in, int)
    assert_type(endpoints.login_response(pair), Response)
    assert_type(endpoints.set_cookies(pair), tuple[tuple[str, str], ...])
    assert_type(endpoints.clear_cookies(), tuple[tuple[str, str], ...])
    assert_type(gatepass_flask.to_response(endpoints.login_response(pair)), flask.Response)
    assert_type(gatepass_starlette.to_response(endpoints.login_response(pair)), starlette.responses.Response)
    assert_type(gatepass_fastapi.to_response(endpoints.login_response(pair)), starlette.responses.Response)
    assert_type(gatepass_django.to_response(endpoints.login_response(pair)), HttpResponse)
