"""Minutes of two versions, simulated: with failures, latencies, truths."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from monitor.records import Stream, Window
from monitor.rollouts.arms import Arm, Arms
from monitor.store import model_versions, profiles
from monitor.store.db import Store
from monitor.store.model_versions import Version
from monitor.store.profiles import StoredProfile
from monitor.windows import codec
from monitor.windows.kernel.count_rows import count
from monitor.windows.outcome_counts import count_outcomes
from monitor.windows.profile import blank, merge
from monitor.windows.rolling import current_layout

EDGES = np.concatenate([[0.0], 1.0 * 1.02 ** np.arange(500)])
"""Lower edges of the places of a latency histogram, in milliseconds."""


def arm(
    answers: np.ndarray,
    failed: np.ndarray | None = None,
    outputs: Mapping[str, np.ndarray] | None = None,
    inputs: Mapping[str, np.ndarray] | None = None,
    **others: np.ndarray,
) -> Arm:
    """A version with these answers per minute, shape (..., minutes), of which nothing else is known."""
    nothing = np.zeros_like(answers, np.float64)
    fields: dict[str, np.ndarray] = {
        "failed": nothing if failed is None else failed,
        "latency": np.zeros((*answers.shape, EDGES.size)),
        "wrong": nothing,
        "judged": nothing,
        "numbers": nothing,
        "errors": np.zeros((*answers.shape, 2)),
        "confidence": np.zeros((*answers.shape, 20)),
        "automated": nothing,
        "automated_known": nothing,
        "reviewed": nothing,
        "reviewed_known": nothing,
        "costed": nothing,
        "costs": np.zeros((*answers.shape, 2)),
    }
    return Arm(np.asarray(answers, np.float64), **fields | others, outputs=outputs or {}, inputs=inputs or {})


def arms(canary: Arm, stable: Arm, **others: object) -> Arms:
    """Both versions."""
    return Arms(60, canary, stable, EDGES, **others)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Behaviour:
    """How a simulated version answers: shares of failures, of wrong answers, and of answers that nobody checks; its
    median latency in milliseconds; the median cost, the mean confidence (wrong answers have less), and the shares of
    the answer `fraud` and of the input `DE`.
    """

    failing: float = 0.0
    wrong: float | None = None
    automated: float | None = None
    reviewed: float | None = None
    latency: float | None = None
    cost: float | None = None
    fraud: float = 0.1
    confidence: float | None = None
    country: float = 0.5


def rows(rng: np.random.Generator, version: str, n: int, how: Behaviour) -> pa.RecordBatch:
    """Predictions of one version, columns as in the prediction log; their outcomes as `outcome.*`."""
    failed = rng.random(n) < how.failing
    answers = np.where(rng.random(n) < how.fraud, "fraud", "fine")
    columns: dict[str, pa.Array] = {
        "version": pa.array([version] * n).dictionary_encode(),
        "error": pa.array(["timeout"] * n, mask=~failed).dictionary_encode(),
        "prediction": pa.array(answers, mask=failed).dictionary_encode(),
        "features.country": pa.array(np.where(rng.random(n) < how.country, "DE", "FR")).dictionary_encode(),
    }
    if how.latency is not None:
        columns["latency_ms"] = pa.array(how.latency * np.exp(rng.normal(0, 0.5, n)))
    if how.automated is not None:
        columns["automated"] = pa.array(rng.random(n) < how.automated)
    if how.cost is not None:
        columns["cost"] = pa.array(how.cost * np.exp(rng.normal(0, 0.5, n)))
    unsure = np.ones(n)
    if how.confidence is not None:
        confidence = rng.beta(10 * how.confidence, 10 * (1 - how.confidence), n)
        unsure = (1 - confidence) / (1 - how.confidence)
        columns["confidence"] = pa.array(confidence)
    if how.wrong is not None:
        other = np.where(answers == "fraud", "fine", "fraud")
        truths = np.where(rng.random(n) < how.wrong * unsure, other, answers)
        columns["outcome.truth"] = pa.array(truths, mask=failed).dictionary_encode()
    if how.reviewed is not None:
        columns["outcome.reviewed"] = pa.array(rng.random(n) < how.reviewed)
    return pa.RecordBatch.from_pydict(columns)


def put_minute(
    store: Store,
    stream: Stream,
    start: int,
    versions: Mapping[str, tuple[int, Behaviour]],
    rng: np.random.Generator,
    seconds: int = 60,
) -> None:
    """Count and store a window in which each version gives so many answers, as the daemon does."""
    batches = [rows(rng, version, n, how) for version, (n, how) in versions.items() if n]
    with store.write() as connection:
        layout = current_layout(connection, stream)
        counted = [count(batch, layout) for batch in batches]
        counted += [count_outcomes(batch, layout) for batch in batches if _has_outcomes(batch)]
        profile = merge(counted) if counted else blank(layout)
        window = Window(start, start + seconds)
        kept = StoredProfile(window, layout.id, profile.rows, codec.encode(profile))
        profiles.put(connection, stream, [kept], float(start))
        seen = [Version(stream, version, start, window.end) for version, (n, _) in versions.items() if n]
        model_versions.put(connection, seen)


def _has_outcomes(batch: pa.RecordBatch) -> bool:
    return any(name.startswith("outcome.") for name in batch.schema.names)
