"""One line of the table of features: the verdict on its drift, its figures of the newest measured hour."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from re import ASCII
from re import compile as pattern

from sqlalchemy import Connection

from monitor.clock import iso
from monitor.config.units import HOUR, format_number
from monitor.drift.decision.verdict import between
from monitor.records import Measurement, Stream, Window, labels
from monitor.rules.language.wording import figure as with_unit
from monitor.store import drift, feature_importance, measurements
from monitor.store.drift import StoredDriftIncident, StoredVerdict
from monitor.visible import counted
from monitor.windows.baseline import Baseline
from monitor.windows.kernel.attribution_counts import shares_of
from monitor.windows.layout.layout import Column

OUTPUTS = ("prediction", "confidence")
METRICS = ("psi", "mean_shift", "missing_share")
_PLAIN = pattern(r"\w[\w .:@+-]{0,99}", ASCII)


@dataclass(frozen=True, slots=True)
class FeatureFigure:
    """A figure: the number to sort by (None: not measured), and how it is shown."""

    value: float | None = None
    text: str = "—"
    note: str = ""


@dataclass(frozen=True, slots=True)
class FeatureRow:
    """One feature, or one output of the model. `address` stands for its name in addresses; `drift` sorts by evidence:
    2 and more in an open drift incident, else the evidence over its limit.
    """

    column: Column
    name: str
    kind: str
    address: str
    is_drifted: bool
    drift: FeatureFigure
    psi: FeatureFigure
    shift: FeatureFigure
    missing: FeatureFigure
    importance: float | None = None
    importance_text: str = ""

    @property
    def searched(self) -> str:
        """The text that the search compares with."""
        return f"{self.name} {self.kind}".casefold()


@dataclass(frozen=True, slots=True)
class DriftNow:
    """What is decided about the drift of a stream: until when (0: not yet), the verdicts of the newest window, and the
    open incidents.
    """

    until: int = 0
    verdicts: Mapping[str, StoredVerdict] = field(default_factory=dict)
    open_incidents: Sequence[StoredDriftIncident] = ()


def address_of(name: str) -> str:
    """A feature's name in an address: as it is if that is plain, else a digest."""
    if _PLAIN.fullmatch(name):
        return name
    return f"~{sha256(name.encode(errors='surrogatepass')).hexdigest()[:16]}"


def name_of(column: Column) -> str:
    """What a column is called for people."""
    return column.feature or column.name


def columns_of(baseline: Baseline) -> list[Column]:
    """The features and the model's outputs."""
    return [
        *baseline.layout.features,
        *(column for column in baseline.layout.columns if column.name in OUTPUTS),
    ]


def drift_now(connection: Connection, stream: Stream) -> DriftNow:
    """The newest decisions about drift."""
    calibration, state = drift.calibration(connection, stream), drift.state(connection, stream)
    if calibration is None or state is None:
        return DriftNow()
    until = state.judged_until
    verdicts = drift.verdicts(connection, stream, until - calibration.seconds, until)
    opened = [one for one in drift.incidents(connection, stream) if one.closed is None]
    return DriftNow(until, {verdict.column: verdict for verdict in verdicts}, opened)


@dataclass(frozen=True, slots=True)
class Importance:
    """The importance of features by name: as configured, or a share (0 to 1) of all attributions or, as learned, of the
    answers' entropy; and in words what it says.
    """

    values: Mapping[str, float] = field(default_factory=dict)
    is_share: bool = False
    words: str = ""

    def text(self, name: str) -> str:
        """The importance of a feature as it is shown; empty if it is not known."""
        value = self.values.get(name)
        if value is None:
            return ""
        return f"{value * 100:.0f} %" if self.is_share else format_number(value)


