"""The application is found below layers of any kind, without running code of the layers."""

import functools
import random
from types import ModuleType

import pytest

from gatepass import ConfigurationError
from gatepass.adapter import application_below


class Application:
    def serve(self, request):
        return request

    def __call__(self, request):
        return self.serve(request)


def below(layer):
    return application_below(layer, lambda candidate: type(candidate) is Application)


class InAnAttribute:
    def __init__(self, inner):
        self.held_application = inner

    def __call__(self, request):
        return self.held_application(request)


class InASlot:
    __slots__ = ("_kept", "empty")

    def __init__(self, inner):
        self._kept = inner

    def __call__(self, request):
        return self._kept(request)


class Heir(InASlot):
    pass


class BehindAProperty:
    """A layer that raises if any attribute except its storage is read."""

    def __init__(self, inner):
        self._inner = inner

    @property
    def app(self):
        raise AssertionError("a property ran")

    def __getattr__(self, name):
        raise AssertionError(f"__getattr__ ran for {name}")

    @property
    def __class__(self):
        raise AssertionError("__class__ ran")

    def __call__(self, request):
        return self._inner(request)


class Owner:
    def __init__(self, inner):
        self.inner = inner

    def run(self, request):
        return self.inner(request)


def closure(inner):
    def layer(request):
        return inner(request)

    return layer


def closure_over_an_owner(inner):
    owner = Owner(inner)
    return lambda request: owner.inner(request)  # noqa: PLW0108 - a layer


def default(inner):
    def layer(request, inner=inner):
        return inner(request)

    return layer


def keyword_default(inner):
    def layer(request, *, inner=inner):
        return inner(request)

    return layer


def wrapper(inner):
    @functools.wraps(inner)
    def layer(request):
        raise NotImplementedError

    return layer


def attribute_of_a_function(inner):
    def layer(request):
        return layer.inner(request)

    layer.inner = inner
    return layer


def class_with_a_closure(inner):
    class Layer:
        def __call__(self, request):
            return inner(request)

    return Layer()


LAYERS = {
    "an attribute": InAnAttribute,
    "a slot": InASlot,
    "a parent's slot": Heir,
    "behind a property": BehindAProperty,
    "a bound method": lambda inner: Owner(inner).run,
    "a closure": closure,
    "a closure over an owner": closure_over_an_owner,
    "a default": default,
    "a keyword's default": keyword_default,
    "a wrapper": wrapper,
    "a function's attribute": attribute_of_a_function,
    "a class with a closure": class_with_a_closure,
    "a partial": lambda inner: functools.partial(closure, inner),
    "a list": lambda inner: closure([inner]),
    "a mapping": lambda inner: InAnAttribute({"inner": inner}),
}


@pytest.mark.parametrize("innermost", ["the application", "its method"])
@pytest.mark.parametrize("name", LAYERS)
def test_an_application_is_found_in_each_kind_of_layer(name, innermost):
    app = Application()

    assert below(LAYERS[name](app if innermost == "the application" else app.serve)) is app


@pytest.mark.parametrize("seed", range(20))
def test_an_application_is_found_below_any_stack_of_layers(seed):
    app = layer = Application()
    names = [name for name in LAYERS if name != "behind a property"]  # functools.wraps would read it
    for name in random.Random(seed).choices(names, k=8):  # noqa: S311 - no secret
        layer = LAYERS[name](layer)

    assert below(layer) is app


def test_the_application_is_found_without_a_layer():
    app = Application()

    assert below(app) is app
    assert below(app.serve) is app


def test_an_application_reached_by_two_paths_is_found_once():
    app = Application()
    layer = InAnAttribute(app)
    layer.again = app.serve

    assert below(layer) is app


@pytest.mark.parametrize(
    "layer", [print, len, Application, None, "text", closure(None), InAnAttribute(5), InASlot(None)]
)
def test_without_an_application_none_is_found(layer):
    assert below(layer) is None


def test_attributes_that_a_wrapper_copies_from_an_application_are_no_other_application():
    app = Application()
    app.part = Application()

    assert below(wrapper(app)) is app


