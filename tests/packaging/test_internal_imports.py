"""Imports of internal paths by tests, benchmarks, examples and pages: counted by module, each with a reason.

`PUBLIC` in `test_public_names.py` lists the public names. Each imported name counts once for each import of it.
"""

import doctest
import json
from collections import Counter

import pytest
from tests.packaging.test_public_names import PUBLIC
from tests.support.documents import PAGES, blocks_of
from tests.support.sources import REPOSITORY, imported, source_files

MODULES = set(source_files())
OURS = {module.partition(".")[0] for module in MODULES}

INTERNAL = {
    "gatepass.cli": (1, "the program runs in the test's own process"),
    "gatepass.cli.demo": (1, "the demo runs in the test's own process"),
    "gatepass.cli.demo.cases": (5, "the demo's requests are sent to one server at a time"),
    "gatepass.cli.demo.resource": (2, "a server is started with the demo's settings"),
    "gatepass.cli.demo.results": (3, "the table must say when an answer is wrong"),
    "gatepass.cli.demo.servers": (2, "servers that fail to start, and servers that end"),
    "gatepass.cli.keygen": (1, "a file that appears between the check and the write"),
    "gatepass.cli.text": (1, "the time that the report must show"),
    "gatepass.common.allow": (1, "every spelling of a loopback address"),
    "gatepass.common.event_loop": (3, "whether a thread may block, and work that outlives its caller"),
    "gatepass.common.runtime": (2, "whether threads may be started, in each kind of process"),
    "gatepass.common.scope": (2, "the grammar of a scope, and its linear cost"),
    "gatepass.common.settings": (6, "type checks that many constructors share; the list of extras"),
    "gatepass.errors": (1, "the log text of an exception in a hook"),
    "gatepass.http.bearer": (5, "the grammar of the header, by property and by linear cost"),
    "gatepass.http.cookies": (3, "the parser of the Cookie header and its limit"),
    "gatepass.http.requirement": (1, "providers' scope hierarchies as a value"),
    "gatepass.jose.compact": (38, "tokens by hand; the parser alone, its limit and its linear cost"),
    "gatepass.jose.strict_json": (8, "the parser alone, its limit and its linear cost"),
    "gatepass.jwks.discovery": (1, "where the metadata of each form of issuer is looked for"),
    "gatepass.jwks.http": (3, "the readers of a fetched document, and their linear cost"),
    "gatepass.jwks.snapshot": (1, "the chance in the time of a refresh, over many draws"),
    "gatepass.jwks.unknown_kids": (1, "a thousand kids that are remembered, without as many fetches"),
    "gatepass.keyring.changes": (1, "a simulated day with a rotation that is wrong"),
    "gatepass.keyring.files": (2, "a crash between two writes of a file"),
    "gatepass.keyring.manifest": (3, "the format of the file that processes share"),
    "gatepass.keyring.schedule": (1, "the schedule's arithmetic by property"),
    "gatepass.keyring.timeline": (1, "a simulated day with a retirement that is too early"),
    "gatepass.keyring.watch": (2, "a lock that stays taken; the background thread"),
    "gatepass.keys.algorithms": (13, "the table of algorithms; primitives against published vectors"),
    "gatepass.keys.jwk": (7, "the JWK reader alone; a reader without the fast path"),
    "gatepass.keys.key_set": (1, "the argument that several constructors take"),
    "gatepass.keys.material": (4, "key checks alone; keys of every size are made"),
    "gatepass.keys.public_numbers": (3, "the arithmetic that refuses weak RSA keys"),
    "gatepass.keys.secret": (3, "the check of a secret alone, and its linear cost"),
    "gatepass.keys.weak_secrets": (2, "the list of known secrets and the judge of guessable ones"),
    "gatepass.refresh.family": (2, "the seed in a refresh token must never be stored"),
    "gatepass.refresh.login": (1, "the names that a login may not set"),
    "gatepass.refresh.rotation": (2, "the linear cost of one refresh request, and a bound that a test lowers"),
    "gatepass.refresh.session": (3, "the cursor and the limit of a list of sessions"),
    "gatepass.revocation.store": (7, "the layers in front of the store and their clocks"),
    "gatepass.stores.group_commit": (2, "jobs that are interrupted inside one shared transaction"),
    "gatepass.stores.redis": (3, "the margin of the lifetimes of keys"),
    "gatepass.stores.redis_scripts": (4, "the scripts, for a server that fails in between"),
    "gatepass.stores.rows": (4, "a row, to be corrupted in the database; where a list begins"),
    "gatepass.stores.sql_schema": (7, "the tables, to read and corrupt rows and to name an index"),
    "gatepass.stores.sqlite_file": (1, "the sleep between two attempts at a locked file"),
    "gatepass.testing.base": (40, "families for a store, as the contract makes them"),
    "gatepass.testing.listing": (8, "the tests of lists, and their helpers, for each kind of Redis client"),
    "gatepass.testing.racing": (11, "races in threads and processes, as the contract runs them"),
    "gatepass.token_endpoint.client_auth": (2, "the reader of client credentials: its cost and its repr"),
    "gatepass.token_endpoint.form": (5, "the form parser: its limit, its cost and its repr"),
    "gatepass.token_endpoint.responses": (2, "a repr must not show tokens"),
    "gatepass.tokens.access_token": (1, "read-only containers alone"),
    "gatepass.tokens.cache": (2, "the cache's eviction and its memory"),
    "gatepass.tokens.claims": (3, "the fast path must agree with the named checks"),
    "gatepass.tokens.profile": (1, "every provider's profile, also one that is added later"),
    "gatepass.tokens.verifiers": (1, "the choice among issuers, apart from HTTP"),
    "gatepass_django.conf": (1, "the check of the setting, without a request"),
    "gatepass_django.http": (1, "whether a request counts as a preflight"),
    "gatepass_django.internals": (1, "undocumented parts of the framework, taken away"),
    "gatepass_django.permissions": (1, "whether a composed permission allows anonymous requests"),
    "gatepass_django.refresh.models": (7, "rows as the database holds them"),
    "gatepass_fastapi.internals": (1, "undocumented parts of the framework, taken away"),
    "gatepass_flask.internals": (1, "undocumented parts of the framework, taken away"),
    "gatepass_flask.routes": (1, "the application that a dispatcher chooses"),
    "gatepass_starlette.responses": (1, "the events of a request without its bodies"),
}


