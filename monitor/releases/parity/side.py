"""One environment of a model, as it is compared with another one."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from sqlalchemy import Connection

from monitor.config.units import DAY
from monitor.predictions.log.sampled_rows import sampled_rows
from monitor.predictions.log.stored_rows import decoded
from monitor.records import Stream
from monitor.releases.parity.pairs import with_inputs_of
from monitor.releases.recording.manifest import package
from monitor.rules.rule import Rule, RuleSet
from monitor.store import model_versions, predictions, releases, streams
from monitor.store.releases import Release

PERIOD = 7.0 * DAY
"""Seconds of rows that are compared."""


@dataclass(frozen=True, slots=True, eq=False)
class EnvironmentState:
    """What is known of an environment. `facts` is the newest release's manifest by dotted names, such as
    `runtime.packages.numpy`; `per_day` the predictions a day, None if none was received; `rows` some of them, and
    `same_inputs` others whose inputs are those of rows of the other side.
    """

    stream: Stream
    versions: tuple[str, ...] = ()
    release: Release | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    per_day: float | None = None
    rules: Mapping[str, Rule] = field(default_factory=dict)
    rows: pa.RecordBatch | None = None
    same_inputs: Sequence[pa.RecordBatch] = ()


def load_both(
    connection: Connection,
    streams_of_both: tuple[Stream, Stream],
    rules: RuleSet,
    now: float,
    most_rows: int,
    most_searched: int,
) -> tuple[EnvironmentState, EnvironmentState]:
    """Both sides, each with its rows whose inputs occur among the rows of the other one, searched in the newest
    `most_searched` rows.
    """
    left, right = (load(connection, one, rules, now, most_rows) for one in streams_of_both)
    return (
        with_same_inputs(connection, left, right, now, most_searched),
        with_same_inputs(connection, right, left, now, most_searched),
    )


def with_same_inputs(
    connection: Connection, side: EnvironmentState, other: EnvironmentState, now: float, most: int
) -> EnvironmentState:
    """A side with those of its newest `most` rows that have inputs of the other side's rows; as it is where all of its
    rows are known already.
    """
    if side.rows is None or other.rows is None:
        return side
    newest_first = predictions.sizes(connection, side.stream, now - PERIOD, now + DAY)[::-1]
    searched = np.cumsum([rows for _, _, rows in newest_first])
    if not searched.size or searched[-1] <= side.rows.num_rows:
        return side
    numbers = [number for (number, _, _), total in zip(newest_first, searched, strict=True) if total <= most]
    stored = decoded(connection, predictions.some(connection, side.stream, numbers))
    return replace(side, same_inputs=with_inputs_of((rows for _, rows in stored), other.rows, side.rows))


def load(
    connection: Connection, stream: Stream, rules: RuleSet, now: float, most_rows: int
) -> EnvironmentState:
    """What is stored of a stream's environment at `now`, in seconds since the epoch."""
    figures = streams.figures(connection, stream)
    end = now if figures is None or figures.watermark is None else min(now, figures.watermark + 1)
    versions = [one for one in model_versions.of(connection, stream) if one.last_seen > end - DAY]
    release = _newest(connection, stream, [version.version for version in versions])
    sizes = predictions.sizes(connection, stream, end - PERIOD, end) if figures else []
    counted = sum(rows for _, _, rows in sizes)
    days = max((end - sizes[0][1].start) / DAY, 1 / 24) if sizes else 1.0
    return EnvironmentState(
        stream,
        tuple(sorted(version.version for version in versions if version.version)),
        release,
        dict(_flat("", msgspec.json.decode(release.manifest))) if release else {},
        counted / days if counted else None,
        {rule.name: rule for rule in rules.for_stream(stream)},
        sampled_rows(connection, stream, end - PERIOD, end, most_rows) if sizes else None,
    )


def _newest(connection: Connection, stream: Stream, answering: list[str]) -> Release | None:
    """The newest release of a version that answers, or else of any, with its manifest."""
    recorded = releases.of(connection, stream)
    chosen = [one for one in recorded if one.version in answering] or recorded
    if not chosen:
        return None
    of_version = releases.with_manifests(connection, stream, chosen[-1].version)
    return next((one for one in of_version if one.digest == chosen[-1].digest), None)


def _flat(prefix: str, value: Any) -> Iterator[tuple[str, str]]:
    """The members of nested objects by dotted names; lists of named objects by their names."""
    if isinstance(value, dict):
        for name, inner in value.items():
            shown = package(name) if prefix == "runtime.packages" else name
            yield from _flat(f"{prefix}.{shown}" if prefix else shown, inner)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            named = isinstance(inner, dict) and "name" in inner
            own = {k: v for k, v in inner.items() if k != "name"} if named else inner
            yield from _flat(f"{prefix}.{inner['name'] if named else index}", own)
    else:
        yield prefix, str(value)
