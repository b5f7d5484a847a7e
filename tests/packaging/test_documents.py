"""README and the pages of docs/ are correct: their programs and shell sessions run with the shown output,
their responses are those of the core, and the targets of their links exist.
"""

import ast
import doctest
import importlib.util
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.support.documents import (
    PAGES,
    REPOSITORY,
    Block,
    blocks_of,
    files_of,
    name_of,
    programs_of,
    prose_of,
    session_of,
)
from tests.support.needs import missing, reason_for
from tests.support.ports import free_port

from gatepass import Key, KeySet, ResourceServer, TokenVerifier, errors
from gatepass.errors import AuthError, InsufficientScope

pytestmark = pytest.mark.skipif(
    not (REPOSITORY / "docs").is_dir(), reason=reason_for("a git checkout", "the pages are not here")
)

RUNNER = REPOSITORY / "tests" / "support" / "run_program.py"
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
PATIENCE = 240
"""Timeout in seconds for a stalled program."""
MAX_WIDTH = 120
"""Maximal length of a line of prose, in characters."""
PROGRAMS = [(page, program) for page in PAGES for program in programs_of(page)]
SESSIONS = [page for page in PAGES if session_of(page)]
FRAMEWORKS = ("flask", "starlette", "fastapi", "django", "rest_framework", "click", "uvicorn")
OWN, PAIR = Key.generate("ES256"), Key.generate("RS256")


def environment(**more):
    """Return an environment with the commands of this one first, and no variable that a page has not set."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("JWT_", "PROVIDER_", "DJANGO_"))}
    return {**kept, "PATH": path, "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1", **more}


def needs(text):
    """Skip if a framework, or the POSIX files that a key ring needs, is missing here."""
    if not hasattr(os, "fork") and re.search(r"\bKeyRing\(|\bKeyRing\.mounted\(", text):
        missing("POSIX", "a key ring needs its file locks and modes")
    for name in FRAMEWORKS:
        if re.search(rf"\b(?:gatepass_)?{name}\b", text) and importlib.util.find_spec(name) is None:
            missing("every extra and group", f"{name} is not installed")


def project_settings():
    """Return the settings.py of `django-admin startproject`, to which a page appends lines."""
    django = importlib.util.find_spec("django")
    if django is None:
        return ""
    template = Path(django.origin).parent / "conf" / "project_template" / "project_name" / "settings.py-tpl"
    text = template.read_text(encoding="utf-8").replace("{{ project_name }}.urls", "urls")
    return text.replace("ALLOWED_HOSTS = []", 'ALLOWED_HOSTS = ["testserver"]') + "\n"


@pytest.fixture
def desk(tmp_path):
    """Return a folder with the files that every page may use."""
    (tmp_path / "provider-jwks.json").write_text(json.dumps(KeySet([PAIR]).to_jwks()), encoding="utf-8")
    return tmp_path


def run_program(desk, page, blocks):
    (desk / "private.pem").write_text(OWN.to_private_pem(), encoding="utf-8")  # as an earlier shell session creates it
    (desk / "public.pem").write_text(OWN.to_pem(), encoding="utf-8")
    for name, text in files_of(page).items():
        (desk / name).write_text(project_settings() + text if name == "settings.py" else text, encoding="utf-8")
    parts = [{"language": b.language, "page": b.page, "line": b.line, "text": b.text} for b in blocks]
    (desk / "blocks.json").write_text(json.dumps(parts), encoding="utf-8")
    result = subprocess.run(
        [sys.executable, RUNNER, "blocks.json"],
        cwd=desk, env=environment(JWT_SECRET_KEY=secrets.token_urlsafe(32)), capture_output=True, text=True, encoding="utf-8", timeout=PATIENCE, check=False,
    )  # fmt: skip
    if importlib.util.find_spec("httpx") is None and re.search(
        r"gatepass\[jwks\]|No module named 'httpx'", result.stderr
    ):
        missing("every extra and group", "httpx is not installed")
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(("page", "program"), PROGRAMS, ids=[program.place for _, program in PROGRAMS])
def test_a_program_on_a_page_prints_what_the_page_shows(desk, page, program):
    needs(program.text)

    run_program(desk, page, program.blocks)


def test_a_block_that_is_not_run_is_valid_python_and_has_a_reason():
    for page in PAGES:
        for block in blocks_of(page):
            if block.directive == "not run":
                assert block.argument, block.place
                if block.language == "python":
                    ast.parse(block.text, filename=block.place)


FIRST_SCREEN = {
    "gatepass_flask": """
