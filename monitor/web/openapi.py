"""The JSON API described for programs: an OpenAPI document made of the handlers themselves."""

import inspect
import re
from collections.abc import Sequence
from typing import Any

import msgspec
from litestar.handlers import HTTPRouteHandler

_PARAMETERS = {
    "client": "The client's key.",
    "model": "The model's name.",
    "metric": "A metric's name, as docs/metrics.md lists them.",
    "environment": "development, staging or production.",
    "window": "The length of the windows in seconds: a base window or 3600.",
    "of": "Labels of the measurement, such as feature=amount,version=7.",
    "from": "Begin: seconds or milliseconds since the epoch, ISO 8601, now-6h.",
    "to": "End, likewise.",
    "span": "Instead of both: 3h, 24h, 7d or 30d.",
}
_WITH_TIMES = "course"
_ERROR = {
    "type": "object",
    "properties": {"error": {"type": "string"}, "hint": {"type": "string"}},
    "required": ["error", "hint"],
}
_REFUSALS = {
    "400": "The request cannot be understood.",
    "404": "There is no such thing, or it is not for you.",
    "429": "Too many requests from this address.",
}


def paths(handlers: Sequence[HTTPRouteHandler]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The operations of handlers by path, and the schemas that they refer to."""
    answers = [handler.parsed_fn_signature.return_type.annotation for handler in handlers]
    schemas, components = msgspec.json.schema_components(answers, ref_template="#/components/schemas/{name}")
    found = {}
    for handler, schema in zip(handlers, schemas, strict=True):
        path = re.sub(r"\{(\w+):\w+\}", r"{\1}", next(iter(handler.paths)))
        found[path] = {"get": _operation(handler, path, schema)}
    return found, components


def document(found: tuple[dict[str, Any], dict[str, Any]], version: str) -> dict[str, Any]:
    """The document."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Watchkeeper", "version": version, "description": "Reads only. See docs/api.md."},
        "paths": found[0],
        "components": {
            "schemas": found[1] | {"Error": _ERROR},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"key": []}],
    }


def _operation(handler: HTTPRouteHandler, path: str, schema: dict[str, Any]) -> dict[str, Any]:
    name = handler.fn.__name__
    signature = inspect.signature(handler.fn).parameters.values()
    inputs = [one for one in signature if one.name != "request"]
    parameters = [_parameter(one.name, path, one.default) for one in inputs]
    if name == _WITH_TIMES:
        parameters += [_parameter(key, path, "") for key in ("from", "to", "span")]
    refused: dict[str, Any] = {
        code: {
            "description": text,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
        }
        for code, text in _REFUSALS.items()
    }
    told = {"description": "The answer.", "content": {"application/json": {"schema": schema}}}
    return {
        "operationId": name,
        "summary": inspect.getdoc(handler.fn) or "",
        "parameters": parameters,
        "responses": {"200": told} | refused,
    }


def _parameter(name: str, path: str, default: Any) -> dict[str, Any]:
    inside = f"{{{name}}}" in path
    schema: dict[str, Any] = {"type": "integer" if isinstance(default, int) else "string"}
    if not inside and default != "":
        schema["default"] = default
    place = "path" if inside else "query"
    return {"name": name, "in": place, "required": inside, "description": _PARAMETERS[name], "schema": schema}
