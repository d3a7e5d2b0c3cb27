"""All kinds of exporters. A new one is a file, and a line here."""

from typing import TYPE_CHECKING, Annotated, Union

from pydantic import Field

from monitor.exporters.push.exporter import ExporterSettings
from monitor.exporters.push.otlp import OtlpSettings
from monitor.exporters.push.remote_write import RemoteWriteSettings
from monitor.exporters.push.statsd import StatsdSettings
from monitor.exporters.push.vendors import DatadogSettings, GrafanaCloudSettings, NewRelicSettings

EXPORTERS: tuple[type[ExporterSettings], ...] = (
    OtlpSettings,
    DatadogSettings,
    NewRelicSettings,
    GrafanaCloudSettings,
    RemoteWriteSettings,
    StatsdSettings,
)

if TYPE_CHECKING:
    AnyExporter = ExporterSettings
else:
    AnyExporter = Annotated[Union[EXPORTERS], Field(discriminator="kind")]  # noqa: UP007


def kind_of(settings: ExporterSettings) -> str:
    """What kind of exporter a section describes."""
    return str(getattr(settings, "kind", ""))
