"""Flask: the contract, marks and guards, and conformance to WSGI."""

import functools
from datetime import UTC, datetime
from wsgiref.validate import validator

import pytest
from flask import Blueprint, Flask, Request, Response, abort, request, stream_with_context
from flask.views import MethodView
from tests.adapters.contract import NO_CREDENTIALS, PREFLIGHT, MiddlewareContract
from tests.adapters.cookie_contract import CookieContract
from tests.support.adapter_tokens import bearer, resource_server, token
from tests.support.clients import Request as Sent
from tests.support.clients import WSGIClient, wsgi_environ
from tests.support.raw_http import check_raw_requests, waitress_on_loopback
from tests.support.refusals import refuse
from tests.support.request_barrier import wait_for_all_requests
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import BaseConverter

from gatepass import ConfigurationError
from gatepass_flask import (
    AccessTokenMiddleware,
    access_token,
    current_access_token,
    optional_auth,
    public,
    require_auth,
)


def who():
    found = current_access_token()
    return "anonymous" if found is None else found.subject


def application(*, cors=False):
    app = Flask("contract")

    @app.get("/open")
    @public
    def opened():
        return who()

    app.add_url_rule("/healthz", "healthz", who)
    app.add_url_rule("/protected", "protected", who)
    app.add_url_rule("/any", "any", who, methods=["GET", "OPTIONS"])
    app.add_url_rule("/orders", "orders", require_auth(scopes=["orders:read"])(lambda: access_token.subject))
    app.add_url_rule("/admin", "admin", require_auth(any_roles=["admin"])(lambda: access_token.subject))
    app.add_url_rule("/hidden", "hidden", require_auth(scopes=["hidden:read"], denial="not_found")(who))

    @app.get("/maybe")
    @optional_auth
    def maybe():
        return who()

    @app.get("/slow")
    def slow():
        before = who()
        wait_for_all_requests()
        return f"{before} {access_token.subject}"

    @app.post("/echo")
    def echo():
        return Response(request.get_data(), mimetype="text/plain")

    @app.get("/boom")
    def boom():
        raise RuntimeError("boom")

    app.add_url_rule("/boom/<kind>", "boom_by", refuse)

    @app.get("/gone")
    def gone():
        abort(404)

    for status in (400, 401, 403, 404, 503):
        app.register_error_handler(status, lambda error: ("replaced by the application", error.code))
    if cors:
        app.before_request(lambda: Response(status=204) if request.method == "OPTIONS" else None)
    return app


class TestFlask(CookieContract, MiddlewareContract):
    proxied_by = "ProxyFix(app.wsgi_app, x_proto=1)"

    def build(self, server, *, cors=False):
        app = application(cors=cors)
        app.wsgi_app = AccessTokenMiddleware(app.wsgi_app, server, public=["/healthz"])
        return WSGIClient(app)

    def build_without_middleware(self):
        return WSGIClient(application())

    def build_public(self, server, paths):
        return AccessTokenMiddleware(application().wsgi_app, server, public=paths)

    def test_the_middleware_conforms_to_pep_3333(self):
        validated = validator(AccessTokenMiddleware(validator(application().wsgi_app), resource_server()))
        client = WSGIClient(validated)

        assert client.send("GET", "/protected", bearer()).body == b"anna"
        self.same(client.send("GET", "/protected"), NO_CREDENTIALS)
        assert client.send("HEAD", "/orders", bearer()).status == 403
        assert client.send("GET", "/maybe").crash is None


def guarded(app, **options):
    app.wsgi_app = AccessTokenMiddleware(app.wsgi_app, resource_server(), **options)
    return WSGIClient(app)


