"""NATS JetStream: a durable pull consumer with explicit acknowledgement.

Several daemons may share the consumer. Messages that were stored and not acknowledged come again, out of order, and are
recognized by the publisher's Nats-Msg-Id, or else by the stream's time of creation and the sequence in it.
"""

import ssl
import time
from collections.abc import Coroutine, Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, Field

from monitor.config.sections import Duration, FileName, Secret
from monitor.outgoing.tls import verifying
from monitor.sources.brokers import nats_limits
from monitor.sources.brokers.addresses import checked, some
from monitor.sources.brokers.asynchronous import CallLoop
from monitor.sources.brokers.nats_pull import Pull, Pulled
from monitor.sources.causes import Advice
from monitor.sources.settings import SourceSettings
from monitor.sources.source import Fetched, Lag, Payload, Positions, Source, SourceError

_CALL_SECONDS = 5.0
_OPEN_SECONDS = 15.0
_MOST_PENDING = 10_000
"""Messages that may be delivered and not acknowledged, of a consumer that is created."""
_NOT_IN_NAMES = frozenset(" \t\r\n.*>/\\")

_API = "$JS.API"
_ADVICE = Advice(
    "are the servers reachable from here?",
    login="correct `username` and `password`, `token` or `credentials`",
    right="grant the user to publish to $JS.API.> and $JS.ACK.>, and to subscribe to _INBOX.>",
)

T = TypeVar("T")


def address_of(value: str) -> str:
    """The address as it is; `nats://` if it has no scheme.

    Raises:
        ValueError: it is none.
    """
    return checked(value if "://" in value else f"nats://{value}", ("nats", "tls"))


def name_of(value: str) -> str:
    """The name as it is.

    Raises:
        ValueError: a stream or consumer cannot have this name.
    """
    if not value or _NOT_IN_NAMES.intersection(value):
        msg = f"{value!r} is not the name of a stream or consumer (no spaces, `.`, `*`, `>`, `/` or `\\`)"
        raise ValueError(msg)
    return value


class NatsSettings(SourceSettings):
    """A stream of NATS JetStream. Needs the extra `nats`."""

    kind: Literal["nats"] = "nats"
    """NATS JetStream."""
    servers: Annotated[tuple[Annotated[str, AfterValidator(address_of)], ...], AfterValidator(some)]
    """Addresses to start from, such as `[nats://nats-1:4222]`; `tls://` for TLS."""
    stream: Annotated[str, AfterValidator(name_of)]
    """The stream."""
    subject: str = ""
    """Only messages of this subject, such as `predictions.>`; all if empty."""
    consumer: Annotated[str, AfterValidator(name_of)] = "watchkeeper"
    """The durable pull consumer. It is created if it does not exist."""
    redeliver_after: Duration = Field(default=60.0, ge=1.0)
    """A consumer that is created delivers a message again if it is not acknowledged within this time."""
    username: str = ""
    """User."""
    password: Secret | None = None
    """Password."""
    token: Secret | None = None
    """Token, instead of a user and a password."""
    credentials: FileName = ""
    """File with the user's JWT and NKey seed (`.creds`)."""
    certificates: FileName = ""
    """File with the certificates of the servers' authority, if the system does not know it."""

    def make_source(self, name: str) -> Source:
        """A consumer, not connected yet."""
        return Nats(name, self)

    def options(self, name: str) -> dict[str, Any]:
        """How to connect. A connection that breaks is not restored: the source is opened again."""
        options: dict[str, Any] = {
            "servers": list(self.servers),
            "name": f"watchkeeper-{name}",
            "allow_reconnect": False,
            "max_reconnect_attempts": 1,
            "connect_timeout": int(_CALL_SECONDS),
            "ping_interval": 10,
        }
        if self.username:
            options["user"] = self.username
            options["password"] = self.password.get_secret_value() if self.password else ""
        if self.token:
            options["token"] = self.token.get_secret_value()
        if self.credentials:
            options["user_credentials"] = self.credentials
        if self.certificates:
            options["tls"] = verifying(self.certificates)
        return options


