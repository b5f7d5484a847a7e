"""The floors of the house: who may import whom, read from the sources with `ast`.

Each module stands on one floor and imports modules of lower floors alone, so no cycle can exist.
A module that is missing from the table fails: where it stands is a decision.
"""

import ast
import sys
from collections.abc import Iterator

import pytest
from tests.packaging.sources import source_files

import gatepass

FLOORS = [
    {"gatepass.common", "gatepass.http", "gatepass.jose", "gatepass.token_endpoint", "gatepass.tokens"},
    # 1: what can go wrong, the limits, and the grammar of a scope and of a moment
    {"gatepass.common.header_numbers", "gatepass.common.per_process", "gatepass.common.texts"},
    {
        "gatepass.common.clocks",
        "gatepass.errors.base",
        "gatepass.common.limits",
        "gatepass.common.moments",
        "gatepass.common.runtime",
        "gatepass.common.scope",
        "gatepass.common.traces",
    },
    {
        "gatepass.errors.credentials",
        "gatepass.common.extras",
        "gatepass.errors.outage",
        "gatepass.errors.permission",
        "gatepass.errors.token",
    },
    {"gatepass.errors.groups"},
    {"gatepass.errors"},
    # 2: strict JSON, compact serialization, keys, claims and policy
    {"gatepass.common.allow", "gatepass.tokens.claim_names", "gatepass.tokens.read_only", "gatepass.jose.strict_json"},
    {"gatepass.tokens.profile"},
    {
        "gatepass.tokens.claim_checks",
        "gatepass.jose.compact",
        "gatepass.tokens.extra_claims",
        "gatepass.keys.algorithms",
        "gatepass.keys.edwards",
        "gatepass.keys.layers",
        "gatepass.keys.misplaced",
        "gatepass.keys.rsa",
        "gatepass.tokens.providers",
    },
    {"gatepass.keys.known"},
    {"gatepass.keys.guessable"},
    {
        "gatepass.tokens.access_token",
        "gatepass.tokens.claims",
        "gatepass.keys.environment",
        "gatepass.keys.jwk",
        "gatepass.keys.pem",
        "gatepass.keys.secret",
    },
    {"gatepass.keys.material"},
    {"gatepass.keys.key"},
    {"gatepass.keys.unused"},
    {"gatepass.keys.key_set"},
    {"gatepass.keys", "gatepass.revocation.store"},
    {
        "gatepass.common.settings",
        "gatepass.revocation.fail_open",
        "gatepass.common.private_files",
        "gatepass.revocation.cache",
    },
    # 3: the application's questions, and keys that change while the service runs
    {"gatepass.tokens.header", "gatepass.tokens.hooks", "gatepass.tokens.known_tokens"},
    {"gatepass.tokens.cache", "gatepass.keys.source"},
    # an issuer's keys, fetched from its server
    {
        "gatepass.jwks.cache_control",
        "gatepass.jwks.events",
        "gatepass.jwks.greenlets",
        "gatepass.jwks.held",
        "gatepass.jwks.snapshot",
        "gatepass.jwks.unknown_kids",
    },
    {"gatepass.jwks.http"},
    {"gatepass.jwks.discovery", "gatepass.jwks.document"},
    {"gatepass.jwks.fetcher"},
    {"gatepass.jwks.single_flight"},
    {"gatepass.jwks.client"},
    {"gatepass.jwks"},
    # the issuer's own keys over time
    {"gatepass.keyring.files", "gatepass.keyring.due", "gatepass.keyring.schedule"},
    {"gatepass.keyring.timeline"},
    {
        "gatepass.keyring.changes",
        "gatepass.keyring.listing",
        "gatepass.keyring.manifest",
        "gatepass.keyring.mounted",
    },
    {"gatepass.keyring.watch"},
    {"gatepass.keyring.ring"},
    {"gatepass.keyring"},
    # tokens made and checked
    {"gatepass.tokens.issuer", "gatepass.tokens.verifying_keys"},
    {"gatepass.tokens.verifier"},
    {"gatepass.tokens.verifiers"},
    # 4: credentials, challenges, requirements, answers
    {"gatepass.tokens.explain", "gatepass.http.layers"},
    {
        "gatepass.http.bearer",
        "gatepass.http.challenge",
        "gatepass.http.cookie_header",
        "gatepass.http.guards",
        "gatepass.http.requirement",
        "gatepass.http.access",
        "gatepass.http.https",
    },
    {"gatepass.http.caching", "gatepass.http.cookies"},
    {"gatepass.http.extractor"},
    {"gatepass.http.response"},
    {"gatepass.http.jwks_endpoint", "gatepass.http.resource_server"},
    # beside the request path: families, refresh, revocation, and the endpoints that serve them
    {
        "gatepass.refresh.errors",
        "gatepass.refresh.family",
        "gatepass.refresh.purged",
        "gatepass.revocation.access_tokens",
    },
    {"gatepass.revocation"},
    {
        "gatepass.refresh.hooks",
        "gatepass.token_endpoint.form",
        "gatepass.refresh.store",
        "gatepass.refresh.unsettled",
        "gatepass.refresh.windows",
    },
    {"gatepass.token_endpoint.client_auth", "gatepass.refresh.revoker", "gatepass.refresh.pair"},
    {"gatepass.token_endpoint.browser", "gatepass.refresh.rotation"},
    {"gatepass.token_endpoint.responses"},
    {"gatepass.refresh.service"},
    {"gatepass.refresh"},
    {"gatepass.token_endpoint.endpoint"},
    {
        "gatepass.stores",
        "gatepass.stores.batches",
        "gatepass.stores.group_commit",
        "gatepass.stores.memory",
        "gatepass.stores.redis_scripts",
        "gatepass.stores.rows",
        "gatepass.stores.sql_tables",
    },
    {
        "gatepass.stores.redis",
        "gatepass.stores.sql_direct",
        "gatepass.stores.sql_schema",
        "gatepass.stores.sqlite_file",
    },
    {"gatepass.stores.sql", "gatepass.stores.sqlite"},
    # the contract of a store, for pytest
    {"gatepass.testing.families", "gatepass.testing.base", "gatepass.testing.racing"},
    {
        "gatepass.testing.concurrency",
        "gatepass.testing.expiry",
        "gatepass.testing.rotation",
        "gatepass.testing.persistence",
        "gatepass.testing.revocation_store",
    },
    {"gatepass.testing.refresh_store"},
    {"gatepass.testing"},
    # the public names
    {"gatepass"},
    # the adapters
    {
        "gatepass_flask.answer",
        "gatepass_flask.body",
        "gatepass_flask.browser",
        "gatepass_flask.identity",
        "gatepass_flask.preflight",
        "gatepass_flask.routes",
    },
    {"gatepass_flask.refusals"},
    {"gatepass_flask.middleware"},
    {"gatepass_flask.endpoints", "gatepass_flask.views"},
    {"gatepass_flask"},
    {"gatepass_starlette.connection", "gatepass_starlette.state"},
    {
        "gatepass_starlette.body",
        "gatepass_starlette.denial",
        "gatepass_starlette.identity",
        "gatepass_starlette.preflight",
        "gatepass_starlette.routes",
        "gatepass_starlette.vary",
    },
    {"gatepass_starlette.endpoints", "gatepass_starlette.expiry", "gatepass_starlette.refusals"},
    {"gatepass_starlette.guard", "gatepass_starlette.middleware"},
    {"gatepass_starlette"},
    {"gatepass_fastapi.documented", "gatepass_fastapi.refusal"},
    {"gatepass_fastapi.bearer", "gatepass_fastapi.endpoints"},
    {"gatepass_fastapi"},
    {
        "gatepass_django.conf",
        "gatepass_django.http",
        "gatepass_django.identity",
        "gatepass_django.permissions",
        "gatepass_django.streams",
        "gatepass_django.urls",
        "gatepass_django.user",
    },
    {"gatepass_django.spectacular"},
    {
        "gatepass_django.checks",
        "gatepass_django.endpoints",
        "gatepass_django.middleware",
        "gatepass_django.rest_framework",
        "gatepass_django.views",
    },
    {"gatepass_django", "gatepass_django.apps"},
    {"gatepass_django.refresh.apps", "gatepass_django.refresh.fields", "gatepass_django.refresh.forks"},
    {"gatepass_django.refresh.store"},
    {"gatepass_django.refresh", "gatepass_django.refresh.migrations.m0001_initial", "gatepass_django.refresh.models"},
    {
        "gatepass_django.refresh.admin",
        "gatepass_django.refresh.management",
        "gatepass_django.refresh.management.commands",
        "gatepass_django.refresh.management.commands.gatepass_purge",
        "gatepass_django.refresh.migrations",
    },
    # the command
    {"gatepass.cli.text", "gatepass.cli.key_file", "gatepass.cli.store_url"},
    {"gatepass.cli.keygen", "gatepass.cli.keys", "gatepass.cli.inspect", "gatepass.cli.purge"},
    {"gatepass.cli.demo.cases", "gatepass.cli.demo.frameworks", "gatepass.cli.demo.resource"},
    {"gatepass.cli.demo.account"},
    {"gatepass.cli.demo.session"},
    {
        "gatepass.cli.demo.django_app",
        "gatepass.cli.demo.exchange",
        "gatepass.cli.demo.fastapi_app",
        "gatepass.cli.demo.fleet",
        "gatepass.cli.demo.flask_app",
        "gatepass.cli.demo.serve",
        "gatepass.cli.demo.starlette_app",
        "gatepass.cli.demo.tokens",
    },
    {"gatepass.cli.demo.report"},
    {"gatepass.cli.demo"},
    {"gatepass.cli.program"},
    {"gatepass.cli"},
    {"gatepass.__main__"},
]

