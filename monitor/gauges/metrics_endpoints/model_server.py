"""A model server, or an exporter beside it, that publishes its own metrics."""

from collections.abc import Sequence
from typing import Literal, Self

from pydantic import Field, model_validator

from monitor.config.sections import FileName, Secret
from monitor.gauges.metrics_endpoints.scrape import fetch, parse
from monitor.gauges.metrics_endpoints.series import SeriesMapping, SeriesReader
from monitor.gauges.metrics_endpoints.servers import SERVERS
from monitor.gauges.reading import GaugeError, GaugeReader, Reading
from monitor.gauges.settings import GaugeSettings


class ModelServerSettings(GaugeSettings):
    """The metrics endpoint of a model server or exporter."""

    kind: Literal["model_server"] = "model_server"
    """A metrics endpoint in Prometheus' text format."""
    url: str = Field(pattern=r"^https?://")
    """Its address, such as `http://triton-1:8002/metrics`."""
    server: Literal["triton", "vllm", "kserve", "ray", "bentoml", "dcgm", "other"] = "other"
    """Whose metrics they are: `triton`, `vllm`, `kserve`, `ray`, `bentoml`, `dcgm` (NVIDIA's exporter), or `other`
    (see `series`)."""
    series: tuple[SeriesMapping, ...] = ()
    """Further series, and those of a server that is not known by name."""
    select: dict[str, str] = {}
    """Labels that series must have, such as `{model: fraud}`, for a server with several models."""
    headers: dict[str, Secret] = {}
    """Additional HTTP headers, such as an access token."""
    ca_file: FileName = ""
    """File with the certificates to trust instead of the system's."""

    @model_validator(mode="after")
    def _reads_something(self) -> Self:
        if not SERVERS[self.server] and not self.series:
            msg = "name the `server`, or the `series` to read"
            raise ValueError(msg)
        return self

    def make_reader(self) -> GaugeReader:
        """A reader of the endpoint."""
        return ModelServer(self)


class ModelServer:
    """Requests the endpoint, and reads the series that its server is known for."""

    def __init__(self, settings: ModelServerSettings) -> None:
        self._settings = settings
        self._series = SeriesReader([*SERVERS[settings.server], *settings.series], settings.select)

    def read(self) -> Sequence[Reading]:
        """The readings of one response."""
        section = self._settings
        body = fetch(section.url, section.timeout, section.headers, section.ca_file)
        samples = parse(section.url, body, self._series.names)
        readings = self._series.read(samples)
        if not readings and not self._series.has_counters:
            msg = f"{section.url} has none of the series of `{section.server}`"
            raise GaugeError(msg, hint="correct `server`, `select` or `series`")
        return readings
