"""Windows of which rules read some distances have those alone, the same to the last bit."""

import itertools

import numpy as np
import pyarrow as pa
import pytest

from monitor.config.units import DAY, HOUR, MINUTE
from monitor.metrics import (
    FAMILIES,
    MetricSettings,
    Subject,
    families_by_length,
    families_of,
    is_compared,
    with_families,
)
from monitor.metrics.drift import column_drift
from monitor.metrics.drift.column_drift import SomeDrift
from monitor.records import Labels, Measurement, Window
from monitor.windows.baseline_from_table import Baseline, from_table
from monitor.windows.kernel.count_rows import count
from monitor.windows.profile import Profile, blank
from tests.support.tables import STREAM

NAMES = tuple(info.name for info in column_drift.INFO)
SETTINGS = MetricSettings(min_rows=20)


def rows(seed: int, n: int, *, is_new: bool = False, empty: bool = False) -> pa.RecordBatch:
    """Numbers with gaps and infinities, numbers that do not vary, whole numbers, labels, and columns without values."""
    rng = np.random.default_rng(seed)
    amount = rng.normal(0.3 * is_new, 1 + is_new, n)
    amount[:: 7 + seed] = np.nan
    amount[3::11] = np.inf
    return pa.RecordBatch.from_pydict(
        {
            "features.amount": amount,
            "features.fixed": np.full(n, 2.5 + is_new),
            "features.items": rng.poisson(3, n),
            "features.gone": pa.array(rng.normal(size=n), mask=np.full(n, is_new)),
            "features.came": pa.array(rng.normal(size=n), mask=np.full(n, not is_new)),
            "features.seldom": pa.array(rng.normal(size=n), mask=np.arange(n) % 20 > empty),
            "features.country": pa.array(rng.choice(["DE", "FR", "IT"], n)).dictionary_encode(),
            "prediction": pa.array(rng.choice(["yes", "no"], n)).dictionary_encode(),
            "confidence": rng.beta(5, 2, n),
        }
    )


BASELINE = from_table(STREAM, pa.Table.from_batches([rows(1, 3000)]), 0.0)
OTHER = from_table(STREAM, pa.Table.from_batches([rows(2, 300).select(["features.amount"])]), 0.0)
PROFILES = {
    "alike": count(rows(3, 400), BASELINE.layout),
    "moved": count(rows(4, 400, is_new=True), BASELINE.layout),
    "few rows": count(rows(5, 12), BASELINE.layout),
    "no rows": blank(BASELINE.layout),
    "of another layout": count(rows(6, 50), OTHER.layout),
}


def measured(
    profile: Profile, base: Baseline | None, metrics: frozenset[str]
) -> dict[tuple[str, Labels], Measurement]:
    every = metrics == frozenset(NAMES)
    family = column_drift.measure if every else SomeDrift(metrics)
    return {(m.metric, m.labels): m for m in family(Subject(STREAM, Window(0, 60), profile, base, SETTINGS))}


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("base", [BASELINE, None], ids=["with a baseline", "without"])
def test_some_distances_are_what_they_are_among_all(name: str, base: Baseline | None) -> None:
    whole = measured(PROFILES[name], base, frozenset(NAMES))
    assert base is None or name == "of another layout" or {metric for metric, _ in whole} == set(NAMES)
    for some in (*itertools.combinations(NAMES, 1), *itertools.combinations(NAMES, 2), NAMES[1:]):
        found = measured(PROFILES[name], base, frozenset(some))
        for key, one in whole.items():
            if key[0] in some:
                assert repr(found[key]) == repr(one)
        assert {metric for metric, _ in found} <= {*some, "drifted_share"}


def test_only_windows_that_nothing_else_shows_are_narrowed() -> None:
    read = {MINUTE: {"error_rate"}, 2 * MINUTE: {"psi"}, HOUR: {"psi"}, DAY: {"psi", "volume"}}
    wanted = families_by_length(read, MINUTE)
    assert wanted[MINUTE] == FAMILIES
    assert wanted[HOUR] == families_of({"psi"})
    assert wanted[2 * MINUTE] == (SomeDrift(frozenset({"psi"})),)
    assert set(wanted[DAY]) == {families_of({"volume"})[0], SomeDrift(frozenset({"psi"}))}
    without = families_by_length({2 * MINUTE: {"psi"}}, MINUTE)
    assert without[2 * MINUTE] == families_of({"psi"}), "exporters show these figures"


def test_what_a_target_needs_beside_is_measured_whole_and_once() -> None:
    some = (SomeDrift(frozenset({"mean_shift"})),)
    assert with_families(some, families_of({"psi"})) == (column_drift.measure,)
    assert with_families(some, families_of({"volume"})) == (*families_of({"volume"}), *some)
    assert with_families((), families_of({"volume", "psi"})) == families_of({"volume", "psi"})


def test_narrowed_drift_is_compared_with_further_baselines_as_before() -> None:
    assert is_compared(SomeDrift(frozenset({"psi"})))
    assert is_compared(column_drift.measure)
