"""Apache Kafka, and what speaks its protocol (Redpanda, Azure Event Hubs), with librdkafka's client.

The daemon joins a consumer group, so several daemons share the partitions. Positions are offsets in the store, which
are ahead of the group's offsets after a crash: on assignment each partition continues at the larger of the two.
"""

import logging
import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, Literal, Self, TypeVar

import re2
from pydantic import Field, model_validator

from monitor.config.sections import Duration, FileName, Secret
from monitor.runtime import call_timeout
from monitor.sources.brokers.kafka_partitions import Ages, Gaps, Partition, gone, shard_of
from monitor.sources.causes import Advice
from monitor.sources.settings import SourceSettings
from monitor.sources.source import Fetched, Gone, Lag, Payload, Positions, Source, SourceError

T = TypeVar("T")
_ADVICE = Advice(
    "are the brokers reachable from here, and do they need TLS (`security`)?",
    login="correct `username`, `password` and `mechanism`",
    right="grant the user the right to read the topic, and to join the group",
)
_OF_TOPIC = replace(_ADVICE, usual="does the topic exist?")
_VAGUE = ("_TRANSPORT", "_TIMED_OUT", "_ALL_BROKERS_DOWN")
"""Errors that say that something failed, and not why."""
_ATTEMPT = re.compile(r" \(after \d+ms in state .*\)$|^\S+/(bootstrap|\d+): ")
"""What differs from one attempt to the next."""
log = logging.getLogger(__name__)

_CALL_SECONDS = 5.0
_LISTEN_SECONDS = 0.5
_AT_ONCE, _MOST_BYTES = 100, 8_000_000
_GONE = (
    "_ALL_BROKERS_DOWN",
    "_AUTHENTICATION",
    "_SSL",
    "_RESOLVE",
    "UNKNOWN_TOPIC_OR_PART",
    "TOPIC_AUTHORIZATION_FAILED",
)


class KafkaSettings(SourceSettings):
    """Topics of Apache Kafka. Needs the extra `kafka`."""

    counts_all: ClassVar[bool] = False  # its own partitions

    kind: Literal["kafka"] = "kafka"
    """Apache Kafka, or Azure Event Hubs through its Kafka endpoint."""
    brokers: tuple[str, ...]
    """Addresses to start from, such as `[kafka-1:9092, kafka-2:9092]`."""
    topic: str = ""
    """The topic."""
    topics: tuple[str, ...] = ()
    """Several topics, instead of `topic`, such as `[requests, responses]` whose messages are paired. A name that
    begins with `^` is a regular expression: `^orders\\..*` reads each topic that matches, also one that is created
    later."""
    group: str = "watchkeeper"
    """The consumer group."""
    session: Duration = Field(default=10.0, ge=3.0)
    """How long the group waits for a daemon that does not answer before others read its partitions."""
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

    @model_validator(mode="after")
    def _has_topics(self) -> Self:
        if bool(self.topic) == bool(self.topics) or not all(self.topics):
            msg = "name the topic in `topic`, or several in `topics`"
            raise ValueError(msg)
        for name in self.every_topic:
            if is_pattern(name):
                try:
                    re2.compile(name)
                except re2.error as error:
                    msg = f"{name!r} is not a regular expression: {error}"
                    raise ValueError(msg) from error
        return self

    @property
    def every_topic(self) -> tuple[str, ...]:
        """The names of all topics, each once."""
        return tuple(dict.fromkeys(self.topics or (self.topic,)))

    def make_source(self, name: str) -> Source:
        """A consumer, not connected yet."""
        return Kafka(name, self)

    def consumer_options(self, name: str) -> dict[str, Any]:
        """The options of librdkafka."""
        options: dict[str, Any] = {
            "bootstrap.servers": ",".join(self.brokers),
            "group.id": self.group,
            "client.id": f"watchkeeper-{name}",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "earliest",
            "partition.assignment.strategy": "cooperative-sticky",
            "security.protocol": self.security,
            "session.timeout.ms": int(self.session * 1000),
            "heartbeat.interval.ms": int(self.session * 300),
            "queued.max.messages.kbytes": _MOST_BYTES * 2 // 1000,
            "message.max.bytes": 100_000_000,
            "topic.metadata.refresh.interval.ms": 60_000,
        }
        if self.security.startswith("sasl"):
            options |= {"sasl.mechanism": self.mechanism, "sasl.username": self.username}
            options["sasl.password"] = self.password.get_secret_value() if self.password else ""
        if self.certificates:
            options["ssl.ca.location"] = self.certificates
        return options