CORE = "gatepass"
ADAPTERS = ("gatepass_django", "gatepass_fastapi", "gatepass_flask", "gatepass_starlette")

# What a module may import beside the standard library; the longest name that fits decides.
FOREIGN = {
    "gatepass": set(),
    "gatepass.jwks": {"httpx"},
    "gatepass.keys": {"cryptography", "jwt"},
    "gatepass.stores.redis": {"redis"},
    "gatepass.stores.sql": {"sqlalchemy"},
    "gatepass.stores.sql_direct": {"sqlalchemy"},
    "gatepass.stores.sql_schema": {"sqlalchemy"},
    "gatepass.stores.sql_tables": {"sqlalchemy"},
    "gatepass.testing": {"pytest"},
    "gatepass.cli": {"click", "rich"},
    "gatepass.cli.store_url": {"sqlalchemy"},
    "gatepass.cli.demo": {
        "click",
        "rich",
        "uvicorn",
        "waitress",
        "flask",
        "starlette",
        "fastapi",
        "django",
    },
    "gatepass_flask": {"flask", "werkzeug"},
    "gatepass_starlette": {"anyio", "starlette"},
    "gatepass_fastapi": {"fastapi", "starlette"},
    "gatepass_django": {"django", "asgiref"},
    "gatepass_django.permissions": {"rest_framework"},
    "gatepass_django.rest_framework": {"django", "rest_framework"},
    "gatepass_django.spectacular": {"drf_spectacular"},
}

