"""Effects from counts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr, ndtri

from monitor.drift.columns import ColumnType, WatchedColumn, starts
from monitor.drift.model.scores import Family, build, legendre, signed_root

BUCKETS = 400


def number_counts(rng: np.random.Generator, n: int, shift: float = 0.0, scale: float = 1.0) -> np.ndarray:
    place = np.minimum(ndtr(rng.normal(shift, scale, n)) * BUCKETS, BUCKETS - 1).astype(int)
    return np.concatenate([[0, 0], np.bincount(place, minlength=BUCKETS), [0]]).astype(float)


def test_the_polynomials_are_orthonormal() -> None:
    grid = (np.arange(200_000) + 0.5) / 200_000
    scored = legendre(grid)
    assert np.allclose(scored @ scored.T / grid.size, np.eye(4), atol=1e-6)
    assert np.allclose(scored.mean(axis=1), 0, atol=1e-6)


def test_each_effect_has_variance_one_over_n_while_nothing_moves() -> None:
    rng = np.random.default_rng(1)
    scores = build([WatchedColumn("x", ColumnType.NUMBER, BUCKETS)], number_counts(rng, 2_000_000))
    found = np.array([scores.effects(*scores.sums(number_counts(rng, 500))) for _ in range(1500)])
    variance = found.var(axis=0) * 500
    assert np.all(np.abs(variance[:4] - 1) < 0.1)
    # A share is moved half a row towards what was expected, which makes it vary a little less.
    shares = variance[scores.family == Family.BIN]
    assert np.all((shares > 0.75) & (shares < 1.1))
    assert np.all(np.abs(found.mean(axis=0)) < 0.006)


@pytest.mark.parametrize("shift", [-0.5, 0.1, 0.3])
def test_a_shift_shows_as_the_location_effect_that_theory_gives(shift: float) -> None:
    rng = np.random.default_rng(2)
    scores = build([WatchedColumn("x", ColumnType.NUMBER, BUCKETS)], number_counts(rng, 1_000_000))
    effect = scores.effects(*scores.sums(number_counts(rng, 400_000, shift)))[0]
    assert effect == pytest.approx(np.sqrt(3) * (2 * ndtr(shift / np.sqrt(2)) - 1), abs=0.01)


def test_scores_of_two_windows_add() -> None:
    rng = np.random.default_rng(3)
    scores = build([WatchedColumn("x", ColumnType.NUMBER, BUCKETS)], number_counts(rng, 10_000))
    one, other = number_counts(rng, 300), number_counts(rng, 40)
    together = scores.sums(one + other)
    apart = [a + b for a, b in zip(scores.sums(one), scores.sums(other), strict=True)]
    assert np.allclose(together[0], apart[0])
    assert np.array_equal(together[1], apart[1])


@given(st.integers(0, 200), st.integers(1, 200), st.floats(0.001, 0.999))
def test_the_signed_root_squared_is_twice_the_likelihood_ratio_of_the_moved_share(
    hits: int, n: int, expected: float
) -> None:
    share = min(hits, n) / n
    root = float(signed_root(np.array([share]), np.array([expected]), np.array([float(n)]))[0])
    moved = share + np.clip(expected - share, -0.5 / n, 0.5 / n)
    moved = min(max(moved, 1e-12), 1 - 1e-12)
    ratio = 2 * (moved * np.log(moved / expected) + (1 - moved) * np.log((1 - moved) / (1 - expected)))
    assert root**2 == pytest.approx(max(ratio, 0.0), abs=1e-9)
    assert root == 0 or np.sign(root) == np.sign(moved - expected)


def test_a_small_share_is_close_to_normal_in_its_tails() -> None:
    rng = np.random.default_rng(4)
    n, share = 300, 0.02
    drawn = rng.binomial(n, share, 200_000) / n
    score = signed_root(drawn, np.full(drawn.shape, share), np.full(drawn.shape, float(n))) * np.sqrt(n)
    for level in (0.99, 0.999):
        assert (score > ndtri(level)).mean() < 2 * (1 - level)
        assert (score < -ndtri(level)).mean() < 2 * (1 - level)


def test_weights_of_a_column_add_to_one_less_the_unseen_part() -> None:
    columns = [
        WatchedColumn("x", ColumnType.NUMBER, 3),
        WatchedColumn("c", ColumnType.LABEL, 4),
        WatchedColumn("p", ColumnType.PRESENCE, 0),
    ]
    reference = np.ones(int(starts(columns)[-1]))
    scores = build(columns, reference)
    assert np.allclose(np.bincount(scores.column, scores.weight), 0.9)


def test_values_never_seen_are_counted_with_missing_ones_where_none_were_missing() -> None:
    columns = [WatchedColumn("c", ColumnType.LABEL, 2), WatchedColumn("d", ColumnType.LABEL, 2)]
    scores = build(columns, np.array([0, 0, 5, 5, 0, 2, 0, 5, 3, 0.0]))
    found, rows = scores.unseen_counts(np.array([3, 1, 5, 1, 0, 3, 1, 5, 1, 0.0]))
    assert list(found) == [4, 1]
    assert list(rows) == [10, 10]