class TestViews:
    def test_blueprints_and_class_based_views_support_marks_and_guards(self):
        class Orders(MethodView):
            decorators = (require_auth(scopes=["orders:read"]),)

            def get(self):
                return access_token.subject

        class Status(MethodView):
            decorators = (public,)

            def get(self):
                return who()

        class Mixed(MethodView):
            def get(self):
                return who()

            @require_auth(scopes=["orders:write"])
            def put(self):
                return "written"

        shop = Blueprint("shop", __name__, url_prefix="/shop")
        for view in (Orders, Status, Mixed):
            shop.add_url_rule(f"/{view.__name__.lower()}", view_func=view.as_view(view.__name__.lower()))
        app = Flask("shop")
        app.register_blueprint(shop)
        client = guarded(app)

        assert client.send("GET", "/shop/orders", bearer()).status == 403
        assert client.send("GET", "/shop/orders", bearer(token(scope="orders:read"))).body == b"anna"
        assert client.send("GET", "/shop/status", bearer()).body == b"anonymous"
        assert client.send("GET", "/shop/mixed").status == 401
        assert client.send("GET", "/shop/mixed", bearer()).body == b"anna"
        assert client.send("PUT", "/shop/mixed", bearer()).status == 403
        assert client.send("PUT", "/shop/mixed", bearer(token(scope="orders:write"))).body == b"written"

    def test_a_class_made_public_by_its_decorators_does_not_make_its_subclasses_public(self):
        class Status(MethodView):
            decorators = (public,)

            def get(self):
                return who()

        class Secrets(Status):
            def get(self):
                return "secret"

        class Mixed(Secrets, Status): ...

        class Open(Secrets):
            decorators = (*Status.decorators,)

        @optional_auth
        class Maybe(Secrets): ...

        app = Flask("classes")
        for view in (Status, Secrets, Mixed, Open, Maybe):
            app.add_url_rule(f"/{view.__name__}", view_func=view.as_view(view.__name__))
        app.add_url_rule("/itself", view_func=public(Secrets.as_view("itself")))
        app.add_url_rule(
            "/wrapped", view_func=functools.wraps(view := public(Secrets.as_view("w")))(lambda **_: view())
        )
        client = guarded(app)

        for target in ("/Status", "/Open", "/Maybe", "/itself", "/wrapped"):
            assert client.send("GET", target).status == 200, target
        for target in ("/Secrets", "/Mixed"):
            assert client.send("GET", target).status == 401, target
            assert client.send("GET", target, bearer()).body == b"secret"

    def test_a_mark_on_a_method_of_a_class_has_no_effect(self):
        class Status(MethodView):
            @public
            def get(self):
                return "secret"

        app = Flask("methods")
        app.add_url_rule("/status", view_func=Status.as_view("status"))
        app.add_url_rule("/heir", view_func=type("Heir", (Status,), {}).as_view("heir"))
        client = guarded(app)

        assert client.send("GET", "/status").status == 401
        assert client.send("GET", "/heir").status == 401

    def test_a_mark_applies_only_to_the_methods_and_host_of_its_route(self):
        app = Flask("marks")
        app.add_url_rule("/thing", "read", public(lambda: "read"), methods=["GET"])
        app.add_url_rule("/thing", "write", lambda: "written", methods=["POST"])
        app.add_url_rule("/number/<int:n>", "number", public(lambda n: f"{n}"))
        client = guarded(app)

        assert client.send("GET", "/thing").body == b"read"
        assert client.send("HEAD", "/thing").status == 200
        for method, target in [("POST", "/thing"), ("DELETE", "/thing"), ("GET", "/number/x")]:
            assert client.send(method, target).status == 401
        assert client.send("GET", "/number/7").body == b"7"

    def test_a_guarded_public_view_refuses_every_request(self):
        app = Flask("contradiction")
        app.add_url_rule("/both", "both", public(require_auth()(lambda: "seen")))

        assert guarded(app).send("GET", "/both", bearer()).status == 401

    def test_a_guard_on_a_preflight_refuses(self):
        app = Flask("options")
        app.add_url_rule("/orders", "orders", require_auth()(lambda: "seen"), methods=["OPTIONS", "GET"])

        assert guarded(app).send("OPTIONS", "/orders", PREFLIGHT).status == 401

    def test_an_application_without_visible_routes_gets_no_preflight(self):
        """The layer could override methods, which would turn an anonymous OPTIONS into another method."""
        flask = application()
        app = AccessTokenMiddleware(lambda *call: flask.wsgi_app(*call), resource_server())  # noqa: PLW0108 - a layer

        assert WSGIClient(app).send("OPTIONS", "/protected", PREFLIGHT).status == 401

    @pytest.mark.parametrize("where", ["in the request", "in the application", "in its dispatch"])
    def test_a_preflight_with_a_method_override_needs_a_token(self, where):
        class Overriding(Request):
            @property
            def method(self):
                return self.headers.get("X-HTTP-Method-Override", super().method)

            @method.setter
            def method(self, value): ...

        class Rewriting(Flask):
            def wsgi_app(self, environ, start_response):
                return super().wsgi_app(
                    environ | {"REQUEST_METHOD": environ.get("HTTP_X_HTTP_METHOD_OVERRIDE", "GET")}, start_response
                )

        class Dispatching(Flask):
            def dispatch_request(self):
                return self.view_functions["order"]()

        ran = []
        app = {"in the application": Rewriting, "in its dispatch": Dispatching}.get(where, Flask)("overriding")
        app.request_class = Overriding if where == "in the request" else Request
        app.add_url_rule("/order", "order", lambda: ran.append("deleted") or "deleted", methods=["GET", "DELETE"])
        answer = guarded(app).send("OPTIONS", "/order", [*PREFLIGHT, ("X-HTTP-Method-Override", "DELETE")])

        assert (answer.status, ran) == (401, [])

    def test_an_exception_of_a_converter_lets_no_request_in(self):
        class Day(BaseConverter):
            def to_python(self, value):
                return datetime.strptime(value, "%Y-%m-%d").replace(tzinfo=UTC).date()

        app = Flask("days")
        app.url_map.converters["day"] = Day
        app.add_url_rule("/days/<day:day>", "day", lambda day: f"{day}")
        app.add_url_rule("/open", "open", public(lambda: "open"))
        client = guarded(app)

        assert client.send("GET", "/days/2020-99-99").status == 401
        assert client.send("OPTIONS", "/days/2020-99-99", PREFLIGHT).status == 401
        assert client.send("GET", "/days/2020-09-09", bearer()).body == b"2020-09-09"

    @pytest.mark.parametrize("lazily", [False, True])
    def test_a_preflight_passes_no_body_in_either_direction(self, lazily):
        closed, brought = [], []
        flask = Flask("reporting")
        flask.add_url_rule("/report", "report", who)

        @flask.before_request
        def report():
            def answer():
                brought.append(request.get_data())
                yield b"secret"
                yield b"never read"

            response = Response(stream_with_context(answer()) if lazily else list(answer()), mimetype="text/plain")
            response.headers["Content-Length"] = "21"
            response.call_on_close(lambda: closed.append(True))
            return response

        app = AccessTokenMiddleware(flask.wsgi_app, resource_server())
        answer = WSGIClient(validator(app) if lazily else app).send("OPTIONS", "/report", PREFLIGHT, b"do it")

        assert (answer.status, answer.body) == (200, b"")
        assert answer.headers == [("content-type", "text/plain; charset=utf-8"), ("content-length", "0")]
        assert (closed, brought) == ([True], [b""])

    def test_the_error_of_the_proxy_without_a_token_names_the_alternative(self):
        app = Flask("optional")
        seen = []

        @app.get("/maybe")
        @optional_auth
        def maybe():
            seen.append(bool(access_token))
            with pytest.raises(RuntimeError, match="current_access_token"):
                access_token.subject  # noqa: B018 - the property raises
            return "reached"

        assert guarded(app).send("GET", "/maybe").body == b"reached"
        assert seen == [False]

    def test_the_error_of_a_guard_without_the_middleware_names_it(self):
        app = application()
        app.testing = True

        with pytest.raises(ConfigurationError, match="AccessTokenMiddleware"):
            app.test_client().get("/orders")

    def test_a_coroutine_function_can_be_guarded(self):
        app = Flask("coroutines")

        @app.get("/orders")
        @require_auth(scopes=["orders:read"])
        async def orders():
            return access_token.subject

        client = guarded(app)
        assert client.send("GET", "/orders", bearer()).status == 403
        assert client.send("GET", "/orders", bearer(token(scope="orders:read"))).body == b"anna"

    def test_the_error_for_a_guard_without_parentheses_names_the_syntax(self):
        with pytest.raises(ConfigurationError, match=r"@require_auth\(\)"):
            require_auth(who)

    @pytest.mark.parametrize("view", [MethodView, type("Orders", (MethodView,), {}), "orders", None])
    def test_the_error_for_a_guard_on_a_class_shows_how_to_guard_a_class(self, view):
        with pytest.raises(ConfigurationError, match=r"decorators = \[require_auth\(\.\.\.\)\]"):
            require_auth(scopes=["orders:read"])(view)

    def test_a_guard_on_a_view_of_another_framework_is_refused(self):
        @require_auth()
        async def view(request):
            return "seen"

        with pytest.raises(ConfigurationError, match="another framework"):
            view(object())

    def test_an_invalid_rule_fails_when_the_view_is_defined(self):
        with pytest.raises(ConfigurationError, match="scopes"):
            require_auth(scopes=["orders read"])

    def test_a_guarded_view_keeps_its_name_and_docstring(self):
        @require_auth()
        def orders():
            """Orders of the customer."""

        assert (orders.__name__, orders.__doc__) == ("orders", "Orders of the customer.")

    def test_a_response_of_an_optional_view_keeps_its_vary(self):
        app = Flask("vary")
        app.add_url_rule("/maybe", "maybe", optional_auth(lambda: ("x", 200, {"Vary": "Accept-Encoding"})))

        assert guarded(app).send("GET", "/maybe").all("vary") == ["Accept-Encoding", "Authorization"]