def importance_of(
    connection: Connection, stream: Stream, baseline: Baseline | None, configured: Mapping[str, float]
) -> Importance:
    """The configured importance, else that of the baseline's attributions, else what was learned with its layout."""
    if configured:
        return Importance(configured, words="Importance is that of `drift.importance` in the configuration.")
    attributed = shares_of(baseline.profile.overall) if baseline else {}
    if attributed:
        words = (
            "Importance is from attributions: the share of a feature in the absolute attributions of all features, "
            "in the baseline."
        )
        return Importance(attributed, is_share=True, words=words)
    learned = feature_importance.get(connection, stream, baseline.layout.id) if baseline else None
    if learned is None:
        return Importance(
            words="Importance is learned from 1,000 predictions on; `drift.importance` sets it."
        )
    rows = (
        f"{counted(learned.rows, 'row')} of the {learned.source}"
        if learned.source == "baseline"
        else counted(learned.rows, "prediction")
    )
    if not learned.shares:
        return Importance(words=f"Importance could not be learned from {rows}: {learned.reason}.")
    words = (
        "Importance is the share of the answers' uncertainty that a feature alone removes (mutual information in "
        f"coarse cells over entropy), learned from {rows} on {iso(learned.learned_at)}. Features that move together "
        "share it in full; features that only matter together have none."
    )
    return Importance(learned.shares, is_share=True, words=words)


def read(
    connection: Connection, stream: Stream, baseline: Baseline | None, importance: Importance
) -> tuple[list[FeatureRow], Window | None, DriftNow]:
    """A line for each feature and output of the baseline, the window of their figures, and what is decided."""
    decided = drift_now(connection, stream)
    if baseline is None:
        return [], None, decided
    newest = measurements.latest(connection, stream, HOUR)
    by_key = {(one.metric, one.labels): one for one in newest if one.metric in METRICS}
    rows = [_row(column, by_key, decided, importance) for column in columns_of(baseline)]
    return rows, newest[0].window if newest else None, decided


def _row(
    column: Column,
    measured: Mapping[tuple[str, tuple[tuple[str, str], ...]], Measurement],
    decided: DriftNow,
    importance: Importance,
) -> FeatureRow:
    name = name_of(column)
    of = labels(feature=name) if column.feature else labels(output=name)
    psi, shift, missing = (figure(measured.get((metric, of))) for metric in METRICS)
    is_drifted, verdict = verdict_of(column, decided)
    return FeatureRow(
        column,
        name,
        column.kind.value if column.feature else f"output, {column.kind.value}",
        address_of(name),
        is_drifted,
        verdict,
        psi,
        shift,
        missing,
        importance.values.get(name) if column.feature else None,
        importance.text(name) if column.feature else "",
    )


def figure(one: Measurement | None) -> FeatureFigure:
    """A measurement as a figure of a line."""
    if one is None:
        return FeatureFigure(note="not measured")
    if one.value is None:
        return FeatureFigure(note=f"not measured: {one.reason}")
    if one.unit == "standard deviations":
        return FeatureFigure(one.value, deviations(one.value))
    return FeatureFigure(one.value, with_unit(one.value, one.unit))


def deviations(value: float) -> str:
    """`+0.21 sd`; no sign where it rounds to nothing."""
    text = f"{value:+.2f} sd"
    return "0.00 sd" if text[1:] == "0.00 sd" else text


def verdict_of(column: Column, decided: DriftNow) -> tuple[bool, FeatureFigure]:
    """Whether a column has drifted, and the evidence in words."""
    if not decided.until:
        return False, FeatureFigure(None, "not evaluated yet")
    opened = next(
        (open_incident for open_incident in decided.open_incidents if column.name in open_incident.columns),
        None,
    )
    verdict = decided.verdicts.get(column.name)
    ratio = verdict.ratio if verdict is not None else 0.0
    if opened is not None:
        return True, FeatureFigure(
            2.0 + ratio, "✖ drifted", between(opened.since, opened.earliest, opened.latest)
        )
    if verdict is None:
        return False, FeatureFigure(0.0, "✔ no evidence")
    words = f"evidence {format_number(ratio)} of the limit"
    return verdict.significant, FeatureFigure(
        ratio, "✖ drifted" if verdict.significant else "◆ some evidence", words
    )
