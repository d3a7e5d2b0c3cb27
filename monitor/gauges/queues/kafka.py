"""What a consumer group of Kafka has not read of a topic."""

import time
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field

from monitor.config.sections import FileName, Secret
from monitor.gauges.reading import GaugeError, GaugeReader, Quantity, Reading
from monitor.gauges.settings import GaugeSettings
from monitor.runtime import call_timeout
from monitor.sources.brokers.kafka import KafkaSettings
from monitor.visible import visible


class KafkaGroupSettings(GaugeSettings):
    """A consumer group of Apache Kafka. Needs the extra `kafka`."""

    kind: Literal["kafka"] = "kafka"
    """A consumer group of Apache Kafka, or of Azure Event Hubs through its Kafka endpoint."""
    brokers: tuple[str, ...] = Field(min_length=1)
    """Addresses to start from, such as `[kafka-1:9092, kafka-2:9092]`."""
    topic: str = Field(min_length=1)
    """The topic."""
    group: str = Field(min_length=1)
    """The consumer group."""
    security: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = "plaintext"
    """How to connect. Event Hubs needs `sasl_ssl`."""
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "PLAIN"
    """SASL mechanism."""
    username: str = ""
    """SASL user; `$ConnectionString` for Event Hubs."""
    password: Secret | None = None
    """SASL password; the connection string for Event Hubs."""
    certificates: FileName = ""
    """File with the certificates of the brokers' authority, if the system does not know it."""

    def make_reader(self) -> GaugeReader:
        """A consumer, not connected yet."""
        return KafkaGroup(self)


_SHARED = {
    "brokers", "topic", "group", "security", "mechanism", "username", "password", "certificates",
}  # fmt: skip


class KafkaGroup:
    """Connects for each reading, without joining the group."""

    def __init__(self, settings: KafkaGroupSettings) -> None:
        self._settings = settings

    def read(self) -> Sequence[Reading]:
        """Messages from the group's offsets to the end of each partition, and the age of the oldest of them."""
        try:
            import confluent_kafka
        except ImportError as error:
            hint = "pip install 'watchkeeper[kafka]'"
            raise GaugeError("the client for Kafka is not installed", hint=hint) from error
        section = self._settings
        options = KafkaSettings(**section.model_dump(include=_SHARED)).consumer_options("gauge")
        consumer: Any = None
        try:
            consumer = confluent_kafka.Consumer(options | {"error_cb": lambda _: None})
            return call_timeout.within(section.timeout + 1.0, lambda: self._read(confluent_kafka, consumer))
        except (confluent_kafka.KafkaException, call_timeout.CallTimeoutError, ValueError) as error:
            inner = error.args[0] if error.args else error
            words = inner.str() if hasattr(inner, "str") else str(inner)
            raise GaugeError(
                f"Kafka at {','.join(section.brokers)}: {words}", hint="are the brokers reachable from here?"
            ) from error
        finally:
            if consumer is not None:
                _close(consumer, section.timeout)

    def _read(self, client: Any, consumer: Any) -> list[Reading]:
        section, ends = self._settings, time.monotonic() + self._settings.timeout
        metadata = consumer.list_topics(section.topic, timeout=_left(ends)).topics[section.topic]
        if metadata.error is not None:
            raise GaugeError(
                f"topic {visible(section.topic)}: {metadata.error.str()}", hint="correct `topic`"
            )
        places = [client.TopicPartition(section.topic, partition) for partition in metadata.partitions]
        waiting, depth = [], 0
        for place in consumer.committed(places, timeout=_left(ends)):
            low, high = consumer.get_watermark_offsets(place, timeout=_left(ends), cached=False)
            # A group that never committed has everything before it: librdkafka's statistics call that unknown.
            begin = max(place.offset, low) if place.offset >= 0 else low
            if high > begin:
                depth += high - begin
                waiting.append(client.TopicPartition(section.topic, place.partition, begin))
        resource = visible(f"{section.topic}/{section.group}")[:100]
        readings = [Reading(Quantity.QUEUE_DEPTH, resource, float(depth))]
        age = _age(consumer, waiting, ends) if waiting else 0.0
        return readings if age is None else [*readings, Reading(Quantity.QUEUE_AGE, resource, age)]


def _age(consumer: Any, waiting: list[Any], ends: float) -> float | None:
    """The age of the oldest waiting message, by the first one of each partition; None where one is not known."""
    consumer.assign(waiting)
    sent: dict[int, float] = {}
    while len(sent) < len(waiting) and time.monotonic() < ends:
        for message in consumer.consume(1, timeout=min(0.5, _left(ends))):
            kind, milliseconds = message.timestamp()
            if message.error() is None and message.partition() not in sent:
                if not kind:
                    return None
                sent[message.partition()] = milliseconds / 1000
                consumer.pause([place for place in waiting if place.partition == message.partition()])
    return max(0.0, time.time() - min(sent.values())) if len(sent) == len(waiting) else None


def _close(consumer: Any, seconds: float) -> None:
    try:
        call_timeout.within(seconds, consumer.close)
    except (call_timeout.CallTimeoutError, OSError, RuntimeError):  # given up: it ends by itself
        return


def _left(ends: float) -> float:
    """Seconds until a deadline; librdkafka takes 0 for no deadline."""
    return max(0.001, ends - time.monotonic())
