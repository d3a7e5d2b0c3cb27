"""Depth and age of queues of real brokers, also of what consumers hold and of groups that never committed."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pika
import pytest
from confluent_kafka import Consumer, TopicPartition
from nats.js.api import ConsumerConfig

from monitor.gauges.metrics_endpoints.model_server import ModelServerSettings
from monitor.gauges.metrics_endpoints.prometheus import PrometheusSettings, QuerySettings
from monitor.gauges.queues.kafka import KafkaGroupSettings
from monitor.gauges.queues.nats import NatsConsumerSettings
from monitor.gauges.queues.rabbitmq import RabbitQueueSettings
from monitor.gauges.queues.redis import RedisQueueSettings
from monitor.gauges.queues.sqs import SqsQueueSettings
from monitor.gauges.reading import GaugeError, Quantity
from monitor.gauges.registry import GAUGES
from monitor.gauges.settings import GaugeSettings
from tests.support.broker_servers import NatsServer, RabbitServer, RedisServer
from tests.support.kafka import MockCluster
from tests.support.ports import free_port
from tests.support.slow_peers import Manner, peer
from tests.support.waiting import until


def figures(section: GaugeSettings) -> dict[Quantity, float]:
    return {one.quantity: one.value for one in section.make_reader().read()}


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def nats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    server = NatsServer(tmp_path_factory.mktemp("nats"))
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def rabbit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitServer]:
    server = RabbitServer(tmp_path_factory.mktemp("rabbitmq"))
    server.management_port = free_port()
    try:
        server.start()
        yield server
    finally:
        server.end()


def of_redis(server: RedisServer, **more: Any) -> RedisQueueSettings:
    return RedisQueueSettings(url=f"127.0.0.1:{server.port}", **more)


def test_a_group_of_a_stream_has_what_was_not_read_and_what_was_not_acknowledged(redis: RedisServer) -> None:
    with redis.client as client:
        begun = time.time()
        ids = [client.xadd("jobs", {"data": str(number)}) for number in range(7)]
        client.xgroup_create("jobs", "workers", id="0")
        client.xreadgroup("workers", "one", {"jobs": ">"}, count=3)
        client.xack("jobs", "workers", ids[0])
    found = figures(of_redis(redis, system="stream", queue="jobs", group="workers"))
    assert found[Quantity.QUEUE_DEPTH] == 6
    assert 0 <= found[Quantity.QUEUE_AGE] <= time.time() - begun + 0.1


def test_after_a_deletion_the_depth_of_a_stream_is_unknown_and_not_zero(redis: RedisServer) -> None:
    with redis.client as client:
        ids = [client.xadd("holes", {"data": "x"}) for _ in range(4)]
        client.xgroup_create("holes", "workers", id=ids[0])
        client.xdel("holes", ids[2])
    found = figures(of_redis(redis, system="stream", queue="holes", group="workers"))
    assert Quantity.QUEUE_DEPTH not in found
    assert Quantity.QUEUE_AGE in found


@pytest.mark.parametrize(("system", "depth"), [("list", 3), ("celery", 3 + 2 + 1), ("rq", 4), ("arq", 2)])
def test_queues_of_task_systems_are_counted_where_they_keep_their_messages(
    redis: RedisServer, system: str, depth: int
) -> None:
    with redis.client as client:
        client.delete("q", "q\x06\x163", "unacked", "rq:queue:q", "arq")
        client.rpush("q", "a", "b", "c")
        client.rpush("q\x06\x163", "a", "b")
        client.hset("unacked", "tag", "held by a worker")
        client.rpush("rq:queue:q", "a", "b", "c", "d")
        now = time.time() * 1000
        client.zadd("arq", {"due": now - 5, "just due": now - 1, "in an hour": now + 3_600_000})
    name = "arq" if system == "arq" else "q"
    assert figures(of_redis(redis, system=system, queue=name)) == {Quantity.QUEUE_DEPTH: depth}


def test_a_consumer_of_nats_has_what_was_not_delivered_and_what_was_not_acknowledged(
    nats: NatsServer,
) -> None:
    nats.add("ORDERS")

    async def consume(js: Any) -> None:
        await js.add_consumer("ORDERS", ConsumerConfig(durable_name="workers", ack_policy="explicit"))
        subscription = await js.pull_subscribe_bind("workers", "ORDERS")
        messages = await subscription.fetch(4)
        await messages[0].ack_sync()

    nats.send("ORDERS.new", [b"x"] * 9)
    nats.with_stream(consume)
    section = NatsConsumerSettings(servers=(f"127.0.0.1:{nats.port}",), stream="ORDERS", consumer="workers")
    assert figures(section) == {Quantity.QUEUE_DEPTH: 8}
    gone = section.model_copy(update={"consumer": "nobody"})
    with pytest.raises(GaugeError, match="NATS at"):
        gone.make_reader().read()


def test_a_queue_of_rabbitmq_counts_what_consumers_hold(rabbit: RabbitServer) -> None:
    rabbit.declare("a/b c")
    rabbit.send("a/b c", [b"x"] * 5)
    url = f"http://127.0.0.1:{rabbit.management_port}"
    section = RabbitQueueSettings(url=url, queue="a/b c", timeout=5.0)
    with pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", rabbit.port)) as connection:
        channel = connection.channel()
        for _ in range(3):
            channel.basic_get("a/b c")

        def counted() -> bool:
            try:
                return figures(section) == {Quantity.QUEUE_DEPTH: 5}
            except GaugeError:
                return False

        until(counted, "ready and unacknowledged messages are counted")
    with pytest.raises(GaugeError, match="HTTP 404"):
        section.model_copy(update={"queue": "nowhere"}).make_reader().read()


def test_a_group_of_kafka_that_never_committed_has_everything_before_it() -> None:
    cluster = MockCluster()
    cluster.send("jobs", [json.dumps(number).encode() for number in range(25)], partition=0)
    cluster.send("jobs", [b"x"] * 6, partition=2)
    section = KafkaGroupSettings(brokers=tuple(cluster.brokers), topic="jobs", group="workers", timeout=10.0)
    found = figures(section)
    assert found[Quantity.QUEUE_DEPTH] == 31
    assert 0 <= found[Quantity.QUEUE_AGE] < 60
    consumer = Consumer({"bootstrap.servers": ",".join(cluster.brokers), "group.id": "workers"})
    consumer.commit(offsets=[TopicPartition("jobs", 0, 20), TopicPartition("jobs", 2, 6)], asynchronous=False)
    consumer.close()
    assert figures(section)[Quantity.QUEUE_DEPTH] == 5
    nowhere = section.model_copy(update={"topic": "nowhere\n"})
    with pytest.raises(GaugeError):
        nowhere.make_reader().read()


def at_port(port: int) -> dict[str, GaugeSettings]:
    """A gauge of each kind that connects to something, at this port."""
    address, soon = f"127.0.0.1:{port}", 0.5
    query = QuerySettings(query="up", quantity=Quantity.QUEUE_DEPTH)
    return {
        "redis": RedisQueueSettings(url=address, queue="q", timeout=soon),
        "nats": NatsConsumerSettings(servers=(address,), stream="S", consumer="c", timeout=soon),
        "rabbitmq": RabbitQueueSettings(url=f"http://{address}", queue="q", timeout=soon),
        "kafka": KafkaGroupSettings(brokers=(address,), topic="t", group="g", timeout=soon),
        "model_server": ModelServerSettings(url=f"http://{address}/metrics", server="vllm", timeout=soon),
        "prometheus": PrometheusSettings(url=f"http://{address}", queries=(query,), timeout=soon),
        "sqs": SqsQueueSettings(queue=f"http://{address}/1/jobs", region="eu-west-1"),
    }


KINDS = tuple(at_port(1))


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Amazon's gauges do not ask without."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "y")


def test_each_kind_that_connects_is_tried() -> None:
    connecting = {section.model_fields["kind"].default for section in GAUGES} - {"machine", "nvml", "otlp"}
    assert set(KINDS) == connecting


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("manner", [Manner.HANG, Manner.DRIP, Manner.FLOOD])
def test_law_a_server_that_misbehaves_is_given_up_in_time_and_told(kind: str, manner: Manner) -> None:
    with peer(manner) as server:
        began = time.monotonic()
        with pytest.raises(GaugeError, match=r"127\.0\.0\.1"):
            at_port(server.port)[kind].make_reader().read()
        assert time.monotonic() - began < 100, "far above the deadline of half a second, far below forever"


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_is_not_there_is_told(kind: str) -> None:
    with pytest.raises(GaugeError, match=r"127\.0\.0\.1"):
        at_port(free_port())[kind].make_reader().read()
