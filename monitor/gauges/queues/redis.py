"""Queues in Redis: a group of a stream, a list, or the queues of Celery, RQ and arq."""

import time
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from monitor.config.sections import FileName, Secret
from monitor.gauges.reading import GaugeError, GaugeReader, Quantity, Reading
from monitor.gauges.settings import GaugeSettings
from monitor.sources.brokers.asynchronous import CallLoop
from monitor.sources.brokers.redis import MOST_ANSWER, RedisSettings, lag_of, url_of
from monitor.sources.brokers.redis_replies import limited
from monitor.visible import visible

_CELERY_PRIORITIES = ("", "\x06\x163", "\x06\x166", "\x06\x169")
"""Suffixes of the lists in which Celery keeps messages by priority."""
_UNACKED = "unacked"
"""Where Celery keeps the messages that workers have taken, of all queues."""


class RedisQueueSettings(GaugeSettings):
    """A queue in Redis or Valkey. Needs the extra `redis`."""

    kind: Literal["redis"] = "redis"
    """A queue in Redis or Valkey."""
    url: Annotated[str, AfterValidator(url_of)]
    """Address, such as `redis://redis-1:6379/0`; `rediss://` for TLS."""
    queue: str = Field(min_length=1)
    """Key of the stream or list, or name of the queue."""
    system: Literal["stream", "list", "celery", "rq", "arq"] = "list"
    """What the queue is: a consumer group of a `stream`, a `list`, or a queue of `celery`, `rq` or `arq`."""
    group: str = ""
    """The consumer group, for a stream."""
    username: str = ""
    """User."""
    password: Secret | None = None
    """Password."""
    certificates: FileName = ""
    """File with the certificates of the server's authority, if the system does not know it."""

    @model_validator(mode="after")
    def _has_a_group(self) -> Self:
        if (self.system == "stream") != bool(self.group):
            msg = "`group` is required for a stream, and not allowed otherwise"
            raise ValueError(msg)
        return self

    def make_reader(self) -> GaugeReader:
        """A client, not connected yet."""
        return RedisQueue(self)


class RedisQueue:
    """Connects for each reading."""

    def __init__(self, settings: RedisQueueSettings) -> None:
        self._settings = settings

    def read(self) -> Sequence[Reading]:
        """Depth, and for a stream the age of the oldest entry."""
        try:
            import redis
            import redis.asyncio
            import redis.asyncio.retry
            import redis.backoff
        except ImportError as error:
            hint = "pip install 'watchkeeper[redis]'"
            raise GaugeError("the client for Redis is not installed", hint=hint) from error
        section = self._settings
        options = RedisSettings(
            url=section.url,
            stream=section.queue,
            username=section.username,
            password=section.password,
            certificates=section.certificates,
        ).options("gauge")
        options["parser_class"] = limited(redis, MOST_ANSWER)
        never = redis.asyncio.retry.Retry(redis.backoff.NoBackoff(), 0)
        calls = CallLoop()
        client: Any = None
        try:
            client = redis.asyncio.Redis.from_url(section.url, retry=never, **options)
            return calls.run(_read(client, section), section.timeout)
        except (redis.exceptions.RedisError, OSError, ValueError) as error:
            words = str(error) or "no answer in time"
            hint = "is the server reachable from here, and the user allowed to read the queue?"
            raise GaugeError(f"Redis at {section.url}: {words}", hint=hint) from error
        finally:
            calls.close(None if client is None else client.aclose())


async def _read(client: Any, section: RedisQueueSettings) -> list[Reading]:
    queue, shown = section.queue, visible(section.queue)[:100]
    if section.system == "stream":
        return await _group(client, section, shown)
    if section.system == "celery":
        depth = sum([await client.llen(queue + suffix) for suffix in _CELERY_PRIORITIES])
        depth += await client.hlen(_UNACKED)
    elif section.system == "rq":
        depth = await client.llen(f"rq:queue:{queue}")
    elif section.system == "arq":  # jobs that are deferred to a later time lie there as well
        depth = await client.zcount(queue, "-inf", int(time.time() * 1000))
    else:
        depth = await client.llen(queue)
    return [Reading(Quantity.QUEUE_DEPTH, shown, float(depth))]


async def _group(client: Any, section: RedisQueueSettings, shown: str) -> list[Reading]:
    """Depth and age of what a group has not acknowledged. After deletions, Redis does not know the depth."""
    lag = await lag_of(client, section.queue, section.group)
    if lag is None:
        raise GaugeError(f"there is no group {visible(section.group)}", hint="correct `group`")
    readings = []
    if lag.waiting is not None:
        readings.append(Reading(Quantity.QUEUE_DEPTH, shown, float(lag.waiting)))
    if lag.oldest_seconds is not None:
        readings.append(Reading(Quantity.QUEUE_AGE, shown, lag.oldest_seconds))
    if not readings:
        raise GaugeError(f"Redis does not know how many messages wait in {shown}: entries were deleted")
    return readings
