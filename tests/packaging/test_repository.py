"""Rules for the repository as a whole that no other tool checks."""

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
    "adapters/gatepass_django/apps.py": "Django looks for this name",
    "adapters/gatepass_django/refresh/apps.py": "Django looks for this name",
    "adapters/gatepass_django/refresh/migrations/m0002_logins.py": "one migration; a released one never changes",
    "adapters/gatepass_django/spectacular.py": "needs drf-spectacular, which a project may not have",
}
# Modules of gatepass without a test file of their name: the files that test them, and why.
COVERED_BY = {
    "__main__": (["tests/cli/test_main.py"], "the command's tests start it with python -m gatepass"),
    "adapter": (["tests/packaging/test_public_names.py"], "names alone: the interface for adapters"),
    "cli/store_location": (["tests/cli/test_purge.py"], "each way to name a store, and each error of a store"),
    "common/limits": (["tests/invariants/test_clocks.py"], "constants, and clocks that every class with a time takes"),
    "common/private_files": (
        ["tests/keyring/test_files.py", "tests/stores/test_sqlite_file.py"],
        "each rule is tested on the files that it protects: a key ring's and SQLite's",
    ),
    "common/scope": (["tests/common/test_texts.py"], "scopes are read by each constructor and call that takes them"),
    "http/extractor": (
        ["tests/adapters/cookie_contract.py"],
        "each adapter receives tokens in header, cookie and both",
    ),
    "keys/encodings": (["tests/keys/test_secret.py"], "each kind of key material is refused under each encoding"),
    "refresh/errors": (["tests/token_endpoint/contract.py"], "constants, pinned byte for byte in each response"),
    "refresh/store": (["tests/cli/test_purge.py"], "a protocol, and the loop that the command purge runs"),
    "stores/redis_fields": (
        ["tests/stores/test_redis.py"],
        "the inherited contract reads back every value that it writes",
    ),
    "stores/redis_scripts": (["tests/stores/test_redis.py"], "the scripts of the store, tested through its methods"),
    "stores/rows": (["tests/stores/test_sqlite.py"], "the inherited contract reads back every value that it writes"),
    "testing/base": (["tests/testing/test_contracts.py"], "what the classes of the contract share"),
    "testing/concurrency": (["tests/testing/test_contracts.py"], "part of the contract that broken stores must fail"),
    "testing/expiry": (["tests/stores/test_memory.py"], "part of the contract that each store's tests inherit"),
    "testing/listing": (["tests/stores/test_memory.py"], "part of the contract that each store's tests inherit"),
    "testing/persistence": (["tests/stores/test_memory.py"], "part of the contract that each store's tests inherit"),
    "testing/revocation_store": (["tests/testing/test_contracts.py"], "a contract that broken stores must fail"),
    "testing/rotation": (["tests/testing/test_contracts.py"], "part of the contract that broken stores must fail"),
}
# Test files of a package that have the name of none of its modules.
SEVERAL_MODULES = {
    "tests/cli/test_examples.py": "the example programs, and what README says of them",
    "tests/cli/test_main.py": "the entry point, in the package's __init__",
    "tests/stores/test_django.py": "the store of the adapter for Django, beside the others",
    "tests/stores/test_django_listing.py": "the store of the adapter for Django, beside the others",
    "tests/stores/test_django_signals.py": "the store of the adapter for Django, beside the others",
    "tests/stores/test_django_upgrade.py": "the migrations of the adapter for Django, beside its store",
    "tests/stores/test_durability.py": "every store that writes to a disk",
    "tests/stores/test_killed_processes.py": "every store that processes share",
    "tests/stores/test_killed_servers.py": "every store on a server",
    "tests/stores/test_missing_extras.py": "every store that needs an extra",
    "tests/stores/test_purge_limits.py": "every store that is purged",
    "tests/stores/test_reprs.py": "values of refresh, stores and the endpoint that must not show a token",
    "tests/stores/test_raw_forks.py": "every store that processes share",
    "tests/stores/test_version_1.py": "every persistent store, on a database of schema version 1",
    "tests/testing/test_contracts.py": "the contracts as a whole, against stores that break them",
}
# Folders of tests that are no package of gatepass.
OTHER_FOLDERS = {
    "adapters": "the adapters for the frameworks",
    "interop": "other libraries, in other languages",
    "invariants": "what holds for all modules together",
    "packaging": "the repository, its pages and the wheel",
    "servers": "real servers and their processes",
    "support": "what several test files share",
    "typing": "programs for the type checkers",
    "vectors": "published and forged tokens and signatures",
}
# Modules beside the tests that are no test, conftest or contract; those below WITH_PROGRAMS are not limited.
WITH_PROGRAMS = ("support", "typing", "interop", "servers")
BESIDE_TESTS = {"tests/vectors/from_rfc_texts.py": "makes rfc.json from the texts of the RFCs"}
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


