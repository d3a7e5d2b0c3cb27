"""One stream for engineers: four linked charts, alerts with reasons, errors, drift, inputs beside the baseline."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from litestar import Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from sqlalchemy import Connection

from monitor import status
from monitor.clock import iso
from monitor.config.units import DAY, HOUR
from monitor.health import targets as agreed_targets
from monitor.health import wording
from monitor.metrics import Subject
from monitor.records import Alert, Measurement, Severity, State, Stream, Window
from monitor.rules.engine.readings import OPEN
from monitor.rules.engine.unevaluable_rules import unjudged as rules_unjudged
from monitor.rules.language.wording import figure as with_unit
from monitor.runtime.faults import Faults
from monitor.store import alerts, measurements, silences, streams, targets
from monitor.store.streams import StreamFigures
from monitor.store.targets import TargetPeriod
from monitor.web import services as web_services
from monitor.web.api.time_range import TimeRange
from monitor.web.auth import session
from monitor.web.pages import rendering
from monitor.web.pages.charts import distributions
from monitor.web.pages.declared import custom_metric_rows, expectation_rows, forecast_rows, task_rows
from monitor.web.pages.features.feature_rows import address_of
from monitor.web.pages.groups import group_rows
from monitor.web.pages.model import capacity, charts_view, drift, errors, quarantine, score_rows, version_rows
from monitor.web.pages.model import model_query as query
from monitor.web.pages.overview.page import address
from monitor.web.pages.signals import signal_rows
from monitor.web.pages.staff import health_of
from monitor.web.services import Services
from monitor.windows.baseline_from_table import Baseline
from monitor.windows.declared import current_definitions
from monitor.windows.profile import Profile
from monitor.windows.rolling import Rolling

T = TypeVar("T")
MOST_DRAWN = 6
"""Inputs that the page draws; the page of features has all of them."""
_OF_INPUTS = frozenset({"feature", "output"})
COMPARED = 7 * DAY
"""Inputs are compared with the baseline over the displayed range, or over its last day if it is longer than this."""


@get("/staff/m/{client:str}/{model:str}/{environment:str}", sync_to_thread=True, include_in_schema=False)
def model(
    request: Request[Any, Any, Any], client: FromPath[str], model: FromPath[str], environment: FromPath[str]
) -> Response[str]:
    """One stream with its charts and everything that was measured of the whole."""
    visitor = session.staff_of(request, client)
    services, stream = web_services.of(request), Stream(client, model, environment)
    now, zone = services.clock.now(), services.client(client).zone
    asked = query.parse(request.query_params)
    with services.store.read() as connection:
        stored = streams.figures(connection, stream)
        newest = services.measured().get((stream, OPEN), ())
        read_by_gauges = capacity.of_measurements(newest)
        is_known = stored is not None or bool(read_by_gauges) or stream in services.without_data(())
        if not is_known:
            raise NotFoundException
        figures = stored or StreamFigures(stream, 0, now, now, None)
        own_alerts = alerts.of_stream(connection, stream)
        held = services.held(alerts.load_open(connection), silences.load(connection, now))
        shown, around = query.opening(request.query_params, asked, own_alerts, now, zone)
        page = _page(connection, services, figures, own_alerts, shown)
        page |= charts_view.charts(connection, services, stream, shown, page, asked, around)
        page["capacity"] = read_by_gauges
        page["scores"] = score_rows.of_measurements(newest)
        of_day = services.measured().get((stream, DAY), ())
        page["groups"] = group_rows.of_measurements(of_day, page["measured"])
        view = services.client(client).view(model)
        page["own"] = custom_metric_rows.of_measurements(
            view.metrics, of_day, page["measured"], has_baseline=page["baseline"] is not None
        )
        page["tasks"] = task_rows.of_measurements(
            services.metrics.rankings.get((client, model)), of_day, page["measured"]
        )
        page["forecasts"] = _forecasts(connection, services, stream, page["baseline"])
        page["expectations"] = expectation_rows.of_measurements(
            page["measured"], current_definitions.of_stream(connection, stream).expectations_at(now)
        )
        page["sample"] = services.client(client).sample(model)
    has_sent = stored is not None
    return rendering.page("staff_model.html", visitor=visitor, held=held, has_sent=has_sent, **page)


def _forecasts(
    connection: Connection, services: Services, stream: Stream, baseline: Baseline | None
) -> forecast_rows.ForecastView:
    """The forecasts of the last day; empty if none are configured, or their counts cannot be read."""
    with services.store.faults.isolate("forecasts", str(stream)):
        if (stream.client, stream.model) in services.metrics.forecasts:
            declared, base = current_definitions.of_stream(connection, stream), services.base_seconds

            def subject(window: Window, profile: Profile) -> Subject:
                return Subject(stream, window, profile, baseline, services.metrics, declared=declared)

            rolling = Rolling(connection, base, settled=float("inf"))
            return forecast_rows.of_stream(rolling, subject, stream, services.clock.now(), base)
    return forecast_rows.ForecastView()


class Readable:
    """The parts of a page about a stream. A part whose stored rows are unreadable is omitted, with a note."""

    def __init__(self, faults: Faults, stream: Stream) -> None:
        self._faults, self._stream = faults, stream
        self.notes: list[str] = []

    def part(self, name: str, read: Callable[[], T]) -> T | None:
        """The result of `read`; None if it is unreadable."""
        with self._faults.isolate(name, str(self._stream)):
            return read()
        self.note(name)
        return None

    def note(self, name: str) -> None:
        """Note on the page that a part is missing."""
        self.notes.append(f"{name}: not measured: the stored row cannot be read")


def _page(
    connection: Connection,
    services: Services,
    stream_figures: StreamFigures,
    of_stream: list[Alert],
    shown: TimeRange,
) -> dict[str, Any]:
    stream, now = stream_figures.stream, services.clock.now()
    hour = measurements.latest(connection, stream, HOUR)
    latest = hour or measurements.latest(connection, stream, services.base_seconds)
    target_periods = targets.current(connection, stream.client).get(stream, ())
    compared, base = compared_window(shown), services.base_seconds
    read = Readable(services.store.faults, stream)
    # One for the whole page, which keeps every sum: they are of one snapshot, and nothing stores them.
    rolling = Rolling(connection, base, settled=float("inf"))
    if not stream_figures.first_received:
        read.note("rows")
    pair = read.part("baseline", lambda: distributions.of_stream(connection, stream, compared, rolling))
    baseline, compared_columns = pair or (None, [])
    parts = _parts(connection, read, rolling, stream, baseline, now, base)
    notes = read.part("notes", lambda: status.notes(connection, stream_figures, base, hour, now)) or []
    causes = [*_of_targets(target_periods), *_of_configuration(services, stream)]
    unjudged = read.part("rules", lambda: _unjudged(connection, services, stream, hour)) or []
    return (
        parts
        | _SHOWING
        | {
            "stream": stream,
            "home": address(stream),
            "feature_address": address_of,
            "known": stream_figures,
            "health": health_of(services, stream_figures, of_stream, now, target_periods).health,
            "alerts": sorted(of_stream, key=_urgency),
            "standing": target_periods,
            "measured": latest,
            "listed": _listed(latest),
            "notes": [*causes, *notes, *unjudged, *read.notes],
            "baseline": baseline,
            "compared": compared,
            "distributions": [(one, distributions.draw(one)) for one in compared_columns[:MOST_DRAWN]],
            "left_out": max(0, len(compared_columns) - MOST_DRAWN),
            "can_report": services.drilldowns is not None,
            "runbook": services.runbook,
            "now": now,
        }
    )


def _unjudged(
    connection: Connection, services: Services, stream: Stream, hour: Sequence[Measurement]
) -> list[str]:
    """The rules that cannot be evaluated, with what they need."""
    base = services.base_seconds
    minute = measurements.latest(connection, stream, base)
    return rules_unjudged(services.rules(), stream, minute, hour, base, services.clock.now())


def _of_targets(periods: Sequence[TargetPeriod]) -> list[str]:
    """The targets that are missed or may be: they make the state of the model."""
    urgent = (agreed_targets.Standing.MISSED, agreed_targets.Standing.AT_RISK)
    return [
        f"target {agreed_targets.summary(one)}"
        for one in agreed_targets.by_urgency(periods)
        if one.standing in urgent
    ]


def _parts(
    connection: Connection,
    read: Readable,
    rolling: Rolling,
    stream: Stream,
    baseline: Baseline | None,
    now: float,
    base: int,
) -> dict[str, Any]:
    """The sections of a page that are read separately, each empty if it is unreadable."""
    return {
        "others": _other_environments(connection, stream),
        "versions": read.part("versions", lambda: version_rows.of_stream(connection, stream)) or [],
        "failures": read.part("failures", lambda: errors.of_stream(rolling, stream, now, base))
        or errors.nothing(now),
        "drift": read.part("drift", lambda: drift.of_stream(connection, stream)) or drift.DriftView(),
        "signals": read.part("signals", lambda: signal_rows.of_stream(rolling, stream, baseline, now, base)),
        "refused": read.part("refused", lambda: quarantine.of_stream(connection, stream, now))
        or quarantine.QuarantineView(),
    }


def _other_environments(connection: Connection, stream: Stream) -> list[str]:
    known = streams.streams(connection)
    return sorted(
        one.environment
        for one in known
        if (one.client, one.model) == (stream.client, stream.model) and one != stream
    )


def _of_configuration(services: Services, stream: Stream) -> list[str]:
    """Notes on a stream's configuration."""
    notes, sample = (
        status.unknown_model(stream, services.models),
        services.client(stream.client).sample(stream.model),
    )
    if not sample:
        return notes
    return [
        *notes,
        f"all counts, rates per second and sums (such as costs) of predictions are {sample} and not scaled up; shares, "
        "means, latencies and drift describe all calls if the sample is drawn at random",
    ]


def compared_window(shown: TimeRange) -> Window:
    """The whole hours over which inputs are compared with the baseline."""
    aligned = TimeRange(shown.start, shown.end, HOUR).aligned(HOUR)
    start = aligned.start if aligned.seconds <= COMPARED + HOUR else aligned.end - 24 * HOUR
    return Window(int(start), int(aligned.end))


def _listed(latest: Sequence[Measurement]) -> list[Measurement]:
    """The measurements of the whole stream, its versions, segments and classes; those of features have a page each."""
    whole = [one for one in latest if not any(name in _OF_INPUTS for name, _ in one.labels)]
    return sorted(whole, key=lambda one: (one.metric, one.labels))


def _urgency(alert: Alert) -> tuple[bool, bool, int, str]:
    is_recovering = alert.state is State.RECOVERING
    return not alert.is_open, is_recovering, list(Severity).index(alert.severity), alert.rule


def _figure(value: float | None, unit: str) -> str:
    return wording.NOTHING if value is None else with_unit(value, unit)


_SHOWING = {"as_it_came": quarantine.record, "iso": iso, "figure": _figure, "with_unit": with_unit}
"""How the template writes records, times and figures."""
HANDLERS = (model,)
