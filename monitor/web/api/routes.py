"""The JSON API, version 1: the content of the pages, for programs. Resources without access are not found.

A reader's key (`page`) sees its client in production, in the client's terms; staff see every measurement and alert.
"""

from dataclasses import dataclass
from typing import Any

from litestar import Request, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery
from sqlalchemy import Connection

from monitor.config.units import HOUR
from monitor.errors import InputError
from monitor.health import client_state
from monitor.health.declared import custom_metrics
from monitor.health.model_state import ClientHealth, ModelHealth
from monitor.health.phrases import PHRASES
from monitor.health.settings import ClientSettings
from monitor.records import Labels, Measurement, Stream, labels
from monitor.releases.recording.record import contradicting
from monitor.store import measurements, streams, timeseries
from monitor.store import releases as release_records
from monitor.store import rollbacks as stored_rollbacks
from monitor.store import rollouts as stored_rollouts
from monitor.store.releases import Release
from monitor.web import services as web_services
from monitor.web.api import openapi, schemas, staff_changes, time_range, version_schemas
from monitor.web.api.change import PREFIX
from monitor.web.api.schemas import (
    AlertAnswer,
    ClientAnswer,
    DayAnswer,
    IncidentAnswer,
    SeriesAnswer,
    WindowAnswer,
)
from monitor.web.api.staff import staff_lists, staff_routes
from monitor.web.api.version_schemas import ReleaseAnswer, RollbackAnswer, RolloutAnswer
from monitor.web.auth import session
from monitor.web.auth.session import Visitor
from monitor.web.pages.signals import signal_rows
from monitor.web.public_path import CURRENT
from monitor.web.services import Services
from monitor.windows import baseline as baselines
from monitor.windows.rolling import Rolling

MAX_POINTS = 10_000
MOST_ROLLOUTS, LARGEST_NUMBER = 100, 2**31 - 1


@get(f"{PREFIX}/openapi.json", sync_to_thread=False, include_in_schema=False)
def description(request: Request[Any, Any, Any]) -> dict[str, Any]:
    """This API as an OpenAPI document."""
    return openapi.document((DESCRIBED, CHANGES), web_services.of(request).version, CURRENT.get())


@get(f"{PREFIX}/clients", sync_to_thread=True, include_in_schema=False)
def clients(request: Request[Any, Any, Any]) -> list[ClientAnswer]:
    """All clients that the key may read, with their models."""
    visitor = _visitor(request)
    services = web_services.of(request)
    with services.store.read() as connection:
        names = {stream.client for stream in streams.streams(connection)} | set(services.clients)
        healths = [_health(connection, services, name) for name in sorted(names) if visitor.may_read(name)]
    return [
        schemas.client(health, services.client(health.client)) for health in healths if health is not None
    ]


@get(f"{PREFIX}/clients/{{client:str}}", sync_to_thread=True, include_in_schema=False)
def one_client(request: Request[Any, Any, Any], client: FromPath[str]) -> ClientAnswer:
    """One client with its models."""
    health, settings = _client(request, client)
    return schemas.client(health, settings)


@get(f"{PREFIX}/clients/{{client:str}}/incidents", sync_to_thread=True, include_in_schema=False)
def incidents(request: Request[Any, Any, Any], client: FromPath[str]) -> list[IncidentAnswer]:
    """The incidents of the last 30 days, newest first."""
    health, _ = _client(request, client)
    newest_first = sorted(
        (i for model_health in health.models for i in model_health.incidents), key=lambda i: -i.started
    )
    return [schemas.incident(incident) for incident in newest_first]


@get(f"{PREFIX}/clients/{{client:str}}/alerts", sync_to_thread=True, include_in_schema=False)
def open_alerts(request: Request[Any, Any, Any], client: FromPath[str]) -> list[AlertAnswer]:
    """The firing alerts of all environments, worst first. For staff."""
    visitor = session.reader(request, client)
    if not visitor.may("viewer"):
        raise NotFoundException
    services = web_services.of(request)
    with services.store.read() as connection:
        return staff_lists.alerts(connection, services.clock.now(), services.alerts, client)


@get(
    f"{PREFIX}/clients/{{client:str}}/models/{{model:str}}/days", sync_to_thread=True, include_in_schema=False
)
def days(request: Request[Any, Any, Any], client: FromPath[str], model: FromPath[str]) -> list[DayAnswer]:
    """The last 30 local days of a model, oldest first."""
    health, _ = _client(request, client)
    return [schemas.day(day) for day in _model(health, model).days]


