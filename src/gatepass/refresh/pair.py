"""Token pairs: an access token that never outlives its family, and the refresh token for the next pair."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, final

from gatepass.common.scope import split_scope
from gatepass.errors import traced
from gatepass.refresh.errors import ServiceUnavailable
from gatepass.refresh.family import Family, RefreshToken
from gatepass.refresh.hooks import Decision
from gatepass.refresh.login import check_claim_names, claims_of
from gatepass.tokens.issuer import TokenIssuer

__all__ = ["TokenPair", "TokenPairIssuer", "no_access_token"]

_logger = logging.getLogger("gatepass.refresh")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPair:
    """The result of a grant or a refresh: a short-lived access token and a refresh token. Neither shows in the repr.

    *expires_in* is the lifetime of the access token in seconds, *refresh_expires_in* that of the refresh token if it is
    not used; *scope* is the scope of the access token, separated by spaces; *narrowed* is whether `scopes_for` left out
    some of the scopes that were requested.
    """

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in: int
    refresh_expires_in: int
    scope: str
    narrowed: bool = False
    token_type: str = "Bearer"  # noqa: S105 - a type, not a secret


@final
class TokenPairIssuer:
    """Issues the pairs of a family, with what its login fixed and what the application's functions return now."""

    __slots__ = ("_issuer",)

    def __init__(self, issuer: TokenIssuer) -> None:
        self._issuer = issuer

    def serves(self, audience: str) -> bool:
        """Return whether tokens for *audience* are still issued: settings may change while a family lives."""
        return audience in self._issuer.audience

    def issue(
        self, family: Family, refresh_token: RefreshToken, decision: Decision, *, scope: str, now: int
    ) -> TokenPair:
        """Return the pair of *refresh_token* and a new access token with what *decision* leaves of *scope*.

        Its claims win over those of the login, name by name. Raises `ValueError` for claims that cannot go into a
        token, and `ServiceUnavailable` if the issuer has no keys now.
        """
        if decision.claims:
            check_claim_names(decision.claims, "claims_for=")
        narrowed = decision.narrow(scope)
        try:
            access_token = self._issuer.issue(
                family.subject,
                scope=split_scope(narrowed),
                client_id=family.client_id,
                audience=family.audience,
                not_after=datetime.fromtimestamp(family.expires_at, UTC),
                family_id=family.family_id,
                **_authentication_facts(family),
                **{**claims_of(family), **decision.claims},
            )
        except ValueError:
            raise
        except Exception as error:
            raise no_access_token(error) from error
        return TokenPair(
            access_token=access_token,
            refresh_token=refresh_token.text(),
            expires_in=min(int(self._issuer.access_ttl.total_seconds()), family.expires_at - now),
            refresh_expires_in=min(family.idle_expires_at, family.expires_at) - now,
            scope=narrowed,
            narrowed=narrowed != scope,
        )


def no_access_token(error: Exception) -> ServiceUnavailable:
    """Log *error* without its text, and return the refusal."""
    _logger.error("no access token: %s", traced(error))
    return ServiceUnavailable("access_token_unavailable")


def _authentication_facts(family: Family) -> dict[str, Any]:
    facts = {"auth_time": family.auth_time, "acr": family.acr, "amr": list(family.amr) or None}
    return {name: value for name, value in facts.items() if value is not None}
