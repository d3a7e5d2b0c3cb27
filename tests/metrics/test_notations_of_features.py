"""The same values of a feature in another notation or type are no drift."""

import numpy as np
import pyarrow as pa
import pytest

from monitor.metrics import MetricSettings, Subject, measure
from monitor.windows.baseline_from_table import conform, from_table
from monitor.windows.kernel.count_rows import count
from tests.support.notations import BINARY, WINDOW, column, two_classes
from tests.support.tables import STREAM


def drift(reference: pa.Array, current: pa.Array) -> dict[tuple[str, str], float | None]:
    base = from_table(STREAM, pa.table({"x": reference}), 0.0)
    rows = conform(pa.table({"x": current})).combine_chunks().to_batches()[0]
    found = measure(Subject(STREAM, WINDOW, count(rows, base.layout), base, MetricSettings()))
    return {(m.metric, m.label("change")): m.value for m in found if m.label("feature") == "x"}


@pytest.mark.parametrize("before", BINARY)
@pytest.mark.parametrize("after", BINARY)
def test_another_notation_is_a_change_of_the_schema_and_no_drift(before: str, after: str) -> None:
    values = two_classes(6)[0].tolist()
    found = drift(column(map(BINARY[before], values)), column(map(BINARY[after], values)))
    assert found["psi", ""] == pytest.approx(0.0, abs=1e-9)
    assert found.get(("new_category_share", ""), 0.0) == 0.0
    assert found.get(("unreadable_share", ""), 0.0) == 0.0
    one, other = _family(before), _family(after)
    is_read = before in ("int", "float") and other == "float text"  # a number, however it is sent
    assert (("schema_changes", "notation") in found) == (one != other and not is_read)


def _family(notation: str) -> str:
    """Notations that arrive as the same: JSON and Arrow know no difference between 1 and 1.0, nor true and "true"."""
    arrives = {"int": "digit", "float": "digit", "digit text": "digit", "bool": "true"}
    return arrives.get(notation, notation)


@pytest.mark.parametrize("name", ["normal", "prices", "few", "tenths", "negative", "tiny", "whole"])
def test_float32_and_float64_of_the_same_values_do_not_differ(name: str) -> None:
    rng = np.random.default_rng(8)
    x = {
        "normal": rng.normal(size=5000),
        "prices": np.round(rng.lognormal(3, 1, 4000), 2),
        "few": rng.choice([0.1, 0.2, 0.3, 0.7], 3000),
        "tenths": rng.integers(0, 500, 3000) / 10,
        "negative": -np.round(rng.exponential(1, 3000), 3),
        "tiny": rng.normal(0, 1e-20, 3000),
        "whole": rng.integers(0, 10**7, 4000).astype(float),
    }[name]
    narrow = pa.array(x.astype(np.float32))
    for before, after in ((pa.array(x), narrow), (narrow, pa.array(x))):
        found = drift(before, after)
        assert found["psi", ""] == pytest.approx(0.0, abs=1e-9)
        assert found["out_of_range_share", ""] == 0.0


def test_whole_numbers_beyond_those_of_float64_and_decimals_do_not_differ():
    rng = np.random.default_rng(9)
    large = rng.integers(2**53, 2**62, 3000)
    exact = pa.array(rng.integers(0, 10**6, 2000)).cast(pa.decimal128(30, 0))
    thousandths = pa.array([value / 1000 for value in exact.to_pylist()])
    for before, after in (
        (pa.array(large), pa.array(large.astype(float))),
        (thousandths, pa.array([float(value.as_py()) for value in thousandths])),
    ):
        assert drift(before, after)["psi", ""] == pytest.approx(0.0, abs=1e-9)
        assert drift(after, before)["psi", ""] == pytest.approx(0.0, abs=1e-9)
