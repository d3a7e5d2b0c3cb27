"""Explains a rule that has no alert for a model: what was measured last, and why that is not an alert."""

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection

from monitor.clock import iso
from monitor.config.yaml import suggest
from monitor.errors import NotFoundError
from monitor.records import Measurement, Stream
from monitor.rules.language.wording import figure
from monitor.rules.rule import Rule, RuleSet
from monitor.store import measurements, streams
from monitor.visible import counted

MOST, _MOST_FIGURES = 100, 5
"""Models of a rule that are explained at once, and figures of each metric."""


def explain_inactive(connection: Connection, word: str, rules: RuleSet, client: str = "") -> list[str]:
    """Lines for the terminal on the rules that `word` names: `rule`, or `client/model[/environment]/rule`.

    With a client, only its models and the rules that apply to them are known.

    Raises:
        NotFoundError: there is no such model or no such rule.
    """
    path, _, name = word.rpartition("/")
    known = [figures.stream for figures in streams.figures_of_all(connection)]
    streams_with_data = [stream for stream in known if client in ("", stream.client)]
    selected = [one for one in streams_with_data if path in ("", f"{one.client}/{one.model}", str(one))]
    pairs = [(stream, rule) for stream in selected for rule in rules.for_stream(stream) if rule.name == name]
    if not pairs:
        near = _suggestion(word, streams_with_data, _named(rules, streams_with_data, client))
        raise NotFoundError(f"no alert matches {word!r}{near}", hint=_HINT)
    lines = [line for stream, rule in pairs[:MOST] for line in _lines(connection, stream, rule)]
    left = [f"{counted(len(pairs) - MOST, 'further model')}: name one"] if len(pairs) > MOST else []
    return [*lines, *left]


_HINT = (
    "use the id of an alert, a rule, client/model, or client/model/rule. "
    "Lists: watchkeeper alerts --all, watchkeeper status"
)


def _named(rules: RuleSet, known: Sequence[Stream], client: str) -> list[str]:
    """The names of the rules that a client may know: those of its models."""
    if not client:
        return [rule.name for rule in rules.rules]
    return list(dict.fromkeys(rule.name for stream in known for rule in rules.for_stream(stream)))


def _suggestion(word: str, known: Sequence[Stream], names: Sequence[str]) -> str:
    models = [name for one in known for name in (f"{one.client}/{one.model}", str(one))]
    path, _, last = word.rpartition("/")
    if path in models:
        return suggest(last, names)
    return suggest(word, [*names, *models, *(f"{model}/{name}" for model in models for name in names)])


def _lines(connection: Connection, stream: Stream, rule: Rule) -> Iterator[str]:
    yield f"{rule.name} of {stream} is not active: it has not fired, and its condition is not true."
    for metric in sorted(rule.condition.metrics()):
        yield from _figures(metric, [one for length in sorted(rule.condition.lengths())
                                     for one in measurements.latest(connection, stream, length)
                                     if one.metric == metric])  # fmt: skip
    yield f"  rule          {rule.source}"


def _figures(metric: str, measurements: list[Measurement]) -> Iterator[str]:
    if not measurements:
        yield f"  {metric:<12}  not measured yet, or only over the last seconds, which are not stored"
    for measurement in measurements[:_MOST_FIGURES]:
        labels = "".join(f", {name} {value}" for name, value in measurement.labels)
        value = (
            f"not measured: {measurement.reason}"
            if measurement.value is None
            else figure(measurement.value, measurement.unit)
        )
        yield f"  {metric:<12}  {value} (window from {iso(measurement.window.start)}, n = {measurement.n:,.0f}{labels})"
    if len(measurements) > _MOST_FIGURES:
        yield f"  {'':<12}  and {len(measurements) - _MOST_FIGURES:,} more"
