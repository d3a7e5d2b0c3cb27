"""Several columns that move at once need less evidence each, and nothing of the budget is spent on it."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from monitor import drift
from monitor.drift.decision.step_up import step_up
from tests.bench.streams import HOUR, REFERENCE, Spec, columns, window_at, windows

LIMIT = drift.parse("1 per 30 days").limit(HOUR)
RATIOS = st.lists(st.floats(0, 1e300) | st.floats(0, 2), min_size=1, max_size=12).map(np.array)


SPEC = Spec("iid", 100, 20, seed=78, windows=90)


def stepped(ratio: np.ndarray) -> np.ndarray:
    return step_up(ratio, np.ones(len(ratio), bool))


@given(RATIOS)
def test_law_it_is_the_largest_number_of_columns_of_which_each_has_its_part(ratio: np.ndarray) -> None:
    sizes = range(len(ratio), 0, -1)
    most = next((k for k in sizes if (ratio * k >= 1).sum() >= k), 0)
    expected = ratio * most >= 1 if most else np.zeros(len(ratio), bool)
    np.testing.assert_array_equal(stepped(ratio) >= 1, expected)


@given(RATIOS)
def test_law_columns_are_only_significant_if_the_evidence_of_all_adds_to_the_limit(ratio: np.ndarray) -> None:
    assert ratio.sum() >= 1 - 1e-12 or not (stepped(ratio) >= 1).any()


@given(RATIOS, st.lists(st.floats(0, 0.999), max_size=6))
def test_law_columns_that_do_not_move_change_no_other_decision(ratio: np.ndarray, still: list[float]) -> None:
    """Their evidence is below the part that they would need together with all others."""
    quiet = np.array(still) / (len(ratio) + len(still) + 1)
    with_them = stepped(np.append(ratio, quiet))
    np.testing.assert_array_equal(with_them, np.append(stepped(ratio), quiet))


@given(RATIOS)
def test_law_the_order_of_columns_and_those_not_counted_change_nothing(ratio: np.ndarray) -> None:
    order = np.random.default_rng(len(ratio)).permutation(len(ratio))
    np.testing.assert_array_equal(stepped(ratio[order]), stepped(ratio)[order])
    counted = np.append(np.ones(len(ratio), bool), False)
    beside = step_up(np.append(ratio, 1e9), counted)
    np.testing.assert_array_equal(beside, np.append(stepped(ratio), 1e9))
    assert (stepped(ratio) >= ratio).all()


def joined(moves: dict[int, tuple[int, float]]) -> dict[int, int]:
    """The window in which each column joins, from the reference on; `moves` is when and by how much each moves."""
    calibration = drift.fit(columns(SPEC), list(itertools.islice(windows(SPEC), REFERENCE)))
    limits, state = drift.limits(calibration.columns, LIMIT), drift.begin(calibration)
    found: dict[int, int] = {}
    for t in range(60):
        value = np.zeros(SPEC.columns)
        for column, (begin, size) in moves.items():
            value[column] = size * (t >= begin)
        window = window_at(SPEC, value, REFERENCE + t)
        state, _ = drift.advance(calibration, state, window, limits)
        for column in np.flatnonzero(state.incident.member[:-1]).tolist():
            found.setdefault(column, t)
    return found


def test_five_columns_that_move_at_once_are_all_found_by_the_third_window() -> None:
    found = joined(dict.fromkeys(range(5), (0, 0.5)))
    assert set(found) == set(range(5))
    assert max(found.values()) <= 2


def test_a_column_that_joins_a_day_after_many_needs_its_own_evidence() -> None:
    """A wave is a page of its own. The rows are the same with and without the others that move."""
    many, late = dict.fromkeys(range(10), (0, 0.5)), {13: (30, 0.2)}
    assert joined(many | late)[13] == joined(late)[13]
    soon = {13: (4, 0.2)}
    assert joined(many | soon)[13] < joined(soon)[13]
