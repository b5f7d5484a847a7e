"""Start the peers once, and create the keys of both sides."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from tests.interop.peers import ALGORITHMS, Joserfc, Jwk, Node, Peer, PyJWT
from tests.interop.toolchains import JSONLines, build_rust_peer, install_node_peers, json_lines

from gatepass import Key


@pytest.fixture(scope="session")
def pyjwt() -> PyJWT:
    return PyJWT()


@pytest.fixture(scope="session")
def joserfc() -> Joserfc:
    return Joserfc()


@pytest.fixture(scope="session")
def node_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install_node_peers(tmp_path_factory.mktemp("node"))


@pytest.fixture(scope="session")
def node(node_directory: Path) -> Iterator[JSONLines]:
    with json_lines("node", "peers.mjs", cwd=node_directory) as process:
        yield process


@pytest.fixture(scope="session")
def jose(node: JSONLines) -> Node:
    return Node("jose", node)


@pytest.fixture(scope="session")
def jsonwebtoken(node: JSONLines) -> Node:
    return Node("jsonwebtoken", node)


@pytest.fixture(scope="session")
def rust(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JSONLines]:
    directory = tmp_path_factory.mktemp("rust")
    with json_lines(build_rust_peer(directory), cwd=directory) as process:
        yield process


@pytest.fixture(params=[(name, alg) for name, algs in ALGORITHMS.items() for alg in algs], ids="-".join)
def pairing(request: pytest.FixtureRequest) -> tuple[Peer, str]:
    """Return each peer with each algorithm that it supports."""
    name, algorithm = request.param
    return request.getfixturevalue(name), algorithm


@pytest.fixture
def peer(pairing: tuple[Peer, str]) -> Peer:
    return pairing[0]


@pytest.fixture
def algorithm(pairing: tuple[Peer, str]) -> str:
    return pairing[1]


@pytest.fixture(scope="session")
def our_keys() -> Callable[[str], Key]:
    """Return a function for our key of an algorithm, the same key on each call."""
    return cache(Key.generate)


@pytest.fixture(scope="session")
def namesakes(our_keys: Callable[[str], Key]) -> Callable[[str], Key]:
    """Return a function for an untrusted key of an algorithm with the `kid` of our key."""

    @cache
    def namesake(algorithm: str) -> Key:
        return Key.from_jwk(Key.generate(algorithm).to_private_jwk() | {"kid": our_keys(algorithm).kid})

    return namesake


@pytest.fixture(scope="session")
def verifying_jwk() -> Callable[[Key], Jwk]:
    """Return a function for the JWK of a verifier elsewhere: the public key or, for HMAC, the shared secret."""

    def of(key: Key) -> dict[str, Any]:
        return dict(key.to_private_jwk() if key.is_secret else key.to_jwk())

    return of


@pytest.fixture(scope="session")
def their_keys(joserfc: Joserfc) -> Callable[[str], Jwk]:
    """Return a function for a private JWK of an algorithm, made by joserfc, the same key on each call."""
    return cache(joserfc.generate)


@pytest.fixture(scope="session")
def untrusted_keys(joserfc: Joserfc) -> Callable[[str], Jwk]:
    """Return a function like `their_keys`, for keys that no verifier trusts."""
    return cache(joserfc.generate)
