"""Changes that no single column shows: broken correlations, and new combinations of values.

Unlike all other metrics these need rows: the sample of the baseline, and some rows of the window. They take tens of
milliseconds, so the daemon measures them on a schedule. Rows are converted to numbers by the baseline: a number column
to its normal score (from the rank of its bucket), a label column to zeros and ones.
"""

import math
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from monitor.metrics import intervals
from monitor.metrics.intervals import Z
from monitor.metrics.metric import MetricInfo, Subject, too_few
from monitor.records import Better, Measurement
from monitor.windows.baseline_from_table import Baseline
from monitor.windows.kernel.count_column import places_of_rows
from monitor.windows.kernel.loss_model import cells_of_rows, one_hot
from monitor.windows.layout.layout import FIRST, Column

RECONSTRUCTION_SHIFT = MetricInfo(
    "reconstruction_shift", "standard deviations", Better.LOWER,
    "Increase of the reconstruction error of rows by the baseline's correlations.", (),
    "PCA (65 % of variance) of half of the baseline's sample; (mean error of the window - of the other half) / its "
    "standard deviation", "a baseline, rows of at least two features", "PCA reconstruction, as NannyML",
)  # fmt: skip
DOMAIN_CLASSIFIER_AUC = MetricInfo(
    "domain_classifier_auc", "", Better.LOWER,
    "How well a classifier separates the window's rows from the baseline's: 0.5 not at all, 1 perfectly.", (),
    "ridge regression on scores, their squares and products, two-fold cross-fitted; area under its ROC curve",
    "a baseline, rows of at least two features", "Lopez-Paz and Oquab 2017",
)  # fmt: skip
INFO = (RECONSTRUCTION_SHIFT, DOMAIN_CLASSIFIER_AUC)
_VARIANCE = 0.65
_RIDGE = 10.0
_MOST_PRODUCTS = 12
_MOST_ROWS = 2000


def measure(subject: Subject, rows: pa.RecordBatch) -> Iterator[Measurement]:
    """Both scores for rows of the window (at most 2,000 are used), against the baseline's sample."""
    base, needed = subject.baseline, subject.settings.min_rows
    reason = ""
    if base is None or base.sample is None:
        reason = "no baseline" if base is None else "the baseline keeps no rows"
    elif min(rows.num_rows, base.sample.num_rows) < needed:
        reason = too_few(min(rows.num_rows, base.sample.num_rows), needed)
    elif len(_columns(base)) < 2:
        reason = "fewer than two features"
    if base is None or base.sample is None or reason:
        yield from (subject.not_measured(info, reason, rows.num_rows) for info in INFO)
        return
    rows = rows.slice(0, _MOST_ROWS)
    scores = _scores(base, base.sample), _scores(base, rows)
    yield _reconstruction(subject, *scores)
    yield _classifier(subject, *scores)


def _columns(base: Baseline) -> tuple[Column, ...]:
    return tuple(column for column in base.layout.watched if column.feature)


def _scores(base: Baseline, rows: pa.RecordBatch) -> np.ndarray:
    """Rows as numbers, shape (rows, dimensions)."""
    columns = _columns(base)
    parts = [_normal_scores(base, c, rows)[:, None] for c in columns if not c.labelled]
    labelled = [column for column in columns if column.labelled]
    if labelled:
        parts.append(one_hot(cells_of_rows(rows, labelled), labelled))
    return np.concatenate(parts, axis=1)


def _normal_scores(base: Baseline, column: Column, rows: pa.RecordBatch) -> np.ndarray:
    """The normal score of each value's rank in the baseline; 0, the middle, for missing values."""
    name = column.source or column.name
    if name not in rows.schema.names:
        return np.zeros(rows.num_rows)
    counts = base.profile.overall.column(column.name).counts.copy()
    counts[: FIRST - 2] = 0.0
    ranks = (np.cumsum(counts) - counts / 2 + 0.5) / (counts.sum() + 1.0)
    # Tukey's lambda distribution with 0.14 approximates the normal quantile within 0.01, up to three deviations.
    table = (ranks**0.14 - (1 - ranks) ** 0.14) / 0.1975
    table[: FIRST - 2] = 0.0
    return np.asarray(table[places_of_rows(column, rows.column(name))])


