"""We cannot tell: nothing is known against the token, so it is 503, never 401 and never anonymous."""

from __future__ import annotations

from typing import ClassVar

from gatepass.errors.base import AuthError

__all__ = ["AuthUnavailable", "KeysUnavailable", "RevocationUnavailable", "SubjectUnavailable"]


class AuthUnavailable(AuthError):
    """Nothing is known against the token, but it cannot be judged now. Ask again later."""

    status = 503
    error: ClassVar[str | None] = "temporarily_unavailable"
    description: ClassVar[str | None] = "The authorization service is temporarily unavailable"
    reason = "unavailable"
    challenged = False

    def __init__(self, log_detail: str = "", *, retry_after: int = 5) -> None:
        super().__init__(log_detail)
        self.retry_after: int = retry_after
        """Seconds, sent as `Retry-After`."""


class KeysUnavailable(AuthUnavailable):
    """The issuer's keys cannot be had."""

    reason = "keys_unavailable"


class RevocationUnavailable(AuthUnavailable):
    """`is_revoked` raised, or answered neither True nor False."""

    reason = "revocation_unavailable"


class SubjectUnavailable(AuthUnavailable):
    """`check_subject` raised, or answered neither True nor False."""

    reason = "subject_unavailable"
