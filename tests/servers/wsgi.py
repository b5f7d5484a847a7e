"""The WSGI application, loaded as servers load one."""

from tests.servers.applications import flask_app

application = flask_app()
