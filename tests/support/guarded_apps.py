"""A small application behind Keywright's middleware, served: `guarded_apps.py FRAMEWORK OPTIONS`, OPTIONS as JSON.

Every framework's application is the same: /v1/echo tells what reached it, /v1/stream answers in three pieces,
/open/* is excluded. The first line on stdout is the port.
"""

# ruff: noqa: PLC0415, T201 - each process loads one framework, and says its port on stdout
# Annotations are not put off here: frameworks read those of functions whose types are imported beside them.
import base64
import dataclasses
import json
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

PIECES = [b"one,", b"two,", b"three"]
HOST = "127.0.0.1"


def told(caller: Any, method: str, body: bytes, headers: dict[str, str]) -> dict[str, Any]:
    """What the application found on the request."""
    return {
        "caller": None if caller is None else dataclasses.asdict(caller),
        "method": method,
        "body": base64.b64encode(body).decode(),
        "claims": sorted(name for name in headers if name.lower().replace("_", "-").startswith("keywright-")),
        "length": headers.get("content-length") or headers.get("Content-Length"),
    }


def slowly() -> Iterator[bytes]:
    for piece in PIECES:
        yield piece
        time.sleep(0.05)


# --- ASGI -----------------------------------------------------------------------------------------------------------


def starlette(options: dict[str, Any]) -> Any:
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.requests import Request
    from starlette.responses import JSONResponse, Response, StreamingResponse
    from starlette.routing import Route, WebSocketRoute
    from starlette.websockets import WebSocket

    from keywright.integrations.asgi import Keywright, KeywrightMiddleware

    async def echo(request: Request) -> Response:
        body = b"".join([piece async for piece in request.stream()])
        assert request.scope["keywright"] is request.state.keywright
        return JSONResponse(told(request.state.keywright, request.method, body, dict(request.headers)))

    async def stream(_request: Request) -> Response:
        return StreamingResponse(slowly())

    async def talk(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(websocket.state.keywright.client_id)
        await websocket.close()

    methods = ["GET", "HEAD", "POST", "PUT", "DELETE"]
    return Starlette(
        routes=[
            Route("/v1/echo", echo, methods=methods),
            Route("/open/{name}", echo, methods=methods),
            Route("/v1/stream", stream),
            WebSocketRoute("/v1/talk", talk),
        ],
        middleware=[Middleware(KeywrightMiddleware, keywright=Keywright(**options))],
    )


def fastapi(options: dict[str, Any]) -> Any:
    from fastapi import FastAPI, Request
    from fastapi.responses import StreamingResponse

    from keywright.integrations.asgi import Keywright, KeywrightMiddleware

    app = FastAPI()
    app.add_middleware(KeywrightMiddleware, keywright=Keywright(**options))

    @app.api_route("/v1/echo", methods=["GET", "HEAD", "POST", "PUT", "DELETE"])
    @app.api_route("/open/{name}", methods=["GET", "POST"])
    async def echo(request: Request) -> dict[str, Any]:
        return told(request.state.keywright, request.method, await request.body(), dict(request.headers))

    @app.get("/v1/stream")
    def stream() -> StreamingResponse:
        return StreamingResponse(slowly())

    return app


def litestar(options: dict[str, Any]) -> Any:
    from litestar import HttpMethod, Litestar, Request, WebSocket, route, websocket
    from litestar.response import Stream

    from keywright.integrations.asgi import Keywright, KeywrightMiddleware

    methods = [HttpMethod.GET, HttpMethod.HEAD, HttpMethod.POST, HttpMethod.PUT]

    @route(["/v1/echo", "/open", "/open/{name:str}"], http_method=methods, status_code=200)
    async def echo(request: Request[Any, Any, Any]) -> dict[str, Any]:
        return told(request.state.keywright, request.method, await request.body(), dict(request.headers))

    @route("/v1/stream", http_method=[HttpMethod.GET])
    async def stream() -> Stream:
        return Stream(slowly())

    @websocket("/v1/talk")
    async def talk(socket: WebSocket[Any, Any, Any]) -> None:
        await socket.accept()
        await socket.send_text(socket.state.keywright.client_id)
        await socket.close()

    return KeywrightMiddleware(
        Litestar([echo, stream, talk], openapi_config=None, logging_config=None), keywright=Keywright(**options)
    )


# --- WSGI -----------------------------------------------------------------------------------------------------------


def flask(options: dict[str, Any]) -> Any:
    from flask import Flask, Response, request

    from keywright.integrations.wsgi import Keywright, KeywrightMiddleware

    app = Flask(__name__)
    app.wsgi_app = KeywrightMiddleware(app.wsgi_app, keywright=Keywright(**options))

    @app.route("/v1/echo", methods=["GET", "HEAD", "POST", "PUT", "DELETE"])
    @app.route("/open/<name>", methods=["GET", "POST"])
    def echo(name: str = "") -> dict[str, Any]:
        body = request.stream.read() if name != "form" else request.get_data()
        return told(request.environ["keywright"], request.method, body, dict(request.headers))

    @app.get("/v1/stream")
    def stream() -> Response:
        return Response(slowly())

    return app


# --- Django ---------------------------------------------------------------------------------------------------------


def configure_django(options: dict[str, Any]) -> None:
    import django
    from django.conf import settings

    settings.configure(
        ROOT_URLCONF=__name__,
        ALLOWED_HOSTS=["*"],
        SECRET_KEY="of this test",
        MIDDLEWARE=["keywright.integrations.django.KeywrightMiddleware"],
        KEYWRIGHT={name.upper(): value for name, value in options.items()},
    )
    django.setup()


def django_urls(*, is_async: bool) -> list[Any]:
    from django.http import HttpRequest, JsonResponse, StreamingHttpResponse
    from django.urls import path

    def echo(request: HttpRequest, name: str = "") -> JsonResponse:
        body = request.body if name != "file" else request.read()
        return JsonResponse(told(request.keywright, request.method, body, dict(request.headers)))

    async def echo_async(request: HttpRequest, name: str = "") -> JsonResponse:
        return echo(request, name)

    async def slowly_async() -> Any:
        for piece in slowly():
            yield piece

    def stream(_request: HttpRequest) -> StreamingHttpResponse:
        return StreamingHttpResponse(slowly_async() if is_async else slowly())

    view = echo_async if is_async else echo
    return [path("v1/echo", view), path("open/<name>", view), path("v1/stream", stream)]


def django_wsgi(options: dict[str, Any]) -> Any:
    configure_django(options)
    from django.core.wsgi import get_wsgi_application

    globals()["urlpatterns"] = django_urls(is_async=False)
    return get_wsgi_application()


def django_asgi(options: dict[str, Any]) -> Any:
    configure_django(options)
    from django.core.asgi import get_asgi_application

    globals()["urlpatterns"] = django_urls(is_async=True)
    return get_asgi_application()


# --- servers --------------------------------------------------------------------------------------------------------


def on_uvicorn(app: Any) -> None:
    import uvicorn

    listening = socket.create_server((HOST, 0))

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                say(listening.getsockname()[1])

    Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=5)).run([listening])


