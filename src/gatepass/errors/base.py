"""The two families of error: theirs, with an HTTP answer, and ours, at start-up."""

from __future__ import annotations

from typing import ClassVar

__all__ = ["AuthError", "ConfigurationError"]


class ConfigurationError(ValueError):
    """A setting is missing, weak or contradictory. The text says what to change."""


class AuthError(Exception):
    """A request is refused. Safe to show: `str(error)` is constant for each class.

    `status` is the HTTP status, `error` the code of RFC 6750 section 3.1 (or None where the RFC wants
    none), `description` its text, `reason` a stable slug for logs and metrics.
    `log_detail` may name the check or the claim, in our own words, for the log alone.
    """

    status: ClassVar[int] = 401
    error: ClassVar[str | None] = None
    description: ClassVar[str | None] = None
    reason: ClassVar[str] = "refused"
    challenged: ClassVar[bool] = True
    """Whether the answer carries `WWW-Authenticate` (RFC 6750 section 3)."""

    def __init__(self, log_detail: str = "") -> None:
        super().__init__(self.description or self.reason)
        self.log_detail: str = log_detail

    @property
    def needed_scopes(self) -> tuple[str, ...]:
        """The scopes that the challenge names so that the client can ask for them."""
        return ()
