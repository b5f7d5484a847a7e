"""A session: what an application sees of a login that lives, without its hashes, and the pages of a list of them.

A family is the store's record of a login; a session is the public view of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, final

from gatepass.common.limits import moment_of
from gatepass.common.texts import plain
from gatepass.refresh.family import FAMILY_ID, Family
from gatepass.refresh.login import claims_of
from gatepass.tokens.access_token import freeze

__all__ = ["Session", "SessionPage", "page_limit", "position_of"]

_MAX_LIMIT: Final = 200
_CURSOR: Final = re.compile(rf"([0-9]{{1,12}})\.({FAMILY_ID.pattern})")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A login of *subject* through *client_id*, which `TokenService.sessions` lists and the service's hooks are given.

    *family_id* names it, for `TokenService.revoke_family`; access tokens have it too. *scope* is that of the whole
    grant, separated by spaces, also while `scopes_for` narrows it. *claims* are those of `grant(claims=)`, read-only,
    and do not show in the repr; *label* is that of `grant(label=)`, or None. *created_at* is the time of the login,
    *last_used_at* that of the last rotation, or of the login before the first: both are aware datetimes in UTC. A
    refresh that is repeated within the grace window is not a use.
    """

    family_id: str
    subject: str
    client_id: str
    scope: str
    claims: Mapping[str, Any] = field(repr=False, hash=False)
    label: str | None
    created_at: datetime
    last_used_at: datetime

    @classmethod
    def from_family(cls, family: Family) -> Session:
        """Return the session of *family*. Raises `MalformedToken` if its claims are not those that were stored."""
        return cls(
            family_id=family.family_id,
            subject=family.subject,
            client_id=family.client_id,
            scope=family.scope,
            claims=freeze(claims_of(family)),
            label=family.label or None,
            created_at=moment_of(family.created_at),
            last_used_at=moment_of(max(family.created_at, family.rotated_at)),
        )


@final
@dataclass(frozen=True, slots=True)
class SessionPage:
    """A page of a subject's sessions, the newest login first.

    *next* is the cursor for `sessions(after=)`, or None on the last page. It stays valid when the session that it
    points to ends, and a login meanwhile does not shift the next page. It contains the time and id of a login.
    """

    sessions: tuple[Session, ...]
    next: str | None

    @classmethod
    def from_families(cls, families: Sequence[Family], limit: int) -> SessionPage:
        """Return the page of the first *limit* of *families*; one more shows that there is another page."""
        shown = tuple(map(Session.from_family, families[:limit]))
        return cls(shown, "{}.{}".format(*families[limit - 1].position) if len(families) > limit else None)


def position_of(cursor: str) -> tuple[int, str]:
    """Return the `Family.position` that *cursor*, a `SessionPage.next`, stands for. Raises `ValueError`."""
    text = plain(cursor)
    found = _CURSOR.fullmatch(text) if type(text) is str else None
    if found is None:
        raise ValueError("after= takes the `next` of a page of sessions")
    return int(found[1]), found[2]


def page_limit(limit: int) -> int:
    """Return *limit* if it is a number from 1 to 200. Raises `ValueError`."""
    if type(limit) is not int or not 1 <= limit <= _MAX_LIMIT:
        raise ValueError(f"limit= takes a whole number from 1 to {_MAX_LIMIT}")
    return limit
