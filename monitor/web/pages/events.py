"""Server-sent events: `change` when data of a client changed, so that open pages reload their content."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from litestar import Request, get
from litestar.exceptions import TooManyRequestsException
from litestar.params import FromPath
from litestar.response import ServerSentEvent, ServerSentEventMessage
from sqlalchemy import Connection

from monitor.errors import StoreError
from monitor.store import alerts, daily_summaries, incident_notes, rollouts
from monitor.store.db import Store
from monitor.web import services as web_services
from monitor.web.auth import session

CHECK_SECONDS = 1.0
PING_SECONDS = 15.0
THREADS = 2
"""Threads that query the store."""
MOST_LISTENERS, MOST_PER_CLIENT = 500, 100
"""Maximum number of open pages: in total, and per client."""


class Listeners:
    """The number of listening pages, and the cached state of each client: one query serves all of its pages.

    While the store is unavailable, nothing changes.
    """

    def __init__(self) -> None:
        self.open: Counter[str] = Counter()
        self._states: dict[str, tuple[float, str]] = {}
        self._threads = ThreadPoolExecutor(THREADS, "events")

    def is_full(self, client: str) -> bool:
        """Whether no further page of this client may listen."""
        return self.open[client] >= MOST_PER_CLIENT or self.open.total() >= MOST_LISTENERS

    def state(self, store: Store, client: str, moment: float) -> str:
        """A text that changes when data changed; queried at most once per second and client."""
        at, known = self._states.get(client, (float("-inf"), ""))
        if moment - at >= CHECK_SECONDS:
            self._states[client] = (moment, known)  # concurrent callers need not wait
            with (
                store.faults.isolate("events", client),
                contextlib.suppress(StoreError),
                store.read() as connection,
            ):
                self._states[client] = (moment, _state(connection, client))
        return self._states[client][1]

    async def state_in_thread(self, store: Store, client: str) -> str:
        """`state` in a separate thread, so that an unresponsive store blocks nothing else."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self.state, store, client, loop.time())


def _state(connection: Connection, client: str) -> str:
    last_transition = alerts.last_transition(connection, client)
    notes = incident_notes.last_change(connection, client)
    step = rollouts.last_change(connection, client)
    return f"{last_transition} {daily_summaries.last_update(connection, client)} {notes} {step}"


@get("/c/{key:str}/events", sync_to_thread=True, include_in_schema=False)
def events(request: Request[Any, Any, Any], key: FromPath[str]) -> ServerSentEvent:
    """The events of a client."""
    session.reader(request, key)
    listeners = request.app.state["listeners"]
    if listeners.is_full(key):
        raise TooManyRequestsException("too many pages are open")
    store = web_services.of(request).store
    headers = {"X-Accel-Buffering": "no", "Cache-Control": "no-store"}
    return ServerSentEvent(_changes(listeners, store, key), headers=headers)


async def _changes(listeners: Listeners, store: Store, client: str) -> AsyncGenerator[Any, None]:
    listeners.open[client] += 1
    loop = asyncio.get_running_loop()
    try:
        previous = await listeners.state_in_thread(store, client)
        yield ServerSentEventMessage(event="hello", data="", retry=5000)
        last_sent = loop.time()
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            if loop.time() - last_sent >= PING_SECONDS:
                # Keep-alive: both ends notice a broken connection.
                last_sent = loop.time()
                yield ServerSentEventMessage(comment="here")
            current = await listeners.state_in_thread(store, client)
            if current != previous:
                previous = current
                yield ServerSentEventMessage(event="change", data=str(loop.time()))
    finally:
        listeners.open[client] -= 1
        if not listeners.open[client]:
            del listeners.open[client]


HANDLERS = (events,)
