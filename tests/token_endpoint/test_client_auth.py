"""The credentials of the client at the token endpoints; the contract tests every authentication method."""

import pytest
from tests.support.token_requests import token_request
from tests.token_endpoint.contract import INVALID_CLIENT, Backend


@pytest.mark.parametrize(
    "credentials", [b"client_id=we%00b", b"client_id=caf%C3%A9", b"client_id=web&client_secret=%0A"]
)
def test_the_hook_is_not_called_for_credentials_outside_visible_ascii(credentials):
    calls = []
    backend = Backend(authenticate_client=lambda client_id, secret: calls.append(client_id) or True)

    answer = backend.endpoints.token(token_request(b"grant_type=refresh_token&refresh_token=x&" + credentials))

    assert (answer.status, answer.body, calls) == (400, INVALID_CLIENT[2], [])
