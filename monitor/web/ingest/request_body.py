"""The bodies of requests for the application: their deadline, and what becomes of those that no route reads."""

import asyncio

from litestar.types import HTTPScope, Receive
from litestar.types.asgi_types import ReceiveMessage

from monitor.errors import InputError, TooLargeError, TooSlowError

MOST_DROPPED = 65_536
"""Bytes of a body that are read and dropped where no route reads them."""
_DISCONNECTED = "the client disconnected before the request body was complete"


def announced(scope: HTTPScope) -> bool:
    """Whether a request has a body."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value != b"0":
            return True
        if name == b"transfer-encoding":
            return True
    return False


def length(scope: HTTPScope) -> int:
    """The announced length of a body in bytes; 0 if there is none."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0


def has_unread_body(scope: HTTPScope) -> bool:
    """Whether a request has a body that no route reads: that of any method but POST."""
    return scope["method"] != "POST" and announced(scope)


async def dropped(scope: HTTPScope, receive: Receive) -> Receive:
    """Read the body and drop it: a stream would leave it unread, and never learn that its reader has gone.

    Returns:
        The `receive` of a request without a body.

    Raises:
        TooLargeError: it has more than `MOST_DROPPED` bytes.
        InputError: the sender is gone.
    """
    size, is_whole = 0, False
    lengths = [value for name, value in scope["headers"] if name == b"content-length"]
    _check(max((int(value) for value in lengths if value.isdigit()), default=0))
    while not is_whole:
        message = await receive()
        if message["type"] != "http.request":
            raise InputError(_DISCONNECTED)
        size += len(message["body"])
        _check(size)
        is_whole = not message["more_body"]
    is_told = False

    async def nothing() -> ReceiveMessage:
        nonlocal is_told
        if is_told:
            return await receive()
        is_told = True
        return {"type": "http.request", "body": b"", "more_body": False}

    return nothing


def in_time(receive: Receive, seconds: float) -> Receive:
    """`receive` with a time limit for the body."""
    deadline: float | None = asyncio.get_running_loop().time() + seconds

    async def receive_in_time() -> ReceiveMessage:
        nonlocal deadline
        try:
            async with asyncio.timeout_at(deadline):
                message = await receive()
        except TimeoutError as error:
            raise TooSlowError(f"the request body did not arrive within {seconds:g} s") from error
        if message["type"] == "http.disconnect" and deadline is not None:
            raise InputError(_DISCONNECTED)
        if message["type"] == "http.request" and not message["more_body"]:
            deadline = None  # from here on, the application only waits for a disconnect
        return message

    return receive_in_time


def _check(size: int) -> None:
    if size > MOST_DROPPED:
        problem = (
            f"a request of this method has no body here, and this one is larger than {MOST_DROPPED:,} bytes"
        )
        raise TooLargeError(problem, hint="send it without a body")
