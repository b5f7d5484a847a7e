"""The parser of bearer credentials, compared with the grammar of RFC 6750 as a regular expression."""

import re

from hypothesis import example, given
from hypothesis import strategies as st

from gatepass.errors import AuthError
from gatepass.http.bearer import bearer_token

CREDENTIALS = re.compile(r"bearer +([A-Za-z0-9._~+/-]+=*)", re.ASCII | re.IGNORECASE)

pieces = st.sampled_from(
    [
        "Bearer",
        "bearer",
        "BEARER",
        " ",
        "  ",
        "a.b.c",
        "-._~+/",
        "=",
        "==",
        ",",
        "\t",
        '"',
        "é",
        "K",
        "\ud800",
        "\0",
        "Basic",
    ]
)


@given(st.lists(pieces, max_size=6).map("".join))
@example("Bearer a.b.c")
@example("bEaReR   a==")
@example("Bearer =")
@example("Bearer a=b")
@example("Bearer a b")
@example("Bearer\ta")
@example("Bearera")
@example("Bearer é")
@example("Bearer a\n")
def test_the_parser_accepts_exactly_the_grammar_of_rfc_6750(value):
    try:
        token = bearer_token([value])
    except AuthError:
        token = None
    found = CREDENTIALS.fullmatch(value.strip(" \t"))
    assert token == (found[1] if found else None)
