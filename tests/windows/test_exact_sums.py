"""Exact sums of float64: rounded once, and independent of how the values are divided."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.windows.kernel import exact_sums, tally

_finite = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(_finite, max_size=50))
def test_a_sum_is_rounded_once_at_the_end(values):
    try:
        expected = math.fsum(values)
    except OverflowError:
        return
    assert exact_sums.to_float(exact_sums.exact_sum(np.array(values))) == expected


_rng = np.random.default_rng(5)
MANY = {
    "amounts": np.round(_rng.gamma(2, 50, 3000), 2),
    "squares": _rng.normal(0, 1e6, 3000) ** 2,
    "flags": _rng.integers(0, 2, 4096).astype(float),
    "largest mantissas": np.full(4096, np.nextafter(2.0, 1.0)),
    "both signs": np.concatenate([_rng.normal(0, 1, 1500), -_rng.normal(0, 1, 1500), [1e16, -1e16, 1.0]]),
    "all sizes": np.ldexp(_rng.normal(0, 1, 3000), _rng.integers(-1060, 1010, 3000)),
    "large": np.ldexp(_rng.uniform(-1, 1, 1023), 1023),
    "subnormal": _rng.integers(-9, 10, 1024) * 5e-324,
    "nothing": np.zeros(7),
}


@pytest.mark.parametrize("name", MANY)
def test_sums_of_many_values_are_those_of_whole_numbers(name):
    values = MANY[name]
    kept = values.copy()
    assert exact_sums.exact_sum(values) == sum(int(Fraction(one) * 2**1126) for one in values.tolist())
    assert (values == kept).all()


@given(st.lists(_finite, max_size=30), st.lists(_finite, max_size=30))
def test_sums_of_parts_add_up_exactly(one, other):
    whole = exact_sums.exact_sum(np.array(one + other))
    assert exact_sums.exact_sum(np.array(one)) + exact_sums.exact_sum(np.array(other)) == whole
    assert exact_sums.unpack(*exact_sums.pack(whole)) == whole


@given(
    st.lists(
        st.dictionaries(st.integers(0, 3000).map(str), st.integers(1, 9).map(float), max_size=2000),
        max_size=4,
    )
)
def test_a_bounded_tally_is_the_same_however_it_is_put_together(parts):
    step_by_step: tally.Tally = {}
    for part in parts:
        step_by_step = tally.add([step_by_step, tally.bounded(part)])
    at_once = tally.add(parts)
    assert step_by_step == at_once
    assert len(at_once) <= tally.MOST
    for label, count in at_once.items():
        assert count == sum(part.get(label, 0.0) for part in parts)
