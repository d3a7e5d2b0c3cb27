"""A queue of RabbitMQ, by its management API: the protocol itself does not count what consumers hold."""

import json
import time
from base64 import b64encode
from collections.abc import Sequence
from typing import Any, Literal
from urllib.parse import quote

from pydantic import Field

from monitor.config.sections import FileName, Secret
from monitor.gauges.metrics_endpoints.scrape import fetch
from monitor.gauges.reading import GaugeError, GaugeReader, Quantity, Reading
from monitor.gauges.settings import GaugeSettings
from monitor.visible import visible

_MOST_MESSAGES = 2**53
"""Larger numbers are none of RabbitMQ's, and cannot be counted with."""


class RabbitQueueSettings(GaugeSettings):
    """A queue of RabbitMQ whose management plugin is enabled."""

    kind: Literal["rabbitmq"] = "rabbitmq"
    """A queue of RabbitMQ."""
    url: str = Field(pattern=r"^https?://")
    """Address of the management API, such as `http://rabbit-1:15672`."""
    queue: str = Field(min_length=1)
    """The queue."""
    vhost: str = "/"
    """The virtual host."""
    username: str = "guest"
    """A user with the tag `monitoring`."""
    password: Secret = Secret("guest")
    """Password."""
    ca_file: FileName = ""
    """File with the certificates to trust instead of the system's."""

    def make_reader(self) -> GaugeReader:
        """A reader of the management API."""
        return RabbitQueue(self)


class RabbitQueue:
    """Requests the queue's figures, which RabbitMQ renews every five seconds."""

    def __init__(self, settings: RabbitQueueSettings) -> None:
        self._settings = settings

    def read(self) -> Sequence[Reading]:
        """Messages that are ready and those that consumers have not acknowledged; the age where RabbitMQ knows it."""
        section = self._settings
        path = f"/api/queues/{quote(section.vhost, safe='')}/{quote(section.queue, safe='')}"
        pair = f"{section.username}:{section.password.get_secret_value()}".encode()
        headers = {"Authorization": Secret(f"Basic {b64encode(pair).decode()}")}
        body = fetch(section.url.rstrip("/") + path, section.timeout, headers, section.ca_file)
        figures = _figures(section.url, body)
        shown = visible(section.queue)[:100]
        readings = [Reading(Quantity.QUEUE_DEPTH, shown, float(figures["messages"]))]
        oldest = figures.get("head_message_timestamp")  # where the publisher sets timestamps
        if not figures["messages"]:
            readings.append(Reading(Quantity.QUEUE_AGE, shown, 0.0))
        elif isinstance(oldest, int) and 0 < oldest < _MOST_MESSAGES:
            readings.append(Reading(Quantity.QUEUE_AGE, shown, max(0.0, time.time() - oldest)))
        return readings


def _figures(url: str, body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise GaugeError(f"{url} does not respond like RabbitMQ", hint="correct `url`") from error
    messages = content.get("messages") if isinstance(content, dict) else None
    if not isinstance(messages, int) or not 0 <= messages < _MOST_MESSAGES:
        raise GaugeError(f"{url} does not know the queue's messages yet", hint="wait a few seconds")
    return dict(content)
