"""McNemar's test against scipy's binomial; Tango's interval against its definition and the published one; signs."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from monitor.gating import exact_tests
from tests.support.thorough import examples


@pytest.mark.parametrize(("lost", "won"), [(0, 0), (1, 0), (0, 9), (7, 3), (40, 20), (20, 40), (700, 640)])
def test_mcnemar_is_the_binomial_tail(lost: int, won: int) -> None:
    expected = stats.binom.sf(lost - 1, lost + won, 0.5) if lost + won else 1.0
    assert exact_tests.mcnemar(lost, won) == pytest.approx(expected, rel=1e-9)


def test_mcnemar_of_very_many_items() -> None:
    assert exact_tests.mcnemar(500_700, 499_300) == pytest.approx(
        stats.binom.sf(500_699, 1_000_000, 0.5), rel=1e-6
    )


@pytest.mark.parametrize(
    ("lost", "won", "n"), [(2, 12, 50), (0, 1, 50), (0, 0, 50), (30, 18, 400), (9, 0, 40)]
)
def test_the_ends_of_tangos_interval_have_the_score_of_its_level(lost: int, won: int, n: int) -> None:
    """The score of a difference, its variance from the likelihood maximized numerically under that difference."""
    z = 1.6449
    low, high = exact_tests.tango(np.array([lost]), np.array([won]), np.array([n]), z)
    for difference, level in ((low[0], z), (high[0], -z)):

        def unlikely(p: float, d: float = difference) -> float:
            rest = max(1 - 2 * p - d, 1e-300)
            return -(
                lost * np.log(max(p, 1e-300))
                + won * np.log(max(p + d, 1e-300))
                + (n - lost - won) * np.log(rest)
            )

        least, most = max(0.0, -difference), (1 - difference) / 2
        p = optimize.minimize_scalar(
            unlikely, bounds=(least, most), method="bounded", options={"xatol": 1e-12}
        ).x
        score = (won - lost - n * difference) / np.sqrt(n * (2 * p + difference - difference**2))
        assert score == pytest.approx(level, abs=2e-3)


@settings(max_examples=examples(40))
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=6))
def test_tango_keeps_its_order_and_its_symmetry(pairs: list[tuple[int, int]]) -> None:
    lost, won = np.array(pairs, np.float64).T
    n = lost + won + 3
    low, high = exact_tests.tango(lost, won, n, 1.645)
    assert (low <= (won - lost) / n + 1e-9).all()
    assert ((won - lost) / n - 1e-9 <= high).all()
    flipped = exact_tests.tango(won, lost, n, 1.645)
    assert flipped[0] == pytest.approx(-high, abs=1e-9)
    assert flipped[1] == pytest.approx(-low, abs=1e-9)


def test_tango_covers_as_often_as_it_says() -> None:
    """With few changed items, where Wald's interval is empty or too short."""
    rng = np.random.default_rng(0)
    for drop in (0.0, 0.02):
        lost, won, _ = rng.multinomial(200, [(0.04 + drop) / 2, (0.04 - drop) / 2, 0.96], 20_000).T
        low, _ = exact_tests.tango(lost.astype(float), won.astype(float), np.full(20_000, 200.0), 1.6449)
        assert 0.03 < (low > -drop).mean() < 0.06


@settings(max_examples=examples(60))
@given(st.lists(st.integers(-4, 4), min_size=1, max_size=9))
def test_signs_are_the_share_of_all_sign_changes(differences: list[int]) -> None:
    sizes = [abs(one) for one in differences]
    sums = [
        sum(s * d for s, d in zip(change, sizes, strict=True))
        for change in product((-1, 1), repeat=len(sizes))
    ]
    expected = np.mean([one <= sum(differences) for one in sums])
    assert exact_tests.signs(np.array(differences)) == pytest.approx(expected, abs=1e-12)
    assert exact_tests.signs(3 * np.array(differences)) == pytest.approx(expected, abs=1e-12)


def test_signs_of_single_items_are_mcnemar() -> None:
    differences = np.array([-1] * 30 + [1] * 18 + [0] * 400)
    assert exact_tests.signs(differences) == pytest.approx(exact_tests.mcnemar(30, 18), rel=1e-9)


def test_signs_of_many_items_are_nearly_exact() -> None:
    differences = np.repeat([-1, 1], [15_300, 15_000])
    assert exact_tests.signs(differences) == pytest.approx(exact_tests.mcnemar(15_300, 15_000), rel=0.01)
