"""The token endpoint and the revocation endpoint (RFC 6749, RFC 7009), from request values to a `Response`.

The only grant is `refresh_token`: no authorization code, no password, no client credentials.
"""
