"""The JSON API, version 1: what the pages say, for programs. It only reads, and whoever may not read finds nothing.

A reader's key (`page`) sees its client in production, in the client's terms; staff see every measurement and alert.
"""

from dataclasses import dataclass
from typing import Any

from litestar import Request, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery
from sqlalchemy import Connection

from monitor.errors import InputError
from monitor.health import reading, wording
from monitor.health.settings import ClientSettings
from monitor.health.verdict import ClientHealth, ModelHealth
from monitor.records import Labels, Measurement, Stream, labels
from monitor.store import alerts, measurements, register, timeseries
from monitor.web import answers, openapi, session, stretch
from monitor.web import services as surroundings
from monitor.web.answers import (
    AlertAnswer,
    ClientAnswer,
    DayAnswer,
    IncidentAnswer,
    SeriesAnswer,
    WindowAnswer,
)
from monitor.web.services import Services
from monitor.web.session import Visitor

PREFIX = "/api/v1"
HOUR = 3600
MOST_POINTS = 10_000


@get(f"{PREFIX}/openapi.json", sync_to_thread=False, include_in_schema=False)
def description(request: Request[Any, Any, Any]) -> dict[str, Any]:
    """This API as an OpenAPI document."""
    return openapi.document(DESCRIBED, surroundings.of(request).version)


@get(f"{PREFIX}/clients", sync_to_thread=True, include_in_schema=False)
def clients(request: Request[Any, Any, Any]) -> list[ClientAnswer]:
    """Every client that may be read, with its models."""
    visitor = _somebody(request)
    services = surroundings.of(request)
    with services.store.read() as connection:
        known = {stream.client for stream in register.streams(connection)} | set(services.clients)
        found = [_health(connection, services, name) for name in sorted(known) if visitor.may_read(name)]
    return [answers.client(health, services.client(health.client)) for health in found if health is not None]


@get(f"{PREFIX}/clients/{{client:str}}", sync_to_thread=True, include_in_schema=False)
def one_client(request: Request[Any, Any, Any], client: FromPath[str]) -> ClientAnswer:
    """One client with its models."""
    health, settings = _client(request, client)
    return answers.client(health, settings)


@get(f"{PREFIX}/clients/{{client:str}}/incidents", sync_to_thread=True, include_in_schema=False)
def incidents(request: Request[Any, Any, Any], client: FromPath[str]) -> list[IncidentAnswer]:
    """What happened in the last 30 days, the newest first."""
    health, _ = _client(request, client)
    happened = sorted((i for one in health.models for i in one.incidents), key=lambda i: -i.started)
    return [answers.incident(one) for one in happened]


@get(f"{PREFIX}/clients/{{client:str}}/alerts", sync_to_thread=True, include_in_schema=False)
def open_alerts(request: Request[Any, Any, Any], client: FromPath[str]) -> list[AlertAnswer]:
    """The alerts of every environment that fire, the worst first. For staff."""
    visitor = session.reader(request, client)
    if not visitor.may("viewer"):
        raise NotFoundException
    with surroundings.of(request).store.read() as connection:
        return [answers.alert(one) for one in alerts.load_open(connection, client)]


@get(
    f"{PREFIX}/clients/{{client:str}}/models/{{model:str}}/days", sync_to_thread=True, include_in_schema=False
)
def days(request: Request[Any, Any, Any], client: FromPath[str], model: FromPath[str]) -> list[DayAnswer]:
    """The last 30 local days of a model, the oldest first."""
    health, _ = _client(request, client)
    return [answers.day(one) for one in _model(health, model).days]


@get(
    f"{PREFIX}/clients/{{client:str}}/models/{{model:str}}/measurements",
    sync_to_thread=True,
    include_in_schema=False,
)
def newest(
    request: Request[Any, Any, Any],
    client: FromPath[str],
    model: FromPath[str],
    environment: FromQuery[str] = reading.SHOWN,
    window: FromQuery[int] = HOUR,
) -> WindowAnswer:
    """Every measurement of the newest window of a length (in seconds: a base window or an hour)."""
    asked = _asked(request, Stream(client, model, environment))
    with asked.services.store.read() as connection:
        asked.must_exist(connection)
        found = measurements.latest(connection, asked.stream, window)
    if not found:
        raise NotFoundException(f"no window of {window} seconds was measured yet")
    return answers.window(asked.stream, found[0].window, [one for one in found if asked.may_see(one)])


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
    environment: FromQuery[str] = reading.SHOWN,
    window: FromQuery[int] = HOUR,
    of: FromQuery[str] = "",
) -> SeriesAnswer:
    """One metric over time: `from` and `to` as on the pages, `of` its labels (`feature=amount,version=7`)."""
    asked = _asked(request, Stream(client, model, environment))
    about = read_labels(of)
    services = asked.services
    shown = stretch.chosen(request.query_params, services.clock.now(), services.client(client).zone)
    if window <= 0 or shown.seconds / window > MOST_POINTS:
        raise InputError(
            f"an answer has {MOST_POINTS} points at most", hint="ask for less time or longer windows"
        )
    with services.store.read() as connection:
        asked.must_exist(connection)
        if not asked.may_know(metric, about):
            raise NotFoundException
        found = timeseries.load(connection, asked.stream, metric, window, shown.start, shown.end, about)
    return answers.series(asked.stream, metric, dict(about), found)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A stream that somebody asks for."""

    visitor: Visitor
    services: Services
    stream: Stream

    def must_exist(self, connection: Connection) -> None:
        """To those who may not see it, it does not."""
        is_shown = self.visitor.may("viewer") or self.stream.environment == reading.SHOWN
        if not is_shown or register.figures(connection, self.stream) is None:
            raise NotFoundException

    def may_know(self, metric: str, about: Labels) -> bool:
        """Clients are told what their pages can show; the rest needs an engineer to be understood."""
        return self.visitor.may("viewer") or (metric in wording.PHRASES and not about)

    def may_see(self, one: Measurement) -> bool:
        """The same of a measurement."""
        return self.may_know(one.metric, one.labels)


def read_labels(text: str) -> Labels:
    """`feature=temp,version=3` as labels.

    Raises:
        InputError: a part without a name or a value.
    """
    pairs = [part.partition("=") for part in text.split(",") if part]
    if not all(name and value for name, _, value in pairs):
        raise InputError(f"{text[:80]!r} are no labels", hint="of=feature=amount,version=7")
    return labels(**{name: value for name, _, value in pairs})


def _somebody(request: Request[Any, Any, Any]) -> Visitor:
    visitor = session.identify(request)
    if visitor is None:
        raise NotFoundException
    return visitor


def _asked(request: Request[Any, Any, Any], stream: Stream) -> _Asked:
    return _Asked(session.reader(request, stream.client), surroundings.of(request), stream)


def _client(request: Request[Any, Any, Any], key: str) -> tuple[ClientHealth, ClientSettings]:
    session.reader(request, key)
    services = surroundings.of(request)
    with services.store.read() as connection:
        health = _health(connection, services, key)
    if health is None:
        raise NotFoundException
    return health, services.client(key)


def _health(connection: Connection, services: Services, key: str) -> ClientHealth | None:
    return reading.client(connection, key, services.client(key), services.clock.now())


def _model(health: ClientHealth, name: str) -> ModelHealth:
    found = next((one for one in health.models if one.stream.model == name), None)
    if found is None:
        raise NotFoundException
    return found


ROUTES = (clients, one_client, incidents, open_alerts, days, newest, course)
DESCRIBED = openapi.paths(ROUTES)
HANDLERS = (description, *ROUTES)
