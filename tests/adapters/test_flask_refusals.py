"""A refusal raised anywhere in a Flask application gets the response of the resource server, and streams are closed."""

import contextlib
import io

import pytest
from flask import Blueprint, Flask, Response, request, session, stream_with_context
from flask.views import MethodView
from tests.adapters.contract import NO_CREDENTIALS, SCOPE_IS_MISSING
from tests.support.adapter_tokens import bearer, resource_server
from tests.support.clients import WSGIClient
from tests.support.raised_refusals import (
    Suspended,
    flask,
    general,
    grouped,
    mixed,
    refused,
    refused_async,
    refused_in_a_task,
    same,
)
from tests.support.refusals import refuse
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from gatepass.errors import AuthError, InsufficientScope
from gatepass_flask import AccessTokenMiddleware as WSGIMiddleware
from gatepass_flask import access_token, current_access_token, optional_auth


class Layer:
    """A WSGI layer, such as a tracer."""

    def __init__(self, app):
        self.app = app

    def __call__(self, environ, start_response):
        return self.app(environ, start_response)


class Orders(MethodView):
    def get(self):
        refuse("scope")


def before_the_view(app):
    app.before_request(refused)


def after_the_view(app):
    app.add_url_rule("/x", "x", lambda: "fine")
    app.after_request(refused)


def in_an_error_handler(app):
    app.register_error_handler(404, refused)


def in_a_blueprint(app):
    shop = Blueprint("shop", "shop")
    shop.add_url_rule("/x", "x", refused)
    shop.register_error_handler(Exception, general)
    app.register_blueprint(shop)


def in_a_stream_that_has_a_start_of_its_own(app):
    def view():
        server = request.environ["gatepass.identity"].server
        server.authorize(access_token, scopes=["orders:read"])
        return stream_with_context(iter(()))

    app.add_url_rule("/x", "x", view)


def in_a_stream(app):
    @app.get("/x")
    def view():
        return Response(refused() for _ in "x")


def in_a_stream_with_the_request(app):
    app.add_url_rule("/x", "x", lambda: stream_with_context(refused() for _ in "x"))


def in_a_group(app):
    app.add_url_rule("/x", "x", grouped)


def in_a_task(app):
    app.add_url_rule("/x", "x", refused_in_a_task)


