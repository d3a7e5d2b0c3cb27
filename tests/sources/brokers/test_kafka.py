"""Records from Kafka: every message once, whatever happens between the commit and the acknowledgement."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from monitor.clock import SystemClock
from monitor.errors import StoreError
from monitor.predictions.log.writer import PredictionLog
from monitor.predictions.settings import PredictionSettings
from monitor.records import Stream
from monitor.sources.brokers.kafka import Kafka, KafkaSettings
from monitor.sources.preview import preview
from monitor.sources.runner import SourceRunner
from monitor.sources.source import Lag, SourceError
from monitor.store import outcomes, predictions, quarantine, source_positions
from monitor.store.db import Store
from monitor.store.migrate import migrate
from tests.support.growing_topic import GrowingTopic
from tests.support.kafka import MockCluster
from tests.support.source_checks import check_open_fails
from tests.support.waiting import until

STREAM = Stream("acme", "fraud")


def record(number: int, **more: Any) -> dict[str, Any]:
    return {
        "client": "acme",
        "model": "fraud",
        "id": f"p-{number}",
        "timestamp": time.time(),
        "prediction": "ok",
        **more,
    }


@pytest.fixture(scope="module")
def cluster() -> MockCluster:
    return MockCluster()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(f"sqlite:///{tmp_path}/watchkeeper.db")
    migrate(store)
    yield store
    store.close()


def settings(cluster: MockCluster, topic: str, **more: Any) -> KafkaSettings:
    return KafkaSettings(
        brokers=tuple(cluster.brokers), topic=topic, group=f"group-{topic}", session=6.0, **more
    )


def runner(store: Store, section: KafkaSettings, log: PredictionLog | None = None) -> SourceRunner:
    clock = SystemClock()
    log = log or PredictionLog(store, PredictionSettings(), clock)
    return SourceRunner("orders", "kafka", section, log, store, clock)


def stored_ids(store: Store) -> int:
    with store.read() as connection:
        return sum(len(ids) // 8 for ids in all_ids(connection))


def all_ids(connection: Any) -> list[bytes]:
    return [bytes(row.ids) for row in connection.execute(predictions.BATCHES.select())]


def test_each_message_is_stored_once_and_its_position_with_it(cluster: MockCluster, store: Store) -> None:
    cluster.send("plain", map(record, range(500)))
    reading = runner(store, settings(cluster, "plain"))
    reading.start()
    until(lambda: reading.state().accepted == 500, "all messages are stored")
    reading.stop()
    with store.read() as connection:
        positions = source_positions.load(connection, "orders")
    assert sum(map(int, positions.values())) == 500

    cluster.send("plain", map(record, range(500, 520)))
    again = runner(store, settings(cluster, "plain"))
    again.start()
    until(lambda: again.state().accepted == 20, "only the new ones are stored")
    again.stop()
    assert stored_ids(store) == 520


def test_what_was_stored_and_not_acknowledged_does_not_come_again(cluster: MockCluster, store: Store) -> None:
    cluster.send("crash", map(record, range(50)))

    class Crashing(Kafka):
        def acknowledge(self, fetched: Any) -> None:
            raise SourceError("the connection broke before the acknowledgement")

    class CrashingSettings(KafkaSettings):
        def make_source(self, name: str) -> Kafka:
            return Crashing(name, self)

    section = settings(cluster, "crash")
    first = runner(store, CrashingSettings(**section.model_dump()))
    first.start()
    until(lambda: "before the acknowledgement" in first.state().error, "the acknowledgement failed")
    first.stop()
    assert 0 < stored_ids(store) <= 50
    second = runner(store, section)
    second.start()
    until(lambda: stored_ids(store) == 50, "the rest is stored")
    cluster.send("crash", [record(1000)])
    until(lambda: stored_ids(store) == 51, "the next one is stored")
    second.stop()
    assert first.state().accepted + second.state().accepted == 51


def test_a_message_that_cannot_be_read_stops_none_of_the_others(cluster: MockCluster, store: Store) -> None:
    poison = [
        b"\xff\xfe",
        b"{",
        b"[1, 2]",
        b'"x"',
        b"",
        json.dumps({"client": "acme"}).encode(),
        b"null",
        b"\x00",
    ]
    cluster.send("poison", [record(0), *poison, record(1)], partition=0)
    reading = runner(store, settings(cluster, "poison"))
    reading.start()
    until(lambda: reading.state().accepted == 2, "both records are stored")
    reading.stop()
    assert reading.state().rejected == 8  # an array of two numbers is two; the empty message is a tombstone
    with store.read() as connection:
        kept = quarantine.latest(connection, None, 20)
    assert all("source orders, poison, partition 0, offset" in one.rejected.error for one in kept)


def test_an_answer_and_its_truth_in_one_message_become_both(cluster: MockCluster, store: Store) -> None:
    both = record(1, truth="fraud")
    truth = {"client": "acme", "model": "fraud", "id": "p-0", "truth": "ok"}
    framed = b"\0\0\0\0\x07" + json.dumps(truth).encode()  # as the JSON serializer of a schema registry
    cluster.send("truths", [record(0), both, framed], partition=0)
    reading = runner(store, settings(cluster, "truths"))
    reading.start()
    until(lambda: reading.state().accepted == 4, "two predictions and two outcomes")
    reading.stop()
    with store.read() as connection:
        rows = connection.execute(outcomes.OUTCOMES.select()).all()
    assert sum(row.rows for row in rows) == 2


def test_own_messages_are_read_by_a_mapping(cluster: MockCluster, store: Store) -> None:
    message = {
        "meta": {"model": "fraud", "at": time.time()},
        "items": [{"uid": "a", "out": {"label": "ok", "p": 0.9}, "in": {"amount": 3, "geo": {"lat": 1.5}}}],
    }
    cluster.send("mapped", [message])
    fields = {
        "model": "$.meta.model",
        "timestamp": "$.meta.at",
        "id": "@.uid",
        "prediction": "@.out.label",
        "confidence": "@.out.p",
        "features": "@.in",
    }
    section = settings(cluster, "mapped", client="acme", format="mapped", rows="$.items[*]", fields=fields)
    shown = preview("orders", section, PredictionSettings(), None, 10)
    assert '"features": {"amount": 3, "geo.lat": 1.5}' in shown.messages[0].records[0][1]
    reading = runner(store, section)
    reading.start()
    until(lambda: reading.state().accepted == 1, "the row is stored")
    reading.stop()


def test_a_store_that_is_away_leaves_messages_unacknowledged(cluster: MockCluster, store: Store) -> None:
    cluster.send("away", map(record, range(30)))

    class Away(PredictionLog):
        is_away = True

        def store_delivery(self, requests: Any, settle: Callable[..., object]) -> Any:
            if self.is_away:
                raise StoreError("the database is not available")
            return super().store_delivery(requests, settle)

    log = Away(store, PredictionSettings(), SystemClock())
    reading = runner(store, settings(cluster, "away"), log)
    reading.start()
    until(lambda: reading.state().failing_since is not None, "the source waits")
    log.is_away = False
    until(lambda: stored_ids(store) == 30, "all messages are stored")
    until(lambda: not reading.state().error, "it works again")
    reading.stop()


def test_two_daemons_share_the_partitions(cluster: MockCluster, store: Store) -> None:
    section = settings(cluster, "shared")
    cluster.send("shared", map(record, range(100)))
    first, second = runner(store, section), runner(store, section)
    first.start()
    until(lambda: first.state().accepted > 0, "the first one reads")
    second.start()
    for begin in range(100, 1000, 100):
        cluster.send("shared", map(record, range(begin, begin + 100)))
    until(lambda: stored_ids(store) >= 1000, "all messages are stored")
    first.stop()
    cluster.send("shared", map(record, range(1000, 1100)))
    until(lambda: stored_ids(store) >= 1100, "the other one takes over")
    second.stop()
    assert stored_ids(store) == 1100


def test_lag_counts_what_waits_and_is_never_younger_than_it(cluster: MockCluster) -> None:
    now = time.time()
    sent = {"lag/0": now - 3600, "lag/1": now - 7200}
    for partition, at in enumerate(sent.values()):
        cluster.send("lag", map(record, range(4)), partition, at)
    source = settings(cluster, "lag").make_source("orders")
    source.open(dict)
    left = dict.fromkeys(sent, 4)
    while sum(left.values()):
        for payload in source.fetch(1, 1.0).payloads:
            left[payload.shard] -= 1
            waiting = [shard for shard, number in left.items() if number]
            lag = source.lag()
            assert lag.waiting == sum(left.values())
            if 4 in left.values():  # one has told nothing yet
                assert lag.oldest_seconds is None
            elif waiting:
                ages = [time.time() - sent[shard] for shard in waiting]
                assert lag.oldest_seconds == pytest.approx(max(ages), abs=60)
    before = time.time()
    assert source.lag() == Lag(0, 0.0)
    cluster.send("lag", [record(4)], 0)
    age = until(lambda: source.lag() if source.lag().waiting else None, "one more waits").oldest_seconds
    source.close()
    assert age is not None
    assert 0 <= age <= time.time() - before  # not an hour, as old as the one that was fetched before it


def event(side: str, number: int, data: Any) -> dict[str, Any]:
    return {"id": f"c-{number}", "type": f"org.kubeflow.serving.inference.{side}", "data": data}


def test_requests_and_responses_in_two_topics_are_paired_and_positions_do_not_mix(
    cluster: MockCluster, store: Store
) -> None:
    cluster.send("asked", (event("request", n, {"instances": [[n]]}) for n in range(20)), partition=0)
    cluster.send("answered", (event("response", n, {"predictions": ["ok"]}) for n in range(18)), partition=0)
    section = KafkaSettings(
        brokers=tuple(cluster.brokers), topics=("asked", "answered", "asked"), group="two", session=6.0,
        format="kserve", client="acme", model="fraud",
    )  # fmt: skip
    shown = preview("orders", section, PredictionSettings(), None, 50)
    assert {one.name.partition(",")[0] for one in shown.messages} == {"asked", "answered"}
    reading = runner(store, section)
    reading.start()
    until(lambda: stored_ids(store) == 18, "the complete calls are stored")
    cluster.send(
        "answered", (event("response", n, {"predictions": ["ok"]}) for n in range(18, 20)), partition=0
    )
    until(lambda: stored_ids(store) == 20, "the others are paired with what waited")
    reading.stop()
    with store.read() as connection:
        assert source_positions.load(connection, "orders") == {"asked/0": "20", "answered/0": "20"}


def test_a_pattern_reads_each_topic_that_matches_and_no_other(cluster: MockCluster, store: Store) -> None:
    for topic, first in (("pattern.eu", 0), ("pattern.us", 10), ("other.pattern.eu", 20)):
        cluster.send(topic, map(record, range(first, first + 10)))
    section = KafkaSettings(
        brokers=tuple(cluster.brokers), topics=(r"^pattern\..*",), group="pattern", session=6.0
    )
    shown = preview("orders", section, PredictionSettings(), None, 50)
    assert {one.name.partition(",")[0] for one in shown.messages} == {"pattern.eu", "pattern.us"}
    reading = runner(store, section)
    reading.start()
    until(lambda: stored_ids(store) == 20, "the messages of both topics are stored")
    reading.stop()


@pytest.mark.parametrize(
    "pattern", ["^(a", r"^(a)\1", "^(?=a)"], ids=["open", "a reference back", "a look ahead"]
)
def test_a_pattern_that_cannot_be_matched_in_linear_time_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="is not a regular expression"):
        KafkaSettings(brokers=("127.0.0.1:9",), topics=(pattern,))


@pytest.mark.parametrize("topics", [{}, {"topic": "a", "topics": ["b"]}, {"topics": [""]}, {"topics": []}])
def test_a_source_names_a_topic_or_several(topics: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="or several in `topics`"):
        KafkaSettings(brokers=("127.0.0.1:9",), **topics)


def test_a_topic_that_was_made_anew_is_read_from_its_beginning_and_positions_in_partitions_it_lost_are_forgotten(
    cluster: MockCluster, store: Store
) -> None:
    cluster.send("anew", map(record, range(5)), partition=0)
    cluster.send("anew", map(record, range(5, 8)), partition=1)
    with store.write() as connection:
        before = {"anew/0": "1000", "anew/7": "77", "another/7": "5"}
        source_positions.advance(connection, "orders", {}, before, 1.0)
    reading = runner(store, settings(cluster, "anew"))
    reading.start()
    until(lambda: stored_ids(store) == 8, "all messages of the new topic are stored")

    def positions() -> dict[str, str]:
        with store.read() as connection:
            return dict(source_positions.load(connection, "orders"))

    until(lambda: positions() == {"anew/0": "5", "anew/1": "3", "another/7": "5"}, "one is forgotten")
    reading.stop()


class AsksOften(KafkaSettings):
    """Asks for new partitions as often as a test can wait for."""

    def consumer_options(self, name: str) -> dict[str, Any]:
        return super().consumer_options(name) | {"topic.metadata.refresh.interval.ms": 300}


def test_partitions_that_a_topic_gains_are_read_from_their_beginning(
    cluster: MockCluster, store: Store
) -> None:
    topic = GrowingTopic(cluster.brokers[0], shown=1)
    cluster.send("growing", map(record, range(5)), partition=0)
    section = settings(cluster, "growing").model_dump() | {"brokers": [topic.address]}
    reading = runner(store, AsksOften(**section))
    reading.start()
    until(lambda: stored_ids(store) == 5, "the first partition is read")
    for partition in (1, 2):  # producers learn of partitions before the daemon does
        cluster.send("growing", map(record, range(partition * 10, partition * 10 + 5)), partition)
    topic.shown = 3
    until(lambda: stored_ids(store) >= 15, "the new partitions are read")
    cluster.send("growing", [record(100)], partition=0)
    until(lambda: stored_ids(store) >= 16, "the first one is still read")
    reading.stop()
    topic.close()
    assert (stored_ids(store), reading.state().accepted, reading.state().error) == (16, 16, "")
    with store.read() as connection:
        positions = source_positions.load(connection, "orders")
    assert positions == {"growing/0": "6", "growing/1": "5", "growing/2": "5"}


def test_what_is_not_there_is_an_error_in_words() -> None:
    check_open_fails(KafkaSettings(brokers=("127.0.0.1:9",), topic="x"), r"Kafka at 127\.0\.0\.1:9")
