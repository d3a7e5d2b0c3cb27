"""A Kafka cluster of librdkafka's own: real protocol and real consumer groups, inside this process."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from confluent_kafka import Producer


class MockCluster:
    """Brokers that live as long as the producer does. A topic has four partitions."""

    def __init__(self, brokers: int = 1) -> None:
        self.producer = Producer({"bootstrap.servers": "127.0.0.1:1", "test.mock.num.brokers": brokers})
        self.brokers = [
            f"{one.host}:{one.port}" for one in self.producer.list_topics(timeout=5).brokers.values()
        ]

    def send(
        self,
        topic: str,
        messages: Iterable[Mapping[str, Any] | bytes],
        partition: int | None = None,
        sent_at: float | None = None,
    ) -> None:
        """Send messages, as JSON where they are records, and wait until they are stored. `sent_at` in epoch seconds."""
        where = {} if partition is None else {"partition": partition}
        if sent_at is not None:
            where["timestamp"] = int(sent_at * 1000)
        for message in messages:
            body = message if isinstance(message, bytes) else json.dumps(message).encode()
            while True:
                try:
                    self.producer.produce(topic, value=body, **where)
                    break
                except BufferError:
                    self.producer.poll(0.1)
        assert self.producer.flush(30) == 0
