"""A misplaced guard, which no route calls, is detected among the registered views; correct placements pass."""

import functools

import pytest

from gatepass import ConfigurationError
from gatepass.adapter import check_guards, mark_guard


def guarded(view):
    @functools.wraps(view)
    def guard():
        return view()

    return mark_guard(view, guard)


def cached(view):
    @functools.wraps(view)
    def wrapper():
        return view()

    return wrapper


def make_view():
    def orders(): ...

    return orders


def test_an_unguarded_view_whose_guard_is_not_registered_is_refused_by_name():
    view = make_view()
    guarded(view)

    with pytest.raises(ConfigurationError, match=r"the view make_view\.<locals>\.orders was registered without it"):
        check_guards([make_view(), view])


def test_an_unregistered_guard_of_two_is_refused():
    inner = guarded(make_view())
    guarded(inner)

    with pytest.raises(ConfigurationError):
        check_guards([inner])


@pytest.mark.parametrize("around", [cached, guarded, functools.partial], ids=["a wrapper", "a guard", "a partial"])
def test_a_guard_below_another_decorator_is_accepted(around):
    check_guards([around(guarded(make_view()))])


def test_a_view_registered_with_and_without_its_guard_is_accepted():
    view = make_view()

    check_guards([view, guarded(view), guarded(view)])
    check_guards([view, guarded(guarded(view))])


def test_a_wrapper_of_a_guarded_view_is_not_the_view():
    view = make_view()
    guard = guarded(view)

    check_guards([cached(view), guard])


def test_a_view_without_attributes_can_be_guarded():
    guard = guarded("text".upper)

    assert guard() == "TEXT"
    check_guards([guard, "text".upper, 5, None])


def test_a_guard_above_another_decorator_above_the_route_is_detected():
    view = make_view()
    guarded(cached(view))

    with pytest.raises(ConfigurationError, match="orders"):
        check_guards([view])


def test_a_registered_guard_above_another_decorator_is_accepted():
    check_guards([guarded(cached(make_view()))])
    check_guards([cached(guarded(cached(make_view())))])


# --- decorators without functools.wraps


def plain(view):
    def inner():
        return view()

    return inner


class Timed:
    def __init__(self, view):
        self.view = view

    def __call__(self):
        return self.view()


def by_default(view):
    def inner(view=view):
        return view()

    return inner


BETWEEN = {
    "a closure": plain,
    "two closures": lambda view: plain(plain(view)),
    "a class": Timed,
    "a default": by_default,
    "a partial": functools.partial,
    "a closure in a wrapper": lambda view: cached(plain(view)),
    "a wrapper in a closure": lambda view: plain(cached(view)),
}


@pytest.mark.parametrize("name", BETWEEN)
def test_a_guard_above_a_decorator_without_wraps_above_the_route_is_detected(name):
    view = make_view()
    guarded(BETWEEN[name](view))

    with pytest.raises(ConfigurationError, match=r"orders was registered without it"):
        check_guards([make_view(), view])


@pytest.mark.parametrize("name", BETWEEN)
def test_a_guard_above_the_route_is_detected_with_any_decorator_below_it(name):
    registered = BETWEEN[name](make_view())
    guarded(registered)

    with pytest.raises(ConfigurationError):
        check_guards([registered])


@pytest.mark.parametrize("name", BETWEEN)
def test_a_route_with_the_view_behind_a_decorator_without_wraps_is_detected(name):
    view = make_view()
    guarded(view)

    with pytest.raises(ConfigurationError):
        check_guards([BETWEEN[name](view)])


@pytest.mark.parametrize("name", BETWEEN)
def test_guards_above_and_below_a_decorator_without_wraps_are_accepted(name):
    check_guards([guarded(BETWEEN[name](make_view()))])
    check_guards([BETWEEN[name](guarded(make_view()))])
    check_guards([guarded(BETWEEN[name](guarded(make_view())))])


def test_a_guard_above_a_decorator_without_wraps_above_a_registered_guard_is_detected():
    inner = guarded(make_view())
    guarded(plain(inner))

    with pytest.raises(ConfigurationError):
        check_guards([inner])


def test_a_view_that_calls_the_guard_of_another_route_does_not_replace_it():
    view = make_view()
    guard = guarded(view)

    def report():
        return guard()

    with pytest.raises(ConfigurationError):
        check_guards([view, guarded(report)])
    check_guards([guard, guarded(report), report])


def test_a_view_that_calls_another_view_does_not_count_as_its_wrapper():
    view = make_view()

    def report():
        return view()

    check_guards([view, guarded(report)])


def test_a_method_that_calls_a_view_does_not_count_as_its_wrapper():
    view = make_view()

    class Reports:
        @guarded
        def get(self):
            return view()

    def made_by_as_view(): ...

    made_by_as_view.view_class = Reports
    check_guards([view, made_by_as_view])


def test_a_bound_method_registered_without_its_guard_is_detected():
    class Orders:
        def get(self): ...

    orders = Orders()
    guard = guarded(orders.get)

    check_guards([guard])
    with pytest.raises(ConfigurationError, match="get was registered without it"):
        check_guards([orders.get])
