"""The peers, started once, and the keys that both sides use."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from tests.interop.peers import ALGORITHMS, Joserfc, Jwk, Node, Peer, PyJWT
from tests.interop.toolchains import Conversation, build_rust_peer, conversation, install_node_peers

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
def node(node_directory: Path) -> Iterator[Conversation]:
    with conversation("node", "peers.mjs", cwd=node_directory) as process:
        yield process


@pytest.fixture(scope="session")
def jose(node: Conversation) -> Node:
    return Node("jose", node)


@pytest.fixture(scope="session")
def jsonwebtoken(node: Conversation) -> Node:
    return Node("jsonwebtoken", node)


@pytest.fixture(scope="session")
def rust(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Conversation]:
    directory = tmp_path_factory.mktemp("rust")
    with conversation(build_rust_peer(directory), cwd=directory) as process:
        yield process


@pytest.fixture(params=[(name, alg) for name, algs in ALGORITHMS.items() for alg in algs], ids="-".join)
def pairing(request: pytest.FixtureRequest) -> tuple[Peer, str]:
    """Each peer with each algorithm that it knows."""
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
    """A key of ours for an algorithm, the same one each time."""
    return cache(Key.generate)


@pytest.fixture(scope="session")
def namesakes(our_keys: Callable[[str], Key]) -> Callable[[str], Key]:
    """A stranger's key for an algorithm that bears the `kid` of ours."""

    @cache
    def namesake(algorithm: str) -> Key:
        return Key.from_jwk(Key.generate(algorithm).to_private_jwk() | {"kid": our_keys(algorithm).kid})

    return namesake


@pytest.fixture(scope="session")
def verifying_jwk() -> Callable[[Key], Jwk]:
    """What a verifier elsewhere is given: the public JWK or, for HMAC, the shared secret."""

    def of(key: Key) -> dict[str, Any]:
        return dict(key.to_private_jwk() if key.is_secret else key.to_jwk())

    return of


@pytest.fixture(scope="session")
def their_keys(joserfc: Joserfc) -> Callable[[str], Jwk]:
    """A private JWK for an algorithm that joserfc made, the same one each time."""
    return cache(joserfc.generate)


@pytest.fixture(scope="session")
def untrusted_keys(joserfc: Joserfc) -> Callable[[str], Jwk]:
    """Like `their_keys`, but nobody trusts these."""
    return cache(joserfc.generate)
