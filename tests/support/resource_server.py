"""Authenticate at a resource server, both on an event loop and without one."""

import asyncio

import pytest

from gatepass import AuthError


async def inline(function):
    return function()


def bearer(token):
    return [f"Bearer {token}"]


def refusal(server, authorization, **known):
    with pytest.raises(AuthError) as refused:
        server.authenticate(authorization, **known)
    with pytest.raises(AuthError) as refused_async:
        asyncio.run(server.authenticate_async(authorization, run_blocking=inline, **known))
    assert type(refused.value) is type(refused_async.value)
    return type(refused.value)
