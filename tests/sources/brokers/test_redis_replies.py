"""Answers of Redis, wherever what was received breaks, and whatever a server sends."""

import asyncio
import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.sources.brokers.redis_replies import AnswerReader, AnswerStream, ProtocolError
from tests.support.thorough import examples

ANSWERS = st.recursive(
    st.none() | st.integers(-(2**63), 2**63 - 1) | st.binary(max_size=20) | st.just(b"\r\n$5\r\n"),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=12,
)
SHORT = st.binary(max_size=6) | st.sampled_from([b"\r\n", b"*2\r\n$1\r\na\r\n", b"$3\r\n", b"x" * 50])
ENTRY = st.builds(lambda *parts: [parts[0], list(parts[1:])], SHORT, SHORT, SHORT)
OTHER_ENTRIES = st.builds(lambda one, some: [one, some], SHORT, st.lists(SHORT, max_size=4) | st.none())
OF_STREAM = st.builds(
    lambda name, entries: [[name, entries]],
    SHORT,
    st.lists(ENTRY | ENTRY | OTHER_ENTRIES | SHORT, max_size=8),
)
"""What Redis answers when a stream is read: mostly entries with one field."""


def written(answer: Any) -> bytes:
    """An answer as a server writes it."""
    if answer is None:
        return b"$-1\r\n"
    if isinstance(answer, int):
        return b":%d\r\n" % answer
    if isinstance(answer, bytes):
        return b"$%d\r\n%b\r\n" % (len(answer), answer)
    return b"*%d\r\n" % len(answer) + b"".join(map(written, answer))


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(ANSWERS | OF_STREAM, max_size=3), st.integers(1, 40) | st.integers(40, 400))
def test_law_what_is_read_is_what_was_written_wherever_it_breaks(answers: list[Any], step: int) -> None:
    reader, sent, found = AnswerReader(10_000), b"".join(map(written, answers)), []
    for at in range(0, len(sent), step):
        reader.feed(sent[at : at + step])
        while (answer := reader.read()) is not None:
            found.append(answer[0])
    assert found == answers
    assert not reader.has_more


@settings(max_examples=examples(60), deadline=None)
@given(
    st.lists(st.sampled_from([b"$", b"*", b":", b"-", b"+", b"\r\n", b"1", b"99", b"x", b"\0"]), max_size=30)
)
def test_law_whatever_comes_is_an_answer_an_error_or_not_complete(parts: list[bytes]) -> None:
    reader = AnswerReader(1000)
    reader.feed(b"".join(parts))
    with contextlib.suppress(ProtocolError):
        while reader.read() is not None:
            pass


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (b"$1001\r\n", "larger than 1,000 bytes"),
        (b"*1001\r\n", "larger than 1,000 bytes"),
        (b"*3\r\n" + b"$400\r\n%b\r\n" % (b"x" * 400) * 3, "larger than 1,000 bytes"),
        (b"*1\r\n" * 40, "not a Redis reply"),
        (b"+" + b"x" * 70_000, "not a Redis reply"),
        (b"HTTP/1.1 400\r\n", "not a Redis reply"),
        (b"$x\r\n", "not a Redis reply"),
        (b":" + b"9" * 5000 + b"\r\n", "larger than 1,000 bytes"),
    ],
)
def test_what_is_no_answer_or_too_large_is_refused(sent: bytes, words: str) -> None:
    reader = AnswerReader(1000)
    reader.feed(sent)
    with pytest.raises(ProtocolError, match=words):
        for _ in range(10):
            reader.read()


FOUR = [[b"orders", [[b"17960013-%d" % n, [b"data", b'{"id": "%d"}' % n]] for n in range(4)]]]


def test_entries_are_the_same_wherever_what_was_received_breaks() -> None:
    sent = written(FOUR)
    for at in range(len(sent)):
        assert found_in(AnswerReader(1000), [sent[:at], sent[at:]]) == [repr(FOUR)]


def test_entries_with_a_wrong_length_are_what_single_values_would_be() -> None:
    sent = written(FOUR)
    for place in [place for place, byte in enumerate(sent) if byte in b"0123456789*$"]:
        for other in b"0129x- *":
            wrong = sent[:place] + b"%c" % other + sent[place + 1 :]
            in_bytes = [b"%c" % byte for byte in wrong]
            assert found_in(AnswerReader(1000), [wrong]) == found_in(AnswerReader(1000), in_bytes)


def found_in(reader: AnswerReader, received: list[bytes]) -> list[Any]:
    """The answers, and the error if there is one. Byte by byte, no entry is there as a whole."""
    found: list[Any] = []
    try:
        for part in received:
            reader.feed(part)
            while (answer := reader.read()) is not None:
                found.append(repr(answer[0]))
    except ProtocolError as error:
        found.append(str(error))
    return found


def test_a_stream_that_is_too_large_is_refused_among_its_entries() -> None:
    reader = AnswerReader(1000)
    reader.feed(written([[b"orders", [[b"1-%d" % n, [b"data", b"x" * 100]] for n in range(20)]]]))
    with pytest.raises(ProtocolError, match=r"larger than 1,000 bytes"):
        reader.read()


def test_an_error_of_the_server_is_told_apart_from_a_text() -> None:
    reader = AnswerReader(1000)
    reader.feed(b"-NOGROUP no such group\r\n+OK\r\n")
    error, text = reader.read(), reader.read()
    assert error is not None
    assert type(error[0]) is Exception
    assert str(error[0]) == "NOGROUP no such group"
    assert text == (b"OK",)


def test_a_connection_with_bytes_that_nobody_asked_for_or_at_its_end_has_more() -> None:
    async def main() -> None:
        received = asyncio.StreamReader()
        stream = AnswerStream(received, 1000)
        assert not await stream.has_more()
        received.feed_data(b"+OK")
        assert await stream.has_more()
        received.feed_data(b"\r\n:1\r\n")
        assert [await stream.next(), await stream.next()] == [b"OK", 1], "looking takes nothing away"
        assert not await stream.has_more()
        received.feed_eof()
        assert await stream.has_more()
        with pytest.raises(EOFError):
            await stream.next()
        with pytest.raises(EOFError):
            await AnswerStream(None, 1000).next()

    asyncio.run(main())