def internal_imports(source: str) -> Counter[str]:
    """Return how many names *source* imports from each internal module."""
    found: Counter[str] = Counter()
    for origin, name in imported(source):
        module = f"{origin}.{name}" if f"{origin}.{name}" in MODULES else origin
        listed = module in PUBLIC and (module != origin or not name or name in PUBLIC[module])
        if module.partition(".")[0] in OURS and not listed:
            found[module] += 1
    return found


def imports_below(*folders: str) -> Counter[str]:
    files = [file for folder in folders for file in (REPOSITORY / folder).rglob("*.py")]
    return sum((internal_imports(file.read_text(encoding="utf-8")) for file in files), Counter())


def code_of(block):
    if block.language != "pycon":
        return block.text
    return "".join(example.source for example in doctest.DocTestParser().get_examples(block.text))


def test_tests_and_benchmarks_import_only_the_internal_names_in_the_table():
    found = imports_below("tests", "benchmarks")
    rows = [
        f"    {json.dumps(module)}: ({count}, {json.dumps(INTERNAL.get(module, (0, ''))[1], ensure_ascii=False)}),\n"
        for module, count in sorted(found.items())
    ]

    if found != {module: count for module, (count, _) in INTERNAL.items()}:
        pytest.fail(
            "Import the public name, or paste this table and give each new line a reason.\n\n"
            f"INTERNAL = {{\n{''.join(rows)}}}",
            pytrace=False,
        )


def test_every_internal_import_has_a_reason():
    assert [module for module, (_, reason) in INTERNAL.items() if len(reason.split()) < 3] == []


def test_examples_import_only_public_names():
    assert imports_below("examples") == {}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_import_only_public_names(page):
    blocks = [block for block in blocks_of(page) if block.language in ("python", "pycon")]

    assert sum((internal_imports(code_of(block)) for block in blocks), Counter()) == {}


@pytest.mark.parametrize(
    ("source", "module"),
    [
        ("import gatepass.tokens.claims", "gatepass.tokens.claims"),
        ("from gatepass.tokens import claims", "gatepass.tokens.claims"),
        ("def test():\n    from gatepass.tokens.claims import compile_checks", "gatepass.tokens.claims"),
        ("from gatepass.keys.source import Fetch, _unlisted", "gatepass.keys.source"),
        ("from gatepass_flask import middleware", "gatepass_flask.middleware"),
    ],
)
def test_an_internal_import_is_counted_in_any_form(source, module):
    assert internal_imports(source) == {module: 1}


@pytest.mark.parametrize(
    "source", ["import gatepass", "from gatepass import Key, errors", "import gatepass.errors", "import gatepassport"]
)
def test_a_public_import_is_not_counted(source):
    assert internal_imports(source) == {}
