"""Prometheus remote write, 2.0 or 1.0: snappy-compressed protobuf.

A series that ends gets Prometheus' stale marker. What the other side has already (a batch that was sent again after its
answer was lost) is refused with 400 as out of order; that is no loss. It is one when the clock was set back.
"""

import logging
import re
from collections.abc import Sequence
from typing import Literal

import pyarrow as pa
from pydantic import Field

from monitor import __version__
from monitor.config.sections import WholeNumber
from monitor.exporters.push.exporter import (
    Exporter,
    HttpExporterSettings,
    RequestTooLargeError,
    SendResult,
    ensure_no_page,
)
from monitor.exporters.push.intervals import Temporality
from monitor.exporters.push.point import Point
from monitor.exporters.push.write_requests import encode_1, encode_2
from monitor.notify.addresses import SecretUrl
from monitor.notify.failure import AttemptError, FailureKind
from monitor.notify.http import Http
from monitor.outgoing import CallBudget

log = logging.getLogger(__name__)

LARGEST = 4_000_000
"""Bytes of a request before compression. Receivers accept at least 10 MB of series."""
_REPEATED = re.compile(
    r"out of order|out of bounds|duplicate sample|too old|err-mimir-sample-", re.IGNORECASE
)
_WRITTEN = "X-Prometheus-Remote-Write-Samples-Written"
"""What a receiver of 2.0 says it has stored. Older ones read a message of 2.0 as an empty one, and answer 204."""
_UNSUPPORTED = 415
_HEADERS = {
    "1.0": {"Content-Type": "application/x-protobuf", "X-Prometheus-Remote-Write-Version": "0.1.0"},
    "2.0": {
        "Content-Type": "application/x-protobuf;proto=io.prometheus.write.v2.Request",
        "X-Prometheus-Remote-Write-Version": "2.0.0",
    },
}


class RemoteWriteSettings(HttpExporterSettings):
    """Prometheus remote write: Prometheus itself, Grafana Mimir, Thanos, VictoriaMetrics, Cortex."""

    kind: Literal["remote_write"] = "remote_write"
    """Prometheus remote write."""
    url: SecretUrl
    """URL of the endpoint, such as http://prometheus:9090/api/v1/write."""
    version: Literal["auto", "1.0", "2.0"] = "auto"
    """Version of the protocol. `auto`: 2.0, or 1.0 once the receiver has shown that it does not know 2.0."""
    job: str = "watchkeeper"
    """The label `job`."""
    instance: str = ""
    """The label `instance`. Empty: the name of this host."""
    longest_value: WholeNumber = Field(default=2048, ge=32)
    """Characters of a label's value; longer ones are cut and end in a digest."""

    @property
    def address(self) -> str:
        """The URL."""
        return self.url.get_secret_value()

    def make_exporter(self, instance: str) -> Exporter:
        """A connection."""
        return RemoteWrite(self, instance)


class RemoteWrite:
    """Posts series to one endpoint."""

    temporality: Temporality = "cumulative"
    most_points = 2_000

    def __init__(self, settings: RemoteWriteSettings, instance: str) -> None:
        self._url, self._longest = settings.address, settings.longest_value
        self._fixed = tuple(
            {"job": settings.job, "instance": settings.instance or instance, **settings.labels}.items()
        )
        self._is_unanswered = False
        self._http = Http("remote write", settings.route, settings.timeout)
        self._may_fall_back = settings.version == "auto"
        self._version = "2.0" if self._may_fall_back else settings.version
        self._given = settings.given_headers()

    def send(self, points: Sequence[Point], budget: CallBudget) -> SendResult:
        """One request; two the first time that the receiver turns out not to know version 2.0."""
        was_unanswered, self._is_unanswered = self._is_unanswered, False
        try:
            status = self._post(points, budget)
        except AttemptError as failure:
            if failure.code != 400 or not _REPEATED.search(failure.message):
                self._is_unanswered = failure.kind is FailureKind.UNREACHABLE
                raise
            # The receiver has taken what is new. Unless this request is repeated, that is a loss.
            return SendResult(
                0 if was_unanswered else len(points), f"newer samples are there: {failure.message}"
            )
        return SendResult(0, f"answered {status} (version {self._version})")

    def _post(self, points: Sequence[Point], budget: CallBudget) -> int:
        """Post in the version in use; the status of the response.

        Raises:
            TooLargeError: the message is too large.
            AttemptError: it was not accepted.
        """
        encode = encode_2 if self._version == "2.0" else encode_1
        body = encode(points, self._fixed, self._longest)
        if len(body) > LARGEST:
            raise RequestTooLargeError
        compressed = pa.compress(body, codec="snappy", asbytes=True)
        headers = {
            "Content-Encoding": "snappy",
            "User-Agent": f"watchkeeper/{__version__}",
            **_HEADERS[self._version],
            **self._given,
        }
        try:
            answer = self._http.post(self._url, compressed, headers, budget)
        except AttemptError as failure:
            if failure.code != _UNSUPPORTED or not self._falls_back("answered 415"):
                raise
            return self._post(points, budget)
        ensure_no_page("remote write", answer)
        if self._version == "1.0" or _WRITTEN in answer.headers:
            return int(answer.status_code)
        silent = f"answered {answer.status_code} without a number of samples"
        if not self._falls_back(silent):
            message = f"remote write {silent}: it does not know version 2.0; set version: auto"
            raise AttemptError(message, FailureKind.MISCONFIGURED, code=answer.status_code)
        return self._post(points, budget)

    def _falls_back(self, reason: str) -> bool:
        """Change to 1.0 for the rest of this process, where that is allowed and not done."""
        if not self._may_fall_back:
            return False
        self._may_fall_back, self._version = False, "1.0"
        log.info("remote write: the receiver does not know version 2.0 (%s); 1.0 from now on", reason)
        return True

    def close(self) -> None:
        """Close connections."""
        self._http.close()
