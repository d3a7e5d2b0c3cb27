"""Reads a metrics endpoint in Prometheus' text format."""

import math
from collections.abc import Mapping

from monitor import outgoing
from monitor.config.sections import Secret
from monitor.gauges.metrics_endpoints.series import Sample
from monitor.gauges.reading import GaugeError
from monitor.outgoing.headers import given_header

MOST_BYTES = 16 << 20
"""A response larger than this is refused. A vLLM with all histograms sends 200 kB."""


def fetch(url: str, seconds: float, headers: Mapping[str, Secret], ca_file: str) -> bytes:
    """The response.

    Raises:
        GaugeError: there is none within `seconds`, it is too large, or it is not 200 OK.
    """
    try:
        given = [given_header(name, value.get_secret_value()) for name, value in headers.items()]
        with outgoing.client(seconds, ca_file, MOST_BYTES) as client:
            response = client.get(url, headers=given)
    except outgoing.FAILURES as error:
        raise GaugeError(f"{url}: {outgoing.reason(error)}", hint="is it reachable from here?") from error
    if response.status_code != 200:
        raise GaugeError(f"{url} answered HTTP {response.status_code}", hint="correct `url` or `headers`")
    return response.content


def parse(url: str, body: bytes) -> list[Sample]:
    """The samples of Prometheus' text format.

    Raises:
        GaugeError: it is something else.
    """
    from prometheus_client.parser import text_string_to_metric_families

    samples = []
    try:
        for family in text_string_to_metric_families(body.decode(errors="replace")):
            samples += [Sample(one.name, one.labels, _number(one.value)) for one in family.samples]
    except (ValueError, KeyError, IndexError, TypeError) as error:
        msg = f"{url} is not in Prometheus' text format: {str(error)[:200]}"
        raise GaugeError(msg, hint="is it the address of a metrics endpoint?") from error
    return samples


def _number(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.nan
