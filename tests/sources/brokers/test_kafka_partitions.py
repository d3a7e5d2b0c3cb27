"""Messages that Kafka deleted before they were read are told: a topic keeps messages for a time, or up to a size."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.sources.brokers import kafka_partitions
from monitor.sources.brokers.kafka import KafkaSettings
from monitor.sources.brokers.kafka_partitions import Gaps
from monitor.store import quarantine, source_positions
from monitor.store.db import Store
from tests.support.kafka import MockCluster
from tests.support.source_checks import record, runner, stored
from tests.support.waiting import until

WHERE = ("orders", 3)


@given(
    start=st.integers(0, 5),
    first=st.integers(0, 30),
    there=st.sets(st.integers(0, 30), min_size=1, max_size=10),
)
def test_law_what_is_told_lies_before_the_first_offset_and_after_the_position(
    start: int, first: int, there: set[int]
) -> None:
    """Gaps above the first offset are those of transactions and of compaction."""
    gaps = Gaps(lambda _where: first)
    gaps.assigned({WHERE: start})
    told = []
    for offset in sorted(one for one in there if one >= max(start, first)):
        told += [(offset, one) for one in gaps.before(WHERE, offset)]
    if not told:
        assert first <= start or not any(one >= first for one in there if one >= start)
        return
    [(offset, payload)] = told
    assert (payload.shard, payload.position, payload.body) == ("orders/3", str(first), b"")
    assert f"up to {first - start} message" in payload.error
    assert offset >= first > start


def test_a_partition_without_a_position_has_lost_nothing() -> None:
    gaps = Gaps(lambda _where: 7)
    assert gaps.before(WHERE, 7) == []
    assert gaps.before(WHERE, 8) == []


def test_gaps_are_asked_about_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    gaps = Gaps(lambda _where: asked.append(1) or 0)  # type: ignore[func-returns-value]
    gaps.assigned({WHERE: 0})
    for now in range(25):  # each message lies behind the marker of a transaction
        monkeypatch.setattr(kafka_partitions, "monotonic", lambda now=now: 1000.0 + now)
        assert gaps.before(WHERE, 2 * now + 1) == []
    assert len(asked) == 3


def test_messages_that_were_deleted_before_they_were_read_are_told(store: Store) -> None:
    cluster = MockCluster()  # its partitions keep five megabytes
    filling = [record(number, padding="x" * 800_000) for number in range(12)]
    cluster.send("orders", filling, partition=0)
    with store.write() as connection:
        source_positions.advance(connection, "orders", {}, {"orders/0": "2"}, 1.0)
    section = KafkaSettings(
        brokers=tuple(cluster.brokers),
        topic="orders",
        group="told",
        session=6.0,
        client="acme",
        model="fraud",
    )
    reading = runner(store, section)
    reading.start()
    try:
        until(lambda: reading.state().rejected and reading.state().accepted, "what is there is read")
        cluster.send("orders", [record(99)], partition=0)
        count = stored(store)
        until(lambda: stored(store) > count, "and what comes then")
    finally:
        reading.stop()
    assert reading.state().rejected == 1
    with store.read() as connection:
        (told,) = quarantine.latest(connection, None, 20)
    lost = 13 - 2 - stored(store)
    assert (told.rejected.client, told.rejected.model) == ("acme", "fraud")
    assert (
        f"offsets 2 to {2 + lost - 1}: up to {lost} messages of the topic were deleted" in told.rejected.error
    )
