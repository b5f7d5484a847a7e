"""Profiles: which JWTs count as access tokens, and which of their claims name the client, scopes, roles and groups.

Each kind of JWT that an issuer makes needs its own rules, or one kind is accepted for another (RFC 8725 section 3.12).
A profile gives the accepted `typ`, the claims that must be present and those that must not. Providers differ in both,
and in `ClaimNames`. `ANY_ISSUER` and `ANY_AUDIENCE` are the named opt-outs. `expected_issuer` checks an `issuer=`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final, TypeGuard, final

from gatepass.common.allow import Allowed
from gatepass.common.settings import issuer_name, non_url_issuer
from gatepass.common.texts import plain
from gatepass.errors import ConfigurationError

__all__ = [
    "ANY_AUDIENCE",
    "ANY_ISSUER",
    "PROVIDERS",
    "RFC9068_NAMES",
    "AnyAudience",
    "AnyIssuer",
    "ClaimNames",
    "Profile",
    "expected_issuer",
]


@final
class AnyIssuer:
    """The type of `ANY_ISSUER`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "ANY_ISSUER"


@final
class AnyAudience:
    """The type of `ANY_AUDIENCE`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "ANY_AUDIENCE"


ANY_ISSUER: Final = AnyIssuer()
"""Named opt-out: any `iss` is accepted. The holder of a trusted key can then issue tokens for any issuer."""

ANY_AUDIENCE: Final = AnyAudience()
"""Named opt-out: any `aud` is accepted, or none. A token for another service is then accepted here too."""


ClaimPath = tuple[str, ...]
"""The path to a claim inside objects: `("realm_access", "roles")`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimNames:
    """The claims that a profile reads.

    `audience`: the first claim that is present contains the audience. `client`: the claims that name the client; those
    that are present must be equal. `scope`: a string, and with `scope_list` also a list. `roles` and `groups`: the
    values at all their paths together, lists, and with `single_role` also a string, which is one name and never split.
    A client acts for itself, not for a user, if `client_only_claim` contains the client's name followed by
    `client_only_suffix`, or if it equals the claim `client_only_equals`.
    """

    audience: tuple[str, ...] = ("aud",)
    client: tuple[str, ...] = ("client_id",)
    scope: str = "scope"
    scope_list: bool = True
    roles: tuple[ClaimPath, ...] = (("roles",),)
    groups: tuple[ClaimPath, ...] = (("groups",),)
    single_role: bool = True
    client_only_claim: str = "sub"
    client_only_suffix: str = ""
    client_only_equals: str | None = None

    def audience_in(self, claims: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the audiences of the token."""
        for name in self.audience:
            if name in claims:
                found: str | list[str] = claims[name]
                return (found,) if isinstance(found, str) else tuple(found)
        return ()

    def client_in(self, claims: Mapping[str, Any]) -> str | None:
        """Return the client that requested the token."""
        for name in self.client:
            if name in claims:
                client: str = claims[name]
                return client
        return None

    def is_client_only(self, claims: Mapping[str, Any]) -> bool:
        """Return whether a client acts for itself."""
        other = self.client_in(claims) if self.client_only_equals is None else claims.get(self.client_only_equals)
        return isinstance(other, str) and claims.get(self.client_only_claim) == other + self.client_only_suffix

    def scopes_in(self, claims: Mapping[str, Any]) -> frozenset[str]:
        """Return the scope tokens."""
        scope: str | list[str] | None = claims.get(self.scope)
        if not scope:
            return frozenset()
        return frozenset(scope.split(" ") if isinstance(scope, str) else scope)

    def strings_at(self, paths: Iterable[ClaimPath], claims: Mapping[str, Any]) -> frozenset[str]:
        """Return the roles or groups at all *paths*."""
        return frozenset[str]().union(*(self.strings_in(found_at(path, claims)) for path in paths))

    def is_role(self, value: Any) -> bool:
        """Return whether *value* has the form of roles or groups."""
        return is_strings(value) or (self.single_role and isinstance(value, str))

    def strings_in(self, value: Any) -> frozenset[str]:
        """Return the strings in *value*; none if it does not have the form of roles."""
        if isinstance(value, str):
            return frozenset((value,)) if self.single_role and value else frozenset()
        return frozenset(value) if is_strings(value) else frozenset()


RFC9068_NAMES: Final = ClaimNames(scope_list=False, single_role=False)
"""The claims of RFC 9068, in the forms that it defines."""


_NEVER_OPTIONAL = frozenset(("iss", "aud", "exp"))


@dataclass(frozen=True, slots=True)
class Profile:
    """Rules for one kind of access token.

    `types` are the accepted `typ` values, in lower case and without `application/` (RFC 7515 section 4.1.9);
    None stands for an absent `typ`. `required` claims must be present. `prohibited` claims mark another kind of
    token. So does a value of `rejected_uses` in one of `use_claims`, the claims in which providers state a token's use.

    A provider's profile has more rules. Of each set in `any_of` at least one claim must be present. `token_use` is a
    claim and the values that it has in an access token. `shared_audiences` are in the tokens of every client, so
    `audience=` must not contain them. `names` are the claims for client, scopes, roles and groups.
    """

    name: str
    types: frozenset[str | None]
    required: frozenset[str]
    prohibited: frozenset[str] = frozenset()
    use_claims: frozenset[str] = frozenset()
    rejected_uses: frozenset[str] = frozenset()
    any_of: tuple[frozenset[str], ...] = ()
    token_use: tuple[str, frozenset[str]] | None = None
    shared_audiences: frozenset[str] = frozenset()
    names: ClaimNames = RFC9068_NAMES

    RFC9068: ClassVar[Profile]
    """`typ` at+jwt and the seven claims of RFC 9068 section 2.2. The default."""

    GENERIC: ClassVar[Profile]
    """For providers that send `typ` JWT or none. Requires `iss`, `aud` and `exp`, and refuses the marks of an ID token,
    a refresh token, a logout token or a proof. `scope` may be a list, and a single role or group a string."""

    KEYCLOAK: ClassVar[Profile]
    """Keycloak: the payload's `typ` is Bearer, the client is in `azp`, roles are the realm's."""

    AUTH0: ClassVar[Profile]
    """Auth0, with either of its access token profiles: the client is in `azp` or `client_id`."""

    ENTRA_ID: ClassVar[Profile]
    """Microsoft Entra ID, tokens of v1.0 and v2.0: scopes in `scp`, the client in `appid` or `azp`."""

    COGNITO: ClassVar[Profile]
    """Amazon Cognito user pools: `token_use` is access, and `client_id` is the audience where there is no `aud`."""

    OKTA: ClassVar[Profile]
    """Okta's custom authorization servers: scopes in `scp`, a list; the client in `cid`."""

    GOOGLE: ClassVar[Profile]
    """Google's identity tokens, as service accounts and Pub/Sub send them: it has no JWT access tokens."""

    @staticmethod
    def named(name: str) -> Profile:
        """Return the profile with this *name*, for settings that are text. Case is ignored, and `_` equals `-`.

        >>> Profile.named("ENTRA_ID")
        <Profile entra-id>
        """
        known = (Profile.RFC9068, Profile.GENERIC, *PROVIDERS)
        for profile in known:
            if isinstance(name, str) and profile.name == name.lower().replace("_", "-"):
                return profile
        raise ConfigurationError(f"a profile is one of {', '.join(repr(profile.name) for profile in known)}")

    @staticmethod
    def suggestion(name: object) -> str:
        """Return the constant to write instead of *name*: that of the provider, or the two general ones."""
        text = plain(name).lower().replace("_", "-") if isinstance(name, str) else ""
        is_provider = any(text == profile.name for profile in PROVIDERS)
        return f"Profile.{text.upper().replace('-', '_')}" if is_provider else "Profile.RFC9068 or Profile.GENERIC"

    def allow_missing(self, *claims: str) -> Profile:
        """Return this profile with *claims* optional. Their types are checked if they are present.

        >>> Profile.RFC9068.allow_missing("jti", "client_id").name
        'rfc9068 without client_id, jti'
        """
        claims = tuple(map(plain, claims))
        unknown = set(claims) - self.required
        if unknown or _NEVER_OPTIONAL.intersection(claims):
            raise ConfigurationError(
                "allow_missing takes claims that the profile requires, other than iss, aud and exp; "
                "for these use ANY_ISSUER or ANY_AUDIENCE; exp is always required"
            )
        name = f"{self.name} without {', '.join(sorted(claims))}" if claims else self.name
        return replace(self, name=name, required=self.required.difference(claims))

    def roles_at(self, *paths: ClaimPath) -> Profile:
        """Return this profile with the roles at *paths* only: a list of strings, or one string.

        >>> Profile.KEYCLOAK.roles_at(("resource_access", "orders-api", "roles")).names.roles
        (('resource_access', 'orders-api', 'roles'),)
        """
        plain_paths = tuple(tuple(map(plain, path)) for path in paths if _is_path(path))
        if not paths or len(plain_paths) != len(paths):
            raise ConfigurationError('roles_at takes paths, tuples of claim names such as ("realm_access", "roles")')
        return replace(self, names=replace(self.names, roles=plain_paths, single_role=True))

    def scopes_in(self, claim: str) -> Profile:
        """Return this profile with the scopes in *claim* only: a string or a list.

        >>> Profile.AUTH0.scopes_in("permissions").names.scope
        'permissions'
        """
        if not _is_path((claim,)):
            raise ConfigurationError('scopes_in takes the name of a claim, such as "permissions"')
        return replace(self, names=replace(self.names, scope=plain(claim), scope_list=True))

    def __repr__(self) -> str:
        return f"<Profile {self.name}>"


Profile.RFC9068 = Profile(
    name="rfc9068",
    types=frozenset(("at+jwt",)),
    required=frozenset(("iss", "exp", "aud", "sub", "client_id", "iat", "jti")),
)

Profile.GENERIC = Profile(
    name="generic",
    types=frozenset((None, "jwt")),
    required=frozenset(("iss", "aud", "exp")),
    # ID tokens (OpenID Connect Core), logout and event tokens (RFC 8417), DPoP proofs (RFC 9449).
    prohibited=frozenset(("nonce", "at_hash", "c_hash", "s_hash", "events", "htm", "htu", "ath")),
    # Where Keycloak, Cognito, simplejwt and Flask-JWT-Extended state in the payload what a token is for.
    use_claims=frozenset(("typ", "token_use", "token_type", "type")),
    # A token that states that it is bound to a proof (DPoP, "pop") is no bearer token, even without cnf.
    rejected_uses=frozenset(
        ("id", "id_token", "refresh", "refresh_token", "offline", "logout", "sliding", "dpop", "pop")
    ),
    names=ClaimNames(),
)

_BASICS = frozenset(("iss", "exp", "iat", "sub"))

Profile.KEYCLOAK = replace(
    Profile.GENERIC,
    name="keycloak",
    types=frozenset(("jwt", "at+jwt")),  # at+jwt is an option of the client
    required=_BASICS | {"aud", "azp", "jti", "typ"},
    # Versions before 24 put the login's nonce into access tokens too; token_use distinguishes them.
    prohibited=Profile.GENERIC.prohibited - {"nonce"},
    token_use=("typ", frozenset(("Bearer",))),
    shared_audiences=frozenset(("account",)),
    names=ClaimNames(client=("azp",), roles=(("realm_access", "roles"),), client_only_claim="client_id"),
)

Profile.AUTH0 = replace(
    Profile.GENERIC,
    name="auth0",
    types=frozenset(("jwt", "at+jwt")),
    required=_BASICS | {"aud"},
    any_of=(frozenset(("azp", "client_id")),),
    names=ClaimNames(client=("azp", "client_id"), client_only_suffix="@clients"),
)

Profile.ENTRA_ID = replace(
    Profile.GENERIC,
    name="entra-id",
    types=frozenset(("jwt",)),
    required=_BASICS | {"aud"},
    # ID tokens name no client. Any app of the tenant can get a token with neither scopes nor roles.
    any_of=(frozenset(("azp", "appid")), frozenset(("scp", "roles"))),
    names=ClaimNames(client=("azp", "appid"), scope="scp", client_only_equals="oid"),
)

Profile.COGNITO = replace(
    Profile.GENERIC,
    name="cognito",
    types=frozenset((None,)),
    required=_BASICS | {"client_id", "token_use"},  # jti is present only if token revocation is enabled
    token_use=("token_use", frozenset(("access",))),
    names=ClaimNames(audience=("aud", "client_id"), roles=(("cognito:groups",),), groups=(("cognito:groups",),)),
)

Profile.OKTA = replace(
    Profile.GENERIC,
    name="okta",  # the org authorization server's tokens have another typ, and are only for Okta
    required=_BASICS | {"aud", "cid", "jti", "scp"},
    names=ClaimNames(client=("cid",), scope="scp"),
)

Profile.GOOGLE = replace(
    Profile.GENERIC,
    name="google",
    types=frozenset(("jwt",)),
    required=_BASICS | {"aud", "azp"},
    names=ClaimNames(client=("azp",)),
)

PROVIDERS: Final = (Profile.KEYCLOAK, Profile.AUTH0, Profile.ENTRA_ID, Profile.COGNITO, Profile.OKTA, Profile.GOOGLE)


def expected_issuer(issuer: object, profile: Profile, allow: Allowed) -> str | AnyIssuer:
    """Return *issuer* if tokens of *profile* can have it as `iss`: an https URL, or another form that *allow* permits.

    Profiles that do not accept `at+jwt` also accept a name without a scheme.
    """
    if isinstance(issuer, AnyIssuer):
        return issuer
    if "at+jwt" not in profile.types and isinstance(issuer, str) and issuer and "://" not in issuer:
        return non_url_issuer(issuer)  # such as accounts.google.com
    return issuer_name(issuer, allow)


def found_at(path: ClaimPath, claims: Mapping[str, Any]) -> Any:
    """Return the value at *path*, or None."""
    found: Any = claims
    for name in path:
        if not isinstance(found, dict):
            return None
        found = found.get(name)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return found  # pyright: ignore[reportUnknownVariableType]


def is_strings(value: Any) -> TypeGuard[list[str]]:
    """Return whether *value* is an array of strings."""
    return isinstance(value, list) and all(isinstance(item, str) for item in value)  # pyright: ignore[reportUnknownVariableType]


def _is_path(value: Any) -> bool:
    """Return whether *value* is a tuple of names. A string is refused: a dot may be part of a claim's name."""
    names: tuple[Any, ...] = value if isinstance(value, tuple) else ()  # pyright: ignore[reportUnknownVariableType]
    return bool(names) and all(isinstance(name, str) and name for name in names)
