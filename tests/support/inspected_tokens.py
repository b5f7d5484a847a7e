"""A key, and tokens with any header and claims signed with it, for the command `inspect`."""

import json

from jwt.utils import base64url_encode

from gatepass import Key

KEY = Key.generate("ES256")


def signed(header, claims, key=KEY):
    parts = [base64url_encode(json.dumps(part).encode()) for part in (header, claims)]
    signing_input = b".".join(parts)
    return (signing_input + b"." + base64url_encode(key.sign(signing_input))).decode()
