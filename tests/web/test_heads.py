"""A head that comes again is known, and means what it would if it were parsed."""

import asyncio

import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from uvicorn.server import ServerState

from monitor.web.front import doors
from monitor.web.heads import Head, Known
from monitor.web.meters import Meters
from monitor.web.wire import Wire
from tests.web.test_front import Echo, post

LIMIT = 40


class Out(asyncio.Transport):
    """The other side of a connection: what it was sent, and whether it was closed."""

    def __init__(self):
        super().__init__({"peername": ("10.0.0.1", 5), "sockname": ("10.0.0.2", 6)})
        self.sent, self.is_closed = b"", False

    def write(self, data):
        self.sent += data

    def close(self):
        self.is_closed = True

    def is_closing(self):
        return self.is_closed

    def pause_reading(self):
        pass

    def resume_reading(self):
        pass


class Talk:
    """A connection without a socket."""

    def __init__(self):
        self.echo, self.meters, self.out = Echo(LIMIT), Meters(), Out()
        config = uvicorn.Config(lambda: None)
        config.loaded_app = None
        table = doors({"/v1/hot": self.echo}, self.meters)
        loop = asyncio.get_running_loop()
        self.wire = Wire(table, config=config, server_state=ServerState(), app_state={}, _loop=loop)
        self.wire.connection_made(self.out)

    async def say(self, data):
        if not self.out.is_closed:
            self.wire.data_received(data)
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    def end(self):
        self.wire.connection_lost(None)


async def _told(pieces):
    talk = Talk()
    for piece in pieces:
        await talk.say(piece)
    talk.end()
    seen = [
        (method, {name: value for name, value in headers.items() if name != b"content-length"}, peer)
        for method, headers, peer in talk.echo.seen
    ]
    return talk.out.sent, talk.out.is_closed, seen


def chunked(body):
    pieces = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:3], body[3:]) if part)
    return post(pieces + b"0\r\n\r\n", length=False, transfer_encoding="chunked")


BODIES = st.binary(max_size=LIMIT + 2) | st.sampled_from(
    [b"break", b"POST /v1/hot HTTP/1.1\r\n\r\n", b"7\r\n"]
)
REQUESTS = st.one_of(
    BODIES.map(post),
    BODIES.map(lambda body: post(body, x_one="1")),
    BODIES.map(lambda body: post(body, x_refuse="1")),
    BODIES.map(lambda body: post(body, expect="100-continue")),
    BODIES.map(lambda body: post(body, connection="close")),
    BODIES.map(lambda body: post(body, version="1.0")),
    BODIES.map(lambda body: post(body, path="/v1/hot?a=1")),
    BODIES.map(chunked),
    st.just(post(b"", method="GET", length=False)),
    st.just(b"nonsense\r\n\r\n"),
)


@given(st.lists(REQUESTS, min_size=1, max_size=8), st.data())
def test_requests_are_answered_alike_however_they_are_cut(requests, data):
    whole = b"".join(requests)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    pieces = [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    told = asyncio.run(_told(requests))
    assert told == asyncio.run(_told(whole[at : at + 1] for at in range(len(whole))))
    assert told == asyncio.run(_told(piece for piece in pieces if piece))


def _is_parsed(first, second):
    """Whether the second request is parsed, too."""

    async def main():
        talk = Talk()
        await talk.say(first)
        parser, talk.wire.parser = talk.wire.parser, None
        try:
            await talk.say(second)
        except AttributeError:
            return True
        finally:
            talk.wire.parser = parser
            talk.end()
        assert talk.out.sent.endswith(b"\r\n\r\n" + second.partition(b"\r\n\r\n")[2])
        return False

    return asyncio.run(main())


def test_a_head_that_comes_again_is_not_parsed_whatever_the_length_of_its_body():
    assert not _is_parsed(post(b"one"), post(b"one"))
    assert not _is_parsed(post(b"one", x_one="1"), post(b"a longer one", x_one="1"))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (post(b"one"), post(b"one", x_one="1")),
        (post(b"one"), post(b"two", path="/v1/hot/")),
        (post(b"one"), post(b"one")[:-1]),
        (post(b"one"), post(b"one") + post(b"two")),
        (post(b"one")[:-1], post(b"one")),
        (post(b"one") + post(b"two"), post(b"one")),
        (chunked(b"one"), chunked(b"one")),
        (post(b"one", expect="100-continue"), post(b"one", expect="100-continue")),
    ],
    ids=["other", "elsewhere", "a part", "two", "after a part", "after two", "chunks", "asks first"],
)
def test_all_else_is_parsed(first, second):
    assert _is_parsed(first, second)


def test_who_sends_another_head_each_time_is_no_longer_taken_note_of():
    async def main():
        talk = Talk()
        for number in range(20):
            await talk.say(post(b"one", x_trace=str(number)))
        known = talk.wire._known
        talk.end()
        return known, talk.out.sent.count(b" 202 ")

    assert asyncio.run(main()) == (None, 20)


@pytest.mark.parametrize("length", [b"", b" ", b"+3", b"03x", b"-3", b"3 ", b"0000000003", b"3\r\nx: y"])
def test_a_length_that_is_no_number_is_left_to_the_parser(length):
    data = post(b"one")
    head = Head(b"POST", [(b"host", b"x"), (b"content-length", b"3")], keep_alive=True)
    known = Known.of(head, data)
    assert known is not None
    assert known.body(data) == b"one"
    assert known.body(data.replace(b"length: 3", b"length: " + length)) is None