@get(
    f"{PREFIX}/clients/{{client:str}}/models/{{model:str}}/measurements",
    sync_to_thread=True,
    include_in_schema=False,
)
def newest(
    request: Request[Any, Any, Any],
    client: FromPath[str],
    model: FromPath[str],
    environment: FromQuery[str] = client_state.SHOWN,
    window: FromQuery[int] = HOUR,
) -> WindowAnswer:
    """All measurements of the newest window of a length (in seconds: a base window or an hour)."""
    stream_request = _stream_request(request, Stream(client, model, environment))
    with stream_request.services.store.read() as connection:
        stream_request.must_exist(connection)
        latest = measurements.latest(connection, stream_request.stream, window)
    if not latest:
        raise NotFoundException(f"no window of {window} seconds has been measured yet")
    return schemas.window(
        stream_request.stream,
        latest[0].window,
        [measurement for measurement in latest if stream_request.may_see(measurement)],
    )


@get(
    f"{PREFIX}/clients/{{client:str}}/models/{{model:str}}/measurements/{{metric:str}}",
    sync_to_thread=True,
    include_in_schema=False,
)
def course(
    request: Request[Any, Any, Any],
    client: FromPath[str],
    model: FromPath[str],
    metric: FromPath[str],
    environment: FromQuery[str] = client_state.SHOWN,
    window: FromQuery[int] = HOUR,
    of: FromQuery[str] = "",
) -> SeriesAnswer:
    """One metric over time: `from` and `to` as on the pages, `of` its labels (`feature=amount,version=7`)."""
    stream_request = _stream_request(request, Stream(client, model, environment))
    labels_of_series = read_labels(of)
    services = stream_request.services
    shown = time_range.time_range_of(request.query_params, services.clock.now(), services.client(client).zone)
    if window <= 0 or shown.seconds / window > MAX_POINTS:
        raise InputError(
            f"a response has at most {MAX_POINTS} points",
            hint="request a shorter time range or longer windows",
        )
    with services.store.read() as connection:
        stream_request.must_exist(connection)
        if not stream_request.may_know(metric, labels_of_series):
            raise NotFoundException
        values = timeseries.load(
            connection, stream_request.stream, metric, window, shown.start, shown.end, labels_of_series
        )
    return schemas.series(stream_request.stream, metric, dict(labels_of_series), values)


@get(
    f"{PREFIX}/clients/{{client:str}}/models/{{model:str}}/signals",
    sync_to_thread=True,
    include_in_schema=False,
)
def answer_signals(
    request: Request[Any, Any, Any],
    client: FromPath[str],
    model: FromPath[str],
    environment: FromQuery[str] = client_state.SHOWN,
) -> WindowAnswer:
    """The signals of the last hour beside the baseline, of all calls and by version and segment. For staff."""
    asked = _stream_request(request, Stream(client, model, environment))
    if not asked.visitor.may("viewer"):
        raise NotFoundException
    services = asked.services
    with services.store.read() as connection:
        asked.must_exist(connection)
        rolling = Rolling(connection, services.base_seconds, settled=float("inf"))
        hour, measured = signal_rows.of_last_hour(
            rolling,
            asked.stream,
            baselines.load(connection, asked.stream),
            services.clock.now(),
            services.base_seconds,
        )
    return schemas.window(asked.stream, hour, measured)


@get(
    f"{PREFIX}/clients/{{client:str}}/models/{{model:str}}/releases",
    sync_to_thread=True,
    include_in_schema=False,
)
def releases(
    request: Request[Any, Any, Any],
    client: FromPath[str],
    model: FromPath[str],
    environment: FromQuery[str] = client_state.SHOWN,
) -> list[ReleaseAnswer]:
    """The recorded releases, oldest first."""
    asked = _stream_request(request, Stream(client, model, environment))
    with asked.services.store.read() as connection:
        recorded = release_records.of(connection, asked.stream)
        if not recorded:
            asked.must_exist(connection)
    if not asked.may_see_environment():
        raise NotFoundException
    by_version: dict[str, list[Release]] = {}
    for one in recorded:
        by_version.setdefault(one.version, []).append(one)
    differ = {version: contradicting(some) for version, some in by_version.items()}
    is_staff = asked.visitor.may("viewer")
    return [version_schemas.release(one, differ[one.version], with_names=is_staff) for one in recorded]


@get(
    f"{PREFIX}/clients/{{client:str}}/models/{{model:str}}/rollbacks",
    sync_to_thread=True,
    include_in_schema=False,
)
def rollbacks(
    request: Request[Any, Any, Any],
    client: FromPath[str],
    model: FromPath[str],
    environment: FromQuery[str] = client_state.SHOWN,
) -> list[RollbackAnswer]:
    """The decisions on rollbacks, newest first. A client's reader gets those that were ordered."""
    asked = _stream_request(request, Stream(client, model, environment))
    if not asked.may_see_environment():
        raise NotFoundException
    with asked.services.store.read() as connection:
        decided = stored_rollbacks.of_stream(connection, asked.stream)
        if not decided:
            asked.must_exist(connection)
    is_staff = asked.visitor.may("viewer")
    shown = [one for one in decided if is_staff or (one.is_real and one.was_ordered)]
    return [version_schemas.rollback(one, with_reasons=is_staff) for one in shown]


