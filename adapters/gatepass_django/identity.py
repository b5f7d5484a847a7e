"""Who makes a request: an attribute of that request, and nowhere else."""

from __future__ import annotations

from typing import Final, NamedTuple

from django.http import HttpRequest

from gatepass import AccessToken, ResourceServer

__all__ = ["AccessTokenRequest", "Identity", "identify", "identity_of"]

_IDENTITY: Final = "_gatepass_identity"


class AccessTokenRequest(HttpRequest):
    """The type of a request that brought a token: for annotations, `def orders(request: AccessTokenRequest)`."""

    access_token: AccessToken


class Identity(NamedTuple):
    """Who makes the request, if anybody need be known, and the server that judged it."""

    server: ResourceServer
    token: AccessToken | None


def identify(request: HttpRequest, identity: Identity) -> None:
    """Put *identity* on *request*; views read `request.access_token`."""
    setattr(request, _IDENTITY, identity)
    setattr(request, "access_token", identity.token)  # noqa: B010 - HttpRequest declares no such attribute


def identity_of(request: HttpRequest) -> Identity | None:
    """The identity on *request*, or None if nobody has judged it."""
    found: Identity | None = getattr(request, _IDENTITY, None)
    return found
