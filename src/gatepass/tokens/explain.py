"""All checks that a token passes or fails, not only the first failure: for operators, never for an HTTP response.

It calls the verifier's own functions, so that the results agree: it reports a failure exactly when
`TokenVerifier.verify` raises an `AuthError`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from gatepass.errors import (
    AuthError,
    DisallowedAlgorithm,
    InvalidSignature,
    UnknownKey,
    UnsupportedToken,
    WrongTokenType,
)
from gatepass.jose.compact import UnverifiedToken, parse_compact
from gatepass.keys import Key
from gatepass.tokens.access_token import from_verified_claims
from gatepass.tokens.verifier import TokenVerifier

__all__ = ["Finding", "Outcome", "explain"]

Outcome = Literal["passed", "failed", "not reached"]

_STRUCTURE = "structure"
_SIGNATURE = "signature"
_HEADER_CHECKS = ("extensions", "type", "algorithm", "key")


@dataclass(frozen=True, slots=True)
class Finding:
    """One check and its outcome.

    The texts are those of the error, and empty unless the check failed; *detail* may also say why a check was not
    reached. No text comes from the token.
    """

    name: str
    outcome: Outcome
    reason: str = ""
    description: str = ""
    detail: str = ""


def explain(token: str, verifier: TokenVerifier) -> tuple[Finding, ...]:
    """Return the outcome of each check of *verifier* for *token*.

    Claims are checked even if the signature is invalid: an attacker may have written the claims in such findings.
    Keys are fetched when `verify` would fetch them, and the call waits for them: under an event loop call it in a
    thread. The application's hooks are called only for a token that passed all other checks; coroutine functions are
    never called.
    """
    checks = [named.name for named in verifier.named_checks]
    hooks = [hook.name for hook in verifier.hooks]
    try:
        unverified = parse_compact(token)
    except AuthError as error:
        return (_failed(_STRUCTURE, error), *_not_reached([*_HEADER_CHECKS, _SIGNATURE, *checks, *hooks]))
    of_claims = _claim_findings(unverified.claims, verifier)
    fetches = all(finding.outcome == "passed" for finding in of_claims)  # else `verify` fetches nothing
    findings = [*_header_findings(unverified, verifier, fetches=fetches), *of_claims]
    if any(finding.outcome == "failed" for finding in findings):
        return (*findings, *_not_reached(hooks))
    return (*findings, *_hook_findings(unverified.claims, verifier))


def _header_findings(unverified: UnverifiedToken, verifier: TokenVerifier, *, fetches: bool) -> list[Finding]:
    try:
        header = unverified.header()
    except AuthError as error:
        return [_failed(_STRUCTURE, error), *_not_reached([*_HEADER_CHECKS, _SIGNATURE])]
    refusals: dict[str, AuthError] = {}
    keys = _candidates(header, verifier, refusals, fetches=fetches)
    findings = [Finding(_STRUCTURE, "passed")]
    for name in _HEADER_CHECKS:
        if name in refusals:
            findings.append(_failed(name, refusals[name]))
        else:
            findings.append(Finding(name, "not reached" if name == "key" and not keys else "passed"))
    if not keys:
        return [*findings, Finding(_SIGNATURE, "not reached")]
    if any(key.verifies(unverified.signing_input, unverified.signature) for key in keys):
        return [*findings, Finding(_SIGNATURE, "passed")]
    return [*findings, _failed(_SIGNATURE, InvalidSignature())]


def _candidates(
    header: Mapping[str, Any], verifier: TokenVerifier, refusals: dict[str, AuthError], *, fetches: bool
) -> tuple[Key, ...]:
    """Return the keys for *header*. After an error, retry without the refused part, to find the next error."""
    try:
        return verifier.candidates_after_fetch(header) if fetches else verifier.candidates(header)
    except UnsupportedToken as error:
        refusals["extensions"] = error
        plain = {name: value for name, value in header.items() if name not in ("crit", "b64", "cty")}
        return _candidates(plain, verifier, refusals, fetches=False)
    except WrongTokenType as error:
        refusals["type"] = error
        return _candidates(_retyped(header, verifier), verifier, refusals, fetches=False)
    except DisallowedAlgorithm as error:
        refusals["algorithm"] = error
    except UnknownKey as error:
        if fetches or not verifier.may_wait:  # unknown only if it was looked for
            refusals["key"] = error
    except AuthError as error:
        refusals["key"] = error
    return ()


def _retyped(header: Mapping[str, Any], verifier: TokenVerifier) -> dict[str, Any]:
    untyped = {name: value for name, value in header.items() if name != "typ"}
    accepted = next(iter(verifier.profile.types))
    return untyped if accepted is None else {**untyped, "typ": accepted}


def _claim_findings(claims: Mapping[str, Any], verifier: TokenVerifier) -> list[Finding]:
    now = verifier._clock()  # noqa: SLF001 - the same clock as `verify`  # pyright: ignore[reportPrivateUsage]
    findings: list[Finding] = []
    for name, check in verifier.named_checks:
        try:
            check(claims, now)
        except AuthError as error:
            findings.append(_failed(name, error))
        except (LookupError, TypeError, OverflowError):
            if not any(finding.outcome == "failed" for finding in findings):
                raise
            findings.append(Finding(name, "not reached"))  # it depends on an earlier check, which failed
        else:
            findings.append(Finding(name, "passed"))
    return findings


def _hook_findings(claims: dict[str, Any], verifier: TokenVerifier) -> list[Finding]:
    token = from_verified_claims(claims, verifier.profile.names)
    findings: list[Finding] = []
    for hook in verifier.hooks:
        if hook.is_async:
            findings.append(Finding(hook.name, "not reached", detail="a coroutine function, which is not awaited here"))
            continue
        try:
            hook.check(token)
        except AuthError as error:
            findings.append(_failed(hook.name, error))
        else:
            findings.append(Finding(hook.name, "passed"))
    return findings


def _failed(name: str, error: AuthError) -> Finding:
    return Finding(name, "failed", error.reason, error.description or "", error.log_detail)


def _not_reached(names: Iterable[str]) -> list[Finding]:
    return [Finding(name, "not reached") for name in names]
