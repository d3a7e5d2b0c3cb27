"""The pages that clients read."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import MediaType, Request, Response, get
from litestar.exceptions import NotFoundException
from markupsafe import Markup

from monitor.clock import iso
from monitor.health import reading, wording
from monitor.health.settings import ClientSettings
from monitor.health.verdict import ClientHealth, Health, ModelHealth
from monitor.web import charts
from monitor.web import services as surroundings
from monitor.web.assets import ASSETS

TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.globals["assets"] = ASSETS


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of a page, with what it is held against."""

    label: str
    value: str
    note: str = ""
    tone: str = ""


def render(template: str, **values: object) -> Response[str]:
    """A page."""
    text = TEMPLATES.get_template(template).render(**values)
    return Response(text, media_type=MediaType.HTML)


def door(request: Request[Any, Any, Any]) -> Response[Any]:
    """What a stranger sees at any address, whether or not something is there."""
    path = request.url.path
    answer = render("door.html", next=path if path.startswith("/c/") else "", staff=False)
    answer.status_code = 404
    return answer


@get("/c/{key:str}/", sync_to_thread=True, include_in_schema=False)
def client_page(request: Request[Any, Any, Any], key: str) -> Response[str]:
    """A client's models at one glance."""
    services = surroundings.of(request)
    settings = services.client(key)
    with services.store.read() as connection:
        health = reading.client(connection, key, settings, services.clock.now())
    if health is None:
        raise NotFoundException
    return render("client.html", page=_client_view(health, settings))


def _client_view(health: ClientHealth, settings: ClientSettings) -> dict[str, object]:
    zone, now = settings.zone, health.now
    newest = max((model.last_received for model in health.models if model.last_received), default=None)
    return {
        "client": health.client,
        "name": health.name,
        "headline": health.headline,
        "health": health.health,
        "lines": [model.sentence for model in health.models if model.health is not Health.WORKING][:3],
        "now": f"{wording.day(now, zone)} {wording.clock(now, zone)}",
        "now_iso": iso(now),
        "data_until": "no data yet" if newest is None else f"data to {wording.moment(newest, zone, now)}",
        "figures": [
            Figure("Data freshness", wording.NOTHING if newest is None else wording.span(now - newest))
        ],
        "models": [_model_row(model) for model in health.models],
        "incidents": [],
        "contact": settings.contact,
        "zone": wording.clock(now, zone).split()[-1],
    }


def _model_row(model: ModelHealth) -> dict[str, object]:
    quality = model.quality
    return {
        "key": model.stream.model,
        "title": model.title,
        "health": model.health,
        "quality": wording.NOTHING if quality is None else quality.shown,
        "change": wording.NOTHING,
        "decisions": wording.count(model.decisions),
        "strip": charts.strip([day.health.value for day in model.days], model.strip)
        if model.days
        else Markup(""),
        "strip_words": model.strip,
    }


HANDLERS = (client_page,)
