"""Templates to pages."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import MediaType, Response

from monitor.web.assets import ASSETS

TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)
TEMPLATES.globals["assets"] = ASSETS


def page(template: str, status: int = 200, **values: object) -> Response[str]:
    """A page."""
    text = TEMPLATES.get_template(template).render(**values)
    return Response(text, media_type=MediaType.HTML, status_code=status)