class TestFlask:
    @pytest.mark.parametrize("layer", [None, Layer], ids=["bare", "below a layer"])
    @pytest.mark.parametrize("mode", [{}, {"TESTING": True}, {"DEBUG": True}, {"PROPAGATE_EXCEPTIONS": True}])
    @pytest.mark.parametrize(
        "prepare",
        [
            before_the_view,
            after_the_view,
            in_an_error_handler,
            in_a_blueprint,
            in_a_stream_that_has_a_start_of_its_own,
            in_a_stream,
            in_a_stream_with_the_request,
            in_a_group,
            in_a_task,
            lambda app: app.add_url_rule("/x", "x", refused_async),
            lambda app: app.add_url_rule("/x", "x", Orders.as_view("orders")),
        ],
    )
    def test_it_gets_its_response_before_any_general_handler(self, mode, layer, prepare):
        app = flask(layer, **mode)
        prepare(app)

        same(WSGIClient(app).send("GET", "/x", bearer()), SCOPE_IS_MISSING)
        assert app.test_client().get("/x", headers=bearer()).status_code == 403

    @pytest.mark.parametrize("kind", [Suspended, InsufficientScope, AuthError])
    @pytest.mark.parametrize("where", ["application", "blueprint"])
    def test_a_refusal_handler_of_the_application_takes_precedence(self, kind, where):
        app, shop = flask(), Blueprint("shop", "shop")
        shop.add_url_rule("/x", "x", refused)
        shop.register_error_handler(Exception, general)
        (app if where == "application" else shop).register_error_handler(kind, lambda error: ("theirs", error.status))
        app.register_blueprint(shop)

        app.add_url_rule("/group", "group", grouped)

        for path in ("/x", "/group") if where == "application" else ("/x",):
            answer = WSGIClient(app).send("GET", path, bearer())
            assert (answer.status, answer.body) == (403, b"theirs")

    def test_a_group_handler_of_the_application_takes_precedence(self):
        app = flask()
        app.register_error_handler(ExceptionGroup, lambda group: (f"{len(group.exceptions)} of them", 418))
        app.add_url_rule("/x", "x", grouped)

        assert WSGIClient(app).send("GET", "/x", bearer()).body == b"1 of them"

    def test_a_group_with_other_exceptions_is_left_to_the_application(self):
        app = flask()
        app.add_url_rule("/x", "x", mixed)

        assert WSGIClient(app).send("GET", "/x", bearer()).body == b"something broke"

    def test_an_extension_installed_after_the_middleware_does_not_take_precedence(self):
        app = flask()
        seen = []

        def note(error):  # like the Api of Flask-RESTful and Flask-RESTX
            seen.append(type(error))
            return "theirs", 500

        app.handle_exception = note
        app.handle_user_exception = note
        app.add_url_rule("/x", "x", refused)
        app.add_url_rule("/broken", "broken", lambda: session["missing"])

        same(WSGIClient(app).send("GET", "/x", bearer()), SCOPE_IS_MISSING)
        assert WSGIClient(app).send("GET", "/broken", bearer()).body == b"theirs"
        assert seen == [KeyError]

    def test_after_request_functions_receive_the_response(self):
        app = flask()
        app.add_url_rule("/x", "x", refused)

        @app.after_request
        def mark(response):
            response.headers["X-Shop"] = str(response.status_code)
            return response

        assert WSGIClient(app).send("GET", "/x", bearer()).all("x-shop") == ["403"]

    def test_an_anonymous_request_on_an_optional_route_gets_a_challenge(self):
        app = flask()

        @app.get("/x")
        @optional_auth
        def view():
            resource_server().authorize(current_access_token(), scopes=["orders:read"])

        answer = WSGIClient(app).send("GET", "/x")

        assert (answer.status, answer.all("www-authenticate")) == (401, [NO_CREDENTIALS[1]])

    def test_each_mounted_application_uses_the_resource_server_of_its_middleware(self):
        shop, app = Flask("shop"), flask()
        shop.add_url_rule("/x", "x", refused)
        both = DispatcherMiddleware(app, {"/shop": WSGIMiddleware(shop.wsgi_app, resource_server(realm="shop"))})

        answer = WSGIClient(both).send("GET", "/shop/x", bearer())

        assert answer.all("www-authenticate")[0].startswith('Bearer realm="shop", error="insufficient_scope"')

    def test_a_started_stream_is_aborted(self):
        app = flask()

        def parts():
            yield "first"
            refuse("scope")

        app.add_url_rule("/x", "x", parts)

        assert isinstance(WSGIClient(app).send("GET", "/x", bearer()).crash, InsufficientScope)

    def test_without_middleware_it_is_an_ordinary_exception(self):
        app = Flask("alone")
        app.add_url_rule("/x", "x", refused)

        assert WSGIClient(app).send("GET", "/x").status == 500

    def test_two_middlewares_around_one_application_respond_independently(self):
        app = flask()
        app.add_url_rule("/x", "x", refused)
        other = WSGIMiddleware(app.wsgi_app._app, resource_server(realm="shop"))

        assert (
            WSGIClient(other).send("GET", "/x", bearer()).all("www-authenticate")[0].startswith('Bearer realm="shop"')
        )
        same(WSGIClient(app).send("GET", "/x", bearer()), SCOPE_IS_MISSING)

    def test_other_exceptions_are_left_to_the_application(self):
        app = flask()
        app.add_url_rule("/x", "x", lambda: session["missing"])

        answer = WSGIClient(app).send("GET", "/x", bearer())

        assert (answer.status, answer.body) == (500, b"something broke")


# --- other WSGI applications


def at_once(environ, start_response):
    refuse("scope")


def when_it_is_read(environ, start_response):
    refuse("scope")
    yield b"never"


