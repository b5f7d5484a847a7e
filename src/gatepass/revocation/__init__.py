"""Revoked access tokens: the list, the protocol of its store, a cache, and what happens during an outage.

An unreachable store is no permission: it is an error, unless `fail_open_for=` says for how long it is not.
"""

from gatepass.revocation.access_tokens import AccessTokenRevocation
from gatepass.revocation.store import RevocationStore

__all__ = ["AccessTokenRevocation", "RevocationStore"]
