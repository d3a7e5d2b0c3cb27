"""Notes on a stream: what is not measured yet and why, what changed, and since when figures can be compared."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from sqlalchemy import Connection

from monitor.clock import iso
from monitor.config.units import DAY, HOUR, format_duration
from monitor.config.yaml import suggest
from monitor.drift.explain.relation_words import watched_words
from monitor.drift.progress import missing
from monitor.drift.settings import DriftSettings
from monitor.health import answers, version_events
from monitor.metrics.quality.in_sample import first_accuracy
from monitor.records import Measurement, Stream, Window
from monitor.rules.language.wording import figure
from monitor.status.configured import NOTHING_CONFIGURED, Configured
from monitor.store import (
    drift,
    lake_profiles,
    measurements,
    outcomes,
    profiles,
    rollouts,
    timeseries,
)
from monitor.store.completeness import is_settled
from monitor.store.streams import StreamFigures
from monitor.visible import counted, one_line
from monitor.windows import codec
from monitor.windows.baseline import Baseline
from monitor.windows.baseline import load as load_baseline
from monitor.windows.layout.slice_limits import MOST_NAMES
from monitor.windows.settings import BaselineSettings

MOST_NAMED = 5

_CHANGES = {
    "added": "{} not in the baseline",
    "filled": "{} empty in the baseline, with values now",
    "notation": "{} in a different notation than in the baseline, with the same meaning",
    "vanished": "{} without values now",
    "type": "{} with a different data type or vector length than in the baseline",
}


def _answers(hour: Iterable[Measurement], now: float) -> list[str]:
    """The signals of the answers of the newest measured hour, and the leaks in them."""
    measured = list(hour)
    rates = answers.of_measurements(measured)
    sentence = answers.sentence(rates, answers.of_hour(measured[0].window, now, iso)) if measured else ""
    leaking = [
        f"{name} {figure(rates[name].value, 'share')}"
        for name in answers.LEAKS
        if name in rates and rates[name].value
    ]
    return [*([sentence] if sentence else []), *([f"leaks found: {', '.join(leaking)}"] if leaking else [])]


def version_notes(
    connection: Connection, known: Iterable[Stream], now: float
) -> Mapping[Stream, Sequence[str]]:
    """What happened to the versions of these streams within a day, and the rollouts that run, newest first."""
    by_client: dict[str, list[Stream]] = {}
    for stream in known:
        by_client.setdefault(stream.client, []).append(stream)
    notes: dict[Stream, list[str]] = {}
    for rollout, step in rollouts.running(connection):
        words = version_events.running_words(one_line(rollout.canary), step.share, iso(step.at))
        notes.setdefault(rollout.stream, []).append(words)
    for client, streams in by_client.items():
        for one in version_events.read(connection, client, streams, now - version_events.TOLD_FOR, now):
            words = f"version {one_line(one.version)} {one.kind.words}, {iso(one.at)}"
            notes.setdefault(one.stream, []).append(words)
    return {stream: own[:MOST_NAMED] for stream, own in notes.items()}


def unknown_model(stream: Stream, models: Mapping[str, Collection[str]]) -> list[str]:
    """What to do about a model that no configuration names, although it names others of the client."""
    named = models.get(stream.client)
    if not named or stream.model in named:
        return []
    return [
        f"unknown model{suggest(stream.model, named)}: it is not under clients.{stream.client}.models, so the client "
        "does not see it. Add it there, or correct the name in the records"
    ]


def notes(
    connection: Connection,
    figures: StreamFigures,
    base_seconds: int,
    hour: Iterable[Measurement],
    now: float,
    configured: Configured = NOTHING_CONFIGURED,
) -> list[str]:
    """Notes on a stream: what is not measured yet and why, and since when figures can be compared.

    `hour` holds the measurements of its newest hour.
    """
    notes = []
    baseline = load_baseline(connection, figures.stream)
    if baseline is None:
        settings = configured.baselines.get(figures.stream, BaselineSettings())
        notes.append(f"no baseline yet: drift and comparisons are not measured. {_until(figures, settings)}")
    else:
        notes += _comparable(connection, figures.stream, base_seconds, baseline.layout.id)
        notes += _schema(hour)
        notes += _in_sample(connection, figures.stream, hour)
    notes += _answers(hour, now)
    notes += _outcomes(connection, figures.stream)
    notes += outputs_beyond(hour)
    notes += _beyond_limits(connection, figures.stream, base_seconds)
    learned = drift.calibration(connection, figures.stream)
    if learned is None:
        note = "drift is reported in the digest only, until there is enough to learn from"
        notes.append(
            note + _missing(connection, figures.stream, baseline, base_seconds, configured.drift, now)
        )
    else:
        related = watched_words(baseline.layout) if baseline is not None else ""
        notes += [f"drift: {text}" for text in (learned.note, learned.meaning, related) if text]
    for at, since, author in drift.acceptances(connection, figures.stream)[:1]:
        notes.append(f"drift: data since {iso(since)} was accepted as normal by {author} at {iso(at)}")
    return notes


def _beyond_limits(connection: Connection, stream: Stream, base_seconds: int) -> list[str]:
    """Which segments have more values, in the newest window, than are counted separately."""
    extent = profiles.extent(connection, stream, base_seconds)
    newest = profiles.get(connection, stream, Window(extent[1] - base_seconds, extent[1])) if extent else None
    if newest is None:
        return []
    limits, notes = codec.limits_of(newest.blob), []
    chosen = "those that were frequent in the baseline first"
    if limits.beyond:
        names = _listed([one_line(name.removeprefix("segments.")) for name in limits.beyond])
        notes.append(
            f"segments with too many values: {names}. In a window, {counted(limits.most, 'value')} of each are counted "
            f"separately, {chosen}; the others count in the total only (windows.max_segments)"
        )
    if limits.is_beyond_names:
        notes.append(
            f"more than {counted(MOST_NAMES, 'segment')} in a window: {MOST_NAMES} are counted, {chosen}; "
            "send fewer, or merge related ones"
        )
    return notes


def outputs_beyond(hour: Iterable[Measurement]) -> list[str]:
    """That not all outputs are measured, and why."""
    beyond = (one for one in hour if one.metric == "output_mae" and one.reason and not one.labels)
    return [f"outputs of the last hour: {one.reason}" for one in beyond]


def _until(figures: StreamFigures, settings: BaselineSettings) -> str:
    """What the baseline of a stream waits for."""
    if settings.file is not None:
        return f"The running daemon has not read {settings.file} yet"
    if settings.start is not None:
        return (
            f"It is created from {settings.start.isoformat()} to {settings.end and settings.end.isoformat()}"
        )
    after, age = format_duration(settings.after), max(0.0, figures.last_received - figures.first_received)
    return (
        f"It is created from the first {after} of traffic with at least {counted(settings.rows, 'prediction')} "
        f"(so far {figures.rows:,} in {format_duration(round(age))}). "
        f"To start now: watchkeeper baseline set {figures.stream.client}/{figures.stream.model} TRAINING_FILE"
    )


def _missing(
    connection: Connection,
    stream: Stream,
    baseline: Baseline | None,
    base_seconds: int,
    settings: DriftSettings,
    now: float,
) -> str:
    """What is missing before drift can be evaluated, after a colon."""
    if baseline is None:
        return ": there is no baseline"
    if not is_settled(connection, stream, base_seconds, baseline.layout.id, Window(0, int(now) - HOUR)):
        return ": older predictions are still being counted by the running daemon"
    extent = profiles.extent(connection, stream, base_seconds)
    until = float(extent[1]) if extent is not None else 0.0
    return f": {missing(connection, stream, baseline, base_seconds, until, settings)}"


def _comparable(connection: Connection, stream: Stream, base_seconds: int, layout: str) -> list[str]:
    """Since when windows can be compared with the current baseline, if there are older ones."""
    extent = profiles.extent(connection, stream, base_seconds)
    since = profiles.first_of(connection, stream, base_seconds, layout)
    lines = []
    if extent is not None and since is None:
        lines.append(
            "no window has been profiled with the current baseline yet: nothing can be compared with it"
        )
    elif extent is not None and since is not None and since > extent[0]:
        lines.append(
            f"figures can be compared with the baseline since {iso(since)}; "
            "older windows were profiled with an earlier baseline"
        )
    if outdated := lake_profiles.outdated(connection, stream, layout):
        lines.append(
            f"profiled with an earlier baseline: {counted(outdated, 'window')} of history: profile them again"
        )
    return lines


def _schema(hour: Iterable[Measurement]) -> list[str]:
    """Schema changes in the newest hour: features that appeared, disappeared or changed their data type."""
    changes: dict[str, list[str]] = {}
    for one in hour:
        if one.metric == "schema_changes" and one.label("feature"):
            changes.setdefault(one.label("change"), []).append(one.label("feature"))
    lines = [
        _CHANGES[change].format(_listed(sorted(features)))
        for change, features in sorted(changes.items())
        if change in _CHANGES
    ]
    return [f"features in the last hour: {'; '.join(lines)}"] if lines else []


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED:,} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


def _in_sample(connection: Connection, stream: Stream, hour: Iterable[Measurement]) -> list[str]:
    """Whether live accuracy has been far below the baseline's since the first day."""
    usual = next((m.baseline for m in hour if m.metric == "accuracy" and not m.labels and m.baseline), None)
    first = measurements.first(connection, stream, HOUR)
    if usual is None or first is None:
        return []
    series = timeseries.load(connection, stream, "accuracy", HOUR, first, first + DAY)
    live = first_accuracy(usual, series.values, series.n)
    if live is None:
        return []
    return [
        f"the baseline looks in-sample: its accuracy is {figure(usual, 'share')}, that of live traffic was "
        f"{figure(live, 'share')} from the first day; use rows that the model was not trained on"
    ]


def _outcomes(connection: Connection, stream: Stream) -> list[str]:
    """Outcomes without a prediction."""
    counts = outcomes.counts(connection, stream)
    line = (
        f"outcomes: {counts.received:,} received, {counts.waiting:,} waiting for their prediction, "
        f"{counts.unmatched:,} never matched"
    )
    return [line] if counts.waiting or counts.unmatched else []
