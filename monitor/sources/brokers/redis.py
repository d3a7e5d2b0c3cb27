"""Redis streams, through a consumer group.

Several daemons may share the group. Entries that were read and not acknowledged stay with their consumer: this one's
come first after `open`, those of others once they have been idle. They are recognized by their id.

Entries that were removed before the group read them are told as one payload, and acknowledged by counting them as read.
"""

import json
import platform
import time
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import AfterValidator, Field, model_validator

from monitor.config.sections import Duration, FileName, Secret
from monitor.config.units import HOUR
from monitor.sources.brokers.addresses import checked
from monitor.sources.brokers.asynchronous import CallLoop
from monitor.sources.brokers.redis_replies import limited
from monitor.sources.causes import Advice
from monitor.sources.settings import SourceSettings
from monitor.sources.source import Fetched, Lag, Payload, Positions, Source, SourceError
from monitor.visible import counted

_CALL_SECONDS = 5.0
_MOST_BYTES = 8_000_000
MOST_ANSWER = 600_000_000
"""Bytes of one answer. A value has at most 512 MB; the first fetch asks for one entry, later ones for about 8 MB."""
_GROWTH = 8
"""How many times as many entries the next fetch asks for at most."""
_ADVICE = Advice(
    "is the server reachable from here?",
    right="grant the user the commands of streams, and the key of this one",
)
_LOOK_EVERY = 10.0
"""Seconds between two looks for entries that were removed unread."""
_YEAR_2001 = 1_000_000_000_000
"""In milliseconds: an id below was not made from the time."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Removed:
    """Entries that were removed from a stream before a group read them. `count` is None with servers that do not count
    (before Redis 7). They lie between `after`, the last entry that was read, and what the stream has now.
    """

    count: int | None
    after: str
    passed: str
    """The id to which the group moves when this is told."""
    entries_read: int | None
    """How many entries of the stream the group has passed then."""

    def payload(self, stream: str) -> Payload:
        """What is told."""
        if self.count is None:
            lost = "all entries that came after it were"
        else:
            lost = f"{counted(self.count, 'entry')} {'was' if self.count == 1 else 'were'}"
        error = f"{lost} removed from the stream (MAXLEN, XTRIM or XDEL) before being read"
        key = f"removed after {self.after} {self.passed} {self.entries_read}".encode()
        return Payload(b"", f"stream {stream}, after entry {self.after}", key=key, error=error)


def url_of(value: str) -> str:
    """The address as it is; `redis://` if it has no scheme.

    Raises:
        ValueError: it is none.
    """
    return checked(value if "://" in value else f"redis://{value}", ("redis", "rediss"))


class RedisSettings(SourceSettings):
    """A stream of Redis or Valkey. Needs the extra `redis`."""

    kind: Literal["redis"] = "redis"
    """A stream of Redis or Valkey, version 6.2 or newer."""
    url: Annotated[str, AfterValidator(url_of)]
    """Address, such as `redis://redis-1:6379/0`, where 0 is the database; `rediss://` for TLS."""
    stream: str = Field(min_length=1)
    """Key of the stream."""
    field: str = "data"
    """The field of an entry that contains the message. An entry without it is read as a JSON object of its fields."""
    group: str = Field(default="watchkeeper", min_length=1)
    """The consumer group. It is created if it does not exist."""
    claim_after: Duration = Field(default=60.0, ge=1.0)
    """Entries that another consumer read and did not acknowledge within this time are claimed."""
    username: str = ""
    """User."""
    password: Secret | None = None
    """Password."""
    certificates: FileName = ""
    """File with the certificates of the server's authority, if the system does not know it."""

    @model_validator(mode="after")
    def _certificates_need_tls(self) -> Self:
        if self.certificates and not self.url.startswith("rediss://"):
            msg = "`certificates` needs an address with TLS (rediss://)"
            raise ValueError(msg)
        return self

    def make_source(self, name: str) -> Source:
        """A consumer, not connected yet."""
        return RedisStream(name, self)

    def options(self, name: str) -> dict[str, Any]:
        """How to connect. Nothing is tried twice: the source is opened again."""
        options: dict[str, Any] = {
            "client_name": f"watchkeeper-{name}".replace(" ", "-"),
            "protocol": 2,
            "socket_connect_timeout": _CALL_SECONDS,
            "socket_timeout": None,  # each call has a deadline
        }
        if self.username:
            options["username"] = self.username
        if self.password:
            options["password"] = self.password.get_secret_value()
        if self.certificates:
            options["ssl_ca_certs"] = self.certificates
        return options


