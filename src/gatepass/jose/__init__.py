"""The syntax of a token: strict JSON and the JWS Compact Serialization (RFC 7515).

Duplicate names, lone surrogates, non-canonical base64url, JWE and the JSON Serialization are refused.
"""
