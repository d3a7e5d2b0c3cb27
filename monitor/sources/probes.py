"""Asks a model's health address whether it is well."""

import time
from collections.abc import Mapping

import httpx2

from monitor.records import Stream
from monitor.settings import Duration, Section
from monitor.store.probes import Probed


class ProbeSettings(Section):
    """A health address that is asked every so often; anything but an answer of 2xx in time counts as down."""

    url: str = ""
    """The address; empty asks nothing."""
    every: Duration = 15.0
    """How often."""
    timeout: Duration = 5.0
    """How long an answer may take."""
    headers: Mapping[str, str] = {}
    """Sent along, such as an access token."""


def probe(stream: Stream, settings: ProbeSettings, now: float) -> Probed:
    """Ask once. Never raises for what the other side does: that is the answer."""
    began = time.monotonic()
    try:
        answer = httpx2.get(settings.url, timeout=settings.timeout, headers=dict(settings.headers))
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
        return Probed(stream, now, False, time.monotonic() - began, f"{type(error).__name__}: {error}"[:256])
    detail = f"HTTP {answer.status_code}"
    return Probed(stream, now, answer.is_success, time.monotonic() - began, detail)
