"""The settings that docs/providers.md recommends find the keys of each provider.

The metadata contains only the members that are read. All URLs are those that the providers document.
"""

import ast
import json
import re
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from tests.support.issuers import OLD, client, jwks

from gatepass.errors import KeysUnavailable
from gatepass.jwks import IssuerMetadata

PAGE = Path(__file__).parents[2] / "docs" / "providers.md"
TENANT = "aaaabbbb-0000-cccc-1111-dddd2222eeee"


@dataclass(frozen=True)
class Discovery:
    """The URL of an issuer's metadata and its `jwks_uri`. *origins* are those that the page tells users to set."""

    metadata: str
    jwks_uri: str
    origins: tuple[str, ...] = ()


PROVIDERS = {
    # https://www.keycloak.org/securing-apps/oidc-layers
    "https://login.example.com/realms/shop": Discovery(
        "https://login.example.com/realms/shop/.well-known/openid-configuration",
        "https://login.example.com/realms/shop/protocol/openid-connect/certs",
    ),
    # https://auth0.com/docs/get-started/applications/configure-applications-with-oidc-discovery
    "https://shop.eu.auth0.com/": Discovery(
        "https://shop.eu.auth0.com/.well-known/openid-configuration",
        "https://shop.eu.auth0.com/.well-known/jwks.json",
    ),
    # https://learn.microsoft.com/en-us/entra/identity-platform/v2-protocols-oidc
    f"https://login.microsoftonline.com/{TENANT}/v2.0": Discovery(
        f"https://login.microsoftonline.com/{TENANT}/v2.0/.well-known/openid-configuration",
        f"https://login.microsoftonline.com/{TENANT}/discovery/v2.0/keys",
    ),
    # https://learn.microsoft.com/en-us/entra/identity-platform/access-tokens
    f"https://sts.windows.net/{TENANT}/": Discovery(
        f"https://sts.windows.net/{TENANT}/.well-known/openid-configuration",
        "https://login.microsoftonline.com/common/discovery/keys",
        ("https://login.microsoftonline.com",),
    ),
    # https://docs.aws.amazon.com/cognito/latest/developerguide/federation-endpoints.html
    "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_EXAMPLE": Discovery(
        "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_EXAMPLE/.well-known/openid-configuration",
        "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_EXAMPLE/.well-known/jwks.json",
    ),
    # https://developer.okta.com/docs/api/openapi/okta-oauth/guides/overview/
    "https://shop.okta.com/oauth2/default": Discovery(
        "https://shop.okta.com/oauth2/default/.well-known/openid-configuration",
        "https://shop.okta.com/oauth2/default/v1/keys",
    ),
    # https://developers.google.com/identity/openid-connect/openid-connect#discovery
    "https://accounts.google.com": Discovery(
        "https://accounts.google.com/.well-known/openid-configuration",
        "https://www.googleapis.com/oauth2/v3/certs",
        ("https://www.googleapis.com",),
    ),
}

every_provider = pytest.mark.parametrize("issuer", PROVIDERS)


def keys_of(issuer, origins):
    """Return a client whose network consists of that provider only."""
    said = PROVIDERS[issuer]
    found = {said.metadata: {"issuer": issuer, "jwks_uri": said.jwks_uri}, said.jwks_uri: jwks(OLD)}

    def answer(request):
        url = str(request.url)
        return httpx.Response(200, text=json.dumps(found[url])) if url in found else httpx.Response(404)

    return client(IssuerMetadata(issuer, jwks_origins=origins), transport=lambda: httpx.MockTransport(answer))


def calls(name):
    """Return the arguments of each call of *name* on the page that are literals."""
    for program in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        for node in ast.walk(ast.parse(program)):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == name:
                yield (
                    [part.value for part in node.args if isinstance(part, ast.Constant)],
                    {part.arg: part.value for part in node.keywords},
                )


@every_provider
def test_the_settings_on_the_page_find_the_keys(issuer):
    keys = keys_of(issuer, PROVIDERS[issuer].origins)
    keys.refresh()

    assert keys.state == "fresh"


@pytest.mark.parametrize("issuer", [issuer for issuer, said in PROVIDERS.items() if said.origins])
def test_keys_on_another_host_are_not_fetched_unless_it_is_configured(issuer):
    with pytest.raises(KeysUnavailable):
        keys_of(issuer, ()).refresh()


def test_the_page_names_these_issuers_and_those_hosts():
    discovered, told = set(), {}
    for _, named in calls("TokenVerifier"):
        if "keys" not in named:
            discovered.add(named["issuer"].value)
    for (issuer,), named in calls("IssuerMetadata"):
        told[issuer] = tuple(ast.literal_eval(named["jwks_origins"]))
    addresses = {plain[0] for plain, _ in calls("JWKSClient") if plain}

    assert discovered == {issuer for issuer, said in PROVIDERS.items() if not said.origins}
    assert told == {f"https://sts.windows.net/{TENANT}/": ("https://login.microsoftonline.com",)}
    assert addresses == {PROVIDERS["https://accounts.google.com"].jwks_uri}
