"""A typed program with a key ring and its JWK Set endpoint, checked by mypy --strict. It never runs."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import assert_type

from django.urls import URLPattern
from fastapi import APIRouter
from flask import Blueprint
from starlette.routing import Route

import gatepass_django
import gatepass_fastapi
import gatepass_flask
import gatepass_starlette
from gatepass import Key, KeyRing, KeySet, TokenIssuer, TokenVerifier
from gatepass.adapter import JWKSEndpoint, Response
from gatepass.keyring import EMERGENCY, RingKey
from gatepass.keys.source import KeySource


def ring() -> KeyRing:
    made = KeyRing(
        Path("keys"),
        algorithm="Ed25519",
        access_ttl=timedelta(minutes=5),
        leeway=30,
        cache_ttl=600,
        margin=60,
        rotate_every=None,
        publish_ahead=timedelta(days=1),
        keep_retired=86_400,
        clock=lambda: 0.0,
    )
    assert_type(KeyRing.open("keys"), KeyRing)
    assert_type(KeyRing.mounted("/run/secrets/keyring"), KeyRing)
    assert_type(made.current(), KeySet)
    assert_type(made.to_jwks(), dict[str, list[dict[str, str]]])
    assert_type(made.all_keys(), tuple[RingKey, ...])
    assert_type(made.all_keys()[0].signs_from, datetime | None)
    assert_type(made.cache_ttl, timedelta)
    made.rotate()
    made.rotate_if_due()
    made.remove("kid")
    made.remove("kid", EMERGENCY)
    return made


def use() -> None:
    TokenIssuer(issuer="https://auth.example", audience="https://api.example", keys=ring())
    verifier = TokenVerifier(issuer="https://auth.example", audience="https://api.example", keys=ring())
    assert_type(verifier.keys, KeySet | KeySource)
    assert_type(JWKSEndpoint(ring()).answer("GET", if_none_match=['"tag"']), Response)
    JWKSEndpoint(Key.generate(), cache_ttl=60)


def mount() -> None:
    assert_type(gatepass_flask.jwks_endpoint(ring(), path="/keys", name="keys"), Blueprint)
    assert_type(gatepass_starlette.jwks_endpoint(KeySet([Key.generate()]), cache_ttl=timedelta(hours=1)), list[Route])
    assert_type(gatepass_fastapi.jwks_endpoint([Key.generate()]), APIRouter)
    assert_type(gatepass_django.jwks_endpoint(Key.generate()), list[URLPattern])
