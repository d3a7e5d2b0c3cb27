"""Bodies that are compressed with gzip: read as if they were not, with the limit on what they become."""

import asyncio
import gzip
import json
import random
import time
import tracemalloc
import zlib
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.clock import ManualClock
from monitor.errors import BusyError, InputError, TooLargeError
from monitor.web.ingest.body_budget import BodyBudget
from monitor.web.ingest.compression import AT_ONCE, MOST_MEMBERS, decompressed, parts, some
from monitor.web.ingest.incoming_body import BodyLimits, IncomingBody
from tests.support.ingest_server import Ingest, ids_of, serving
from tests.support.log import NOW, prediction

LIMIT = 100_000


@pytest.fixture(scope="module")
def ingest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ingest]:
    with serving(tmp_path_factory.mktemp("gzip"), ManualClock(NOW), body_limit=LIMIT) as running:
        yield running


def content(*ids: str) -> bytes:
    return json.dumps([prediction(id=one) for one in ids]).encode()


def test_a_compressed_request_is_stored_and_recognized_when_it_comes_again_plain(ingest: Ingest) -> None:
    body = content("z-1", "z-2")
    packed = gzip.compress(body[:30]) + gzip.compress(body[30:])
    assert ingest.post(packed, content_encoding="gzip").json()["accepted"] == 2
    assert ingest.post(body).headers["idempotent-replayed"] == "true"
    assert ids_of(ingest, "z-") == ["z-1", "z-2"]
    outcome = json.dumps({"client": "acme", "model": "fraud", "id": "z-1", "truth": "ok"}).encode()
    assert ingest.post(gzip.compress(outcome), "/v1/outcomes", content_encoding="x-gzip").status_code == 202


@pytest.mark.parametrize(
    ("body", "encoding", "status", "error"),
    [
        (gzip.compress(b" " * (LIMIT + 1)), "gzip", 413, "100,000 bytes after decompression"),
        (gzip.compress(b" " * 60_000) * 2, "gzip", 413, "100,000 bytes after decompression"),
        (gzip.compress(content("x"))[:-9], "gzip", 400, "the gzip body is truncated"),
        (content("x"), "gzip", 400, "the body is not valid gzip"),
        (gzip.compress(content("x")) + b"junk", "gzip", 400, "the body is not valid gzip"),
        (zlib.compress(content("x")), "deflate", 400, "Content-Encoding 'deflate' is not supported"),
        (content("x"), "gzip, br", 400, "Content-Encoding 'gzip, br' is not supported"),
    ],
    ids=["a bomb", "two members", "cut off", "plain", "junk", "deflate", "several"],
)
def test_what_cannot_be_decompressed_is_refused(
    ingest: Ingest, body: bytes, encoding: str, status: int, error: str
) -> None:
    answer = ingest.post(body, content_encoding=encoding)
    assert answer.status_code == status
    assert error in answer.json()["error"]
    assert answer.json()["hint"]
    assert not ids_of(ingest, "x")


def test_many_members_are_read_once_each_and_more_are_refused() -> None:
    members = [gzip.compress(b"%d," % number) for number in range(MOST_MEMBERS)]
    began = time.process_time()
    assert decompressed(b"".join(members), "gzip", 100_000) == b"".join(
        b"%d," % number for number in range(MOST_MEMBERS)
    )
    assert time.process_time() - began < 3, "the rest is not copied after each member"
    with pytest.raises(TooLargeError, match="more than 10,000 members"):
        decompressed(gzip.compress(b"") * (MOST_MEMBERS + 1), "gzip", 100_000)


def test_memory_is_reserved_as_a_body_grows_and_no_more_is_unpacked_than_there_is() -> None:
    """Thirty million bytes in thirty thousand: it is refused after a part of them."""
    budget, packed = BodyBudget(8 * AT_ONCE), gzip.compress(b" " * 30_000_000)
    budget.reserve("other", lambda: None).grow(4 * AT_ONCE)
    body = IncomingBody({"content-encoding": "gzip"}, "greedy", budget, BodyLimits(32_000_000, 60))
    tracemalloc.start()
    try:
        with pytest.raises(BusyError):
            asyncio.run(body.decompressed(packed))
        assert tracemalloc.get_traced_memory()[1] < 12 * AT_ONCE
    finally:
        tracemalloc.stop()


@given(st.integers(0, 3 * AT_ONCE), st.integers(0, 9))
@settings(max_examples=10)
def test_law_a_body_is_the_same_however_much_comes_at_once(size: int, level: int) -> None:
    content = random.Random(size).randbytes(size // 3) + b"\0" * (size - size // 3)
    left, taken, is_whole = parts(gzip.compress(content, level), "gzip", size), b"", False
    while not is_whole:
        part, is_whole = some(left)
        assert len(part) < 2 * AT_ONCE
        taken += part
    assert taken == content


@given(st.lists(st.binary(max_size=200), max_size=6), st.integers(0, 3))
def test_law_any_members_are_their_contents_or_are_refused(contents: list[bytes], cut: int) -> None:
    body = b"".join(map(gzip.compress, contents))
    assert decompressed(body, "gzip", 10_000) == b"".join(contents)
    if cut and body:
        with pytest.raises(InputError):
            decompressed(body[:-cut], "gzip", 10_000)
