"""All features of a model as one table: drift, PSI, mean shift, missing values, importance and distribution."""

from typing import Any

from litestar import Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from markupsafe import Markup

from monitor.clock import iso
from monitor.records import Stream
from monitor.store import streams
from monitor.web import services as web_services
from monitor.web.auth import session
from monitor.web.pages import rendering
from monitor.web.pages.charts import distributions
from monitor.web.pages.features import feature_query, feature_rows
from monitor.web.pages.features.feature_rows import FeatureRow
from monitor.web.pages.overview.page import address
from monitor.windows import baseline as baselines
from monitor.windows.baseline import Baseline
from monitor.windows.profile import Profile
from monitor.windows.rolling import Rolling


@get(
    "/staff/m/{client:str}/{model:str}/{environment:str}/features",
    sync_to_thread=True,
    include_in_schema=False,
)
def features(
    request: Request[Any, Any, Any], client: FromPath[str], model: FromPath[str], environment: FromPath[str]
) -> Response[str]:
    """The table of features of one model."""
    visitor = session.staff_of(request, client)
    services, stream = web_services.of(request), Stream(client, model, environment)
    query = feature_query.parse(request.query_params)
    with services.store.read() as connection:
        if streams.figures(connection, stream) is None:
            raise NotFoundException
        baseline = baselines.load(connection, stream)
        importance = feature_rows.importance_of(connection, stream, baseline, services.importance)
        rows, window, decided = feature_rows.read(connection, stream, baseline, importance)
        matching = feature_query.ordered(feature_query.matching(rows, query), query.sort)
        shown = feature_query.page_of(matching, query.page)
        profile = None
        if window is not None:
            # `settled` is minus infinity, so that a page view never writes.
            rolling = Rolling(connection, services.base_seconds, settled=float("-inf"))
            profile = rolling.profile(stream, window)
    pages = max(1, -(-len(matching) // feature_query.PER_PAGE))
    numbers = [str(number) for number in range(1, pages + 1)]
    return rendering.page(
        "staff_features.html",
        visitor=visitor,
        stream=stream,
        home=address(stream),
        query=query,
        rows=[(row, _drawn(row, baseline, profile)) for row in shown],
        total=len(rows),
        matching=len(matching),
        drifted=sum(row.is_drifted for row in rows),
        window=window,
        decided=decided,
        baseline=baseline,
        with_importance=bool(importance.values),
        importance=importance,
        sorts=feature_query.SORTS,
        shown_only=feature_query.SHOWN,
        pages=[(one, query.having(page=one)) for one in (*numbers, feature_query.ALL)] if pages > 1 else [],
        iso=iso,
        now=services.clock.now(),
    )


def _drawn(row: FeatureRow, baseline: Baseline | None, profile: Profile | None) -> Markup | str:
    """The distribution in the baseline and in the window; empty without rows."""
    if baseline is None or profile is None or profile.layout.id != baseline.layout.id or not profile.rows:
        return ""
    compared = distributions.compare(row.column, baseline.profile.overall, profile.overall)
    return "" if compared is None else distributions.mini(compared)


HANDLERS = (features,)
