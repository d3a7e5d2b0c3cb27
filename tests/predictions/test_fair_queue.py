"""Senders take turns at the writer, and none of them fills the queue for others."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.clock import ManualClock
from monitor.errors import BusyError
from monitor.predictions.intake.parse import RecordKind
from monitor.predictions.intake.requests import RawRequest
from monitor.predictions.intake.schema import Rules
from monitor.predictions.log.fair_queue import COMMIT_BYTES, SHARE_BYTES, FairQueue
from monitor.predictions.settings import PredictionSettings
from monitor.web.statuses import status_of
from tests.support.thorough import examples

RULES = Rules(PredictionSettings(), 0.0)
MB = 1_000_000


def of(sender: str, size: int) -> RawRequest:
    return RawRequest(RecordKind.PREDICTIONS, bytes(size), "", RULES, "", None, sender)


def put(queue: FairQueue, sender: str, size: int) -> BusyError | None:
    return queue.put(of(sender, size), lambda _result: None)


def queue_of(limit: int = 64 * MB, rate: int = 0) -> tuple[FairQueue, ManualClock]:
    clock = ManualClock(0.0)
    return FairQueue(limit, rate, clock.elapsed), clock


def taken(queue: FairQueue) -> list[tuple[str, int]]:
    entries = queue.take()
    queue.done(entries)
    return [(request.sender, request.size) for request, _ in entries]


def test_a_sender_that_is_alone_fills_a_commit() -> None:
    queue, _ = queue_of()
    for _ in range(100):
        put(queue, "acme", 200_000)
    assert len(taken(queue)) == COMMIT_BYTES // 200_000


def test_of_nothing_nothing_is_taken() -> None:
    queue, _ = queue_of()
    assert taken(queue) == []
    put(queue, "acme", 10)
    assert taken(queue) == [("acme", 10)]
    assert taken(queue) == []


def test_beside_others_each_has_a_share_of_a_commit() -> None:
    queue, _ = queue_of()
    for _ in range(100):
        put(queue, "acme", 20_000)
    put(queue, "globex", 500)
    first = Counter(sender for sender, _ in taken(queue))
    assert first == {"acme": SHARE_BYTES // 20_000, "globex": 1}
    assert len(taken(queue)) == SHARE_BYTES // 20_000, "the other may send again at any moment"


def test_after_a_while_alone_a_sender_fills_a_commit_again() -> None:
    queue, clock = queue_of()
    put(queue, "globex", 500)
    taken(queue)
    clock.advance(6)
    for _ in range(100):
        put(queue, "acme", 20_000)
    assert len(taken(queue)) == 100


def test_small_requests_wait_for_one_large_request_at_most() -> None:
    queue, _ = queue_of()
    for _ in range(3):
        put(queue, "acme", 5 * MB)
    put(queue, "globex", 500)
    assert taken(queue) == [("globex", 500)]
    put(queue, "globex", 501)
    assert taken(queue) == [("acme", 5 * MB)], "which waits for one commit of small ones"
    assert taken(queue) == [("globex", 501)]
    assert taken(queue) == [("acme", 5 * MB)]


def test_large_requests_take_turns_too() -> None:
    queue, _ = queue_of()
    for sender in ("acme", "acme", "globex", "globex"):
        put(queue, sender, 5 * MB)
    assert [taken(queue)[0][0] for _ in range(4)] == ["acme", "globex", "acme", "globex"]
    assert not queue
    assert queue.bytes == 0


def test_a_sender_leaves_room_for_others() -> None:
    queue, _ = queue_of(limit=10 * MB)
    refused = [put(queue, "acme", MB) is not None for _ in range(10)]
    assert refused == [False] * 5 + [True] * 5
    assert put(queue, "globex", MB) is None
    assert put(queue, "initech", 2 * MB) is None
    for number in range(50):
        assert put(queue, f"client {number}", 2000) is None, "small requests of others are always taken"


def test_too_much_is_429_however_long_it_takes() -> None:
    queue, _ = queue_of(rate=10)
    assert put(queue, "acme", 100) is None
    busy = put(queue, "acme", 100)
    assert busy is not None
    assert status_of(busy)[0] == 429


def test_a_rate_is_kept_over_ten_seconds() -> None:
    queue, clock = queue_of(rate=1000)
    assert [put(queue, "acme", 4000) is None for _ in range(3)] == [True, True, False]
    assert put(queue, "globex", 4000) is None
    busy = put(queue, "acme", 4000)
    assert busy is not None
    assert busy.retry_after == 2.0
    clock.advance(2)
    assert put(queue, "acme", 4000) is None
    clock.advance(100)
    assert put(queue, "acme", 50_000) is None, (
        "one request that is larger than the burst is taken when nothing was sent"
    )


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from([1, 5000, SHARE_BYTES + 1, 3 * MB])), max_size=40
    )
)
@settings(max_examples=examples(25), deadline=None)
def test_law_everything_is_taken_once_in_the_order_of_its_sender(sent: list[tuple[str, int]]) -> None:
    queue, _ = queue_of(limit=10_000 * MB)
    for sender, size in sent:
        assert put(queue, sender, size) is None
    received: list[tuple[str, int]] = []
    while queue:
        part = taken(queue)
        assert part
        received += part
    for one in "abc":
        assert [size for sender, size in received if sender == one] == [size for s, size in sent if s == one]
    assert queue.bytes == 0


def test_what_is_put_back_keeps_its_order_and_its_sender_comes_first_if_none_of_it_was_stored() -> None:
    queue, _ = queue_of()
    for size in (20, 30, 40):
        put(queue, "acme", size)
    put(queue, "globex", 10)
    entries = queue.take()
    assert [request.size for request, _ in entries] == [10, 20, 30, 40], "whoever has little comes first"
    queue.put_back(entries[1:], entries)
    queue.done(entries[:1])
    put(queue, "globex", 11)
    assert taken(queue) == [("acme", 20), ("acme", 30), ("acme", 40), ("globex", 11)]
    assert queue.bytes == 0
    put(queue, "acme", 50)
    put(queue, "acme", 60)
    entries = queue.take()
    queue.put_back(entries[1:], entries)
    queue.done(entries[:1])
    put(queue, "globex", 12)
    assert taken(queue) == [("globex", 12), ("acme", 60)], "some of it was stored"
