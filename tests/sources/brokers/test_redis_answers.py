"""Answers of Redis, wherever what was received breaks, and whatever a server sends."""

import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.sources.brokers.redis_answers import AnswerReader, ProtocolError
from tests.support.thorough import examples

ANSWERS = st.recursive(
    st.none() | st.integers(-(2**63), 2**63 - 1) | st.binary(max_size=20) | st.just(b"\r\n$5\r\n"),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=12,
)


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
@given(st.lists(ANSWERS, max_size=3), st.integers(1, 40))
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
        (b"*1\r\n" * 40, "no answer of Redis"),
        (b"+" + b"x" * 70_000, "no answer of Redis"),
        (b"HTTP/1.1 400\r\n", "no answer of Redis"),
        (b"$x\r\n", "no answer of Redis"),
        (b":" + b"9" * 5000 + b"\r\n", "larger than 1,000 bytes"),
    ],
)
def test_what_is_no_answer_or_too_large_is_refused(sent: bytes, words: str) -> None:
    reader = AnswerReader(1000)
    reader.feed(sent)
    with pytest.raises(ProtocolError, match=words):
        for _ in range(10):
            reader.read()


def test_an_error_of_the_server_is_told_apart_from_a_text() -> None:
    reader = AnswerReader(1000)
    reader.feed(b"-NOGROUP no such group\r\n+OK\r\n")
    error, text = reader.read(), reader.read()
    assert error is not None
    assert type(error[0]) is Exception
    assert str(error[0]) == "NOGROUP no such group"
    assert text == (b"OK",)
