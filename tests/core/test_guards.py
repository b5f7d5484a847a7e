"""A guard that no route has is found among the registered views; every honest arrangement passes."""

import functools

import pytest

from gatepass import ConfigurationError, check_guards, standing_before


def guarded(view):
    @functools.wraps(view)
    def guard():
        return view()

    return standing_before(view, guard)


def cached(view):
    @functools.wraps(view)
    def wrapper():
        return view()

    return wrapper


def make_view():
    def orders(): ...

    return orders


def test_a_bare_view_whose_guard_is_registered_nowhere_is_refused_by_its_name():
    view = make_view()
    guarded(view)

    with pytest.raises(ConfigurationError, match=r"the view make_view\.<locals>\.orders was registered without it"):
        check_guards([make_view(), view])


def test_one_guard_of_two_that_is_left_out_is_refused():
    inner = guarded(make_view())
    guarded(inner)

    with pytest.raises(ConfigurationError):
        check_guards([inner])


@pytest.mark.parametrize("around", [cached, guarded, functools.partial], ids=["a wrapper", "a guard", "a partial"])
def test_a_guard_below_something_else_is_in_its_place(around):
    check_guards([around(guarded(make_view()))])


def test_a_view_that_is_registered_with_its_guard_and_without_is_meant_so():
    view = make_view()

    check_guards([view, guarded(view), guarded(view)])
    check_guards([view, guarded(guarded(view))])


def test_a_wrapper_of_a_guarded_view_is_not_the_view():
    view = make_view()
    guard = guarded(view)

    check_guards([cached(view), guard])


def test_what_takes_no_notes_is_guarded_all_the_same():
    guard = guarded("text".upper)

    assert guard() == "TEXT"
    check_guards([guard, "text".upper, 5, None])


def test_a_guard_above_another_decorator_above_the_route_is_found_out_too():
    view = make_view()
    guarded(cached(view))

    with pytest.raises(ConfigurationError, match="orders"):
        check_guards([view])


def test_a_guard_above_another_decorator_that_is_registered_is_in_its_place():
    check_guards([guarded(cached(make_view()))])
    check_guards([cached(guarded(cached(make_view())))])
