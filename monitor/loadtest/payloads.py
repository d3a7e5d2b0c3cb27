"""What the calls contain: rows like those of the model's baseline, drawn from its profile. No stored row is sent."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from monitor.anonymisation.from_profile import anonymise_profile
from monitor.errors import InputError
from monitor.visible import visible
from monitor.windows.layout.layout import ColumnKind
from monitor.windows.profile import OVERALL, Profile

ROWS = 2000
"""Rows that are drawn. Calls take them in turn."""
_K = (10, 2)
"""Rows that share a value before it is drawn; the smaller number for baselines of few rows."""
ID_DIGITS = 12
_ID = "$id"
_FEATURES, _FEATURE = "$features", "$features."


@dataclass(frozen=True, slots=True)
class Shape:
    """Drawn rows: `features` (None: missing), `segments`, and the model's `prediction` and `confidence`.

    `left_out` are columns that cannot be drawn, with the reason.
    """

    features: tuple[dict[str, Any], ...]
    segments: tuple[dict[str, str], ...]
    answers: tuple[dict[str, Any], ...]
    left_out: Mapping[str, str]


def of_profile(profile: Profile, seed: int, rows: int = ROWS) -> Shape:
    """Rows drawn from a profile, each column independently. Deterministic for a seed.

    Raises:
        InputError: the profile has too few rows.
    """
    drawn = None
    for k in _K:
        try:
            drawn = anonymise_profile(profile, rows, k=k, seed=seed)
            break
        except InputError:
            continue
    if drawn is None:
        raise InputError("the baseline has too few rows to draw from", hint="watchkeeper baseline set --help")
    kinds = {column.name: column.kind for column in profile.layout.watched}
    columns = {
        name: [_value(kinds.get(name), one) for one in drawn.table.column(name).to_pylist()]
        for name in drawn.table.schema.names
    }
    named = {name.removeprefix("features."): column for name, column in columns.items() if "." in name}
    answers = {name: column for name, column in columns.items() if "." not in name}
    return Shape(
        tuple({name: column[at] for name, column in named.items()} for at in range(rows)),
        _segments(profile, seed, rows),
        tuple({name: column[at] for name, column in answers.items()} for at in range(rows)),
        drawn.left_out,
    )


def _value(kind: ColumnKind | None, value: Any) -> Any:
    if kind is ColumnKind.BOOLEAN and value is not None:
        return str(value).lower() in ("true", "1", "1.0")
    if isinstance(value, float) and kind is ColumnKind.INTEGER:
        return int(value)
    return value


def _segments(profile: Profile, seed: int, rows: int) -> tuple[dict[str, str], ...]:
    """Values of segments by their shares, each segment by itself."""
    rng = np.random.default_rng([seed, 1])
    by_segment: dict[str, dict[str, int]] = {}
    for key, part in profile.slices.items():
        if key != OVERALL and key[0] != "version" and part.rows:
            by_segment.setdefault(key[0], {})[key[1]] = part.rows
    drawn = {}
    for name, counts in by_segment.items():
        shares = np.array(list(counts.values()), float)
        drawn[name] = rng.choice(list(counts), rows, p=shares / shares.sum())
    return tuple({name: str(column[at]) for name, column in drawn.items()} for at in range(rows))


def bodies(made: Callable[[int], Any]) -> Callable[[int], bytes]:
    """The body of call i: `made(row)` as JSON, made once for each row, with an id of its own in place of `$id`."""
    parts: dict[int, list[bytes]] = {}
    mark = json.dumps(_ID).encode()

    def body(number: int) -> bytes:
        row = number % ROWS
        if row not in parts:
            parts[row] = json.dumps(made(row), ensure_ascii=False, allow_nan=False).encode().split(mark)
        pieces = parts[row]
        if len(pieces) == 1:
            return pieces[0]
        ids = [b'"loadtest-%0*d-%d"' % (ID_DIGITS, number, at) for at in range(len(pieces) - 1)]
        return b"".join(x for pair in zip(pieces, [*ids, b""], strict=True) for x in pair)

    return body


def filled(template: Any, shape: Shape) -> Callable[[int], Any]:
    """A function from a row to the template of a request with its values.

    `"$features"` becomes the object of all features, `"$features.amount"` one value, `"$id"` an id.

    Raises:
        InputError: the template names a feature that the baseline does not have.
    """
    known = shape.features[0].keys()
    for name in _named(template):
        if name not in known:
            hint = f"it has {', '.join(visible(one) for one in list(known)[:10])}"
            raise InputError(
                f"the template names the feature {visible(name)!r}, which is not drawn", hint=hint
            )
    return lambda row: _filled(template, shape.features[row])


def _named(node: Any) -> Sequence[str]:
    if isinstance(node, dict):
        return [name for value in node.values() for name in _named(value)]
    if isinstance(node, list):
        return [name for value in node for name in _named(value)]
    is_feature = isinstance(node, str) and node.startswith(_FEATURE)
    return [node.removeprefix(_FEATURE)] if is_feature else []


def _filled(node: Any, features: Mapping[str, Any]) -> Any:
    if isinstance(node, dict):
        return {name: _filled(value, features) for name, value in node.items()}
    if isinstance(node, list):
        return [_filled(value, features) for value in node]
    if node == _FEATURES:
        return features
    if isinstance(node, str) and node.startswith(_FEATURE):
        return features[node.removeprefix(_FEATURE)]
    return node
