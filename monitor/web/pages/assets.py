"""Style sheet, scripts and icon, served under names with a digest, so that browsers may cache them forever."""

import hashlib
from pathlib import Path

from litestar import Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

FOLDER = Path(__file__).parent / "static"
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


def _named(path: Path) -> str:
    return f"{path.stem}.{hashlib.sha256(path.read_bytes()).hexdigest()[:10]}{path.suffix}"


ASSETS = {path.name: _named(path) for path in sorted(FOLDER.iterdir()) if path.suffix in _TYPES}
"""File name -> the name it is served under."""
_CONTENTS = {served: (FOLDER / name).read_bytes() for name, served in ASSETS.items()}


@get("/static/{name:str}", sync_to_thread=False, include_in_schema=False)
def asset(name: FromPath[str]) -> Response[bytes]:
    """One file, by the name it is served under."""
    content = _CONTENTS.get(name)
    if content is None:
        raise NotFoundException
    kind = _TYPES[Path(name).suffix]
    return Response(
        content, media_type=kind, headers={"Cache-Control": "public, max-age=31536000, immutable"}
    )


HANDLERS = (asset,)
