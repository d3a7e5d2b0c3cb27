"""All kinds of sources. A new one is a file in `brokers/` or beside it, and a line here."""

from typing import TYPE_CHECKING, Annotated, Union

from pydantic import Field

from monitor.sources.brokers.kafka import KafkaSettings
from monitor.sources.brokers.nats import NatsSettings
from monitor.sources.brokers.pubsub import PubSubSettings
from monitor.sources.brokers.rabbitmq import RabbitSettings
from monitor.sources.brokers.redis import RedisSettings
from monitor.sources.brokers.sqs import SqsSettings
from monitor.sources.http_push import HttpSettings
from monitor.sources.objects.objects import ObjectsSettings
from monitor.sources.settings import SourceSettings
from monitor.sources.sql.database import SqlSettings

SOURCES: tuple[type[SourceSettings], ...] = (
    KafkaSettings,
    NatsSettings,
    RedisSettings,
    RabbitSettings,
    SqsSettings,
    PubSubSettings,
    ObjectsSettings,
    SqlSettings,
    HttpSettings,
)

if TYPE_CHECKING:
    AnySource = SourceSettings
else:
    AnySource = Annotated[Union[SOURCES], Field(discriminator="kind")]  # noqa: UP007


def kind_of(settings: SourceSettings) -> str:
    """What kind of source a section describes."""
    return str(getattr(settings, "kind", ""))
