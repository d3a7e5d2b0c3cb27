"""Brokers of `tests.bench.brokers` that cannot be killed here: they keep their messages in memory.

These are the cluster of librdkafka, moto's SQS, and the stand-in of Pub/Sub. Only the daemon is killed beside them.
"""

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support import lakes, pubsub
from tests.support.kafka import MockCluster

NAMES = ("kafka", "sqs", "pubsub")


class LastingBroker:
    """A broker whose `send` takes messages and whose `section` is the source."""

    def __init__(self, section: dict[str, Any], send: Any) -> None:
        self.section, self._send = section, send
        self._lock = threading.Lock()

    def send(self, bodies: Sequence[bytes]) -> None:
        """Send messages; raises unless all were taken."""
        with self._lock:
            self._send(bodies)


@contextmanager
def lasting(name: str, folder: Path) -> Iterator[LastingBroker]:
    """A broker as long as the context lasts."""
    if name == "kafka":
        cluster = MockCluster()
        section = {"brokers": cluster.brokers, "topic": "orders", "session": "6s"}
        yield LastingBroker(section, lambda bodies: cluster.send("orders", bodies))
    elif name == "sqs":
        import boto3

        os.environ |= {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y"}
        folder.mkdir()
        with lakes.s3_server(folder) as address:
            client = boto3.client("sqs", endpoint_url=address, region_name="us-east-1")
            url = str(client.create_queue(QueueName="orders")["QueueUrl"])
            yield LastingBroker({"queue": url, "redeliver_after": "5s"}, _to_queue(client, url))
    else:
        with pubsub.stand_in() as server:
            subscription = server.create()
            section = {"address": server.address, "subscription": subscription}
            yield LastingBroker(section, lambda bodies: server.send(subscription, bodies))


def _to_queue(client: Any, url: str) -> Any:
    def send(bodies: Sequence[bytes]) -> None:
        for body in bodies:
            client.send_message(QueueUrl=url, MessageBody=body.decode())

    return send
