"""The service reports of a client: the periods that there are, and each as a page that prints on A4."""

from typing import Any
from urllib.parse import quote

from litestar import MediaType, Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery

from monitor.digest.service import page, periods, report
from monitor.errors import InputError
from monitor.health import client_state, locale
from monitor.web import services as web_services
from monitor.web.auth import session
from monitor.web.pages import rendering
from monitor.web.public_path import CURRENT

# The file has its own style and no script; nothing else may be loaded. Its one form signs out.
_POLICY = (
    f"default-src 'none'; style-src '{page.STYLE_HASH}'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)


@get("/c/{key:str}/reports", sync_to_thread=True, include_in_schema=False)
def listing(request: Request[Any, Any, Any], key: FromPath[str]) -> Response[str]:
    """The months and weeks of which there is data."""
    visitor, services = session.reader(request, key), web_services.of(request)
    settings, now = services.client(key), services.clock.now()
    with services.store.read() as connection:
        periods = report.with_data(connection, key, settings, now)
        if not periods and not any(client_state.streams_of(connection, key, settings)):
            raise NotFoundException
    return rendering.page(
        "service_reports.html",
        visitor=visitor,
        client=key,
        name=settings.name or key,
        months=[period for period in periods if period.kind == "monthly"],
        weeks=[period for period in periods if period.kind == "weekly"],
        zone=settings.timezone,
    )


@get("/c/{key:str}/reports/{period:str}", sync_to_thread=True, include_in_schema=False)
def opened(
    request: Request[Any, Any, Any], key: FromPath[str], period: FromPath[str], download: FromQuery[str] = ""
) -> Response[str]:
    """One report; with `download`, as a file."""
    visitor = session.reader(request, key)
    locale.CURRENT.set(locale.of(request.headers.get("accept-language", "")))
    services = web_services.of(request)
    try:
        asked = periods.parse(period)
    except InputError as error:
        raise NotFoundException from error
    with services.store.read() as connection:
        made = report.read(connection, key, services.client(key), asked, services.clock.now())
    if made is None:
        raise NotFoundException
    headers = {"Content-Security-Policy": _POLICY}
    if download:
        headers["Content-Disposition"] = rendering.attachment(page.file_name(key, asked))
    root, is_shown = CURRENT.get(), not download
    back = f"{root}/c/{quote(key, safe='')}/reports" if is_shown else ""
    leave = (f"{root}/leave", visitor.csrf) if is_shown and visitor.secret else None
    content = page.html(made, services.version, back, leave)
    return Response(content, media_type=MediaType.HTML, headers=headers)


HANDLERS = (listing, opened)
