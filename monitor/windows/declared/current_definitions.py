"""Which definitions of a model count the rows of a window, and since when."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from monitor.expectations.expectation import Expectation, as_json, of_json
from monitor.records import Stream
from monitor.store import definitions, streams
from monitor.store.db import faults_of
from monitor.store.definitions import Definition
from monitor.windows.declared.custom_metric import KIND, CustomMetric, of_stored
from monitor.windows.declared.declared import NOTHING, Declared

SUITE = "expectations"
"""The kind of the definitions of expectations."""
Model = tuple[str, str]
"""Client and model."""


def of_stream(connection: Connection, stream: Stream) -> Declared:
    """What is declared of a stream's model. A definition that cannot be read is left out, and reported as a fault."""
    stored = definitions.of_model(connection, stream.client, stream.model)
    if not stored:
        return NOTHING
    metrics: dict[str, list[tuple[int, CustomMetric | None]]] = {}
    suites: list[tuple[int, Sequence[Expectation]]] = []
    for one in stored:
        if one.kind == SUITE:
            with faults_of(connection).isolate("definitions", f"{stream.client}/{stream.model} expectations"):
                suites.append((one.since, of_json(one.text) if one.text else ()))
        if one.kind == KIND:
            with faults_of(connection).isolate("definitions", f"{stream.client}/{stream.model} {one.name}"):
                metric = of_stored(one.name, one.text) if one.text else None
                metrics.setdefault(one.name, []).append((one.since, metric))
    return Declared(metrics, suites)


def register(
    connection: Connection, wanted: Mapping[Model, Sequence[CustomMetric]], base_seconds: int, now: float
) -> None:
    """Store what the configuration declares now. What changed counts from the next window on; what is declared before
    the model sends anything counts all of its windows.
    """
    has_sent = {(one.client, one.model) for one in streams.streams(connection)}
    for model in sorted({*wanted, *definitions.models(connection)}):
        newest = {one.name: one for one in definitions.of_model(connection, *model) if one.kind == KIND}
        since = (int(now // base_seconds) + 1) * base_seconds if model in has_sent else 0
        declared = {metric.name: metric for metric in wanted.get(model, ())}
        changed = [
            Definition(*model, KIND, name, _since(newest.get(name), metric, since), metric.stored())
            for name, metric in declared.items()
            if name not in newest or newest[name].text != metric.stored()
        ]
        changed += [
            Definition(*model, KIND, name, max(since, one.since + 1), "")
            for name, one in newest.items()
            if one.text and name not in declared
        ]
        if changed:
            definitions.put(connection, changed)


def register_suites(
    connection: Connection, wanted: Mapping[Model, Sequence[Expectation]], base_seconds: int, now: float
) -> None:
    """Store the expectations of the configuration, as `register` does with metrics."""
    has_sent = {(one.client, one.model) for one in streams.streams(connection)}
    for model in sorted({*wanted, *definitions.models(connection)}):
        stored = [one for one in definitions.of_model(connection, *model) if one.kind == SUITE]
        text = as_json(list(wanted.get(model, ()))) if wanted.get(model) else ""
        if text != (stored[-1].text if stored else ""):
            since = (int(now // base_seconds) + 1) * base_seconds if model in has_sent else 0
            since = max(since, stored[-1].since + 1) if stored else since
            definitions.put(connection, [Definition(*model, SUITE, "", since, text)])


def _since(before: Definition | None, metric: CustomMetric, since: int) -> int:
    """Another unit or direction is no new version."""
    if before is None:
        return since
    try:
        is_same = (
            bool(before.text)
            and of_stored(before.name, before.text).expression.digest == metric.expression.digest
        )
    except ValueError:
        is_same = False
    return before.since if is_same else max(since, before.since + 1)
