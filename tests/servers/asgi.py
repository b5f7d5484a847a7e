"""The ASGI application, loaded as servers load one."""

from tests.servers.applications import starlette_app

application = starlette_app()
