"""`gatepass demo`: four real servers, one table of responses, and an exit status that reports every difference."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from tests.support.needs import missing, reason_for
from tests.support.ports import free_port
from tests.support.processes import PATIENCE, REPOSITORY, listens, request

from gatepass.cli import demo as command
from gatepass.cli.demo import servers
from gatepass.cli.demo.cases import CASES, LOGIN, SESSION, Case, DemoTokens
from gatepass.cli.demo.resource import KEY_VARIABLE, STORE_VARIABLE
from gatepass.cli.demo.results import DemoResponse, problems, report
from gatepass.cli.demo.servers import Servers
from gatepass.errors import ConfigurationError
from gatepass.stores.sqlite import SQLiteStore

COMMAND = [sys.executable, "-m", "gatepass", "demo"]
ALL = (*CASES, *SESSION)
NO_STORE = ("cache-control", "no-store")
CHALLENGE = ("www-authenticate", 'Bearer realm="api"')
RIGHT = DemoResponse(401, (NO_STORE, CHALLENGE), b"{}")
CASE = Case("no credentials", (), 401, 'Bearer realm="api"')

pytestmark = pytest.mark.skipif(os.name != "posix", reason=reason_for("POSIX", "signals are sent"))


@pytest.fixture(scope="module")
def shown():
    return subprocess.run(COMMAND, capture_output=True, check=False, text=True, timeout=2 * PATIENCE)


def test_all_four_frameworks_give_the_same_correct_responses(shown):
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert shown.stdout.count("agree ") == len(ALL)
    assert f"{len(ALL)} requests, 4 frameworks: every response is correct" in shown.stdout


def test_the_table_shows_request_status_and_challenge_error_or_scope_of_every_case(shown):
    rows = [[cell.strip() for cell in re.split("[│|]", line)[1:-1]] for line in shown.stdout.splitlines()]

    for case in ALL:
        response = DemoResponse(case.status, (), (case.body or "").encode())
        assert [case.name, str(case.status), case.challenge or response.error or response.scope, "agree"] in rows


def test_progress_goes_to_standard_error_and_colours_only_to_terminals(shown):
    for name in ("Flask on waitress", "Starlette on uvicorn", "FastAPI on uvicorn", "Django on uvicorn"):
        assert f"{name} listens on http://127.0.0.1:" in shown.stderr
        assert name not in shown.stdout
    assert "\x1b" not in shown.stdout
    assert "RuntimeWarning" not in shown.stderr
    assert "refresh_reused" not in shown.stderr  # the table shows what the applications log


def test_no_server_outlives_the_demo(shown):
    ports = re.findall(r"127\.0\.0\.1:(\d+)", shown.stderr)

    assert len(ports) == 4
    assert [port for port in ports if listens(int(port))] == []


@pytest.fixture
def left_running(tmp_path):
    # A background job ignores SIGINT, and its children would inherit that.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        [*COMMAND, "--serve"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    signal.signal(signal.SIGINT, before)
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.endswith('"Authorization: Bearer $ACCESS"\n') and len(lines) > 1 and "/revoke" in lines[-2]:
            break
    yield process, "".join(lines)
    process.kill()
    process.communicate(timeout=PATIENCE)


def test_with_serve_the_printed_lines_work_until_ctrl_c_ends_it_cleanly(left_running, tmp_path):
    process, text = left_running
    ports = printed_requests_work(text)
    has_curl = shutil.which("curl") is not None
    if has_curl:
        printed_login_works(text)
    assert list(tmp_path.iterdir())

    os.kill(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE)

    assert process.returncode == 0
    assert "Stopped." in errors
    assert "Traceback" not in errors
    assert [port for port in ports if listens(port)] == []
    assert list(tmp_path.iterdir()) == []
    if not has_curl:  # all else was tested
        missing("curl")


def printed_requests_work(text):
    token, expired = (re.search(rf"^{name}=(\S+)$", text, re.MULTILINE)[1] for name in ("TOKEN", "EXPIRED"))
    ports = [
        int(port) for port in re.findall(r"^curl -i http://127\.0\.0\.1:(\d+)/orders .*\$TOKEN", text, re.MULTILINE)
    ]

    assert len(set(ports)) == 4
    for port in ports:
        assert request(port, "/orders", token=token)[::2] == (200, b"orders of anna")
        assert request(port, "/orders", token=expired)[0] == 401
    return ports


def printed_login_works(text):
    lines = text[text.index("ACCESS=") :].splitlines()
    *_, login = re.findall(r"^curl -i .*/login .*$", text, re.MULTILINE)

    def typed(*commands):
        result = subprocess.run(["bash", "-c", "\n".join(commands)], capture_output=True, text=True, check=True)
        return re.findall(r"HTTP/1.1 (\d+)", result.stdout), result.stdout

    assert typed(*lines)[0] == ["200", "200", "200", "200", "401"]
    assert typed(*lines)[0] == ["401", "401", "400", "200", "401"]

    statuses, shown = typed(login)
    assert statuses == ["200"]
    assert '"refresh_token":"' in shown


def test_servers_end_even_if_the_demo_is_killed(left_running):
    process, text = left_running
    ports = {int(port) for port in re.findall(r"127\.0\.0\.1:(\d+)", text)}

    process.kill()

    deadline = time.monotonic() + PATIENCE
    while any(listens(port) for port in ports) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [port for port in ports if listens(port)] == []


def test_a_wrong_response_fails_the_demo_and_is_named(monkeypatch, capfd):
    wrong = Case("expired yesterday", ("Bearer {expired}",), 200)
    monkeypatch.setattr(command, "CASES", (CASES[0], wrong))
    monkeypatch.setattr(command, "SESSION", SESSION[:2])
    monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal

    with pytest.raises(SystemExit) as ended:
        command.demo([])

    shown = capfd.readouterr().out
    assert ended.value.code == 1
    assert "expired yesterday: Django returned 401, expected 200" in shown
    assert shown.count("DIFFER") == 1
    assert "every response is correct" not in shown


def test_a_failed_login_fails_all_requests_that_depend_on_it(monkeypatch, capfd):
    refused = replace(LOGIN, form="username=anna&password=coffee")
    monkeypatch.setattr(command, "CASES", CASES[:1])
    monkeypatch.setattr(command, "SESSION", (refused, *SESSION[2:3]))

    with pytest.raises(SystemExit) as ended:
        command.demo([])

    shown = capfd.readouterr().out
    assert ended.value.code == 1
    assert "log in: Flask returned 401, expected 200" in shown
    assert "the access token: Django returned 401, expected 200" in shown


def table_in(width, monkeypatch, capfd):
    monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal
    monkeypatch.setenv("COLUMNS", str(width))
    answers = {
        case: dict.fromkeys(
            ("Flask", "Django"), DemoResponse(case.status, (NO_STORE, (CHALLENGE[0], case.challenge)), b"")
        )
        for case in CASES
        if case.challenge is not None
    }
    assert report(answers)
    shown = re.sub(r"\x1b\[[0-9;]*m", "", capfd.readouterr().out)
    return shown, [re.split("[│┃|]", line)[3].strip() for line in shown.splitlines() if line.startswith("│")]


@pytest.mark.parametrize("width", [80, 129])
def test_a_narrow_terminal_shows_the_error_of_each_challenge_and_one_in_full(monkeypatch, capfd, width):
    shown, cells = table_in(width, monkeypatch, capfd)

    assert max(len(line) for line in shown.splitlines() if line.startswith("│")) <= width
    assert 'Bearer realm="api"' in cells
    assert "invalid_token: The access token expired" in " ".join(cells)
    assert "error_description" not in " ".join(cells)
    assert len(re.findall("^WWW-Authenticate: Bearer .*, error=.*, error_description=", shown, re.MULTILINE)) == 1


def test_a_wide_terminal_shows_complete_challenges(monkeypatch, capfd):
    shown, cells = table_in(200, monkeypatch, capfd)

    assert {case.challenge for case in CASES if case.challenge} == set(cells)
    assert "WWW-Authenticate: " not in shown


@pytest.mark.parametrize(
    ("other", "results"),
    [
        (DemoResponse(403, RIGHT.headers, RIGHT.body), ["returned 403, expected 401"]),
        (DemoResponse(401, (NO_STORE,), RIGHT.body), ["unexpected WWW-Authenticate", "different headers"]),
        (
            DemoResponse(401, (NO_STORE, CHALLENGE, CHALLENGE), RIGHT.body),
            ["unexpected WWW-Authenticate", "different headers"],
        ),
        (
            DemoResponse(401, (NO_STORE, (CHALLENGE[0], "Bearer")), b"{}"),
            ["unexpected WWW-Authenticate", "different headers"],
        ),
        (DemoResponse(401, (CHALLENGE,), RIGHT.body), ["did not send Cache-Control", "different headers"]),
        (
            DemoResponse(401, (*RIGHT.headers, ("x-frame-options", "DENY")), RIGHT.body),
            ["Flask sent different headers"],
        ),
        (DemoResponse(401, RIGHT.headers, b"{} "), ["Flask sent different bodies"]),
    ],
)
def test_one_framework_that_differs_is_named(other, results):
    found = problems(CASE, {"Flask": RIGHT, "Starlette": RIGHT, "Django": other})

    assert len(found) == len(results)
    for problem, part in zip(found, results, strict=True):
        assert problem.startswith("Django ")
        assert part in problem


def test_wrong_responses_that_agree_are_still_wrong():
    wrong = DemoResponse(200, (NO_STORE,), b"come in")

    assert len(problems(CASE, {"Flask": wrong, "Django": wrong})) == 4
    assert len(problems(Case("x", (), 200, body="well"), {"Flask": wrong, "Django": wrong})) == 2
    assert problems(CASE, {"Flask": RIGHT, "Django": RIGHT}) == []


def test_a_token_response_that_caches_may_store_is_wrong():
    pair = DemoResponse(200, (), LOGIN.body.encode(), {})

    assert len(problems(LOGIN, {"Flask": pair, "Django": pair})) == 2
    assert problems(Case("x", (), 200), {"Flask": pair, "Django": pair}) == []


def test_the_cases_of_the_demo_cover_every_token_and_status():
    assert {case.status for case in ALL} == {200, 204, 400, 401, 403, 404}
    assert len({case.name for case in ALL}) == len(ALL)
    assert len(CASES) >= 12
    for name in DemoTokens().by_name():
        assert any(f"{{{name}}}" in f"{case.authorization}{case.path}" for case in CASES), name


@pytest.mark.skipif(
    not (REPOSITORY / "README.md").is_file(), reason=reason_for("a git checkout", "the page is not here")
)
def test_the_readme_states_the_number_of_requests_of_the_demo():
    assert f"the same {len(ALL)} requests" in " ".join((REPOSITORY / "README.md").read_text(encoding="utf-8").split())


def test_every_token_of_a_session_is_issued_before_it_is_used():
    known, used = {"user"}, set()
    for case in SESSION:
        asked = set(re.findall(r"\{(\w+)\}", f"{case.authorization}{case.path}{case.form}"))
        assert asked <= known, case.name
        used |= asked
        known |= {f"{case.keeps}_access", f"{case.keeps}_refresh"} if case.keeps else set()
        known |= {f"{label}_session" for label in case.lists}

    assert used == known


def test_each_request_of_a_login_goes_to_the_next_application(monkeypatch):
    visited = {}

    def answered(port, case, tokens):
        login = tokens.get("login", f"of port {port}")
        visited.setdefault(login, []).append(port)
        return DemoResponse(case.status, (), b"", {"login": login})

    monkeypatch.setattr(command, "send_request", answered)
    results = command._session_results({"flask": 1, "starlette": 2, "fastapi": 3, "django": 4})

    assert [path[:5] for path in visited.values()] == [
        [1, 2, 3, 4, 1],
        [2, 3, 4, 1, 2],
        [3, 4, 1, 2, 3],
        [4, 1, 2, 3, 4],
    ]
    assert list(results) == list(SESSION)


@pytest.fixture
def settings(tmp_path):
    """Return the environment variables of the applications of the demo."""
    with SQLiteStore(tmp_path / "sessions.db") as store:
        store.create_schema()
    return {KEY_VARIABLE: json.dumps(DemoTokens().key.to_private_jwk()), STORE_VARIABLE: str(tmp_path / "sessions.db")}


def test_a_server_that_cannot_start_is_reported_and_the_others_are_stopped(settings):
    started = []
    settings[KEY_VARIABLE] = "{not a key"

    with pytest.raises(ConfigurationError, match="did not start"), Servers(settings, lambda *_: started.append(_)):
        pytest.fail("unreachable")

    assert started == []


def test_a_server_that_exits_ends_the_wait(settings):
    with Servers(settings, lambda *_: None) as running:
        running.check()
        running._processes["django"].kill()
        running._processes["django"].wait()

        with pytest.raises(ConfigurationError, match="Django ended"):
            command._leave_running(running, {"valid": "x", "expired": "y"})


def test_a_server_that_does_not_stop_is_killed(monkeypatch, settings):
    monkeypatch.setattr(servers, "_STOP_TIMEOUT", 0)

    with Servers(settings, lambda *_: None) as running:
        processes = running._processes
        processes["django"].send_signal(signal.SIGSTOP)  # a stopped process does not handle the request to end

    assert all(process.returncode is not None for process in processes.values())
    assert processes["django"].returncode == -signal.SIGKILL


def test_a_server_that_sends_no_response_is_named():
    with pytest.raises(ConfigurationError, match="Flask sent no response to: no credentials"):
        command._responses(CASE, {"flask": free_port()}, {"flask": {}})
