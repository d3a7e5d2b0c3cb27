"""Datadog, New Relic and Grafana Cloud: OTLP with the addresses, headers and limits of each."""

import base64
from typing import Literal

from pydantic import Field

from monitor.exporters.push.exporter import Exporter, HttpExporterSettings
from monitor.exporters.push.intervals import Temporality
from monitor.exporters.push.otlp import Otlp, OtlpTarget
from monitor.notify.addresses import OpenUrl, OptionalUrl, SecretKey

_MODES = '{"histograms":{"mode":"distributions"}}'
"""Percentiles of a histogram can then be computed over several series."""
_NEW_RELIC = {"us": "https://otlp.nr-data.net", "eu": "https://otlp.eu01.nr-data.net"}


class DatadogSettings(HttpExporterSettings):
    """Datadog, through its OTLP intake. Counters and histograms are sent as deltas, the only form that it accepts."""

    kind: Literal["datadog"] = "datadog"
    """Datadog."""
    api_key: SecretKey
    """An API key of the organisation."""
    site: str = Field(default="datadoghq.com", pattern=r"^[A-Za-z0-9.-]+$")
    """The site of the account: datadoghq.com, datadoghq.eu, us3.datadoghq.com, us5.datadoghq.com, ap1.datadoghq.com."""
    url: OptionalUrl = ""
    """URL of the intake, in place of the site's."""

    @property
    def address(self) -> str:
        """The URL of the intake."""
        return self.url or f"https://otlp.{self.site}/v1/metrics"

    def make_exporter(self, instance: str) -> Exporter:
        """A connection. Datadog refuses requests over 500 kB, and cuts tags at 200 characters, name included."""
        headers = {
            "dd-api-key": self.api_key.get_secret_value(),
            "dd-otel-metric-config": _MODES,
            **self.given_headers(),
        }
        target = OtlpTarget(
            self.address,
            "delta",
            headers,
            self.labels,
            self.route,
            self.timeout,
            largest=500_000,
            longest_value=184,
            system="Datadog",
            tells_ends=False,
        )
        return Otlp(target, instance)


class NewRelicSettings(HttpExporterSettings):
    """New Relic, through its OTLP endpoint."""

    kind: Literal["newrelic"] = "newrelic"
    """New Relic."""
    api_key: SecretKey
    """A license key (ingest) of the account."""
    region: Literal["us", "eu"] = "us"
    """The region of the account: `us` or `eu`."""
    url: OptionalUrl = ""
    """URL of the endpoint for metrics, in place of the region's."""
    temporality: Temporality = "delta"
    """`delta`, as New Relic advises, or `cumulative`."""

    @property
    def address(self) -> str:
        """The URL of the endpoint."""
        return self.url or f"{_NEW_RELIC[self.region]}/v1/metrics"

    def make_exporter(self, instance: str) -> Exporter:
        """A connection. New Relic refuses requests over 1 MB, and values over 4,095 characters."""
        headers = {"api-key": self.api_key.get_secret_value(), **self.given_headers()}
        target = OtlpTarget(
            self.address,
            self.temporality,
            headers,
            self.labels,
            self.route,
            self.timeout,
            largest=950_000,
            longest_value=4095,
            system="New Relic",
            tells_ends=False,
        )
        return Otlp(target, instance)


class GrafanaCloudSettings(HttpExporterSettings):
    """Grafana Cloud, through its OTLP gateway."""

    kind: Literal["grafana_cloud"] = "grafana_cloud"
    """Grafana Cloud."""
    url: OpenUrl
    """URL of the gateway, such as https://otlp-gateway-prod-eu-west-2.grafana.net/otlp."""
    instance_id: str = Field(min_length=1)
    """Instance ID of the stack, shown with the gateway's URL."""
    token: SecretKey
    """An access policy token with the scope `metrics:write`."""

    @property
    def address(self) -> str:
        """The URL of the endpoint for metrics."""
        return f"{self.url.rstrip('/').removesuffix('/v1/metrics')}/v1/metrics"

    def make_exporter(self, instance: str) -> Exporter:
        """A connection. Behind the gateway is Mimir, which expects totals and values of up to 2,048 characters."""
        account = f"{self.instance_id}:{self.token.get_secret_value()}"
        headers = {
            "Authorization": f"Basic {base64.b64encode(account.encode()).decode()}",
            **self.given_headers(),
        }
        target = OtlpTarget(
            self.address,
            "cumulative",
            headers,
            self.labels,
            self.route,
            self.timeout,
            longest_value=2048,
            system="Grafana Cloud",
        )
        return Otlp(target, instance)