def on_granian(app: Any) -> None:
    from granian.constants import Interfaces
    from granian.log import LogLevels
    from granian.server import Server

    with socket.create_server((HOST, 0)) as probe:
        port = probe.getsockname()[1]
    server = Server("app", address=HOST, port=port, interface=Interfaces.ASGI, log_level=LogLevels.warning)
    say(port)
    server.serve(target_loader=lambda *_: app, wrap_loader=False)


def on_werkzeug(app: Any) -> None:
    from werkzeug.serving import make_server

    server = make_server(HOST, 0, app, threaded=True)
    say(server.server_port)
    server.serve_forever()


def on_wsgiref(app: Any) -> None:
    from wsgiref.simple_server import make_server

    server = make_server(HOST, 0, app)
    say(server.server_port)
    server.serve_forever()


def say(port: int) -> None:
    print(port, flush=True)
    os.dup2(2, 1)  # whatever is logged there later belongs to the log


APPS: dict[str, tuple[Callable[[dict[str, Any]], Any], Callable[[Any], None]]] = {
    "starlette": (starlette, on_uvicorn),
    "fastapi": (fastapi, on_uvicorn),
    "litestar": (litestar, on_granian),
    "flask": (flask, on_werkzeug),
    "flask-wsgiref": (flask, on_wsgiref),
    "django": (django_wsgi, on_werkzeug),
    "django-asgi": (django_asgi, on_uvicorn),
}


if __name__ == "__main__":
    make, run = APPS[sys.argv[1]]
    sys.modules.setdefault("guarded_apps", sys.modules["__main__"])
    run(make(json.loads(sys.argv[2])))
