"""What holds for the repository as a whole and no other tool watches."""

import configparser
import re
import subprocess
import tomllib

import pytest

LONGEST_MODULE = 250


@pytest.fixture(scope="module")
def tracked(repository):
    if not (repository / ".git").exists():
        pytest.skip("not a git checkout: an unpacked source archive has no list of tracked files")
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


def test_no_module_is_longer_than_one_idea(repository):
    lengths = {
        module.relative_to(repository).as_posix(): len(module.read_text(encoding="utf-8").splitlines())
        for module in modules(repository)
    }

    assert lengths
    assert {name: length for name, length in lengths.items() if length > LONGEST_MODULE} == {}


def test_no_tracked_file_names_a_path_of_one_machine(tracked, repository):
    machine_path = re.compile(rb"(?<![\w.])/(?:work|farm|root|home|Users)/")

    found = [str(file.relative_to(repository)) for file in tracked if machine_path.search(file.read_bytes())]

    assert found == []


def test_no_tracked_file_is_a_build_product(tracked, repository):
    products = {".venv", ".tox", "node_modules", "target", "__pycache__", "dist", "build"}

    assert [str(file) for file in tracked if products & set(file.relative_to(repository).parts)] == []


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


def test_every_environment_has_a_place(tox):
    """In the default list or among the checks that CI calls after it: an environment in neither would never run."""
    sections = {name.removeprefix("testenv:") for name in tox.sections() if name.startswith("testenv:")}
    checks = set(tox["tox"]["labels"].partition("=")[2].replace(",", " ").split())
    default = set(tox["tox"]["env_list"].split())

    assert sections - {"bench"} <= default | checks  # a benchmark gives figures, not a verdict
    assert not default & checks


def test_all_test_folders_are_run_by_the_default_environments(repository, tox):
    assert tox["testenv"]["commands"].strip() == "pytest {posargs:tests --ignore=tests/interop}"
    assert tox["testenv:interop"]["commands"].strip() == "pytest {posargs:tests/interop}"
    assert (repository / "tests" / "interop").is_dir()


def test_the_changelog_has_a_place_for_what_is_new(repository):
    changelog = (repository / "CHANGELOG.md").read_text(encoding="utf-8")

    assert "\n## [Unreleased]\n" in changelog


def test_the_version_is_written_once(project, repository):
    version = project["project"]["version"]

    assert re.fullmatch(r"\d+\.\d+\.\d+", version)
    for module in modules(repository):
        assert f'"{version}"' not in module.read_text(encoding="utf-8")
