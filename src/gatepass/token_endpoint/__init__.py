"""The token endpoint and the revocation endpoint (RFC 6749, RFC 7009), as values in and values out.

Refreshes alone are served: no authorization code, no password, no client credentials.
"""
