"""Middleware for ASGI applications: FastAPI, Starlette, Litestar, Django, Quart."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any, Callable

from watchkeeper_client.client import Client
from watchkeeper_client.integrations.payload import Payload
from watchkeeper_client.integrations.routes import Call, Routes

Scope = Any
Message = Any
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class WatchkeeperMiddleware:
    """Records the requests to `routes`: latency, errors by type, and what the payload names.

    The application sees requests and the caller answers as they are. `scope["watchkeeper.id"]` is the id by which an
    outcome finds the prediction, where the payload names no other. When the server stops, what waits is sent.
    """

    def __init__(self, app: Application, client: Client, routes: Mapping[str, Payload]) -> None:
        self._app = app
        self._routes = Routes(client, routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a connection."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, self._flushing(send))
            return
        call = self._routes.begin(scope["method"], scope["path"]) if scope["type"] == "http" else None
        if call is None:
            await self._app(scope, receive, send)
            return
        scope["watchkeeper.id"] = call.id
        await self._watched(call, scope, receive, send)

    async def _watched(self, call: Call, scope: Scope, receive: Receive, send: Send) -> None:
        async def receiving() -> Message:
            message = await receive()
            if message["type"] == "http.request":
                call.came(message.get("body", b""))
            return message

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                call.status = message["status"]
            elif message["type"] == "http.response.body":
                call.went(message.get("body", b""))
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                call.end(_headers(scope))

        try:
            await self._app(scope, receiving, sending)
        except Exception as error:
            call.end(_headers(scope), error)
            raise

    def _flushing(self, send: Send) -> Send:
        async def sending(message: Message) -> None:
            if message["type"] == "lifespan.shutdown.complete":
                await self._routes.client.aflush(self._routes.client.limits.exit_timeout)
            await send(message)

        return sending


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
