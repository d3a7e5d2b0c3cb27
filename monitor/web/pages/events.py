"""Server-sent events: `change` when data of a client changed, so that open pages reload their content."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

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

_T = TypeVar("_T")
CHECK_SECONDS = 1.0
PING_SECONDS = 15.0
THREADS = 2
"""Threads that query the store."""
MOST_LISTENERS = 500
"""Maximum number of open pages."""
ACCESS_SECONDS = 5.0
"""How soon after its access has ended an open page receives no more events."""


class PageListeners:
    """The number of listening pages, and the cached state of each client: one query serves all of its pages.

    While the store is unavailable, nothing changes.
    """

    def __init__(self, most: int = MOST_LISTENERS, most_per_client: int = 100) -> None:
        self._most, self._most_per_client = most, most_per_client
        self.open: Counter[str] = Counter()
        self._pages: dict[object, str] = {}
        self._states: dict[str, tuple[float, str]] = {}
        self._threads = ThreadPoolExecutor(THREADS, "events")

    def is_full(self, client: str) -> bool:
        """Whether no further page of this client may listen. Beyond the total, it takes the place of one of the client
        with the most.
        """
        if self.open[client] >= self._most_per_client:
            return True
        return len(self._pages) >= self._most and max(self.open.values()) <= self.open[client] + 1

    def add(self, page: object, client: str) -> None:
        """A page listens from now on. It does not where its client has enough: of pages that ask at the same time, each
        is told that there is room for one.
        """
        if self.open[client] >= self._most_per_client:
            return
        if len(self._pages) >= self._most:
            largest = max(self.open, key=lambda one: self.open[one])
            self.remove(next(one for one, owner in self._pages.items() if owner == largest))
        self._pages[page] = client
        self.open[client] += 1

    def remove(self, page: object) -> None:
        """A page listens no more."""
        client = self._pages.pop(page, None)
        if client is not None:
            self.open[client] -= 1
            if not self.open[client]:
                del self.open[client]

    def is_listening(self, page: object) -> bool:
        """Whether a page still has its place."""
        return page in self._pages

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
        """`state`, in a separate thread where it is queried, so that an unresponsive store blocks nothing else."""
        moment = asyncio.get_running_loop().time()
        at, known = self._states.get(client, (float("-inf"), ""))
        if moment - at < CHECK_SECONDS:
            return known
        return await self.in_thread(self.state, store, client, moment)

    async def in_thread(self, what: Callable[..., _T], *arguments: Any) -> _T:
        """Call something in one of the threads that query the store."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, what, *arguments)


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
    return ServerSentEvent(_changes(listeners, store, key, partial(_may_read, request, key)), headers=headers)


def _may_read(request: Request[Any, Any, Any], client: str) -> bool:
    """Whether the reader still has access; True while the store is unavailable."""
    try:
        visitor = session.identify(request)
    except StoreError:
        return True
    return visitor is not None and visitor.may_read(client)


async def _changes(
    listeners: PageListeners, store: Store, client: str, may_read: Callable[[], bool]
) -> AsyncGenerator[Any, None]:
    page = object()
    listeners.add(page, client)
    loop = asyncio.get_running_loop()
    checked = loop.time()
    try:
        previous = await listeners.state_in_thread(store, client)
        yield ServerSentEventMessage(event="hello", data="", retry=5000)
        last_sent = loop.time()
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            if loop.time() - checked >= ACCESS_SECONDS:
                checked = loop.time()
                if not await listeners.in_thread(may_read):
                    return
            if not listeners.is_listening(page):
                return
            if loop.time() - last_sent >= PING_SECONDS:
                # Keep-alive: both ends notice a broken connection.
                last_sent = loop.time()
                yield ServerSentEventMessage(comment="here")
            current = await listeners.state_in_thread(store, client)
            if current != previous:
                previous = current
                yield ServerSentEventMessage(event="change", data=str(loop.time()))
    finally:
        listeners.remove(page)


HANDLERS = (events,)
