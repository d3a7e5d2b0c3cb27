"""Probes the health endpoint of a model."""

import time
from collections.abc import Mapping

from monitor import outgoing
from monitor.config.sections import Duration, Section
from monitor.outgoing.headers import given_header
from monitor.records import Stream
from monitor.store.probes import Probed


class ProbeSettings(Section):
    """A health endpoint that is requested periodically. Every response but 2xx within the timeout counts as down."""

    url: str = ""
    """URL of the endpoint; empty for no probe."""
    every: Duration = 15.0
    """Interval."""
    timeout: Duration = 5.0
    """Deadline for the whole response."""
    headers: Mapping[str, str] = {}
    """Additional HTTP headers, such as an access token."""


def probe(stream: Stream, settings: ProbeSettings, now: float) -> Probed:
    """Request the endpoint once. Never raises for failures of the other side; they are the result.

    `timeout` limits the whole response, also if it arrives one byte per second.
    """
    started = time.monotonic()
    try:
        headers = [given_header(name, value) for name, value in settings.headers.items()]
        with outgoing.client(settings.timeout) as client:
            response = client.get(settings.url, headers=headers)
    except outgoing.FAILURES as error:
        return Probed(stream, now, False, time.monotonic() - started, outgoing.reason(error)[:256])
    detail = f"HTTP {response.status_code}"
    return Probed(stream, now, response.is_success, time.monotonic() - started, detail)
