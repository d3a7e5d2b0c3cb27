"""Renders templates to pages."""

import re
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import MediaType, Response

from monitor.web.pages.assets import ASSETS
from monitor.web.public_path import CURRENT

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)
_TEMPLATES.globals["assets"] = ASSETS
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9 !#$&+.^_`|~()@-]")


def attachment(name: str) -> str:
    """The header Content-Disposition for a file to be saved, whatever characters its name has (RFC 6266, RFC 5987)."""
    plain = _NOT_PLAIN.sub("_", name)
    return f'attachment; filename="{plain}"' + (
        "" if plain == name else f"; filename*=UTF-8''{quote(name, safe='')}"
    )


def page(template: str, status: int = 200, **values: object) -> Response[str]:
    """Return a page as a response."""
    return Response(text(template, **values), media_type=MediaType.HTML, status_code=status)


def text(template: str, **values: object) -> str:
    """Return a page as HTML; its links begin with `root`, the public path of the request in progress."""
    return _TEMPLATES.get_template(template).render(root=CURRENT.get(), **values)