FOR_TYPE_CHECKERS = {"_typeshed"}

NETWORK = {"asyncio", "http.client", "http.server", "socket", "socketserver", "ssl", "urllib.request"}
MAY_NETWORK = ("gatepass.cli.demo", "gatepass.jwks")
# It asks whether an event loop runs, and waits on it for a thread.
MAY_AWAIT = {"gatepass.keys.source"}

# An adapter that stands on another one, and uses its public names.
STANDS_ON = {"gatepass_fastapi": "gatepass_starlette"}


FILES = source_files()


def core_modules() -> set[str]:
    return {module for module in FILES if module.partition(".")[0] == CORE}


FLOOR_OF = {module: number for number, floor in enumerate(FLOORS) for module in floor}


def imports(module: str, source: str, *, package: bool) -> Iterator[tuple[str, str]]:
    """Each import anywhere in *source*, as (module, name taken from it or "").

    What is reached as `gatepass.name` counts as taken, too.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, ""
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == CORE:
            yield CORE, node.attr
        elif isinstance(node, ast.ImportFrom):
            origin = node.module or ""
            if node.level:
                parents = module.split(".") if package else module.split(".")[:-1]
                parents = parents[: len(parents) - node.level + 1]
                origin = ".".join([*parents, origin] if origin else parents)
            for alias in node.names:
                yield origin, alias.name


def imports_of(module: str) -> list[tuple[str, str]]:
    path = FILES[module]
    found = imports(module, path.read_text(encoding="utf-8"), package=path.name == "__init__.py")
    return [(origin, name) for origin, name in found if origin != "__future__"]


def target(origin: str, name: str) -> str:
    """The module that an import loads: the name itself, where it is a module of ours."""
    return f"{origin}.{name}" if f"{origin}.{name}" in FILES else origin


def ours(module: str) -> bool:
    return module.partition(".")[0] in (CORE, *ADAPTERS)


def too_high(module: str, found: list[tuple[str, str]]) -> list[str]:
    loaded = {target(origin, name) for origin, name in found}
    return sorted(other for other in loaded if ours(other) and FLOOR_OF[other] >= FLOOR_OF[module])


def test_every_module_has_exactly_one_floor():
    assert sorted(module for floor in FLOORS for module in floor) == sorted(FILES)


@pytest.mark.parametrize("module", sorted(FILES))
def test_a_module_imports_from_lower_floors_alone(module):
    assert too_high(module, imports_of(module)) == []


@pytest.mark.parametrize("module", sorted(FILES))
def test_a_module_imports_only_the_foreign_packages_of_its_place(module):
    place = max((prefix for prefix in FOREIGN if f"{module}.".startswith(f"{prefix}.")), key=len)
    tops = {origin.partition(".")[0] for origin, _ in imports_of(module) if not ours(origin)}

    assert tops - FOREIGN[place] - sys.stdlib_module_names - FOR_TYPE_CHECKERS == set()


@pytest.mark.parametrize("module", sorted(module for module in core_modules() if not module.startswith(MAY_NETWORK)))
def test_a_module_of_the_core_opens_no_connection(module):
    loaded = {name for origin, taken in imports_of(module) for name in (origin, f"{origin}.{taken}")}

    assert sorted(loaded & NETWORK - ({"asyncio"} if module in MAY_AWAIT else set())) == []


@pytest.mark.parametrize("module", sorted(module for module in FILES if module.startswith(ADAPTERS)))
def test_an_adapter_uses_public_names_alone(module):
    own = module.partition(".")[0]
    private = [
        (origin, name)
        for origin, name in imports_of(module)
        if ours(origin)
        and origin.partition(".")[0] != own
        and not (origin == CORE and name in {"", "errors", *gatepass.__all__})
        and origin not in {"gatepass.errors", "gatepass.refresh"}
        and origin != STANDS_ON.get(own)
    ]

    assert private == []


@pytest.mark.parametrize(
    "line",
    [
        "import gatepass.keys",
        "from gatepass import keys",
        "from gatepass.keys import Key",
        "from . import keys",
        "from .keys import Key",
        "def later():\n    from gatepass.keys import Key",
        "if TYPE_CHECKING:\n    from gatepass.keys import Key",
    ],
)
def test_an_import_from_above_is_seen_however_it_is_written(line):
    found = list(imports("gatepass.errors", line, package=False))

    assert too_high("gatepass.errors", found) == ["gatepass.keys"]