class Kafka:
    """A member of a consumer group."""

    is_ordered = True

    def __init__(self, name: str, settings: KafkaSettings) -> None:
        self._name, self._settings = name, settings
        self._consumer: Any = None
        self._client: Any = None
        self._problem = self._cause = ""
        self._positions: Positions = dict
        self._gone: Gone | None = None
        self._stored: Mapping[str, str] = {}
        self._ages, self._gaps = Ages(), Gaps(self._first_of)

    def open(self, positions: Positions) -> None:
        """Join the group."""
        self._connect(self._settings.group)
        self._positions = positions
        self._gone = gone(positions(), self._partitions(time.monotonic() + _CALL_SECONDS))
        self._consumer.subscribe(list(self._settings.every_topic), on_assign=self._assigned)

    def peek(self, most: int, wait: float) -> Sequence[Payload]:
        """The last messages of the partitions, as a consumer outside of the group."""
        self._connect(f"{self._settings.group}-peek")
        places, waiting = [], 0
        try:
            ends = time.monotonic() + _CALL_SECONDS
            for place in self._partitions(ends):
                low, high = self._consumer.get_watermark_offsets(place, timeout=_left(ends))
                place.offset = max(low, high - most)
                places.append(place)
                waiting += high - place.offset
            self._consumer.assign(places)
        except self._client.KafkaException as error:
            raise self._failure(error) from error
        payloads: list[Payload] = []
        until = time.monotonic() + wait
        while (missing := min(most, waiting) - len(payloads)) > 0 and (left := until - time.monotonic()) > 0:
            some = self._consume(missing, left)
            payloads += [_payload(one, one.topic(), one.partition(), one.offset()) for one in some]
        return payloads

    def fetch(self, most: int, wait: float) -> Fetched:
        """Messages of the assigned partitions, up to about 8 MB."""
        payloads: list[Payload] = []
        expected: dict[tuple[str, int], int] = {}
        size = 0
        while len(payloads) < most and size < _MOST_BYTES:
            some = self._consume(min(_AT_ONCE, most - len(payloads)), 0.0 if payloads else wait)
            if not some:
                break
            for message in some:  # a partition that left and came back meanwhile begins again at its position
                where = message.topic(), message.partition()
                offset = message.offset()
                if offset >= expected.get(where, 0):
                    expected[where] = offset + 1
                    payloads += self._gaps.before(where, offset)
                    payload = _payload(message, *where, offset)
                    payloads.append(payload)
                    size += len(payload.body)
        if not payloads and self._problem:
            raise self._failure(self._cause or self._problem)
        self._ages.fetched(payloads)
        missing, self._gone = self._gone, None
        return Fetched(payloads, expected, missing)

    def acknowledge(self, fetched: Fetched) -> None:
        """Commit the offsets to the group. The store's positions count; this is for other tools that show lag."""
        receipt = fetched.receipt.items()
        offsets = [self._client.TopicPartition(*where, offset) for where, offset in receipt]
        try:
            self._within(lambda: self._consumer.commit(offsets=offsets, asynchronous=False))
        except self._client.KafkaException as error:
            if error.args[0].name() in ("ILLEGAL_GENERATION", "UNKNOWN_MEMBER_ID", "REBALANCE_IN_PROGRESS"):
                return  # the partition went to another member, which continues at the position in the store
            raise self._failure(error) from error

    def lag(self) -> Lag:
        """Messages behind in the assigned partitions, by their watermarks. The age of the oldest is an upper bound."""
        looked_at = time.time()
        try:
            waiting = self._within(self._waiting)
        except self._client.KafkaException as error:
            raise self._failure(error) from error
        assigned = [shard_of(one.topic, one.partition) for one in self._consumer.assignment()]
        if not assigned:
            return Lag()
        self._ages.looked(looked_at, assigned, waiting)
        return Lag(sum(waiting.values()), self._ages.oldest(waiting, time.time()))

    def _waiting(self) -> dict[str, int]:
        """Messages behind, by partition."""
        waiting: dict[str, int] = {}
        ends = time.monotonic() + _CALL_SECONDS
        for at in self._consumer.position(self._consumer.assignment()):
            low, high = self._consumer.get_watermark_offsets(at, timeout=_left(ends), cached=False)
            known = int(self._stored.get(shard_of(at.topic, at.partition), low))
            if behind := max(0, high - max(at.offset if at.offset >= 0 else known, low)):
                waiting[shard_of(at.topic, at.partition)] = behind
        return waiting

    def _first_of(self, where: Partition) -> int:
        """The first offset that a partition has."""
        place = self._client.TopicPartition(*where)
        try:
            return int(self._consumer.get_watermark_offsets(place, timeout=_CALL_SECONDS, cached=False)[0])
        except self._client.KafkaException as error:
            raise self._failure(error) from error

    def close(self) -> None:
        """Leave the group. A broker that does not answer is waited for no longer than for any other call."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            try:
                call_timeout.within(_CALL_SECONDS, consumer.close)
            except (OSError, RuntimeError, self._client.KafkaException) as error:
                log.debug("Kafka: the consumer did not leave its group: %s", error)

    def _within(self, call: Callable[[], T]) -> T:
        """A call that librdkafka would repeat for as long as a broker does not answer."""
        try:
            return call_timeout.within(_CALL_SECONDS + 1.0, call)
        except call_timeout.CallTimeoutError as error:
            raise self._failure(error) from error

    def _connect(self, group: str) -> None:
        try:
            import confluent_kafka
        except ImportError as error:
            hint = "pip install 'watchkeeper[kafka]'"
            raise SourceError("the client for Kafka is not installed", hint=hint) from error
        self._client, self._problem, self._cause = confluent_kafka, "", ""
        options = self._settings.consumer_options(self._name) | {"group.id": group}
        try:
            self._consumer = confluent_kafka.Consumer(options | {"error_cb": self._note, "logger": _SILENT})
        except (confluent_kafka.KafkaException, ValueError) as error:
            raise self._failure(error) from error

    def _partitions(self, ends: float) -> list[Any]:
        """The partitions of all topics, asked for until `ends`."""
        places = []
        for topic in self._topics(ends):
            try:
                metadata = self._consumer.list_topics(topic, timeout=_left(ends)).topics[topic]
            except self._client.KafkaException as error:
                raise self._failure(error) from error
            if metadata.error is not None:
                reason = f"topic {topic}: {metadata.error.str()}"
                raise SourceError(reason, hint=_OF_TOPIC.hint(reason))
            places += [
                self._client.TopicPartition(topic, partition) for partition in sorted(metadata.partitions)
            ]
        return places

    def _topics(self, ends: float) -> list[str]:
        """The topics that exist for the patterns, and the other ones as they are named."""
        names = self._settings.every_topic
        patterns = [re2.compile(name) for name in names if is_pattern(name)]
        named = [name for name in names if not is_pattern(name)]
        if patterns:
            try:
                there = sorted(self._consumer.list_topics(timeout=_left(ends)).topics)
            except self._client.KafkaException as error:
                raise self._failure(error) from error
            named += [one for one in there if any(pattern.search(one) for pattern in patterns)]
        return list(dict.fromkeys(named))

    def _consume(self, most: int, wait: float) -> list[Any]:
        try:
            some = self._consumer.consume(most, timeout=wait)
        except self._client.KafkaException as error:
            raise self._failure(error) from error
        for message in some:
            if message.error() is not None:
                raise self._failure(message.error())
        if some:
            self._problem = self._cause = ""
        return list(some)

    def _assigned(self, consumer: Any, partitions: Sequence[Any]) -> None:
        """Continue where the store or the group is, whichever is further."""
        stored = self._stored = self._positions()
        self._ages.forget(shard_of(one.topic, one.partition) for one in partitions)
        committed = consumer.committed(list(partitions), timeout=_CALL_SECONDS)
        for partition, of_group in zip(partitions, committed, strict=True):
            known = int(stored.get(shard_of(partition.topic, partition.partition), -1))
            furthest = max(known, of_group.offset if of_group.offset >= 0 else -1)
            if furthest >= 0:
                partition.offset = furthest
        self._gaps.assigned({(at.topic, at.partition): at.offset for at in partitions if at.offset >= 0})
        consumer.incremental_assign(list(partitions))

    def _note(self, error: Any) -> None:
        """Called by librdkafka with errors that no call returns."""
        if error.name() != "_ALL_BROKERS_DOWN":
            self._cause = _ATTEMPT.sub("", error.str())
        if error.fatal() or error.name() in _GONE:
            self._problem = error.str()

    def _listen(self, error: object) -> None:
        """Have librdkafka call `_note`. A call that hangs holds the consumer, so nothing more is asked of it then.

        A message that is returned is read again.
        """
        if not isinstance(error, call_timeout.CallTimeoutError):
            with suppress(call_timeout.CallTimeoutError):
                call_timeout.within(_LISTEN_SECONDS, partial(self._consumer.poll, 0))

    def _failure(self, error: object) -> SourceError:
        """What is to be raised: with what librdkafka has noted, where the error itself does not say why."""
        words = _words(error)
        if _name(error) in _VAGUE and self._consumer is not None:
            self._listen(error)
            words = self._cause or words
        brokers = ",".join(self._settings.brokers)
        return SourceError(f"Kafka at {brokers}: {words}", hint=_ADVICE.hint(words))


def is_pattern(topic: str) -> bool:
    """Whether a topic's name is a regular expression, as librdkafka has it."""
    return topic.startswith("^")