def test_no_module_is_longer_than_the_limit(lengths):
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


def test_the_number_of_modules_at_the_top_level_is_limited(repository):
    assert 0 < len(list((repository / "src" / "gatepass").glob("*.py"))) <= MAX_TOP_MODULES


def modules_of_rooms(repository):
    """Return the modules of gatepass as paths below it; a nested package counts as one, `__init__` as none."""
    package = repository / "src" / "gatepass"
    parts = [module.relative_to(package).with_suffix("").parts[:2] for module in package.rglob("*.py")]
    return {"/".join(part) for part in parts if part[-1] != "__init__"}


def files_of_tests(repository):
    return sorted(file.relative_to(repository).as_posix() for file in (repository / "tests").rglob("*.py"))


def is_about(file, module):
    """Return whether *file* is `tests/<package>/test_<module>.py` or `tests/<package>/test_<module>_<aspect>.py`."""
    room, _, name = module.rpartition("/")
    return re.fullmatch(rf"tests/{room}{'/' if room else ''}test_{name}(_\w+)?\.py", file) is not None


def test_every_module_has_a_test_file_of_its_name_or_is_in_the_table(repository):
    files, found = files_of_tests(repository), modules_of_rooms(repository)
    without = {module for module in found if not any(is_about(file, module) for file in files)}

    assert len(found) > 80
    assert without == set(COVERED_BY)


def test_the_files_that_test_the_other_modules_exist(repository):
    named = {file for files, _ in COVERED_BY.values() for file in files}

    assert named - set(files_of_tests(repository)) == set()
    assert [module for module, (files, reason) in COVERED_BY.items() if not files or len(reason.split()) < 3] == []


def test_every_test_file_of_a_package_has_the_name_of_a_module_or_a_reason(repository):
    found = modules_of_rooms(repository)
    files = [file for file in files_of_tests(repository) if file.rpartition("/")[2].startswith("test_")]
    others = {
        file
        for file in files
        if file.split("/")[1] not in OTHER_FOLDERS and not any(is_about(file, module) for module in found)
    }

    assert others == set(SEVERAL_MODULES)
    assert [file for file, reason in SEVERAL_MODULES.items() if len(reason.split()) < 3] == []


def test_every_folder_of_tests_is_a_package_or_has_a_reason(repository):
    rooms = {module.partition("/")[0] for module in modules_of_rooms(repository) if "/" in module}
    folders = {file.split("/")[1] for file in files_of_tests(repository) if file.count("/") > 1}

    assert folders == rooms | set(OTHER_FOLDERS)
    assert rooms & set(OTHER_FOLDERS) == set()
    assert [folder for folder, reason in OTHER_FOLDERS.items() if len(reason.split()) < 3] == []


