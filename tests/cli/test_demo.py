"""`gatepass demo`: four real servers, one table, and a verdict that can be trusted."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
from tests.cli.servers import PATIENCE, free_port, listens, request

from gatepass.cli import demo as command
from gatepass.cli.demo import fleet
from gatepass.cli.demo.cases import CASES, Case
from gatepass.cli.demo.exchange import Answer, problems
from gatepass.cli.demo.fleet import Fleet
from gatepass.cli.demo.tokens import Mint
from gatepass.errors import ConfigurationError

COMMAND = [sys.executable, "-m", "gatepass", "demo"]
RIGHT = Answer(401, ('Bearer realm="api"',), b"{}")
CASE = Case("no credentials", (), 401, 'Bearer realm="api"')

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals are sent")


@pytest.fixture(scope="module")
def shown():
    return subprocess.run(COMMAND, capture_output=True, check=False, text=True, timeout=120)


def test_all_four_frameworks_give_every_answer_right_and_the_same(shown):
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert shown.stdout.count("agree ") == len(CASES)
    assert f"{len(CASES)} requests, 4 frameworks: every answer is right" in shown.stdout


def test_the_table_shows_request_status_and_challenge_of_every_case(shown):
    rows = [[cell.strip() for cell in re.split("[│|]", line)[1:-1]] for line in shown.stdout.splitlines()]

    for case in CASES:
        assert [case.name, str(case.status), case.challenge or "", "agree"] in rows


def test_progress_goes_to_standard_error_and_colours_only_to_terminals(shown):
    for name in ("Flask on waitress", "Starlette on uvicorn", "FastAPI on uvicorn", "Django on uvicorn"):
        assert f"{name} answers at http://127.0.0.1:" in shown.stderr
        assert name not in shown.stdout
    assert "\x1b" not in shown.stdout
    assert "RuntimeWarning" not in shown.stderr


def test_no_server_outlives_the_demo(shown):
    ports = re.findall(r"127\.0\.0\.1:(\d+)", shown.stderr)

    assert len(ports) == 4
    assert [port for port in ports if listens(int(port))] == []


@pytest.fixture
def left_running():
    process = subprocess.Popen(
        [*COMMAND, "--serve"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.endswith('YW5uYTpzZWNyZXQ="\n'):
            break
    yield process, "".join(lines)
    process.kill()
    process.communicate(timeout=PATIENCE)


def test_with_serve_the_printed_requests_work_until_ctrl_c_ends_it_cleanly(left_running):
    process, text = left_running
    token, expired = (re.search(rf"^{name}=(\S+)$", text, re.MULTILINE)[1] for name in ("TOKEN", "EXPIRED"))
    ports = [
        int(port) for port in re.findall(r"^curl -i http://127\.0\.0\.1:(\d+)/orders .*\$TOKEN", text, re.MULTILINE)
    ]

    assert len(set(ports)) == 4
    for port in ports:
        assert request(port, "/orders", token=token)[::2] == (200, b"orders of anna")
        assert request(port, "/orders", token=expired)[0] == 401

    os.kill(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE)

    assert process.returncode == 0
    assert "Stopped." in errors
    assert "Traceback" not in errors
    assert [port for port in ports if listens(port)] == []


def test_servers_end_even_if_the_demo_is_killed(left_running):
    process, text = left_running
    ports = {int(port) for port in re.findall(r"127\.0\.0\.1:(\d+)", text)}

    process.kill()

    deadline = time.monotonic() + PATIENCE
    while any(listens(port) for port in ports) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [port for port in ports if listens(port)] == []


def test_a_wrong_answer_makes_the_demo_fail_and_say_which(monkeypatch, capfd):
    wrong = Case("expired yesterday", ("Bearer {expired}",), 200)
    monkeypatch.setattr(command, "CASES", (CASES[0], wrong))
    monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal

    with pytest.raises(SystemExit) as ended:
        command.demo([])

    shown = capfd.readouterr().out
    assert ended.value.code == 1
    assert "expired yesterday: Django answered 401, not 200" in shown
    assert "every answer is right" not in shown


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (Answer(403, RIGHT.challenges, RIGHT.body), "answered 403, not 401"),
        (Answer(401, (), RIGHT.body), "another WWW-Authenticate"),
        (Answer(401, RIGHT.challenges * 2, RIGHT.body), "another WWW-Authenticate"),
        (Answer(401, ('Bearer realm="API"',), RIGHT.body), "another WWW-Authenticate"),
        (Answer(401, RIGHT.challenges, b"{} "), "another body than Flask"),
    ],
)
def test_one_framework_that_differs_is_named(other, told):
    (problem,) = problems(CASE, {"Flask": RIGHT, "Starlette": RIGHT, "Django": other})

    assert problem.startswith("Django ")
    assert told in problem


def test_answers_that_agree_on_something_wrong_are_wrong():
    wrong = Answer(200, (), b"come in")

    assert len(problems(CASE, {"Flask": wrong, "Django": wrong})) == 4
    assert len(problems(Case("x", (), 200, body="well"), {"Flask": wrong, "Django": wrong})) == 2
    assert problems(CASE, {"Flask": RIGHT, "Django": RIGHT}) == []


def test_the_demo_asks_the_telling_questions():
    assert {case.status for case in CASES} == {200, 400, 401, 403}
    assert len({case.name for case in CASES}) == len(CASES) >= 12
    for name in Mint().tokens():
        assert any(f"{{{name}}}" in f"{case.authorization}{case.path}" for case in CASES), name


def test_a_server_that_cannot_start_is_reported_and_takes_the_others_down():
    started = []

    with pytest.raises(ConfigurationError, match="did not start"), Fleet("{not a key", lambda *_: started.append(_)):
        pytest.fail("unreachable")

    assert started == []


def test_a_server_that_ends_by_itself_ends_the_waiting():
    with Fleet(json.dumps(Mint().key.to_jwk()), lambda *_: None) as running:
        running.check()
        running._processes["django"].kill()
        running._processes["django"].wait()

        with pytest.raises(ConfigurationError, match="Django ended"):
            command._leave_running(running, {"good": "x", "expired": "y"})


def test_a_server_that_does_not_stop_is_stopped(monkeypatch):
    monkeypatch.setattr(fleet, "_PATIENCE", 0)

    with Fleet(json.dumps(Mint().key.to_jwk()), lambda *_: None) as running:
        processes = list(running._processes.values())

    assert all(process.returncode is not None for process in processes)
    assert signal.SIGKILL in {-process.returncode for process in processes}


def test_a_server_that_gives_no_answer_is_named():
    with pytest.raises(ConfigurationError, match="Flask gave no answer to: no credentials"):
        command._answers(CASE, {"flask": free_port()}, {})
