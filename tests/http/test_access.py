"""Which routes are public: by a mark, or by their exact path (F-16, G1)."""

import functools

import pytest

from gatepass import ConfigurationError, optional_auth, public
from gatepass.adapter import access_level, public_paths


def test_every_view_without_a_mark_is_protected():
    assert access_level(lambda: None) == "protected"
    assert access_level(object()) == "protected"
    assert access_level(None) == "protected"


def test_a_mark_applies_to_its_view_and_survives_functools_wraps():
    @public
    def open_view(): ...

    @optional_auth
    def half_open_view(): ...

    @functools.wraps(open_view)
    def wrapped(): ...

    assert (access_level(open_view), access_level(half_open_view), access_level(wrapped)) == (
        "public",
        "optional",
        "public",
    )


class Slotted:
    __slots__ = ()

    def __call__(self): ...

    def view(self): ...


@pytest.mark.parametrize(("mark", "name"), [(public, "public"), (optional_auth, "optional_auth")])
def test_the_error_for_a_misplaced_mark_shows_the_syntax(mark, name):
    for misplaced in ((), (None,), ("orders",), (["orders:read"],)):
        with pytest.raises(ConfigurationError, match=f"write @{name}, without parentheses"):
            mark(*misplaced)


@pytest.mark.parametrize("view", [Slotted(), Slotted().view, len, dict], ids=["slots", "method", "built-in", "class"])
@pytest.mark.parametrize(("mark", "name"), [(public, "public"), (optional_auth, "optional_auth")])
def test_the_error_for_a_view_that_cannot_be_marked_suggests_a_function(mark, name, view):
    with pytest.raises(ConfigurationError, match=f"write @{name} above that function"):
        mark(view)


def as_view(view_class, *decorators):
    """Return a view as `as_view()` of Django and Flask does: a function that names its class."""

    def view(): ...

    for decorator in decorators:
        view = decorator(view)
    view.view_class = view_class
    return view


def test_the_mark_of_a_class_does_not_apply_to_its_subclasses():
    @public
    class Status: ...

    class Heir(Status): ...

    assert (access_level(Status), access_level(as_view(Status))) == ("public", "public")
    assert (access_level(Heir), access_level(as_view(Heir))) == ("protected", "protected")
    assert access_level(as_view(optional_auth(Heir))) == "optional"


def test_a_view_of_a_class_can_be_marked_itself():
    class Status: ...

    class Heir(Status): ...

    @functools.wraps(view := public(as_view(Heir)))
    def wrapped(): ...

    assert (access_level(view), access_level(wrapped), access_level(as_view(Heir))) == ("public", "public", "protected")


@pytest.mark.parametrize(
    "paths",
    [
        ["health"],
        [""],
        ["/health*"],
        ["/h?x"],
        ["/h#x"],
        ["/%68"],
        ["/users/<id>"],
        ["/users/{id}"],
        [5],
        [None],
        "/healthz",
        [b"/h"],
    ],
)
def test_a_public_path_must_be_exact_decoded_text(paths):
    with pytest.raises(ConfigurationError, match="public="):
        public_paths(paths)


def test_paths_are_compared_completely():
    paths = public_paths(["/health", "/docs/"])

    assert "/health" in paths
    assert paths.isdisjoint(["/healthz", "/health/", "/Health", "/docs", "/docs/x", "/"])
