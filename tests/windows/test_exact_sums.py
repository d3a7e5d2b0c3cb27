import math

import numpy as np
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
