"""Two environments of a model side by side, worst first, for engineers."""

from typing import Any

from litestar import Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from monitor.records import Stream
from monitor.releases.parity import compare, report, side
from monitor.store import streams
from monitor.web import services as web_services
from monitor.web.auth import session
from monitor.web.pages import rendering

MOST_ROWS = 5000
"""Rows of each environment that are compared: the page answers within seconds."""
MOST_SEARCHED = 100_000
"""Rows of each environment that are searched for the inputs of the other one."""


@get(
    "/staff/parity/{client:str}/{model:str}/{left:str}/{right:str}",
    sync_to_thread=True,
    include_in_schema=False,
)
def parity(
    request: Request[Any, Any, Any],
    client: FromPath[str],
    model: FromPath[str],
    left: FromPath[str],
    right: FromPath[str],
) -> Response[str]:
    """What differs between two environments."""
    visitor = session.staff_of(request, client)
    services = web_services.of(request)
    pair = [Stream(client, model, environment) for environment in (left, right)]
    with services.store.read() as connection:
        known = any(streams.figures(connection, one) is not None for one in pair)
        if not known or left == right:
            raise NotFoundException
        rules, now = services.rules(), services.clock.now()
        sides = side.load_both(connection, (pair[0], pair[1]), rules, now, MOST_ROWS, MOST_SEARCHED)
    rows = compare.compare(sides[0], sides[1], services.release_policy(pair[1]).parity)
    return rendering.page(
        "staff_parity.html",
        visitor=visitor,
        pair=pair,
        rows=[report.cells(row) for row in rows],
        summary=compare.summary(rows),
        differs=compare.differs(rows),
    )


HANDLERS = (parity,)
