"""Untrusted text on the terminal: invisible characters are escaped, and other text is unchanged."""

import re

import pytest
from tests.support.inspected_tokens import signed

# Controls; default-ignorable characters of Unicode; characters drawn as a space; combining marks without a base.
UNPRINTABLE = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\xa0\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f\u205f-\u206f"
    "\u2800\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d159\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
    "|(?<![a-z\u0301])\u0301|\u0301{5}"
)


def hostile(text):
    return signed({"alg": text, "typ": text, "kid": text, text: text}, {text: [text, {text: text}], "exp": text})


@pytest.mark.parametrize(
    "text",
    [
        "\x1b[2J\x1b]0;owned\x07",
        "\x9b31m",
        "\r\nChecks\n  passed",
        "\u202egnp.exe",
        "\u2028",
        "\u200b",
        "\x7f\x08",
        "\ud83d",
        "\u034f",
        "\u115f",
        "\u1160",
        "\u17b4",
        "\u180b",
        "\u2065",
        "\u2800",
        "\u3000",
        "\u3164",
        "\ufe0f",
        "\uffa0",
        "\U0001d159",
        "\U000e0041",
        "\U000e01ef",
        "\u0301",
        "a" + "\u0301" * 50,
    ],
)
@pytest.mark.parametrize("options", [[], ["--key", "key.pem"]])
def test_control_characters_in_a_token_are_escaped_on_the_terminal(gatepass_here, key_file, text, options):
    shown = gatepass_here("inspect", *options, stdin=hostile(text))

    assert not UNPRINTABLE.search(shown.stdout.decode() + shown.stderr.decode())
    assert b"\n  passed" not in shown.stdout.partition(b"Checks\n")[0]


def test_letters_of_all_scripts_are_shown_unchanged(gatepass_here):
    words = [
        "žofie",
        "Ελένη",
        "नमस्ते",
        "ภาษาไทย",
        "עברית",
        "한국어",
        "日本語",
        "Việt",
        "e\u0323\u0302",
        "🎉",
        "naïve 1½",
    ]

    shown = gatepass_here("inspect", stdin=signed({"alg": "ES256"}, {word: [word] for word in words})).stdout.decode()

    for word in words:
        assert shown.count(word) == 2


def test_markup_in_a_token_is_shown_unchanged(gatepass):
    result = gatepass("inspect", stdin=hostile("[bold red]:warning:[/]"), env={"FORCE_COLOR": "1"})

    assert b"[bold red]:warning:[/]" in result.stdout