class RedisStream:
    """One consumer of a group."""

    is_ordered = False

    def __init__(self, name: str, settings: RedisSettings) -> None:
        self._settings, self._name = settings, name
        self._consumer = f"{platform.node()}-{name}"
        self._calls = CallLoop()
        self._library: Any = None
        self._client: Any = None
        self._count = 1
        self._own_after: bytes | None = b"0"
        """Where the entries continue that this consumer read before; None once there are no more."""
        self._claim_at, self._claim_due = b"0-0", 0.0
        self._look_at = 0.0
        self._told: Removed | None = None

    def open(self, positions: Positions) -> None:
        """Join the group; create it if it does not exist."""
        del positions  # the group knows
        self._connect()
        self._call(self._join())

    def fetch(self, most: int, wait: float) -> Fetched:
        """Entries that were read before and not acknowledged, else new ones; before them what was removed unread."""
        if time.monotonic() >= self._look_at:
            removed = self._call(self._removed())
            self._look_at = time.monotonic() + _LOOK_EVERY
            if removed is not None and removed != self._told:
                return Fetched([removed.payload(self._settings.stream)], removed)
        entries = self._call(self._read(min(most, self._count), wait), _CALL_SECONDS + wait)
        payloads = [self._payload(identifier, fields) for identifier, fields in entries if fields]
        payloads += _removed_since(
            [identifier for identifier, fields in entries if not fields], self._settings.stream
        )
        if payloads:
            size = sum(len(payload.body) for payload in payloads)
            self._count = max(1, min(self._count * _GROWTH, _MOST_BYTES * len(payloads) // (size + 1)))
        return Fetched(payloads, [identifier for identifier, _ in entries])

    def acknowledge(self, fetched: Fetched) -> None:
        """Remove the entries from the pending ones of the group; count those that were removed as read."""
        if isinstance(fetched.receipt, Removed):
            self._told = fetched.receipt
            self._call(self._pass(fetched.receipt))
        else:
            self._call(self._client.xack(self._settings.stream, self._settings.group, *fetched.receipt))

    def lag(self) -> Lag:
        """Entries that were not read or not acknowledged.

        Redis does not know how many were not read after entries were deleted, or where a group began in the middle.
        """
        return self._call(self._measured())

    def peek(self, most: int, wait: float) -> Sequence[Payload]:
        """The last entries, without the group."""
        self._connect()
        self._call(self._check_stream(), wait)
        entries = self._call(self._client.xrevrange(self._settings.stream, count=most), wait)
        return [self._payload(*entry) for entry in reversed(entries)]

    def close(self) -> None:
        """Disconnect. What was not acknowledged stays with this consumer."""
        client, self._client = self._client, None
        self._calls.close(None if client is None else client.aclose())

    def _connect(self) -> None:
        try:
            import redis
            import redis.asyncio
            import redis.asyncio.retry
            import redis.backoff
        except ImportError as error:
            hint = "pip install 'watchkeeper[redis]'"
            raise SourceError("the client for Redis is not installed", hint=hint) from error
        self._library = redis
        never = redis.asyncio.retry.Retry(redis.backoff.NoBackoff(), 0)
        options = self._settings.options(self._name)
        options["parser_class"] = limited(redis, MOST_ANSWER)
        self._client = redis.asyncio.Redis.from_url(self._settings.url, retry=never, **options)

    async def _check_stream(self) -> None:
        stream = self._settings.stream
        kind = (await self._client.type(stream)).decode()
        if kind == "none":
            raise SourceError(
                f"there is no stream {stream}", hint="it appears with its first entry; is the key right?"
            )
        if kind != "stream":
            raise SourceError(f"the key {stream} is not a stream, but a {kind}", hint="correct `stream`")

    async def _join(self) -> None:
        await self._check_stream()
        try:
            await self._client.xgroup_create(self._settings.stream, self._settings.group, id="0")
        except self._library.exceptions.ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise

    async def _removed(self) -> Removed | None:
        """One call, since the group may go on and the stream be trimmed between two."""
        section = self._settings
        stream = await self._client.execute_command(
            "XINFO STREAM", section.stream, "FULL", "COUNT", 1, full=True
        )
        return removed_of(stream, section.group)

    async def _pass(self, removed: Removed) -> None:
        """What other daemons read meanwhile may come again, and is recognized. A user that may not do this reads on."""
        section = self._settings
        with suppress(self._library.exceptions.ResponseError):
            await self._client.xgroup_setid(
                section.stream, section.group, removed.passed, entries_read=removed.entries_read
            )

    async def _read(self, most: int, wait: float) -> list[tuple[bytes, Any]]:
        if self._own_after is not None:
            entries = await self._read_after(self._own_after, most, None)
            self._own_after = entries[-1][0] if entries else None
            if entries:
                return entries
        if time.monotonic() >= self._claim_due:
            entries = await self._claim(most)
            if entries:
                return entries
        return await self._read_after(b">", most, max(1, int(wait * 1000)))

    async def _read_after(self, place: bytes, most: int, block: int | None) -> list[tuple[bytes, Any]]:
        section = self._settings
        answer = await self._client.xreadgroup(
            section.group, self._consumer, {section.stream: place}, count=most, block=block
        )
        return [entry for _, entries in answer or () for entry in entries]

    async def _claim(self, most: int) -> list[tuple[bytes, Any]]:
        """Entries of consumers that are gone. Those that were deleted meanwhile leave the pending ones by this."""
        section = self._settings
        idle = int(section.claim_after * 1000)
        answer = await self._client.xautoclaim(
            section.stream, section.group, self._consumer, idle, self._claim_at, count=most
        )
        self._claim_at = answer[0]
        if answer[0] == b"0-0":
            self._claim_due = time.monotonic() + section.claim_after / 2
        removed = answer[2] if len(answer) > 2 else ()  # since Redis 7
        entries = [entry for entry in answer[1] if entry[0] is not None]
        return [*entries, *((identifier, None) for identifier in removed)]

    async def _measured(self) -> Lag:
        section = self._settings
        lag = await lag_of(self._client, section.stream, section.group)
        if lag is None:
            raise SourceError(f"the group {section.group} no longer exists", hint="it is created again")
        return lag

    def _payload(self, identifier: bytes, fields: Mapping[bytes, bytes]) -> Payload:
        name = self._settings.field.encode()
        if name in fields:
            body = fields[name]
        else:
            texts = {
                key.decode(errors="replace"): value.decode(errors="replace") for key, value in fields.items()
            }
            body = json.dumps(texts).encode()
        where = f"stream {self._settings.stream}, entry {identifier.decode()}"
        return Payload(body, where, key=identifier, sent_at=_sent_at(identifier))

    def _call(self, coroutine: Coroutine[Any, Any, T], seconds: float = _CALL_SECONDS) -> T:
        try:
            return self._calls.run(coroutine, seconds)
        except (self._library.exceptions.RedisError, OSError, ValueError) as error:
            words = str(error) or "no answer in time"
            raise SourceError(f"Redis at {self._settings.url}: {words}", hint=_ADVICE.hint(words)) from error


async def lag_of(client: Any, stream: str, group: str) -> Lag | None:
    """Entries that a group has not read or not acknowledged; None without the group."""
    groups = await client.xinfo_groups(stream)
    own = next((one for one in groups if one["name"] == group.encode()), None)
    if own is None:
        return None
    last = own["last-delivered-id"]
    unread = await client.xrange(stream, min=b"(" + last, count=1)
    pending = await client.xpending(stream, group)
    first = [pending["min"]] if pending["pending"] else []
    first += [identifier for identifier, _ in unread]
    if not first:
        return Lag(0, 0.0)
    lag = own.get("lag") if unread else 0
    waiting = None if lag is None else lag + pending["pending"]
    times = [_sent_at(identifier) for identifier in first]
    known = [moment for moment in times if moment is not None]
    is_known = len(known) == len(times)
    return Lag(waiting, max(0.0, time.time() - min(known)) if is_known else None)


def _removed_since(identifiers: Sequence[bytes], stream: str) -> list[Payload]:
    """What is told of entries that a consumer read and never acknowledged: nobody knows whether they were stored."""
    if not identifiers:
        return []
    first, count = identifiers[0], len(identifiers)
    lost = f"{counted(count, 'entry')} {'was' if count == 1 else 'were'} removed from the stream after being read"
    error = f"{lost} and before being acknowledged: up to {count:,} may not be stored"
    key = b"removed since %b %d" % (first, count)
    return [Payload(b"", f"stream {stream}, from entry {first.decode()} on", key=key, error=error)]


def removed_of(stream: Mapping[str, Any], group: str) -> Removed | None:
    """What was removed unread, of what `XINFO STREAM ... FULL` answers.

    Trimming takes the oldest entries. Once those that the group has read are gone as well, all that were ever added and
    are neither there nor counted as read were removed unread. A group without a count has read nothing yet, or entries
    were deleted in between: then only an empty stream is sure.
    """
    own = next((one for one in stream["groups"] if one["name"] == group.encode()), None)
    if own is None:
        return None
    after, last = own["last-delivered-id"], stream["last-generated-id"]
    first = next(iter(stream["entries"]), None)
    if _order(after) >= _order(last if first is None else first):
        return None
    read, added = own.get("entries-read"), stream.get("entries-added")
    if read is not None and added is not None:
        gone = added - stream["length"]
        return Removed(gone - read, after.decode(), after.decode(), gone) if gone > read else None
    if first is None and after != b"0-0":
        return Removed(None, after.decode(), last.decode(), added)
    return None


def _order(identifier: bytes) -> tuple[int, int]:
    milliseconds, _, number = identifier.partition(b"-")
    return int(milliseconds), int(number)


def _sent_at(identifier: bytes) -> float | None:
    """Seconds since the epoch, where an id was made from the time."""
    milliseconds = int(identifier.partition(b"-")[0])
    return milliseconds / 1000 if _YEAR_2001 <= milliseconds <= (time.time() + HOUR) * 1000 else None
