"""The word check of the lint environment, on texts that it must refuse and texts that it must accept."""

import importlib.util
import re
import subprocess
import sys

import pytest
from tests.support.needs import missing
from tests.support.sources import REPOSITORY

FILLERS = [
    line.partition("->")[0]
    for line in (REPOSITORY / ".codespell" / "fillers.txt").read_text(encoding="utf-8").splitlines()
]
_FOUND = 65  # the exit status of codespell when it finds a word, as os.EX_DATAERR
FORMS = (
    "The server lets {filler} in.",
    "It is {filler}'s token.",
    "{capitalised} is let in.",
    "{upper}_KEY = None",
    "def test_{filler}_is_let_in(): ...",
    "class Test{capitalised}IsLetIn: ...",
    "print('{filler}', b'{filler}')",
)


@pytest.fixture
def check(tmp_path):
    """Return what codespell finds in the given lines, with the project's settings: the exit status and the words."""
    if importlib.util.find_spec("codespell_lib") is None:
        missing("codespell")

    def run(*lines):
        text = tmp_path / "text"
        text.write_text("\n".join(lines), encoding="utf-8")
        command = [sys.executable, "-m", "codespell_lib", text]
        result = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, encoding="utf-8", check=False)
        assert result.stderr == ""
        found = re.findall(r":(\d+): (\S+) ==> ", result.stdout)
        return result.returncode, [(lines[int(number) - 1], word.lower()) for number, word in found]

    return run


def test_a_filler_is_refused_in_every_form(check):
    lines = [
        (form.format(filler=filler, capitalised=filler.capitalize(), upper=filler.upper()), filler)
        for filler in FILLERS
        for form in FORMS
    ]
    status, found = check(*(line for line, _ in lines))

    assert len(FILLERS) >= 6
    assert status == _FOUND
    assert set(found) == set(lines)


def test_a_spelling_mistake_is_refused(check):
    mistake = "recie" + "ve"  # in two parts, because the check would find it here
    lines = [f"The server must {mistake} a token.", f"def test_{mistake}_token(): ..."]

    assert check(*lines) == (_FOUND, [(line, mistake) for line in lines])


def test_plain_text_is_accepted(check):
    assert check("The server doesn't accept the user's expired token: os.O_WRONLY, 'any', TokenVerifier.") == (0, [])
