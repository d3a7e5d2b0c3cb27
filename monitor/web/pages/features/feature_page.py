"""One feature for engineers: its distribution before and now, quantiles, course, versions, and what moved in words."""

from dataclasses import dataclass
from typing import Any

from litestar import Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from sqlalchemy import Connection

from monitor.clock import iso
from monitor.config.units import HOUR
from monitor.records import Stream, Window, labels
from monitor.rules.language.wording import figure as with_unit
from monitor.store import drift, measurements, streams, timeseries
from monitor.web import services as web_services
from monitor.web.api import time_range
from monitor.web.api.time_range import TimeRange
from monitor.web.auth import session
from monitor.web.pages import rendering
from monitor.web.pages.charts import distributions, svg
from monitor.web.pages.charts.distributions import Distribution
from monitor.web.pages.charts.series import SPANS
from monitor.web.pages.charts.svg import Chart, Curve
from monitor.web.pages.features import by_segment, feature_rows, quantile_table
from monitor.web.pages.features.by_segment import SegmentRow
from monitor.web.pages.features.quantile_table import Compared
from monitor.web.pages.model import metric_chart
from monitor.web.pages.model.charts_view import marks_of
from monitor.web.pages.model.engineer import compared_window
from monitor.web.pages.model.linked_charts import LEAST_SHARE, POINTS
from monitor.web.pages.model.metric_chart import DrawnChart
from monitor.web.pages.overview.page import address
from monitor.web.services import Services
from monitor.windows import baseline as baselines
from monitor.windows.baseline import Baseline
from monitor.windows.layout.layout import Column
from monitor.windows.profile import Profile
from monitor.windows.rolling import Rolling

CHARTED = (
    ("psi", "PSI against the baseline", "psi"),
    ("mean_shift", "Shift of the mean, in standard deviations", "mean_shift"),
    ("missing_share", "Share of missing values", "error_rate"),
    ("new_category_share", "Share of new categories", "error_rate"),
)
"""The metrics that are drawn, their titles, and the metric in whose way their values are written."""
MOST_VERSIONS, MOST_VERDICTS, MOST_CHANGES = 10, 10, 5


@dataclass(frozen=True, slots=True)
class FeatureVersionRow:
    """A feature in the predictions of one version: rows, share of missing values, and distance from the baseline (total
    variation, 0 to 1).
    """

    version: str
    rows: float
    missing: float
    distance: float


@get(
    "/staff/m/{client:str}/{model:str}/{environment:str}/features/{feature:str}",
    sync_to_thread=True,
    include_in_schema=False,
)
def one_feature(
    request: Request[Any, Any, Any],
    client: FromPath[str],
    model: FromPath[str],
    environment: FromPath[str],
    feature: FromPath[str],
) -> Response[str]:
    """The page of one feature."""
    visitor = session.staff_of(request, client)
    services, stream = web_services.of(request), Stream(client, model, environment)
    zone = services.client(client).zone
    asked = request.query_params
    named = any(asked.get(name) for name in ("span", "from", "to"))
    shown = time_range.time_range_of(asked if named else {"span": "7d"}, services.clock.now(), zone)
    with services.store.read() as connection:
        if streams.figures(connection, stream) is None:
            raise NotFoundException
        baseline = baselines.load(connection, stream)
        column = _column(baseline, feature)
        if baseline is None or column is None:
            raise NotFoundException
        page = _compared(connection, services, stream, baseline, column, shown)
        page |= _charts(connection, services, stream, column, shown)
    return rendering.page("staff_feature.html", visitor=visitor, stream=stream, home=address(stream), **page)


def _column(baseline: Baseline | None, asked: str) -> Column | None:
    if baseline is None:
        return None
    columns = feature_rows.columns_of(baseline)
    return next(
        (column for column in columns if feature_rows.address_of(feature_rows.name_of(column)) == asked), None
    )


def _compared(
    connection: Connection,
    services: Services,
    stream: Stream,
    baseline: Baseline,
    column: Column,
    shown: TimeRange,
) -> dict[str, Any]:
    """The feature in the baseline and over the range."""
    window = compared_window(shown)
    # `settled` is minus infinity, so that a page view never writes.
    rolling = Rolling(connection, services.base_seconds, settled=float("-inf"))
    profile = rolling.profile(stream, window)
    is_same = profile.layout.id == baseline.layout.id and profile.rows > 0
    compared = distributions.compare(column, baseline.profile.overall, profile.overall) if is_same else None
    decided = feature_rows.drift_now(connection, stream)
    quantiles = (
        quantile_table.table(
            baseline.profile.overall.column(column.name), profile.overall.column(column.name)
        )
        if compared is not None
        else []
    )
    return {
        "name": feature_rows.name_of(column),
        "kind": column.kind.value if column.feature else f"output, {column.kind.value}",
        "window": window,
        "compared": compared,
        "drawn": distributions.draw(compared) if compared is not None else "",
        "quantiles": quantiles,
        "moved": _moved(compared, quantiles),
        "versions": _versions(column, baseline, profile) if compared is not None else [],
        "segments": _segments(rolling, stream, baseline, column, window, profile) if is_same else [],
        "segment_features": services.segment_features,
        "decided": decided,
        "is_number": not column.labelled,
        "now": services.clock.now(),
        "verdict": feature_rows.verdict_of(column, decided)[1],
        "importance": feature_rows.importance_of(connection, stream, baseline, services.importance).text(
            column.feature
        ),
        **_history(connection, stream, column, shown),
    }