class Nats:
    """One client of a durable consumer."""

    is_ordered = False

    def __init__(self, name: str, settings: NatsSettings) -> None:
        self._name, self._settings = name, settings
        self._calls = CallLoop()
        self._library: Any = None
        self._connection: Any = None
        self._stream: Any = None
        self._created = self._last_error = ""
        self._pull: Pull | None = None
        self._delivered: Sequence[Pulled] = ()

    def open(self, positions: Positions) -> None:
        """Bind to the consumer; create it if it does not exist."""
        del positions  # the consumer knows
        self._connect()
        self._call(self._bind())

    def fetch(self, most: int, wait: float) -> Fetched:
        """Messages of the consumer, up to about 8 MB."""
        messages: list[Pulled] = self._call(self._opened().fetch(most, wait), _CALL_SECONDS + wait)
        self._delivered = [*self._delivered, *messages]
        if not messages and not self._connection.is_connected:
            raise self._failure("the connection broke")
        return Fetched([self._payload(message) for message in messages], messages)

    def acknowledge(self, fetched: Fetched) -> None:
        """Acknowledge each message, and wait until the server has read that."""
        self._call(self._opened().answer(fetched.receipt, b"+ACK"))
        self._delivered = ()

    def lag(self) -> Lag:
        """Messages that were not delivered or not acknowledged, and the age of the first of them in the stream."""
        return self._call(self._measured())

    def peek(self, most: int, wait: float) -> Sequence[Payload]:
        """The last messages of the stream, by their sequence: no consumer is needed."""
        self._connect()
        return self._call(self._last(most), wait)

    def close(self) -> None:
        """Give back what was not acknowledged, and disconnect."""
        connection, self._connection = self._connection, None
        self._calls.close(None if connection is None else self._left(connection))

    def _connect(self) -> None:
        try:
            import nats
            import nats.aio.client
            import nats.js.api
            import nats.js.errors
            import nats.protocol.parser
        except ImportError as error:
            hint = "pip install 'watchkeeper[nats]'"
            raise SourceError("the client for NATS is not installed", hint=hint) from error
        self._library = nats
        self._connection = nats_limits.limited(nats)
        try:
            options = self._settings.options(self._name)
        except (OSError, ValueError) as error:
            raise SourceError(f"{self._settings.certificates}: {error}") from error
        self._call(self._connection.connect(error_cb=self._note, **options), _OPEN_SECONDS)
        self._stream = self._connection.jetstream(timeout=_CALL_SECONDS)
        self._created = str(self._call(self._information()).created)

    async def _information(self) -> Any:
        try:
            return await self._stream.stream_info(self._settings.stream)
        except self._library.js.errors.NotFoundError as error:
            hint = "create the stream, or correct `stream`"
            raise SourceError(f"there is no stream {self._settings.stream}", hint=hint) from error

    async def _bind(self) -> None:
        section, api = self._settings, self._library.js.api
        try:
            consumer = await self._stream.consumer_info(section.stream, section.consumer)
        except self._library.js.errors.NotFoundError:
            wanted = api.ConsumerConfig(
                name=section.consumer,
                durable_name=section.consumer,
                ack_policy=api.AckPolicy.EXPLICIT,
                ack_wait=section.redeliver_after,
                max_deliver=-1,
                max_ack_pending=_MOST_PENDING,
                filter_subject=section.subject or None,
            )
            consumer = await self._stream.add_consumer(section.stream, wanted)
        if consumer.config.deliver_subject or consumer.config.ack_policy != api.AckPolicy.EXPLICIT:
            which = f"the consumer {section.consumer} of stream {section.stream}"
            reason = f"{which} is not a pull consumer with explicit acknowledgement"
            raise SourceError(reason, hint="correct the consumer, or name another one in `consumer`")
        subject = f"{_API}.CONSUMER.MSG.NEXT.{section.stream}.{section.consumer}"
        self._pull = Pull(self._connection, subject, nats_limits.batch(self._connection.max_payload))
        await self._pull.open()

    def _opened(self) -> Pull:
        if self._pull is None:
            raise self._failure("it is not connected")
        return self._pull

    async def _measured(self) -> Lag:
        section = self._settings
        try:
            consumer = await self._stream.consumer_info(section.stream, section.consumer)
        except self._library.js.errors.NotFoundError as error:
            reason = f"the consumer {section.consumer} of stream {section.stream} no longer exists"
            raise SourceError(reason, hint="it is created again") from error
        waiting = (consumer.num_pending or 0) + (consumer.num_ack_pending or 0)
        if not waiting:
            return Lag(0, 0.0)
        first = await self._next(consumer.ack_floor.stream_seq + 1)
        return Lag(waiting, None if first is None else max(0.0, time.time() - first.time.timestamp()))

    async def _last(self, most: int) -> Sequence[Payload]:
        """From further and further back, until there are enough messages of the subject."""
        state = (await self._information()).state
        span, payloads = most, list[Payload]()
        while state.messages:
            sequence = max(state.first_seq, state.last_seq + 1 - span)
            is_all = sequence == state.first_seq
            payloads = []
            while len(payloads) < most and (message := await self._next(sequence)) is not None:
                payloads.append(self._looked_at(message))
                sequence = message.seq + 1
            if is_all or len(payloads) == most:
                break
            span *= 10
        return payloads

    async def _next(self, sequence: int) -> Any:
        """The first message of the subject at or after a sequence."""
        subject = self._settings.subject or ">"
        try:
            return await self._stream.get_msg(self._settings.stream, seq=sequence, subject=subject, next=True)
        except self._library.js.errors.NotFoundError:
            return None

    async def _left(self, connection: Any) -> None:
        try:
            if connection.is_connected:
                left = [*self._delivered, *await connection.inbox.come(0)]
                await self._opened().answer([one for one in left if not one.status], b"-NAK")
        finally:
            await connection.close()

    def _payload(self, message: Pulled) -> Payload:
        return self._of(message.body, *message.place, message.headers)

    def _looked_at(self, message: Any) -> Payload:
        headers = {name.lower(): str(value) for name, value in (message.headers or {}).items()}
        return self._of(message.data or b"", message.seq, message.time.timestamp(), headers)

    def _of(self, body: bytes, sequence: int, sent_at: float, headers: Mapping[str, str]) -> Payload:
        named = headers.get("nats-msg-id", "")
        key = f"id {named}" if named else f"{self._created} {sequence}"
        where = f"stream {self._settings.stream}, sequence {sequence}"
        return Payload(body, where, key=key.encode(), sent_at=sent_at, headers=headers)

    def _call(self, coroutine: Coroutine[Any, Any, T], seconds: float = _CALL_SECONDS) -> T:
        try:
            within: Coroutine[Any, Any, T] = self._connection.within(coroutine)
            return self._calls.run(within, seconds)
        except (self._library.errors.Error, OSError, ssl.SSLError, ValueError) as error:
            raise self._failure(error) from error

    def _failure(self, error: object) -> SourceError:
        """What is to be raised: a time-out, or that no server is left, with the reason that came before it."""
        is_vague = isinstance(error, TimeoutError | self._library.errors.NoServersError)
        words = (self._last_error if is_vague else "") or str(error) or self._silence()
        where = ", ".join(self._settings.servers)
        return SourceError(f"NATS at {where}: {words}", hint=_ADVICE.hint(words))

    def _silence(self) -> str:
        if self._connection is None or self._connection.is_connected:
            return "no answer in time"
        return "the server did not greet as NATS does"

    async def _note(self, error: Exception) -> None:
        """Called by the client with errors that no call returns, such as a right that the user lacks."""
        self._last_error = str(error)
