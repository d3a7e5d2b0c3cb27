"""All of the web in one application: what is served where, and what every answer carries."""

from typing import Any

from litestar import Litestar, MediaType, Request, Response
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.types import ExceptionHandlersMap

from monitor.errors import BusyError, InputError, NotFoundError, StoreError, TooLargeError, WatchkeeperError
from monitor.web import assets, exposition, pages, probes, security
from monitor.web.services import Services

_STATUS: tuple[tuple[type[WatchkeeperError], int], ...] = (
    (TooLargeError, 413),
    (InputError, 400),
    (BusyError, 503),
    (NotFoundError, 404),
    (StoreError, 503),
)


def create(services: Services) -> Litestar:
    """The application for a server such as uvicorn."""
    errors: ExceptionHandlersMap = {HTTPException: _http_error, WatchkeeperError: _own_error}
    return Litestar(
        [
            *services.ingest,
            *probes.HANDLERS,
            *assets.HANDLERS,
            *exposition.HANDLERS,
            *pages.HANDLERS,
        ],
        state=State({"services": services}),
        exception_handlers=errors,
        after_request=_harden,
        openapi_config=None,
        logging_config=None,
        debug=False,
    )


async def _harden(response: Response[Any]) -> Response[Any]:
    for name, value in security.headers(is_secure=False).items():
        response.headers.setdefault(name, value)
    return response


def _http_error(request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    if error.status_code == 404 and "text/html" in request.headers.get("accept", ""):
        return pages.door(request)
    return _shape(error.status_code, error.detail, "")


def _own_error(_request: Request[Any, Any, Any], error: WatchkeeperError) -> Response[Any]:
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
    answer = _shape(status, error.message, error.hint)
    if isinstance(error, BusyError):
        answer.headers["Retry-After"] = str(max(1, round(error.retry_after)))
    return answer


def _shape(status: int, message: str, hint: str) -> Response[Any]:
    """Every error of every address has this one shape."""
    return Response({"error": message, "hint": hint}, status_code=status, media_type=MediaType.JSON)
