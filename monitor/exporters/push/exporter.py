"""The interface of an exporter, and the keys that all have in the configuration."""

import re
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Protocol

import httpx2
from pydantic import Field, field_validator

from monitor.config.sections import Duration, Section, WholeNumber
from monitor.exporters.metric_names import EXPORTED
from monitor.exporters.push.intervals import Temporality
from monitor.exporters.push.point import SUFFIX, Point
from monitor.notify.addresses import GivenHeaders
from monitor.notify.connection import ConnectionSettings
from monitor.notify.failure import AttemptError, FailureKind
from monitor.outgoing import CallBudget, OutgoingRoute

_NAMES = tuple(metric.name + SUFFIX.get(metric.kind, "") for metric in EXPORTED)
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


@dataclass(frozen=True, slots=True)
class SendResult:
    """What came of a request: how many points the other side refused, and why (or what it answered). `unsent` are those
    that did not leave this machine.
    """

    refused: int = 0
    detail: str = ""
    unsent: Sequence[Point] = ()


class RequestTooLargeError(Exception):
    """The points do not fit into one request: send fewer at a time."""


def ensure_no_page(system: str, response: httpx2.Response) -> None:
    """Check that a 2xx response is not a web page, such as the login of a proxy: nothing has then been delivered.

    Raises:
        AttemptError: it is one.
    """
    if response.content and response.headers.get("Content-Type", "").lower().startswith("text/html"):
        message = f"{system} answered {response.status_code} with a web page: does a proxy ask for a login?"
        raise AttemptError(message, FailureKind.UNREACHABLE, code=response.status_code)


class Exporter(Protocol):
    """A connection to one system. Each call is one attempt."""

    temporality: Temporality
    """Whether counters are sent as totals (`cumulative`) or as what was counted since the last point (`delta`)."""
    most_points: int
    """Points of one request."""

    def send(self, points: Sequence[Point], budget: CallBudget) -> SendResult:
        """Send points within the budget.

        Raises:
            TooLargeError: they do not fit into one request.
            AttemptError: they were not accepted, or it is unknown whether they were.
        """
        ...

    def close(self) -> None:
        """Close connections."""
        ...


class ExporterSettings(Section):
    """Sends metrics to another system at an interval. Subclasses add `kind` and what it takes to connect."""

    every: Duration = Field(default=30.0, ge=1.0, le=3600.0)
    """Interval."""
    timeout: Duration = Field(default=10.0, gt=0, le=60.0)
    """Deadline of one request, from name resolution to the last byte of the response."""
    only: tuple[str, ...] = ()
    """Names of the metrics to send, as `/metrics` shows them; `*` stands for any characters. Empty: all."""
    omit: tuple[str, ...] = Field(default=(), alias="except")
    """Names of metrics that are not sent."""
    clients: tuple[str, ...] = ()
    """Send only what the keys of these clients could read at `/c/CLIENT/metrics`. Empty: all clients, and the daemon's
    own metrics."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Labels to add to each series, such as `{region: eu}`."""
    max_points: WholeNumber = Field(default=100_000, ge=1000)
    """Points that wait while the other side does not accept them; the oldest are dropped first."""
    max_age: Duration = Field(default=600.0, ge=1.0)
    """Age at which waiting points are dropped. Counters lose nothing: later points contain what was counted."""

    @field_validator("only", "omit")
    @classmethod
    def _name_metrics(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in value:
            if not any(fnmatchcase(name, pattern) for name in _NAMES):
                msg = f"{pattern[:80]!r} is not a metric: docs/dashboards.md lists them"
                raise ValueError(msg)
        return value

    @field_validator("labels")
    @classmethod
    def _can_be_labels(cls, value: dict[str, str]) -> dict[str, str]:
        used = {label for metric in EXPORTED for label in metric.labels} | {"le"}
        for name in value:
            if not _LABEL.fullmatch(name) or name.startswith("__"):
                msg = f"{name[:80]!r} is not the name of a label: use letters, digits and _"
                raise ValueError(msg)
            if name in used:
                msg = f"{name!r} is a label of Watchkeeper's own metrics: use another name"
                raise ValueError(msg)
        return value

    def chooses(self, name: str) -> bool:
        """Whether a metric is sent; `name` is the one that `/metrics` shows."""
        is_named = not self.only or any(fnmatchcase(name, pattern) for pattern in self.only)
        return is_named and not any(fnmatchcase(name, pattern) for pattern in self.omit)

    @property
    @abstractmethod
    def address(self) -> str:
        """Where it sends to, as a URL without secrets."""

    @property
    @abstractmethod
    def route(self) -> OutgoingRoute:
        """How its calls leave this machine."""

    @abstractmethod
    def make_exporter(self, instance: str) -> Exporter:
        """An exporter, not connected yet. `instance` tells this daemon from others.

        Raises:
            OSError: a file of the section cannot be read.
        """


class HttpExporterSettings(ConnectionSettings, ExporterSettings):
    """An exporter that sends over HTTP."""

    headers: GivenHeaders = Field(default_factory=dict)
    """Additional HTTP headers, such as Authorization."""

    def given_headers(self) -> dict[str, str]:
        """The configured headers."""
        return {name: secret.get_secret_value() for name, secret in self.headers.items()}
