"""RabbitMQ: a queue with acknowledgements, read through AMQP 0-9-1.

Several daemons may read the queue. Messages that were not acknowledged come again, and are recognized by their
`message_id`, or else by their content where each record has an id or a timestamp.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from monitor.config.sections import Duration, FileName, Secret, WholeNumber
from monitor.outgoing.tls import verifying
from monitor.sources.brokers.addresses import checked, some
from monitor.sources.brokers.amqp import AmqpConnection, words_of
from monitor.sources.causes import Advice
from monitor.sources.settings import SourceSettings
from monitor.sources.source import Fetched, Lag, Payload, Positions, Source, SourceError

_CALL_SECONDS = 5.0
_OPEN_SECONDS = 15.0
_YEAR_2001 = 1_000_000_000
_ADVICE = Advice(
    "is the server reachable from here?", right="grant the user the permission to read in the virtual host"
)


def _address(value: str) -> str:
    return checked(value if "://" in value else f"amqp://{value}", ("amqp", "amqps"))


class RabbitSettings(SourceSettings):
    """A queue of RabbitMQ. Needs the extra `rabbitmq`."""

    kind: Literal["rabbitmq"] = "rabbitmq"
    """A classic or quorum queue of RabbitMQ."""
    servers: Annotated[tuple[Annotated[str, AfterValidator(_address)], ...], AfterValidator(some)]
    """Addresses that are tried in turn, such as `[amqp://rabbit-1:5672]`; `amqps://` for TLS."""
    virtual_host: str = "/"
    """The virtual host."""
    queue: str = Field(min_length=1)
    """The queue. It must exist."""
    prefetch: WholeNumber = Field(default=500, ge=1, le=2000)
    """Messages that the server sends ahead. They are held in memory: use fewer if messages are larger than 100 kB."""
    heartbeat: Duration = Field(default=30.0, ge=5.0)
    """A server that does not answer for this long is given up."""
    username: str = "guest"
    """User. RabbitMQ lets `guest` connect from its own machine only."""
    password: Secret = Secret("guest")
    """Password."""
    certificates: FileName = ""
    """File with the certificates of the servers' authority, if the system does not know it."""

    def make_source(self, name: str) -> Source:
        """A consumer, not connected yet."""
        return Rabbit(name, self)

    def parameters(self, name: str, library: Any) -> list[Any]:
        """How to connect to each server."""
        parameters_of_url = []
        for server in self.servers:
            parts = urlsplit(server)
            options = None
            if parts.scheme == "amqps":
                context = verifying(self.certificates)
                options = library.SSLOptions(context, parts.hostname)
            parameters_of_url.append(
                library.ConnectionParameters(
                    host=parts.hostname,
                    port=parts.port or (5671 if options else 5672),
                    virtual_host=self.virtual_host,
                    credentials=library.PlainCredentials(self.username, self.password.get_secret_value()),
                    heartbeat=int(self.heartbeat),
                    blocked_connection_timeout=self.heartbeat,
                    socket_timeout=_CALL_SECONDS,
                    stack_timeout=_CALL_SECONDS,
                    client_properties={"connection_name": f"watchkeeper-{name}"},
                    ssl_options=options,
                )
            )
        return parameters_of_url


@dataclass(frozen=True, slots=True)
class _Delivery:
    tag: int
    payload: Payload