def _history(connection: Connection, stream: Stream, column: Column, shown: TimeRange) -> dict[str, Any]:
    """What was decided about the drift of this column."""
    verdicts = drift.verdicts(connection, stream, shown.start, shown.end)
    mine = [verdict for verdict in verdicts if verdict.column == column.name]
    incidents = [one for one in drift.incidents(connection, stream) if column.name in one.columns]
    return {"verdicts": mine[::-1][:MOST_VERDICTS], "incidents": incidents[:MOST_VERDICTS]}


def _moved(compared: Distribution | None, quantiles: list[Compared]) -> list[str]:
    """What differs from the baseline, in words, largest first."""
    if compared is None:
        return []
    known = {quantile.name: quantile for quantile in quantiles}
    words = []
    mean, deviation = known.get("mean"), known.get("standard deviation")
    if mean is not None and deviation is not None and mean.before is not None and mean.now is not None:
        size = deviation.before
        effect = f" ({feature_rows.deviations((mean.now - mean.before) / size)})" if size else ""
        words.append(f"mean: {mean.before:.4g} before, {mean.now:.4g} now{effect}")
    return words + distributions.changes(compared, MOST_CHANGES)


def _versions(column: Column, baseline: Baseline, profile: Profile) -> list[FeatureVersionRow]:
    """The versions with the most predictions, the farthest from the baseline first."""
    rows = []
    for version, part in profile.versions.items():
        compared = distributions.compare(column, baseline.profile.overall, part)
        if compared is not None and compared.rows:
            missing = part.column(column.name).missing / compared.rows
            rows.append(FeatureVersionRow(version, compared.rows, missing, compared.distance))
    most = sorted(rows, key=lambda one: (-one.rows, one.version))[:MOST_VERSIONS]
    return sorted(most, key=lambda one: (-one.distance, one.version))


def _segments(
    rolling: Rolling, stream: Stream, baseline: Baseline, column: Column, window: Window, profile: Profile
) -> list[SegmentRow]:
    """The segments that moved most, against as much time before."""
    if not any(column.name in part.cells for part in profile.segments.values()):
        return []
    earlier = rolling.profile(stream, Window(window.start - window.seconds, window.start))
    before = earlier if earlier.layout.id == profile.layout.id else None
    return by_segment.rows(column, baseline.profile, before, profile)[:MOST_VERSIONS]


def _charts(
    connection: Connection, services: Services, stream: Stream, column: Column, shown: TimeRange
) -> dict[str, Any]:
    """The figures of the feature over the range, by the hour, and those of the newest hour."""
    zone = services.client(stream.client).zone
    name = feature_rows.name_of(column)
    of = labels(feature=name) if column.feature else labels(output=name)
    hours = TimeRange(shown.start, shown.end, HOUR, shown.key)
    sampler = time_range.sampler(connection, stream, hours, services.base_seconds, POINTS)
    marks = marks_of(connection, stream, sampler.start, sampler.end)
    keys = [(metric, of) for metric, _, _ in CHARTED]
    series = timeseries.load_keys(connection, stream, keys, sampler.base, sampler.start, sampler.end)
    drawn = []
    for metric, title, written in CHARTED:
        one = series[metric, of]
        if not len(one):
            continue
        steps = sampler.steps(one)
        curve = Curve(title, steps.starts, steps.values)
        summary = "by the hour"
        chart = Chart(
            metric, title, summary, written, sampler.start, sampler.end, zone, (curve,), marks=marks, can_zoom=True,
            least_share=LEAST_SHARE,
            floor=None if metric == "mean_shift" else 0.0,
        )  # fmt: skip
        drawn.append(DrawnChart(chart, svg.draw(chart), chart.rows()))
    newest = [one for one in measurements.latest(connection, stream, HOUR) if one.labels == of]
    return {
        "charts": drawn,
        "measured": newest,
        "of": metric_chart.in_address(of),
        "figure": lambda one: feature_rows.figure(one),
        "with_unit": with_unit,
        "shown": shown,
        "spans": [(span.label, f"?span={span.key}", span.key) for span in SPANS],
        "from_field": time_range.local(shown.start, zone),
        "to_field": time_range.local(shown.end, zone),
        "zone": zone.key,
        "iso": iso,
    }


HANDLERS = (one_feature,)
