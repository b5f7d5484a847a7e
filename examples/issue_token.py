"""Print an access token for the other examples: python examples/issue_token.py anna orders:read

A login service does the same after it has checked the password.
"""

import sys

from gatepass import Key, TokenIssuer

issuer = TokenIssuer(
    issuer="https://auth.example.com",
    audience="https://api.example.com",
    keys=Key.from_env("JWT_SECRET_KEY"),
    client_id="examples",
)

if __name__ == "__main__":
    subject, *scopes = sys.argv[1:] or ["anna"]
    print(issuer.issue(subject, scope=scopes))