class Rabbit:
    """One consumer of a queue."""

    is_ordered = False

    def __init__(self, name: str, settings: RabbitSettings) -> None:
        self._name, self._settings = name, settings
        self._connection: AmqpConnection | None = None
        self._waiting: deque[_Delivery] = deque()
        self._unacknowledged: Sequence[_Delivery] = ()
        self._came = threading.Condition()

    def open(self, positions: Positions) -> None:
        """Consume the queue."""
        del positions  # the queue knows
        connection = self._connect()
        self._ready(connection)

        def consume(channel: Any) -> None:
            channel.add_on_cancel_callback(lambda _frame: connection.fail("the queue was deleted"))
            channel.basic_qos(prefetch_count=self._settings.prefetch)
            channel.basic_consume(self._settings.queue, self._take)

        connection.call(consume, _CALL_SECONDS)

    def fetch(self, most: int, wait: float) -> Fetched:
        """Messages that the server has sent."""
        connection = self._opened()
        with self._came:
            self._came.wait_for(lambda: self._waiting or connection.problem, wait)
            messages = [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]
        if not messages and connection.problem:
            raise self._failure(connection.problem)
        self._unacknowledged = messages
        return Fetched([message.payload for message in messages], messages[-1].tag if messages else None)

    def acknowledge(self, fetched: Fetched) -> None:
        """Acknowledge all messages up to the last of these."""
        tag = fetched.receipt
        self._opened().call(lambda channel: channel.basic_ack(tag, multiple=True), _CALL_SECONDS)
        self._unacknowledged = ()

    def lag(self) -> Lag:
        """Messages that are ready in the queue, and those that were sent to this daemon.

        The queue does not tell through AMQP how many were sent to others and not acknowledged yet.
        """
        ready = self._ready(self._opened())
        with self._came:
            here = [*self._unacknowledged, *self._waiting]
        if not ready + len(here):
            return Lag(0, 0.0)
        sent_at = here[0].payload.sent_at if here else None
        return Lag(ready + len(here), None if sent_at is None else max(0.0, time.time() - sent_at))

    def peek(self, most: int, wait: float) -> Sequence[Payload]:
        """The first messages, which are given back: the queue marks them as redelivered."""
        connection = self._connect()
        self._ready(connection)

        def peek(channel: Any) -> list[Payload]:
            payloads: list[Payload] = []
            tag = 0
            while len(payloads) < most:
                method, properties, body = channel.basic_get(self._settings.queue)
                if method is None:
                    break
                tag = method.delivery_tag
                payloads.append(self._payload(method, properties, body))
            if payloads:
                channel.basic_nack(tag, multiple=True, requeue=True)
            return payloads

        return connection.call(peek, wait)

    def close(self) -> None:
        """Disconnect. What was not acknowledged goes back to the queue."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _connect(self) -> AmqpConnection:
        try:
            import pika
        except ImportError as error:
            hint = "pip install 'watchkeeper[rabbitmq]'"
            raise SourceError("the client for RabbitMQ is not installed", hint=hint) from error
        logging.getLogger("pika").setLevel(logging.CRITICAL)  # the runner reports a failure once
        try:
            parameters = self._settings.parameters(self._name, pika)
        except (OSError, ValueError) as error:
            raise SourceError(f"{self._settings.certificates}: {error}") from error
        connect = lambda: pika.BlockingConnection(parameters)  # noqa: E731
        self._connection = AmqpConnection(connect, self._failure, self._wake)
        self._connection.open(_OPEN_SECONDS)
        return self._connection

    def _opened(self) -> AmqpConnection:
        if self._connection is None:
            raise self._failure("it is not connected")
        return self._connection

    def _ready(self, connection: AmqpConnection) -> int:
        """Messages that are ready in the queue, which must exist."""
        queue = self._settings.queue
        declared = connection.call(lambda channel: channel.queue_declare(queue, passive=True), _CALL_SECONDS)
        return int(declared.method.message_count)

    def _take(self, _channel: Any, method: Any, properties: Any, body: bytes) -> None:
        """Called in the connection's thread."""
        with self._came:
            self._waiting.append(_Delivery(method.delivery_tag, self._payload(method, properties, body)))
            self._came.notify()

    def _wake(self) -> None:
        """Called in the connection's thread when the connection has failed."""
        with self._came:
            self._came.notify()

    def _payload(self, method: Any, properties: Any, body: bytes) -> Payload:
        named = properties.message_id or ""
        headers = {str(name).lower(): str(value) for name, value in (properties.headers or {}).items()}
        if properties.content_type:
            headers["content-type"] = properties.content_type
        sent_at = properties.timestamp
        where = f"queue {self._settings.queue}, delivery {method.delivery_tag}"
        return Payload(
            body,
            f"{where}, message_id {named}" if named else where,
            key=named.encode(),
            sent_at=float(sent_at) if sent_at and sent_at >= _YEAR_2001 else None,
            headers=headers,
        )

    def _failure(self, error: object) -> SourceError:
        words = words_of(error)
        where = ", ".join(self._settings.servers)
        hint = _ADVICE.hint(words)
        if "NOT_FOUND" in words and "queue" in words:
            hint = "declare the queue, or correct `queue`"
        elif "NOT_ALLOWED" in words and "vhost" in words:
            hint = "correct `virtual_host`, or grant the user access to it"
        return SourceError(f"RabbitMQ at {where}: {words}", hint=hint)