def after_a_start(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b""
    refuse("scope")


class WhenItIsIterated:
    """An application that is a class, like the example of PEP 3333."""

    def __init__(self, environ, start_response):
        self.start_response = start_response

    def __iter__(self):
        refuse("scope")
        yield b"never"


def group_when_it_is_read(environ, start_response):
    grouped()
    yield b"never"


class TestWSGI:
    @pytest.mark.parametrize(
        "app", [at_once, when_it_is_read, after_a_start, WhenItIsIterated, grouped, group_when_it_is_read]
    )
    def test_it_gets_its_response_until_the_first_octet_was_sent(self, app):
        same(
            WSGIClient(WSGIMiddleware(app, resource_server(), routes_of=None)).send("GET", "/x", bearer()),
            SCOPE_IS_MISSING,
        )

    @pytest.mark.parametrize("app", [mixed, lambda *_: (mixed() for _ in "x")])
    def test_a_group_with_other_exceptions_stays_an_exception(self, app):
        client = WSGIClient(WSGIMiddleware(app, resource_server(), routes_of=None))

        assert isinstance(client.send("GET", "/x", bearer()).crash, ExceptionGroup)

    def test_a_started_response_is_aborted_and_closed(self):
        closed = []

        class Body:
            def __iter__(self):
                yield b"first"
                refuse("scope")

            def close(self):
                closed.append(True)

        def app(environ, start_response):
            start_response("200 OK", [])
            return Body()

        answer = WSGIClient(WSGIMiddleware(app, resource_server(), routes_of=None)).send("GET", "/x", bearer())

        assert isinstance(answer.crash, InsufficientScope)
        assert closed == [True]

    def test_a_response_through_the_write_callable_is_sent_and_then_aborted(self):
        sent = []

        def app(environ, start_response):
            write = start_response("200 OK", [])
            write(b"first ")
            write(b"second")
            refuse("scope")

        def start_response(status, _):
            sent.append(status)
            return sent.append

        environ = {"REQUEST_METHOD": "GET", "wsgi.url_scheme": "https", "HTTP_AUTHORIZATION": bearer()[0][1]}
        with pytest.raises(InsufficientScope):
            WSGIMiddleware(app, resource_server(), routes_of=None)(environ, start_response)
        assert sent == ["200 OK", b"first ", b"second"]

    def test_the_application_may_call_start_response_again_with_exc_info(self):
        calls = []

        def app(environ, start_response):
            start_response("200 OK", [])
            start_response("409 Conflict", [], (ValueError, ValueError(), None))
            yield b"first"
            start_response("500 Late", [], (ValueError, ValueError(), None))

        environ = {"REQUEST_METHOD": "GET", "wsgi.url_scheme": "https", "HTTP_AUTHORIZATION": bearer()[0][1]}
        guarded = WSGIMiddleware(app, resource_server(), routes_of=None)
        list(guarded(environ, lambda status, *more: calls.append((status, len(more)))))

        assert calls == [("409 Conflict", 2), ("500 Late", 2)]

    def test_a_stream_runs_only_to_its_first_octet_before_it_is_sent(self):
        made = []

        def app(environ, start_response):
            start_response("200 OK", [])
            for part in (b"", b"first", b"second"):
                made.append(part)
                yield part

        environ = {"REQUEST_METHOD": "GET", "wsgi.url_scheme": "https", "HTTP_AUTHORIZATION": bearer()[0][1]}
        body = WSGIMiddleware(app, resource_server(), routes_of=None)(environ, lambda *_: None)

        assert made == [b"", b"first"]
        assert list(body) == [b"", b"first", b"second"]

    def test_a_refused_stream_is_closed_too(self):
        closed = []

        class Body:
            def __iter__(self):
                refuse("scope")

            def close(self):
                closed.append(True)

        same(
            WSGIClient(WSGIMiddleware(lambda *_: Body(), resource_server(), routes_of=None)).send(
                "GET", "/x", bearer()
            ),
            SCOPE_IS_MISSING,
        )
        assert closed == [True]

    @pytest.mark.parametrize("kind", ["wrapped by a class", "a plain file"])
    def test_a_file_wrapper_of_the_server_is_unchanged(self, kind):
        class FileWrapper:
            pass

        file = FileWrapper() if kind == "wrapped by a class" else io.BytesIO(b"page")
        seen = []

        def server(environ, start_response):
            environ["wsgi.file_wrapper"] = FileWrapper
            seen.append(WSGIMiddleware(lambda *_: file, resource_server(), routes_of=None)(environ, start_response))
            return []

        with contextlib.suppress(ValueError):
            WSGIClient(server).send("GET", "/x", bearer())
        assert seen == [file]
