"""All kinds of gauges. A new one is a file, and a line here."""

from typing import TYPE_CHECKING, Annotated, Union

from pydantic import Field

from monitor.gauges.machine.machine import MachineSettings
from monitor.gauges.machine.nvml import NvmlSettings
from monitor.gauges.metrics_endpoints.model_server import ModelServerSettings
from monitor.gauges.metrics_endpoints.otlp_metrics import OtlpMetricsSettings
from monitor.gauges.metrics_endpoints.prometheus import PrometheusSettings
from monitor.gauges.queues.kafka import KafkaGroupSettings
from monitor.gauges.queues.nats import NatsConsumerSettings
from monitor.gauges.queues.rabbitmq import RabbitQueueSettings
from monitor.gauges.queues.redis import RedisQueueSettings
from monitor.gauges.queues.sqs import SqsQueueSettings
from monitor.gauges.settings import GaugeSettings

GAUGES: tuple[type[GaugeSettings], ...] = (
    MachineSettings,
    NvmlSettings,
    ModelServerSettings,
    PrometheusSettings,
    OtlpMetricsSettings,
    KafkaGroupSettings,
    NatsConsumerSettings,
    RabbitQueueSettings,
    RedisQueueSettings,
    SqsQueueSettings,
)

if TYPE_CHECKING:
    AnyGauge = GaugeSettings
else:
    AnyGauge = Annotated[Union[GAUGES], Field(discriminator="kind")]  # noqa: UP007
