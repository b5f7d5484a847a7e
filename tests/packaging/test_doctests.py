"""The examples in the docstrings of the core pass as doctests, against the installed wheel."""

import doctest
import importlib

import pytest
from tests.support.sources import source_files

WITH_EXAMPLES = sorted(
    module
    for module, path in source_files().items()
    if module.partition(".")[0] == "gatepass" and ">>>" in path.read_text(encoding="utf-8")
)


def test_some_docstrings_have_examples():
    assert {"gatepass.tokens.issuer", "gatepass.tokens.verifier"} <= set(WITH_EXAMPLES)


@pytest.mark.parametrize("module", WITH_EXAMPLES)
def test_the_examples_of_a_docstring_pass(module):
    for package, extra in (("gatepass.jwks", "httpx"), ("gatepass.cli", "click")):
        if module.startswith(package):
            pytest.importorskip(extra)
    result = doctest.testmod(importlib.import_module(module))

    assert result.attempted > 0
    assert result.failed == 0
