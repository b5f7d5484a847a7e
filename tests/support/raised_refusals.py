"""Views and handlers that raise refusals, alone and in groups."""

import asyncio

from fastapi import WebSocket
from flask import Flask
from starlette.responses import PlainTextResponse
from tests.adapters.contract import AdapterContract
from tests.support.adapter_tokens import resource_server
from tests.support.refusals import refuse

from gatepass.errors import InsufficientScope
from gatepass_flask import AccessTokenMiddleware as WSGIMiddleware


def same(answer, golden):
    AdapterContract().same(answer, golden)


def general(*_):
    """Handle every exception, as an application may."""
    return "something broke", 500


class Suspended(InsufficientScope):
    """A refusal that the application defines."""

    def __init__(self):
        super().__init__(("orders:read",))


def refused(*_, **__):
    raise Suspended


async def refused_async(*_, **__):
    raise Suspended


async def refused_in_a_task(*_, **__):
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(refused_async())


def grouped(*_, **__):
    raise ExceptionGroup("tasks", [ExceptionGroup("inner", [Suspended()])])


def mixed(*_, **__):
    raise ExceptionGroup("tasks", [Suspended(), RuntimeError("boom")])


def flask(layer=None, **config):
    app = Flask("raising")
    app.config.update(SECRET_KEY="of the tests alone", **config)
    app.register_error_handler(Exception, general)
    app.register_error_handler(500, general)
    app.wsgi_app = WSGIMiddleware(layer(app.wsgi_app) if layer else app.wsgi_app, resource_server())
    return app


async def general_async(request, error):
    return PlainTextResponse("something broke", 500)


GENERAL = {Exception: general_async}


async def socket_after(websocket: WebSocket):
    await websocket.accept()
    refuse("hidden")


async def socket_closed(websocket: WebSocket):
    await websocket.accept()
    await websocket.close()
    refuse("hidden")


async def socket_in_a_task_after(websocket: WebSocket):
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(socket_after(websocket))
