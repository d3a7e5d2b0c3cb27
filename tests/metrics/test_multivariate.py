"""Drift of columns together: a classifier that tells a window's rows from the baseline's."""

import numpy as np
import pyarrow as pa
import pytest

from monitor.metrics import MetricSettings, Subject
from monitor.metrics.drift import multivariate
from monitor.records import Measurement, Window
from monitor.windows.baseline_from_table import conform, from_table
from monitor.windows.profile import blank
from tests.support.tables import STREAM


def table(rows: int, seed: int, correlation: float = 0.9) -> pa.Table:
    """Two columns that go together, one that does not, and a label that follows the first."""
    rng = np.random.default_rng(seed)
    x, noise = rng.normal(size=rows), rng.normal(size=rows)
    y = correlation * x + np.sqrt(1 - correlation**2) * noise
    return pa.table({"x": x, "y": y, "z": rng.normal(size=rows), "sign": np.where(x > 0, "up", "down")})


BASE = from_table(STREAM, table(4000, 0), 0.0)


def scores(current: pa.Table) -> dict[str, Measurement]:
    rows = conform(current).combine_chunks().to_batches()[0]
    subject = Subject(STREAM, Window(0, 60), blank(BASE.layout), BASE, MetricSettings())
    return {m.metric: m for m in multivariate.measure(subject, rows)}


def test_rows_like_the_baselines_are_not_told_apart():
    for seed in range(1, 5):
        found = scores(table(1000, seed))
        assert found["domain_classifier_auc"].value == pytest.approx(0.5, abs=0.05)
        assert found["reconstruction_shift"].value == pytest.approx(0.0, abs=0.15)
        assert found["domain_classifier_auc"].p_value > 1e-4


def test_a_broken_correlation_is_seen_though_each_column_is_as_before():
    found = scores(table(1000, 1, correlation=0.0))
    assert found["domain_classifier_auc"].value > 0.6
    assert found["reconstruction_shift"].value > 0.3
    assert found["domain_classifier_auc"].p_value < 1e-6
    assert found["reconstruction_shift"].p_value < 1e-6


def test_too_few_rows_are_said():
    assert {m.reason for m in scores(table(20, 1)).values()} == {"20 rows of 100 needed"}
