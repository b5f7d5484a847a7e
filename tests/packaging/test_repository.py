"""What holds for the repository as a whole and no other tool watches."""

import configparser
import os
import re
import subprocess
import tomllib

import pytest
from tests.conftest import ONCE
from tests.support.needs import missing, reason_for

MIN_LINES, MAX_LINES = 40, 400
MAX_TOP_MODULES = 8
# Modules below MIN_LINES; a package's __init__ may have three.
SMALL = {
    "src/gatepass/__main__.py": "python -m gatepass looks for this name",
    "src/gatepass/adapter.py": "names alone: the interface for adapters",
    "src/gatepass/cli/demo/fastapi_app.py": "a process imports one framework and no other",
    "src/gatepass/cli/demo/flask_app.py": "a process imports one framework and no other",
    "adapters/gatepass_django/apps.py": "Django looks for this name",
    "adapters/gatepass_django/refresh/apps.py": "Django looks for this name",
    "adapters/gatepass_django/spectacular.py": "needs drf-spectacular, which a project may not have",
}
in_a_shell = pytest.mark.skipif(not hasattr(os, "fork"), reason=reason_for("POSIX", ".ci/run is a shell script"))


@pytest.fixture(scope="module")
def tracked(repository):
    if not (repository / ".git").exists():
        missing("a git checkout", "an unpacked source archive has no list of tracked files")
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=repository, capture_output=True, text=True, check=True)
    files = [repository / name for name in listing.stdout.split("\0") if name]
    return [file for file in files if file.is_file()]


@pytest.fixture(scope="module")
def project(repository):
    return tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def tox(repository):
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(repository / "tox.ini", encoding="utf-8")
    return parser


def modules(repository):
    return sorted([*(repository / "src").rglob("*.py"), *(repository / "adapters").rglob("*.py")])


@pytest.fixture(scope="module")
def lengths(repository):
    return {
        module.relative_to(repository).as_posix(): len(module.read_text(encoding="utf-8").splitlines())
        for module in modules(repository)
    }


def test_no_module_has_more_lines_than_a_chapter(lengths):
    assert lengths
    assert {name: length for name, length in lengths.items() if length > MAX_LINES} == {}


def test_every_small_module_has_a_reason(lengths):
    small = {name for name, length in lengths.items() if length < MIN_LINES and not name.endswith("/__init__.py")}

    assert small - set(SMALL) == set()
    assert set(SMALL) - set(lengths) == set()
    assert [name for name, reason in SMALL.items() if len(reason.split()) < 3] == []


def test_limits_are_named_max_or_min(repository):
    other = re.compile(r"\b_*(?:LONGEST|LARGEST|MOST|LEAST|DEEPEST)_\w+")
    found = {
        f"{module.relative_to(repository).as_posix()}: {name}"
        for module in modules(repository)
        for name in other.findall(module.read_text(encoding="utf-8"))
    }

    assert sorted(found) == []


def test_the_packages_top_level_stays_small(repository):
    assert 0 < len(list((repository / "src" / "gatepass").glob("*.py"))) <= MAX_TOP_MODULES


def test_no_tracked_file_names_a_path_of_one_machine(tracked, repository):
    machine_path = re.compile(rb"(?<![\w.])/(?:work|farm|root|home|Users)/")

    found = [str(file.relative_to(repository)) for file in tracked if machine_path.search(file.read_bytes())]

    assert found == []


def test_no_tracked_file_is_a_build_product(tracked, repository):
    products = {".venv", ".tox", "node_modules", "target", "__pycache__", "dist", "build"}

    assert [str(file) for file in tracked if products & set(file.relative_to(repository).parts)] == []


@in_a_shell
def test_ci_runs_the_test_command_that_the_readme_gives(repository):
    """.ci/run is asked for it, so that its own reading of the page is what is tested."""
    asked = subprocess.run(
        [repository / ".ci" / "run", "--print-test-command"], capture_output=True, text=True, check=True
    )
    readme = (repository / "README.md").read_text(encoding="utf-8")

    assert asked.stdout.strip() == "python3 -m venv .venv && .venv/bin/pip install tox && .venv/bin/tox"
    assert readme.count("<!-- test-command -->") == 1


def test_the_oldest_environment_installs_every_lower_bound(project, tox):
    extras = project["project"]["optional-dependencies"].values()
    required = [*project["project"]["dependencies"], *(line for lines in extras for line in lines)]
    bounds = {tuple(line.split(">=")) for line in required if not line.startswith("gatepass[")}
    pins = re.findall(r"^oldest: ([\w-]+)==(\S+)$", tox["testenv"]["deps"], re.MULTILINE)

    assert bounds <= set(pins)


