"""Reads what a digest says beside the state of the models: targets over time, moved inputs, rollouts, info alerts."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from sqlalchemy import Connection

from monitor.config.units import DAY
from monitor.digest import compared_groups, custom_metrics, expectations, moved_inputs, version_changes
from monitor.digest.schedule import Due
from monitor.digest.section import Observed
from monitor.health import answers, client_state
from monitor.health.daily_summary import bounds
from monitor.health.model_state import ClientHealth, state_sentence
from monitor.health.settings import ClientSettings
from monitor.records import Alert, Severity, State, Stream, Transition
from monitor.store import alerts, targets
from monitor.store.db import faults_of
from monitor.visible import counted
from monitor.windows.baseline import load as load_baseline


def observed(
    connection: Connection,
    client: str,
    health: ClientHealth,
    settings: ClientSettings,
    one: Due,
    base_seconds: int,
) -> dict[Stream, Observed]:
    """The state of each model. For a model with unreadable rows, only what needs none of them."""
    start, end = span_of(one, settings)
    periods = targets.between(connection, client, start, end)
    known = alerts.of_client(connection, client, client_state.SHOWN)
    happened = alerts.load_transitions(connection, start, end, client)
    last = end - one.days * DAY
    with faults_of(connection).isolate("digests", f"{client}: last digest", in_transaction=True):
        last = version_changes.since(connection, client, one, settings)
    by_stream = {}
    for model in health.models:
        rollouts = ""
        with faults_of(connection).isolate("digests", f"{model.stream}: rollouts", in_transaction=True):
            rollouts = version_changes.load(connection, model.stream, last, one, settings.zone)
        by_stream[model.stream] = Observed(periods=periods.get(model.stream, ()), rolled_out=rollouts)
        with faults_of(connection).isolate("digests", f"{model.stream}: answers", in_transaction=True):
            sentence = answers.sentence(
                answers.of_period(connection, model.stream, start, end), "of this period"
            )
            by_stream[model.stream] = replace(by_stream[model.stream], answers=sentence)
        with faults_of(connection).isolate("digests", f"{model.stream}: groups", in_transaction=True):
            compared = settings.view(model.stream.model).fairness
            groups = compared_groups.of_period(connection, model.stream, compared, (start, end), base_seconds)
            by_stream[model.stream] = replace(by_stream[model.stream], groups=groups)
        with faults_of(connection).isolate("digests", f"{model.stream}: own metrics", in_transaction=True):
            view = settings.view(model.stream.model)
            own = custom_metrics.of_period(connection, model.stream, view, (start, end), base_seconds)
            by_stream[model.stream] = replace(by_stream[model.stream], own=tuple(own))
        with faults_of(connection).isolate("digests", f"{model.stream}: expectations", in_transaction=True):
            expected = expectations.of_period(connection, model.stream, (start, end), base_seconds)
            by_stream[model.stream] = replace(by_stream[model.stream], expected=expected)
        with faults_of(connection).isolate("digests", f"{model.stream}: inputs", in_transaction=True):
            moved, since = _inputs(connection, model.stream, happened, known, (start, end), base_seconds)
            by_stream[model.stream] = replace(by_stream[model.stream], moved=moved, compared_since=since)
    return by_stream


def _inputs(
    connection: Connection,
    stream: Stream,
    happened: Sequence[Transition],
    known: Mapping[str, Alert],
    span: tuple[float, float],
    base_seconds: int,
) -> tuple[str, float | None]:
    """The inputs that moved, and the end of the data that they are compared with."""
    baseline = load_baseline(connection, stream)
    if baseline is None:
        return "", None
    since = baseline.created_at if baseline.span is None else float(baseline.span.end)
    names = moved_inputs.moved_names(connection, stream, happened, known, *span)
    if not names:
        return "", since
    after = moved_inputs.of_last_day(connection, stream, base_seconds, span[1])
    return moved_inputs.words(names, baseline, after), since


def span_of(one: Due, settings: ClientSettings) -> tuple[float, float]:
    """The period of a digest in seconds since the epoch."""
    first, last = one.span()
    return bounds(first, settings.zone)[0], bounds(last, settings.zone)[1]


def notes(
    connection: Connection, client: str, settings: ClientSettings, one: Due, named: Collection[Stream] = ()
) -> list[str]:
    """Sentences on info alerts in the period, each once with its count; those about inputs of `named` are left out,
    because their models name them.
    """
    start, end = span_of(one, settings)
    known = alerts.load(connection)
    amounts: dict[str, int] = {}
    for transition in alerts.load_transitions(connection, start, end, client):
        is_note = transition.severity is Severity.INFO and transition.to is State.FIRING
        alert = known.get(transition.fingerprint)
        if not is_note or alert is None or transition.stream.environment != client_state.SHOWN:
            continue
        if transition.stream in named and "feature" in dict(alert.instance):
            continue
        sentence = state_sentence(alert, settings.title(transition.stream.model))
        amounts[sentence] = amounts.get(sentence, 0) + 1
    return [
        f"{sentence} ({counted(amount, 'time')})" if amount > 1 else sentence
        for sentence, amount in amounts.items()
    ]
