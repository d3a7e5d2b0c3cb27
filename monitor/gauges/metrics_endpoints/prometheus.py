"""An existing Prometheus, or whatever answers its queries: Thanos, Mimir, VictoriaMetrics."""

import json
import math
from collections.abc import Iterator, Sequence
from typing import Any, Literal
from urllib.parse import urlencode

from pydantic import Field

from monitor.config.sections import FileName, RealNumber, Secret, Section
from monitor.gauges.metrics_endpoints.scrape import MOST_SERIES, fetch
from monitor.gauges.metrics_endpoints.series import ScrapedSample, SeriesMapping, SeriesReader
from monitor.gauges.reading import GaugeError, GaugeReader, Quantity, Reading
from monitor.gauges.settings import GaugeSettings

_MOST_BYTES = 4 << 20
"""A larger answer to a query is refused: 800 bytes for each of the results that are read."""


class QuerySettings(Section):
    """One query, and what its result is."""

    query: str = Field(min_length=1)
    """PromQL; each element of the result is one resource."""
    quantity: Quantity
    """What the result measures, as for `series` of a model server. Counters must be counters here too, without
    `rate`."""
    resource: str = ""
    """What the figure belongs to, with labels in braces, such as `memory:{pod}`."""
    scale: RealNumber = Field(default=1.0, gt=0)
    """A factor for the values, such as 0.01 for percent."""


class PrometheusSettings(GaugeSettings):
    """Queries to an existing Prometheus."""

    kind: Literal["prometheus"] = "prometheus"
    """An existing Prometheus."""
    url: str = Field(pattern=r"^https?://")
    """Its address, such as `http://prometheus:9090`."""
    queries: tuple[QuerySettings, ...] = Field(min_length=1)
    """What to ask for."""
    headers: dict[str, Secret] = {}
    """Additional HTTP headers, such as an access token or a tenant."""
    ca_file: FileName = ""
    """File with the certificates to trust instead of the system's."""

    def make_reader(self) -> GaugeReader:
        """A reader of the queries."""
        return Prometheus(self)


class Prometheus:
    """Sends the queries. One that has no result leaves its figures unknown."""

    def __init__(self, settings: PrometheusSettings) -> None:
        self._settings = settings
        self._series = [
            SeriesReader(
                [
                    SeriesMapping(
                        quantity=query.quantity,
                        series=("result",),
                        resource=query.resource,
                        scale=query.scale,
                    )
                ]
            )
            for query in settings.queries
        ]

    def read(self) -> Sequence[Reading]:
        """The readings of all queries.

        Raises:
            GaugeError: no query has a result, or Prometheus refused one.
        """
        section, readings, has_samples = self._settings, [], False
        for query, series in zip(section.queries, self._series, strict=True):
            samples = list(self._asked(query.query))
            has_samples = has_samples or bool(samples)
            readings += series.read(samples)
        if not has_samples:
            raise GaugeError(f"no query to {section.url} has a result", hint="correct `queries`")
        return readings

    def _asked(self, query: str) -> Iterator[ScrapedSample]:
        section = self._settings
        asked = urlencode({"query": query, "timeout": f"{section.timeout:g}s"})
        url = f"{section.url.rstrip('/')}/api/v1/query?{asked}"
        body = fetch(url, section.timeout, section.headers, section.ca_file, _MOST_BYTES)
        answer = _data(section.url, body)
        if len(answer) > MOST_SERIES:
            raise GaugeError(
                f"a query to {section.url} has more than {MOST_SERIES:,} results",
                hint="aggregate them: sum by",
            )
        for element in answer:
            labels, pair = element.get("metric"), element.get("value")
            if isinstance(labels, dict) and isinstance(pair, list) and len(pair) == 2:
                texts = {str(name): str(value) for name, value in labels.items()}
                yield ScrapedSample("result", texts, _number(pair[1]))


def _number(text: object) -> float:
    try:
        return float(str(text))
    except ValueError:
        return math.nan


def _data(url: str, body: bytes) -> list[dict[str, Any]]:
    """The elements of an instant vector, or a scalar as one element."""
    try:
        answer = json.loads(body)
        data = answer["data"]
        kind, result = data["resultType"], data["result"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise GaugeError(f"{url} does not respond like Prometheus", hint="correct `url`") from error
    if answer.get("warnings"):  # such as a store of Thanos that did not answer: the result is not whole
        raise GaugeError(f"{url} gave a partial response: {str(answer['warnings'])[:200]}")
    if kind == "scalar":
        return [{"metric": {}, "value": result}]
    if kind != "vector" or not isinstance(result, list):
        raise GaugeError(f"{url}: a query has a {kind} as its result, not a vector", hint="correct `queries`")
    return [element for element in result if isinstance(element, dict)]