def test_every_helper_is_in_the_folder_of_helpers_or_has_a_reason(repository):
    helper = re.compile(r"tests/(?:\w+/)*(?!(?:test_\w+|conftest|\w*contract)\.py$)\w+\.py")
    found = {
        file
        for file in files_of_tests(repository)
        if helper.fullmatch(file) and file.split("/")[1] not in WITH_PROGRAMS
    }

    assert found == set(BESIDE_TESTS)
    assert [file for file, reason in BESIDE_TESTS.items() if len(reason.split()) < 3] == []


def test_no_tracked_file_names_a_path_of_one_machine(tracked, repository):
    machine_path = re.compile(rb"(?<![\w.])/(?:work|farm|root|home|Users)/")

    found = [str(file.relative_to(repository)) for file in tracked if machine_path.search(file.read_bytes())]

    assert found == []


def test_no_tracked_file_is_a_build_product(tracked, repository):
    products = {".venv", ".tox", "node_modules", "target", "__pycache__", "dist", "build"}

    assert [str(file) for file in tracked if products & set(file.relative_to(repository).parts)] == []


@in_a_shell
def test_ci_runs_the_test_command_of_the_readme(repository):
    """The command comes from .ci/run, so this tests how .ci/run reads the page."""
    result = subprocess.run(
        [repository / ".ci" / "run", "--print-test-command"], capture_output=True, text=True, check=True
    )
    readme = (repository / "README.md").read_text(encoding="utf-8")

    assert result.stdout.strip() == "python3 -m venv .venv && .venv/bin/pip install tox && .venv/bin/tox"
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
    assert len(actions) == len(set(actions))  # two pins of one action would be two entries


def labels_of(tox):
    """Return the environments of each label of tox.ini."""
    lines = [line.partition("=") for line in tox["tox"]["labels"].strip().splitlines()]
    return {label.strip(): set(names.replace(",", " ").split()) for label, _, names in lines}


def test_every_environment_is_run_by_ci(repository, tox):
    """CI runs the command of the README and the labels in .ci/run; it would never run an environment in neither."""
    sections = {name.removeprefix("testenv:") for name in tox.sections() if name.startswith("testenv:")}
    labels = labels_of(tox)
    script = (repository / ".ci" / "run").read_text(encoding="utf-8")
    [ran] = re.findall(r'^run \d+ ".venv/bin/tox run-parallel [^"]* -m ([\w ]+)"$', script, re.MULTILINE)

    assert tox["tox"]["env_list"] == "py"
    assert set(ran.split()) == set(labels)
    assert sections - {"bench"} <= {"py"}.union(*labels.values())  # a benchmark gives figures, not a verdict


def test_every_environment_that_a_page_names_exists(repository, tox):
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


def test_the_command_of_the_readme_runs_every_test(repository, tox):
    assert tox["testenv:py"]["commands"].strip() == "pytest -n auto --dist worksteal {posargs:tests}"
    for folder in ("adapters", "cli", "interop", "jwks", "keyring", "keys", "packaging", "refresh", "stores", "tokens"):
        assert list((repository / "tests" / folder).glob("test_*.py")), folder


def test_the_tests_that_run_once_exist(repository):
    assert [path for path in ONCE if not (repository / path).exists()] == []


@in_a_shell
def test_the_packages_that_ci_installs_are_named_to_contributors(repository):
    result = subprocess.run(
        [repository / ".ci" / "run", "--print-packages"], capture_output=True, text=True, check=True
    )
    contributing = (repository / "CONTRIBUTING.md").read_text(encoding="utf-8")

    assert len(result.stdout.split()) > 5
    assert [name for name in result.stdout.split() if f"`{name}`" not in contributing] == []


def test_the_changelog_has_a_section_for_unreleased_changes(repository):
    changelog = (repository / "CHANGELOG.md").read_text(encoding="utf-8")

    assert "\n## [Unreleased]\n" in changelog


def test_the_version_is_written_once(project, repository):
    version = project["project"]["version"]

    assert re.fullmatch(r"\d+\.\d+\.\d+", version)
    for module in modules(repository):
        assert f'"{version}"' not in module.read_text(encoding="utf-8")
