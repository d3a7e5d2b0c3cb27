"""The OpenAPI document of the JSON API, generated from the handlers."""

import inspect
import re
from collections.abc import Sequence
from typing import Any

import msgspec
from litestar.handlers import HTTPRouteHandler

from monitor.web.api.change import PREFIX, Change, Nothing

_PARAMETERS = {
    "most": "The largest number of items in the response.",
    "before": "The number of the last item of the page before; 0 for the newest.",
    "client": "The client's key.",
    "resolved": "Whether to include resolved alerts.",
    "identity": "The id.",
    "model": "The model's name.",
    "metric": "A metric's name; docs/metrics.md lists them.",
    "environment": "development, staging or production.",
    "window": "The length of the windows in seconds: a base window or 3600.",
    "of": "Labels of the measurement, such as feature=amount,version=7.",
    "from": "Start: seconds or milliseconds since the epoch, ISO 8601, now-6h.",
    "to": "End, in the same formats.",
    "name": "An alert's id, a rule, client/model, or client/model/rule.",
    "offset": "The number of entries to leave out.",
    "canary": "The new version.",
    "version": "The version.",
    "who": "A part of the name of whoever did it.",
    "since": "Seconds since the epoch.",
    "kind": "daily or weekly.",
    "period": "A month (2026-10) or a week (2026-W43); the last month if empty.",
    "span": "Instead of from and to: 3h, 24h, 7d or 30d.",
}
_WITH_TIMES = "course"
_KINDS = {bool: "boolean", int: "integer", float: "number"}
"""The type of a parameter by that of its default; a bool is an int, too."""
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
_ERRORS_OF_CHANGES = {
    "401": "The key is missing, or not valid.",
    "403": "The key has not the role.",
    "503": "The database, or its audit log, cannot be written.",
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


def changes(described: Sequence[Change[Any]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The operations of changes by path, and the schemas that they reference."""
    types = [kind for change in described for kind in (change.body, change.answer)]
    schemas, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    operations = {}
    for place, change in enumerate(described):
        path = re.sub(r"\{(\w+):\w+\}", r"{\1}", f"{PREFIX}/{change.path}")
        operations[path] = {"post": _change(change, *schemas[2 * place : 2 * place + 2])}
    return operations, components


def document(
    described: Sequence[tuple[dict[str, Any], dict[str, Any]]], version: str, root: str = ""
) -> dict[str, Any]:
    """The OpenAPI document of an API whose paths start with `root`, of operations with their schemas."""
    paths: dict[str, Any] = {}
    for one, _ in described:
        for path, operations in one.items():
            paths[path] = paths.get(path, {}) | operations
    schemas = {name: schema for _, one in described for name, schema in one.items()}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Watchkeeper", "version": version, "description": "See docs/api.md."},
        "servers": [{"url": root or "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas | {"Error": _ERROR},
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
    return {
        "operationId": name,
        "summary": inspect.getdoc(handler.fn) or "",
        "parameters": parameters,
        "responses": {"200": _json("The response.", schema)} | _errors(_ERROR_RESPONSES),
    }


def _change(change: Change[Any], body: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": change.make.__name__,
        "summary": inspect.getdoc(change.make) or "",
        "description": f"Needs a key of kind staff with the role {change.role}.",
        "parameters": [_parameter("identity", "{identity}", "")] if "{" in change.path else [],
        "responses": {"200": _json("The response.", answer)} | _errors(_ERROR_RESPONSES | _ERRORS_OF_CHANGES),
    }
    if change.body is not Nothing:
        operation["requestBody"] = _json("What to change.", body) | {"required": True}
    return operation


def _json(text: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": text, "content": {"application/json": {"schema": schema}}}


def _errors(responses: dict[str, str]) -> dict[str, Any]:
    return {code: _json(text, {"$ref": "#/components/schemas/Error"}) for code, text in responses.items()}


def _parameter(name: str, path: str, default: Any) -> dict[str, Any]:
    is_in_path = f"{{{name}}}" in path
    kind = next((word for of, word in _KINDS.items() if isinstance(default, of)), "string")
    schema: dict[str, Any] = {"type": kind}
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
