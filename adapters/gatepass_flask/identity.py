"""Who makes a request: an entry of the WSGI environ, where no request can put anything, and nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gatepass import AccessToken, ResourceServer

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

__all__ = ["IDENTITY", "Identity", "identity_of"]

IDENTITY = "gatepass.identity"
"""The key of the environ under which the request's `Identity` stands."""


class Identity(NamedTuple):
    """The token, if the request has one, and the server that judged the request."""

    server: ResourceServer
    token: AccessToken | None


def identity_of(environ: WSGIEnvironment) -> Identity | None:
    """The identity in *environ*, or None if no middleware has judged the request."""
    found: Identity | None = environ.get(IDENTITY)
    return found