@get(
    f"{PREFIX}/clients/{{client:str}}/models/{{model:str}}/rollouts",
    sync_to_thread=True,
    include_in_schema=False,
)
def rollouts(
    request: Request[Any, Any, Any],
    client: FromPath[str],
    model: FromPath[str],
    environment: FromQuery[str] = client_state.SHOWN,
    most: FromQuery[int] = 20,
    before: FromQuery[int] = 0,
) -> list[RolloutAnswer]:
    """The staged rollouts with their steps, newest first: at most `most`, of those with a number smaller than `before`
    unless it is 0.
    """
    asked = _stream_request(request, Stream(client, model, environment))
    if not asked.may_see_environment():
        raise NotFoundException
    if not 1 <= most <= MOST_ROLLOUTS or not 0 <= before <= LARGEST_NUMBER:
        hint = f"most is between 1 and {MOST_ROLLOUTS}, and before is the number of a rollout"
        raise InputError(f"there is no page most={most}, before={before}"[:200], hint=hint)
    with asked.services.store.read() as connection:
        known = stored_rollouts.of_stream(connection, asked.stream, most, before or None)
        if not known:
            asked.must_exist(connection)
    is_staff = asked.visitor.may("viewer")
    return [version_schemas.rollout(one, steps, with_reasons=is_staff) for one, steps in known]


@dataclass(frozen=True, slots=True)
class _StreamRequest:
    """A request for data of a stream."""

    visitor: Visitor
    services: Services
    stream: Stream

    def must_exist(self, connection: Connection) -> None:
        """Raise 404 if the stream does not exist or the visitor may not see it."""
        if not self.may_see_environment() or streams.figures(connection, self.stream) is None:
            raise NotFoundException

    def may_see_environment(self) -> bool:
        """Whether the visitor may see the stream's environment. Clients see production only."""
        return self.visitor.may("viewer") or self.stream.environment == client_state.SHOWN

    def may_know(self, metric: str, about: Labels) -> bool:
        """Whether the visitor may see a metric. Clients get the metrics of their pages; others need explanation by an
        engineer.
        """
        return self.visitor.may("viewer") or (metric in PHRASES and not about)

    def may_see(self, measurement: Measurement) -> bool:
        """Whether the visitor may see a measurement."""
        if self.may_know(measurement.metric, measurement.labels):
            return True
        view = self.services.client(self.stream.client).view(self.stream.model)
        return custom_metrics.is_for_client(view, measurement)


def read_labels(text: str) -> Labels:
    """Parse `feature=temp,version=3` into labels.

    Raises:
        InputError: a part has no name or value.
    """
    pairs = [part.partition("=") for part in text.split(",") if part]
    if not all(name and value for name, _, value in pairs):
        raise InputError(f"{text[:80]!r} is not a list of labels", hint="use of=feature=amount,version=7")
    return labels(**{name: value for name, _, value in pairs})


def _visitor(request: Request[Any, Any, Any]) -> Visitor:
    visitor = session.identify(request)
    if visitor is None:
        raise NotFoundException
    return visitor


def _stream_request(request: Request[Any, Any, Any], stream: Stream) -> _StreamRequest:
    return _StreamRequest(session.reader(request, stream.client), web_services.of(request), stream)


def _client(request: Request[Any, Any, Any], key: str) -> tuple[ClientHealth, ClientSettings]:
    session.reader(request, key)
    services = web_services.of(request)
    with services.store.read() as connection:
        health = _health(connection, services, key)
    if health is None:
        raise NotFoundException
    return health, services.client(key)


def _health(connection: Connection, services: Services, key: str) -> ClientHealth | None:
    return client_state.client(connection, key, services.client(key), services.clock.now())


def _model(health: ClientHealth, name: str) -> ModelHealth:
    match = next((model_health for model_health in health.models if model_health.stream.model == name), None)
    if match is None:
        raise NotFoundException
    return match


ROUTES = (
    *(clients, one_client, incidents, open_alerts, days, newest, course, answer_signals),
    *(releases, rollouts, rollbacks),
    *staff_routes.ROUTES,
)
DESCRIBED, CHANGES = openapi.paths(ROUTES), openapi.changes(staff_changes.CHANGES)
HANDLERS = (description, *ROUTES)