def test_a_layer_that_refers_to_itself_is_searched_once():
    layer = InAnAttribute(None)
    layer.held_application = closure(layer)

    assert below(layer) is None


def test_an_empty_closure_cell_is_skipped():
    def layer(request):
        return later(request)

    assert below(layer) is None
    later = print
    assert layer("") is None


@pytest.mark.parametrize("several", [closure, InAnAttribute, lambda apps: functools.partial(print, *apps)])
def test_several_applications_are_refused_with_a_solution(several):
    with pytest.raises(ConfigurationError, match=r"several applications.*routes_of=app"):
        below(several([Application(), closure(Application())]))


def layer_of_a_module(text, **names):
    """Return `layer` of a module with the globals *names* and the source *text*."""
    exec(text, names)  # noqa: S102 - the only method to create several modules in one
    return names["layer"]


HELD_AND_NAMED = {
    "a function": "def layer(request, held=held): return (held if request else other)(request)",
    "its method": "def layer(request, held=held): return (held if request else serve)(request)",
    "a module": "def layer(request, held=held): return (held if request else module.other)(request)",
    "a container": "def layer(request, held=held): return others['other'](request)",
    "a layer": "def layer(request, held=held): return below(request)",
    "a function of the module": """
def choose(): return other
def layer(request, held=held): return choose()(request)
""",
    "a lambda": "def layer(request, held=held): return (lambda: other)()(request)",
    "a class": """
class Layer:
    def __init__(self, held): self.held = held
    def __call__(self, request): return other(request)
layer = Layer(held)
""",
    "a class with methods": """
class Layer:
    def __init__(self, held): self.held = held
    def __call__(self, request): return self.choose()(request)
    def choose(self): return self._else()
    def _else(self): return other
layer = Layer(held)
""",
}


def names_of(held, other):
    module = ModuleType("module")
    module.other = other
    below = closure(other)
    return {"held": held, "other": other, "serve": other.serve, "module": module, "others": {"other": other}} | {
        "below": below
    }


@pytest.mark.parametrize("name", HELD_AND_NAMED)
def test_a_layer_that_holds_one_application_and_names_another_in_its_globals_is_refused(name):
    app = Application()

    assert below(layer_of_a_module(HELD_AND_NAMED[name], **names_of(app, app))) is app
    with pytest.raises(ConfigurationError, match=r"several applications.*routes_of=app"):
        below(layer_of_a_module(HELD_AND_NAMED[name], **names_of(app, Application())))


@pytest.mark.parametrize("name", HELD_AND_NAMED)
def test_a_global_name_alone_leads_to_no_application(name):
    assert below(layer_of_a_module(HELD_AND_NAMED[name], **names_of(None, Application()))) is None


def test_an_attribute_is_not_taken_for_a_global_of_the_same_name():
    app = Application()
    layer = layer_of_a_module("def layer(request, held=held): return held.other(request)", **names_of(app, app))
    layer.__globals__["other"] = Application()

    assert below(layer) is app


def test_plain_data_in_a_layer_is_ignored():
    app = Application()
    layer = InAnAttribute(app)
    layer.specification = {"paths": {str(number): {"get": {"responses": {"200": {}}}} for number in range(1_000)}}

    assert below(layer) is app


def test_a_layer_of_a_known_type_leads_to_the_application_that_it_calls():
    app, other = Application(), Application()
    layer = InAnAttribute(app)
    layer.other = other

    def find(passes_to):
        return application_below(layer, lambda one: type(one) is Application, passes_to=passes_to)

    assert find(lambda one: app if one is layer else None) is app
    with pytest.raises(ConfigurationError, match="several applications"):
        find(lambda _: None)


def test_a_part_of_an_application_is_no_other_application():
    app, part = Application(), Application()
    layer = InAnAttribute([part, app])

    def parts_of(one):
        return [part] if one is app else []

    assert application_below(layer, lambda one: type(one) is Application, parts_of=parts_of) is app


def test_an_unbounded_search_is_refused_with_a_solution():
    layer = InAnAttribute([closure(None) for _ in range(5_000)])

    with pytest.raises(ConfigurationError, match=r"too many objects.*routes_of=None"):
        below(layer)