def test_the_hooks_before_a_commit_use_the_versions_of_the_lint_environment(project, repository):
    groups = project["dependency-groups"]
    pins = dict(line.split("==") for line in [*groups["lint"], *groups["hooks"]])
    hooks = (repository / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    used = re.findall(r'^ +additional_dependencies: \["([\w-]+)==([\w.]+)"\]$', hooks, re.MULTILINE)

    assert len(used) == hooks.count("language: python")
    assert {name for name, _ in used} == set(pins) - {"pre-commit"}
    assert {(name, version) for name, version in used if pins[name] != version} == set()


def test_workflows_pin_each_action_to_one_commit(repository):
    workflows = [path.read_text(encoding="utf-8") for path in repository.glob(".github/workflows/*.yml")]
    used = {line for text in workflows for line in re.findall(r"^ +(?:- )?uses: ([^.\n].*)$", text, re.MULTILINE)}
    actions = [line.partition("@")[0] for line in used]

    assert [line for line in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v[\d.]+", line)] == []
    assert len(actions) == len(set(actions))  # two pins of one action are two lines


def labels_of(tox):
    """The environments of each label of tox.ini."""
    lines = [line.partition("=") for line in tox["tox"]["labels"].strip().splitlines()]
    return {label.strip(): set(names.replace(",", " ").split()) for label, _, names in lines}


def test_every_environment_is_run_by_ci(repository, tox):
    """By the README's command or by a label that .ci/run names: an environment in neither would never run."""
    sections = {name.removeprefix("testenv:") for name in tox.sections() if name.startswith("testenv:")}
    labels = labels_of(tox)
    script = (repository / ".ci" / "run").read_text(encoding="utf-8")
    ran = re.findall(r'^run \d+ ".venv/bin/tox run -m (\w+)"$', script, re.MULTILINE)

    assert tox["tox"]["env_list"] == "py"
    assert set(ran) == set(labels)
    assert sections - {"bench"} <= {"py"}.union(*labels.values())  # a benchmark gives figures, not a verdict


def test_every_environment_that_a_page_names_is_there(repository, tox):
    pages = [*repository.glob("*.md"), *repository.glob("docs/*.md"), repository / "benchmarks" / "README.md"]
    pages += [*repository.glob(".github/workflows/*.yml"), repository / ".ci" / "run"]  # an archive has no workflows
    named = {
        (option, name)
        for page in pages
        for option, names in re.findall(r"\btox (?:run )?(-[em]) ([\w,-]+)", page.read_text(encoding="utf-8"))
        for name in names.split(",")
    }
    labels = labels_of(tox)
    environments = {name.removeprefix("testenv:") for name in tox.sections()}.union(*labels.values())
    known = {"-m": set(labels), "-e": environments}

    assert ("-m", "matrix") in named
    assert {(option, name) for option, name in named if name not in known[option]} == set()


def test_the_readmes_command_runs_every_test_once(repository, tox):
    assert tox["testenv:py"]["commands"].strip() == "pytest -n auto --dist worksteal {posargs:tests}"
    for folder in ("adapters", "cli", "interop", "jwks", "keyring", "keys", "packaging", "refresh", "stores", "tokens"):
        assert list((repository / "tests" / folder).glob("test_*.py")), folder


def test_what_runs_once_in_all_is_there(repository):
    assert [path for path in ONCE if not (repository / path).exists()] == []


@in_a_shell
def test_the_packages_that_ci_installs_are_named_to_contributors(repository):
    asked = subprocess.run([repository / ".ci" / "run", "--print-packages"], capture_output=True, text=True, check=True)
    contributing = (repository / "CONTRIBUTING.md").read_text(encoding="utf-8")

    assert len(asked.stdout.split()) > 5
    assert [name for name in asked.stdout.split() if f"`{name}`" not in contributing] == []


def test_the_changelog_has_a_place_for_what_is_new(repository):
    changelog = (repository / "CHANGELOG.md").read_text(encoding="utf-8")

    assert "\n## [Unreleased]\n" in changelog


def test_the_version_is_written_once(project, repository):
    version = project["project"]["version"]

    assert re.fullmatch(r"\d+\.\d+\.\d+", version)
    for module in modules(repository):
        assert f'"{version}"' not in module.read_text(encoding="utf-8")
