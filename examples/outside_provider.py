"""Take the access tokens of an outside provider (Keycloak, Auth0, Entra, Cognito, Okta): its keys, its issuer name.

curl -o provider-jwks.json https://login.example.com/.well-known/jwks.json
export PROVIDER_JWKS=provider-jwks.json
export PROVIDER_ISSUER=https://login.example.com/
export PROVIDER_AUDIENCE=https://api.example.com
flask --app examples/outside_provider.py run
"""

import os
from pathlib import Path

from flask import Flask

from gatepass import KeySet, Profile, ResourceServer, TokenVerifier
from gatepass_flask import AccessTokenMiddleware, access_token

verifier = TokenVerifier(
    issuer=os.environ["PROVIDER_ISSUER"],  # as the provider writes it, to the last slash
    audience=os.environ["PROVIDER_AUDIENCE"],
    keys=KeySet.from_jwks(Path(os.environ["PROVIDER_JWKS"]).read_text(encoding="utf-8")),
    profile=Profile.GENERIC,  # most providers send typ JWT or none; for RFC 9068 tokens leave this line out
)

app = Flask(__name__)
app.wsgi_app = AccessTokenMiddleware(app.wsgi_app, ResourceServer(verifier))


@app.get("/me")
def me():
    return {"you": access_token.subject, "scopes": sorted(access_token.scopes)}
