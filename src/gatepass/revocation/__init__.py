"""Revoked access tokens: the list, the protocol of its store, a cache, and the behaviour during an outage.

An unreachable store is an error (503), unless `fail_open_for=` limits how long tokens are accepted without the check.
"""

from gatepass.revocation.access_tokens import AccessTokenRevocation
from gatepass.revocation.store import RevocationStore

__all__ = ["AccessTokenRevocation", "RevocationStore"]
