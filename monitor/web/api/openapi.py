"""The OpenAPI document of the JSON API, generated from the handlers."""

import inspect
import re
from collections.abc import Sequence
from typing import Any

import msgspec
from litestar.handlers import HTTPRouteHandler

_PARAMETERS = {
    "most": "The largest number of items in the response.",
    "before": "The number of the last item of the page before; 0 for the newest.",
    "client": "The client's key.",
    "model": "The model's name.",
    "metric": "A metric's name; docs/metrics.md lists them.",
    "environment": "development, staging or production.",
    "window": "The length of the windows in seconds: a base window or 3600.",
    "of": "Labels of the measurement, such as feature=amount,version=7.",
    "from": "Start: seconds or milliseconds since the epoch, ISO 8601, now-6h.",
    "to": "End, in the same formats.",
    "span": "Instead of from and to: 3h, 24h, 7d or 30d.",
}
_WITH_TIMES = "course"
_ERROR = {
    "type": "object",
    "properties": {"error": {"type": "string"}, "hint": {"type": "string"}},
    "required": ["error", "hint"],
}
_ERROR_RESPONSES = {
    "400": "The request is invalid.",
    "404": "Not found, or you have no access.",
    "429": "Too many requests from this address.",
}


def paths(handlers: Sequence[HTTPRouteHandler]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The operations of handlers by path, and the schemas that they reference."""
    return_types = [handler.parsed_fn_signature.return_type.annotation for handler in handlers]
    schemas, components = msgspec.json.schema_components(
        return_types, ref_template="#/components/schemas/{name}"
    )
    operations = {}
    for handler, schema in zip(handlers, schemas, strict=True):
        path = re.sub(r"\{(\w+):\w+\}", r"{\1}", next(iter(handler.paths)))
        operations[path] = {"get": _operation(handler, path, schema)}
    return operations, components


def document(
    operations_and_schemas: tuple[dict[str, Any], dict[str, Any]], version: str, root: str = ""
) -> dict[str, Any]:
    """Return the OpenAPI document of an API whose paths start with `root`."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Watchkeeper", "version": version, "description": "Reads only. See docs/api.md."},
        "servers": [{"url": root or "/"}],
        "paths": operations_and_schemas[0],
        "components": {
            "schemas": operations_and_schemas[1] | {"Error": _ERROR},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"key": []}],
    }


def _operation(handler: HTTPRouteHandler, path: str, schema: dict[str, Any]) -> dict[str, Any]:
    name = handler.fn.__name__
    signature = inspect.signature(handler.fn).parameters.values()
    inputs = [parameter for parameter in signature if parameter.name != "request"]
    parameters = [_parameter(parameter.name, path, parameter.default) for parameter in inputs]
    if name == _WITH_TIMES:
        parameters += [_parameter(key, path, "") for key in ("from", "to", "span")]
    errors: dict[str, Any] = {
        code: {
            "description": text,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
        }
        for code, text in _ERROR_RESPONSES.items()
    }
    success = {"description": "The response.", "content": {"application/json": {"schema": schema}}}
    return {
        "operationId": name,
        "summary": inspect.getdoc(handler.fn) or "",
        "parameters": parameters,
        "responses": {"200": success} | errors,
    }


def _parameter(name: str, path: str, default: Any) -> dict[str, Any]:
    is_in_path = f"{{{name}}}" in path
    schema: dict[str, Any] = {"type": "integer" if isinstance(default, int) else "string"}
    if not is_in_path and default != "":
        schema["default"] = default
    location = "path" if is_in_path else "query"
    return {
        "name": name,
        "in": location,
        "required": is_in_path,
        "description": _PARAMETERS[name],
        "schema": schema,
    }