client = app.test_client()
def send(path, **headers):
    answer = client.get(path, headers=headers)
    return answer.status_code, answer.headers.get("WWW-Authenticate"), answer.text
""",
    "gatepass_starlette": """
from starlette.testclient import TestClient
client = TestClient(app)
def send(path, **headers):
    answer = client.get(path, headers=headers)
    return answer.status_code, answer.headers.get("WWW-Authenticate"), answer.text
""",
    "gatepass_django": """
import django, settings
from django.conf import settings as django_settings
named = {name: getattr(settings, name) for name in dir(settings) if name.isupper()}
django_settings.configure(**named)
django.setup()
from django.core.management import call_command
from django.test import Client
call_command("check", fail_level="WARNING")
def send(path, **headers):
    answer = Client().get(path, headers=headers)
    return answer.status_code, answer.headers.get("WWW-Authenticate"), answer.content.decode()
""",
}
FIRST_SCREEN["gatepass_fastapi"] = FIRST_SCREEN["gatepass_starlette"]


@pytest.mark.parametrize("adapter", FIRST_SCREEN)
def test_the_code_on_the_first_screen_of_the_readme_protects_the_route(desk, adapter):
    needs(adapter)
    readme = REPOSITORY / "README.md"
    programs = [program for program in programs_of(readme) if f"from {adapter} import" in program.text]
    pasted = programs[0].text if programs else ""
    program = f"""
{pasted}
{FIRST_SCREEN[adapter]}
from gatepass import Key, TokenIssuer
issuer = TokenIssuer(
    issuer="https://auth.example.com", audience="https://api.example.com", client_id="web",
    keys=Key.from_env("JWT_SECRET_KEY"),
)
good = "Bearer " + issuer.issue("anna", scope="orders:read")
status, _, body = send("/orders", Authorization=good)
assert (status, __import__("json").loads(body)) == (200, {{"for": "anna"}}), (status, body)
assert send("/orders")[:2] == (401, 'Bearer realm="api"')
assert send("/orders", Authorization=good + "A")[0] == 401
status, challenge, _ = send("/orders", Authorization="Bearer " + issuer.issue("bert"))
assert status == 403 and challenge.endswith('scope="orders:read"'), challenge
"""
    run_program(desk, readme, [Block("README.md", 1, "python", program)])


# --- shell sessions


class Shell:
    """One bash process for all commands of a page."""

    END = "--end of this command--"

    def __init__(self, desk):
        self._process = subprocess.Popen(
            ["bash", "--norc", "--noprofile"],
            cwd=desk, env=environment(COLUMNS="200"), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def type(self, command):
        self._process.stdin.write(f"{command}\necho; echo {self.END!r}\n")
        self._process.stdin.flush()
        shown = []
        for line in self._process.stdout:
            if line.strip() == self.END:
                return "".join(shown)
            shown.append(line)
        raise AssertionError(f"the shell is gone after: {command}")

    def close(self):
        self._process.communicate(timeout=PATIENCE)


def serve(desk, commands, port):
    with (desk / "server.log").open("w") as log:
        server = subprocess.Popen(
            ["bash", "-e", "-c", "\n".join(commands)],
            cwd=desk, env=environment(), start_new_session=True, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", int(port)), timeout=60).close()
        except OSError:
            time.sleep(0.05)
        else:
            return server
    stop(server)
    raise AssertionError((desk / "server.log").read_text())


def stop(server):
    if server.poll() is None:
        os.killpg(server.pid, signal.SIGTERM)
    server.wait(PATIENCE)


@pytest.mark.parametrize("page", SESSIONS, ids=name_of)
def test_a_shell_session_on_a_page_prints_what_the_page_shows(desk, page):
    if not hasattr(os, "fork"):
        missing("POSIX", "a session is typed into its shell")
    needs("click " + page.read_text(encoding="utf-8"))  # the command needs it
    if shutil.which("curl") is None:
        missing("curl")
    for name, text in files_of(page).items():
        (desk / name).write_text(text, encoding="utf-8")
    port, servers, shell = str(free_port()), [], Shell(desk)
    try:
        for block, steps in session_of(page):
            commands = [command.replace("5000", f"{port}") for command, _ in steps]
            if block.directive == "second terminal":
                servers.append(serve(desk, commands, port))
                continue
            for command, (_, expected) in zip(commands, steps, strict=True):
                shown = shell.type(command).replace(port, "5000")
                assert doctest.OutputChecker().check_output(expected, shown, FLAGS), (
                    f"{block.place}\n$ {command}\n{shown}"
                )
    finally:
        for server in servers:
            stop(server)
        shell.close()


# --- responses


def raw(answer):
    phrase = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 503: "Service Unavailable"}
    lines = [f"HTTP/1.1 {answer.status} {phrase[answer.status]}"]
    lines += [f"{name}: {value}" for name, value in answer.headers]
    return "\n".join([*lines, "", answer.body.decode()]).rstrip("\n") + "\n"


def error_named(name):
    kind = getattr(errors, name)
    return kind(("orders:read",)) if issubclass(kind, InsufficientScope) else kind()


def server_with(**settings):
    verifier = TokenVerifier(issuer="https://auth.example.com", audience="https://api.example.com", keys=PAIR)
    return ResourceServer(verifier, **settings)


def shown_answers():
    return [block for page in PAGES for block in blocks_of(page) if block.directive == "answer"]


def test_the_pages_show_responses():
    assert len(shown_answers()) >= 8


@pytest.mark.parametrize("block", shown_answers(), ids=lambda block: block.place)
def test_a_response_on_a_page_is_the_response_of_the_core(block):
    name, _, settings = block.argument.partition(" ")

    assert block.text == raw(server_with(**json.loads(settings or "{}")).respond(error_named(name)))


def leaves(root=AuthError):
    for kind in root.__subclasses__():
        yield kind
        yield from leaves(kind)


def test_the_page_of_responses_lists_every_reason_with_its_status_code_and_text():
    page = (REPOSITORY / "docs" / "answers.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `(\w+)` \| (\d+) \| ([^|]*) \| ([^|]*) \|", page, re.MULTILINE)
    roots = {"InvalidRequest", "AuthUnavailable"}  # an application may raise them; the core raises subclasses
    expected = {
        (kind.reason, str(kind.status), f"`{kind.error}`" if kind.error else "none", kind.description or "none")
        for kind in leaves()
        if kind.__name__ not in roots
    }

    assert set(listed) == expected


# --- links and names


def anchors_of(page):
    headings = re.findall(
        r"^#+ (.+)$", re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL), re.MULTILINE
    )
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_links_of_a_page_have_targets(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    targets = re.findall(r"\]\(([^)\s]+)\)|\bsrc(?:set)?=\"([^\"]+)\"", text)
    for target in filter(None, (first or second for first, second in targets)):
        if target.startswith(("https://", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), target
        if anchor:
            assert anchor in anchors_of(found), target


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_test_file_that_a_page_names_exists(page):
    for name in re.findall(r"`(tests/[\w/.-]+)`", page.read_text(encoding="utf-8")):
        assert (REPOSITORY / name).exists(), name


def linked_pages(page):
    """Return the pages that *page* links to."""
    targets = re.findall(r"\]\(([^)#\s]+\.md)", page.read_text(encoding="utf-8"))
    return {(page.parent / target).resolve() for target in targets if "://" not in target}


def test_every_page_is_linked_from_the_readme():
    found, waiting = set(), {REPOSITORY / "README.md"}
    while waiting:
        found |= waiting
        waiting = {linked for page in waiting for linked in linked_pages(page) if linked.exists()} - found

    assert set(PAGES) - found == set()


def measured(section, algorithm):
    """Return how many times faster than PyJWT each contender is in docs/benchmarks.md."""
    page = (REPOSITORY / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in page.partition(f"### {section}")[2].partition("###")[0].splitlines()
        if line.startswith("|")
    ]
    column = rows[0].index(algorithm)
    return {row[0].strip("*"): re.search(r"· (\d+\.\d+)", row[column]) for row in rows[2:]}


@pytest.mark.parametrize(
    ("section", "algorithm", "name"),
    [
        ("Verify a token", "HS256", "verify, HS256"),
        ("Verify a token", "RS256", "verify, RS256"),
        ("Issue a token", "HS256", "issue, HS256"),
    ],
)
def test_the_figures_of_the_readme_are_those_of_the_last_measurement(section, algorithm, name):
    """After a new measurement the failure shows the line to write."""
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    figures = measured(section, algorithm)
    cells = [f"{float(figures[peer][1]):.1f}" for peer in ("gatepass", "joserfc", "oxyjwt (Rust)")]

    assert f"\n| {name} | {' | '.join(cells)} |\n" in readme


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_lines_of_prose_are_wrapped(page):
    lines = list(prose_of(page))

    assert lines
    assert [f"{number}: {line}" for number, line in lines if len(line) > MAX_WIDTH and " " in line.strip()] == []
