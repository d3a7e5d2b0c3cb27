"""What of a request and its answer becomes a prediction."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any, Callable, Union

from watchkeeper_client.integrations.paths import MISSING, Path
from watchkeeper_client.problems import ERROR, Problems, log

LARGEST_BODY = 1_048_576
"""Bytes: of a larger request or answer nothing is read but how long it took."""
FIELDS = (
    "id", "features", "prediction", "confidence", "probabilities", "attributions", "ranking", "predicted_labels",
    "outputs", "segments", "version",
    "automated", "cost", "timestamp",
)  # fmt: skip
Document = dict[str, Any]
"""`request`, `response`: the bodies, read as JSON; `headers` of the request by lower-case name; `path`; `status`."""
Rule = Union[str, Callable[[Document], Any]]
GROUPS = ("features", "segments", "probabilities", "attributions", "outputs")
"""Fields of names with values: each value may have a rule of its own."""


class Payload:
    """Where the fields of a prediction stand in a request and its answer.

    Each field is a path (`$.request.inputs`, `$.response.label`), a function of the document, or for fields such as
    `features` and `segments` a dictionary of these by name. A path with `[*]` makes one prediction of each element;
    paths without it then hold for all of them. Functions run in the sending thread; where one raises, its field is left
    out. What is no field or no path is logged and left out.
    """

    def __init__(self, **fields: Rule | Mapping[str, Rule]) -> None:
        self._rules: dict[tuple[str, str], Path | Callable[[Document], Any]] = {}
        self._problems = Problems(time.monotonic)
        for name, field in fields.items():
            try:
                if name not in FIELDS:
                    raise ValueError(f"a prediction has no {name}; its fields are {', '.join(FIELDS)}")
                rules = field if isinstance(field, Mapping) and name in GROUPS else {"": field}
                self._rules.update({(name, str(inner)): _rule(name, rule) for inner, rule in rules.items()})
            except ValueError as error:
                log(ERROR, f"a payload is read without one of its fields: {error}")

    def rows(self, document: Document) -> list[dict[str, Any]]:
        """The fields of each prediction that the document holds."""
        single: dict[tuple[str, str], Any] = {}
        many: dict[tuple[str, str], list[Any]] = {}
        for place, rule in self._rules.items():
            values = rule.find(document) if isinstance(rule, Path) else self._called(place, rule, document)
            if isinstance(rule, Path) and rule.is_of_rows and values is not MISSING:
                many[place] = values
            elif values is not MISSING and values is not None:
                single[place] = values
        count = max(map(len, many.values())) if many else 1
        return [
            _grouped(
                {**single, **{at: v[row] for at, v in many.items() if row < len(v) and v[row] is not MISSING}}
            )
            for row in range(count)
        ]

    def _called(self, place: tuple[str, str], rule: Callable[[Document], Any], document: Document) -> Any:
        """What a function finds. Of a request that failed there is no answer, which it need not expect."""
        try:
            return rule(document)
        except Exception as error:  # a function of the user's own
            if document["response"] is not None:
                name = ".".join(filter(None, place))
                self._problems.tell(
                    name, f"{name} is left out: its function raised {type(error).__name__}: {error}"
                )
            return MISSING


def _rule(name: str, rule: object) -> Path | Callable[[Document], Any]:
    """A rule that can be used.

    Raises:
        ValueError: it is none.
    """
    if isinstance(rule, str):
        return Path(rule)
    if callable(rule):
        return rule
    more = ", or a dictionary of these" if name in GROUPS else ""
    raise ValueError(
        f"{name} cannot be of type {type(rule).__name__}: give a path such as $.response.label, a function{more}"
    )


def _grouped(values: Mapping[tuple[str, str], Any]) -> dict[str, Any]:
    record: dict[str, Any] = {}
    for (name, inner), value in values.items():
        if inner:
            record.setdefault(name, {})[inner] = value
        else:
            record[name] = value
    return record


class Exchange:
    """A request and its answer as bytes, read by the sending thread."""

    def __init__(
        self,
        payload: Payload,
        base: dict[str, Any],
        request: bytes,
        response: bytes,
        headers: Mapping[str, str],
        path: str,
        status: int,
        error: str = "",
    ) -> None:
        self._payload = payload
        self._base = base
        self._request = request
        self._response = response
        self._headers = headers
        self._path = path
        self._status = status
        self._error = error

    @property
    def weight(self) -> int:
        """Bytes in memory, roughly."""
        return 2_000 + len(self._request) + len(self._response)

    def records(self) -> list[dict[str, Any]]:
        """A record for each prediction; for a request that failed, one with its error."""
        document = {
            "request": _json(self._request),
            "response": None if self._error else _json(self._response),
            "headers": self._headers,
            "path": self._path,
            "status": self._status,
        }
        rows = []
        for rank, row in enumerate(self._payload.rows(document)):
            record = {**self._base, **row}
            if not isinstance(record.get("features", {}), dict):
                record["features"] = _numbered(record["features"])
            if self._error:
                record.pop("prediction", None)
                record["error"] = self._error
            if rank and "id" not in row:
                record["id"] = f"{record['id']}-{rank}"
            rows.append(record)
        return rows


def _numbered(features: Any) -> Any:
    """A row without names, such as `[5.1, 3.5]`: `x0`, `x1`, ..."""
    if isinstance(features, list):
        return {f"x{rank}": value for rank, value in enumerate(features)}
    return {"x0": features}


def _json(body: bytes) -> Any:
    try:
        return json.loads(body) if body else None
    except (ValueError, RecursionError):
        return None
