"""Requests to the token endpoints as the core receives them."""

from gatepass.adapter import TokenRequest


def token_request(body, **changes):
    members = {"method": "POST", "content_type": "application/x-www-form-urlencoded", "authorization": (), "body": body}
    return TokenRequest(**{**members, "url_scheme": "https", **changes})
