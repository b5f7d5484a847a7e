"""Accept the access tokens of an outside provider, by its issuer name, this API's audience and its profile.

export PROVIDER=keycloak                 # or auth0, entra-id, cognito, okta, google; rfc9068 or generic for another
export PROVIDER_ISSUER=https://login.example.com/realms/shop
export PROVIDER_AUDIENCE=https://api.example.com
flask --app examples/outside_provider.py run
"""

import os

from flask import Flask

from gatepass import Profile, ResourceServer, TokenVerifier
from gatepass_flask import AccessTokenMiddleware, access_token


def setting(name: str) -> str:
    if not os.environ.get(name):
        raise SystemExit(f"{name} is not set: export the variables at the top of this file")
    return os.environ[name]


verifier = TokenVerifier(  # fetches the provider's keys, and follows their rotation
    issuer=setting("PROVIDER_ISSUER"),  # exactly as the provider writes it, with or without a final slash
    audience=setting("PROVIDER_AUDIENCE"),
    profile=Profile.named(setting("PROVIDER")),
)

app = Flask(__name__)
app.wsgi_app = AccessTokenMiddleware(app.wsgi_app, ResourceServer(verifier))  # type: ignore[method-assign]


@app.get("/me")
def me() -> dict[str, str | list[str] | None]:
    return {
        "you": access_token.subject,
        "through": access_token.client_id,
        "scopes": sorted(access_token.scopes),
        "roles": sorted(access_token.roles),
    }