def test_the_flask_test_client_counts_as_loopback():
    app = application()
    app.wsgi_app = AccessTokenMiddleware(app.wsgi_app, resource_server(https="require"))
    client, headers = app.test_client(), dict(bearer())

    assert client.get("/protected", headers=headers).text == "anna"
    elsewhere = {"REMOTE_ADDR": "203.0.113.9"}
    assert client.get("/protected", headers=headers, environ_base=elsewhere).status_code == 400
    assert client.get("/protected", headers=headers, environ_base=elsewhere, base_url="https://api.example").text


@pytest.mark.parametrize(("proto", "status"), [("https", 200), ("http", 400)])
def test_values_that_proxy_fix_sets_are_used(proto, status):
    app = application()
    app.wsgi_app = AccessTokenMiddleware(app.wsgi_app, resource_server(https="require"))
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1)
    forged = [("X-Forwarded-For", "127.0.0.1"), ("X-Forwarded-Proto", proto), *bearer()]

    assert WSGIClient(app).send("GET", "/protected", forged, scheme="http").status == status


class TestAnyWSGIApplication:
    """The middleware protects any WSGI application, without a framework."""

    @staticmethod
    def plain(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [environ["PATH_INFO"].encode("latin-1")]

    def test_it_is_protected_except_for_the_public_paths(self):
        client = WSGIClient(
            AccessTokenMiddleware(self.plain, resource_server(), routes_of=None, public=["/healthz", "/caf\u00e9"])
        )

        assert client.send("GET", "/x").status == 401
        assert client.send("GET", "/x", bearer()).body == b"/x"
        assert client.send("GET", "/healthz").body == b"/healthz"
        assert client.send("GET", "/caf%C3%A9").status == 200
        assert client.send("GET", "/caf%E9").status == 401

    def test_an_identity_from_an_outer_middleware_is_ignored(self):
        seen = []

        def app(environ, start_response):
            seen.append(environ["gatepass.identity"].token)
            return self.plain(environ, start_response)

        inner = AccessTokenMiddleware(app, resource_server(), routes_of=None, public=["/x"])
        outer = WSGIClient(AccessTokenMiddleware(inner, resource_server(), routes_of=None))

        assert outer.send("GET", "/x", bearer()).status == 200
        assert seen == [None]


def test_a_reused_environ_has_the_identity_of_the_last_request():
    app = application()
    app.wsgi_app = AccessTokenMiddleware(app.wsgi_app, resource_server())
    environ = wsgi_environ(Sent("GET", "/maybe", bearer()))

    assert b"".join(app(environ, lambda *_: None)) == b"anna"
    del environ["HTTP_AUTHORIZATION"]
    assert b"".join(app(environ, lambda *_: None)) == b"anonymous"


class TestRealServer:
    """Raw requests over a socket to waitress."""

    @pytest.fixture
    def wire(self):
        app = application()
        app.wsgi_app = AccessTokenMiddleware(app.wsgi_app, resource_server(), public=["/healthz"])
        with waitress_on_loopback(app) as wire:
            yield wire

    def test_raw_requests_get_the_responses_of_the_contract(self, wire):
        check_raw_requests(wire)


def test_a_guard_above_the_decorator_of_the_route_is_detected_before_it_serves_a_request():
    app = Flask("swapped")

    @require_auth(scopes=["orders:read"])
    @app.get("/orders")
    def orders():
        return "secret"

    app.wsgi_app = AccessTokenMiddleware(app.wsgi_app, resource_server())

    for _ in range(2):
        crash = WSGIClient(app).send("GET", "/orders", bearer()).crash
        assert isinstance(crash, ConfigurationError)
        assert "orders was registered without it" in str(crash)


def test_a_misplaced_guard_in_a_blueprint_is_detected():
    app, shop = Flask("swapped"), Blueprint("shop", "shop")
    require_auth(scopes=["orders:read"])(shop.get("/orders")(who))
    app.register_blueprint(shop)
    app.wsgi_app = AccessTokenMiddleware(app.wsgi_app, resource_server())

    assert isinstance(WSGIClient(app).send("GET", "/orders", bearer()).crash, ConfigurationError)
