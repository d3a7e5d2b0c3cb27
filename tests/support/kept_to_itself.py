"""The headers that every answer of a daemon with TLS has, by which browsers and caches keep it to itself."""

import re
from http.client import HTTPResponse

from werkzeug.http import parse_options_header

NO_REQUEST = (400, 408, 431)
"""Answers to what is no HTTP, without the headers of all others: they hold nothing."""
BODILESS = (204, 303, 304)
"""Answers without a body, so without a type."""
ALWAYS = {
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
    "cross-origin-resource-policy": "same-origin",
    "strict-transport-security": "max-age=31536000; includeSubDomains",
}
"""Headers of every answer of a daemon with TLS."""
OF_PAGES = {"referrer-policy": "no-referrer", "cross-origin-opener-policy": "same-origin"}
"""Those that mean something for pages only: answers of the ingest, which are JSON, do without."""
OWN_FILES_ONLY = {
    "default-src": {"'none'"},
    **{name: {"'self'"} for name in ("style-src", "script-src", "img-src", "connect-src", "form-action")},
    "base-uri": {"'none'"},
    "frame-ancestors": {"'none'"},
}
"""What a page may load, run, send to and be shown by."""
NOTHING = {name: {"'none'"} for name in ("default-src", "base-uri", "frame-ancestors")}
"""What JSON may load, if a browser should ever show it."""


def check_kept_to_itself(answer: HTTPResponse, method: str, target: str) -> None:
    """An answer is read as what it is, loads nothing from elsewhere, and is kept by nobody."""
    held = answer.headers
    if "x-content-type-options" not in held and method not in ("GET", "POST"):
        assert answer.status in NO_REQUEST, (method, target[:200])
        return
    assert {name: held[name] for name in ALWAYS} == ALWAYS, target[:200]
    policy = _policy(held["content-security-policy"])
    is_data = policy == NOTHING and held.get("content-type", "application/json") == "application/json"
    is_page = policy == OWN_FILES_ONLY and {name: held[name] for name in OF_PAGES} == OF_PAGES
    assert is_data or is_page, (target[:200], policy, held.get("content-type"))
    assert not [name for name in held if name.lower().startswith("access-control-")], target[:200]
    assert re.match(r"/(?![/\\])", held.get("location", "/")), (held["location"], target[:200])
    kind = held.get("content-type", "")
    assert kind or answer.status in BODILESS or answer.length == 0, (method, target[:200])
    if kind.startswith("text/csv"):
        disposition, parameters = parse_options_header(held["content-disposition"])
        assert disposition == "attachment", (held["content-disposition"], target[:200])
        assert parameters["filename"], (held["content-disposition"], target[:200])
    assert not kind.startswith("text/") or "charset=utf-8" in kind.lower(), (kind, target[:200])


def _policy(header: str) -> dict[str, set[str]]:
    """The directives of a Content-Security-Policy."""
    parts = [part.split() for part in header.split(";")]
    assert len({name for name, *_ in parts}) == len(parts), header
    return {name: set(values) for name, *values in parts}
