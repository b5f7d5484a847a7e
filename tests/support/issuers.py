"""Keys and tokens of issuers, clients for key servers, a clock that a test sets, and a recorder of events."""

import json
import threading
import time
from typing import Any

from tests.support.key_server import PATIENCE

from gatepass import HTTP_ON_LOOPBACK, JWKSClient, Key, TokenVerifier
from gatepass.jose.compact import encode_base64url
from gatepass.jwks import KeyEvent

ISSUER = "https://auth.example"
AUDIENCE = "https://api.example"
OLD, NEW = (Key.generate("ES256") for _ in range(2))
RSA = Key.generate("RS256")


class Clock:
    """Seconds that pass only when a test sets `now`."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class EventRecorder:
    """Records events from any thread."""

    def __init__(self) -> None:
        self.recorded: list[KeyEvent] = []
        self._more = threading.Condition()

    def __call__(self, event: KeyEvent) -> None:
        with self._more:
            self.recorded.append(event)
            self._more.notify_all()

    def wait_for(self, kind: type, count: int = 1) -> Any:
        """Wait for event number *count* of this *kind*, counted from one, and return it."""
        with self._more:
            assert self._more.wait_for(lambda: len(self.of(kind)) >= count, timeout=PATIENCE), self.recorded
            return self.of(kind)[count - 1]

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.recorded if isinstance(event, kind)]


def jwks(*keys: Key) -> dict[str, Any]:
    return {"keys": [key.public().to_jwk() for key in keys]}


GOOD = jwks(OLD)


def client(url: Any, **settings: Any) -> JWKSClient:
    """Return a client whose fetches do not time out, unless *settings* say so."""
    accept = {"allow": HTTP_ON_LOOPBACK} if str(url).startswith("http://") else {}
    return JWKSClient(url, **{"timeout": PATIENCE, **accept, **settings})


def waiters(keys: JWKSClient) -> int:
    """Return how many threads and tasks wait for the fetch under way."""
    fetch = keys._flight.under_way
    return 0 if fetch is None else len(fetch._ended._condition._waiters) + len(fetch._ended._done_callbacks)


def verifier(keys: Any, **settings: Any) -> TokenVerifier:
    return TokenVerifier(**{"issuer": ISSUER, "audience": AUDIENCE, "keys": keys, **settings})


def token(key: Key = OLD, *, header: dict[str, Any] | None = None, **claims: Any) -> str:
    """Return a good token of *key*, changed by the members of *header* and the *claims*; None removes one."""
    signing_input = _signing_input(key.algorithm, key.kid, header, claims)
    return f"{signing_input}.{encode_base64url(key.sign(signing_input.encode())).decode()}"


def forged(kid: str) -> str:
    """Return a token that is good except for its signature."""
    return f"{_signing_input('ES256', kid, None, {})}.{encode_base64url(bytes(64)).decode()}"


def _signing_input(algorithm: str, kid: str | None, header: dict[str, Any] | None, claims: dict[str, Any]) -> str:
    now = int(time.time())
    members = {"alg": algorithm, "typ": "at+jwt", "kid": kid, **(header or {})}
    payload = {
        "iss": ISSUER, "aud": AUDIENCE, "sub": "anna", "client_id": "web", "iat": now, "exp": now + 86_400, "jti": "a1",
        **claims,
    }  # fmt: skip
    return ".".join(
        _segment({name: value for name, value in part.items() if value is not None}) for part in (members, payload)
    )


def _segment(members: dict[str, Any]) -> str:
    return encode_base64url(json.dumps(members).encode()).decode()