def _reconstruction(subject: Subject, reference: np.ndarray, current: np.ndarray) -> Measurement:
    fitted, held_out = reference[::2], reference[1::2]
    centre, scale = fitted.mean(axis=0), fitted.std(axis=0)
    scale[scale == 0] = 1.0
    _, singular, axes = np.linalg.svd((fitted - centre) / scale, full_matrices=False)
    explained = np.cumsum(singular**2) / max(float((singular**2).sum()), 1e-300)
    components = axes[: int(np.searchsorted(explained, _VARIANCE)) + 1]

    def errors(rows: np.ndarray) -> np.ndarray:
        standard = (rows - centre) / scale
        return np.asarray(np.linalg.norm(standard - standard @ components.T @ components, axis=1))

    usual, now = errors(held_out), errors(current)
    spread = float(usual.std())
    n = len(now)
    if spread <= 0:
        return subject.not_measured(RECONSTRUCTION_SHIFT, "the baseline's rows do not vary", n)
    shift = float(now.mean() - usual.mean()) / spread
    error = math.sqrt(float(now.var()) / spread**2 / n + 1 / len(usual))
    interval = (shift - Z * error, shift + Z * error)
    p_value = intervals.two_sided(shift / error)
    return subject.ok(RECONSTRUCTION_SHIFT, shift, n, interval=interval, p_value=p_value, baseline=0.0)


def _classifier(subject: Subject, reference: np.ndarray, current: np.ndarray) -> Measurement:
    rows = _with_products(np.concatenate([reference, current]), reference)
    truth = np.concatenate([np.zeros(len(reference)), np.ones(len(current))])
    order = np.random.default_rng(0).permutation(len(truth))
    fold = np.empty(len(truth), bool)
    fold[order] = np.arange(len(truth)) % 2 == 0
    score = np.empty(len(truth))
    areas = []
    for side in (fold, ~fold):
        score[side] = _ridge(rows[~side], truth[~side], rows[side])
        areas.append(_area(score[side & (truth == 1)], score[side & (truth == 0)]))
    area, (p, q) = sum(areas) / 2, (len(current), len(reference))
    error = math.sqrt((p + q + 1) / (12 * p * q))  # standard error of the area without a change
    interval = (max(0.0, area - Z * error), min(1.0, area + Z * error))
    p_value = intervals.two_sided((area - 0.5) / error)
    return subject.ok(DOMAIN_CLASSIFIER_AUC, area, p, interval=interval, p_value=p_value, baseline=0.5)


def _with_products(rows: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Scores and their products (including squares) for the dimensions that vary most."""
    widest = np.sort(np.argsort(-reference.var(axis=0), kind="stable")[:_MOST_PRODUCTS])
    some = rows[:, widest]
    left, right = np.triu_indices(len(widest))
    return np.concatenate([rows, some[:, left] * some[:, right]], axis=1)


def _ridge(rows: np.ndarray, truth: np.ndarray, others: np.ndarray) -> np.ndarray:
    centre = rows.mean(axis=0)
    shifted = rows - centre
    gram = shifted.T @ shifted + _RIDGE * np.eye(rows.shape[1])
    return np.asarray((others - centre) @ np.linalg.solve(gram, shifted.T @ (truth - truth.mean())))


def _area(positive: np.ndarray, negative: np.ndarray) -> float:
    ordered = np.sort(negative)
    lower = np.searchsorted(ordered, positive, side="left")
    upper = np.searchsorted(ordered, positive, side="right")
    return float((lower + upper).mean() / 2 / max(len(negative), 1))