_SILENT = logging.getLogger(f"{__name__}.librdkafka")
"""librdkafka logs each attempt to connect; the runner reports a failure once."""
_SILENT.setLevel(logging.CRITICAL)


def _left(ends: float) -> float:
    """Seconds until a deadline; librdkafka takes 0 for no deadline."""
    return max(0.001, ends - time.monotonic())


def _name(error: object) -> str:
    """What librdkafka calls an error; that of a time-out for a call that was given up."""
    if isinstance(error, call_timeout.CallTimeoutError):
        return "_TIMED_OUT"
    inner = error.args[0] if isinstance(error, Exception) and error.args else error
    return str(inner.name()) if hasattr(inner, "name") else ""


def _words(error: object) -> str:
    inner = error.args[0] if isinstance(error, Exception) and error.args else error
    return inner.str() if hasattr(inner, "str") else str(inner)


def _payload(message: Any, topic: str, partition: int, offset: int) -> Payload:
    kind, milliseconds = message.timestamp()
    return Payload(
        _unframed(message.value() or b""),
        f"{topic}, partition {partition}, offset {offset}",
        shard_of(topic, partition),
        str(offset + 1),
        sent_at=milliseconds / 1000 if kind else None,
        headers=_headers(pairs) if (pairs := message.headers()) else {},
    )


def _unframed(value: bytes) -> bytes:
    """JSON without the five bytes that serializers of a schema registry write before it."""
    return value[5:] if value[:1] == b"\0" and value[5:6] in (b"{", b"[") else value


def _headers(pairs: Sequence[tuple[str, bytes | None]]) -> Mapping[str, str]:
    return {name.lower(): (value or b"").decode(errors="replace") for name, value in pairs}
