"""How often new labels come: the share that chance explains, and that of values which are replaced."""

import numpy as np
import pyarrow as pa
import pytest

from monitor.windows.layout import build, from_table, new_labels


def column(codes: np.ndarray) -> pa.Array:
    return pa.array([f"v{code}" for code in codes])


def test_novelty_is_the_share_of_the_next_rows_whose_label_is_new() -> None:
    rng = np.random.default_rng(1)
    weight = 1 / np.arange(1, 5001) ** 1.2
    drawn = rng.choice(5000, 40_000, p=weight / weight.sum())
    told = from_table.labels("features.shop", column(drawn[:20_000]))
    new = ~np.isin(drawn[20_000:], drawn[:20_000])
    # The truth falls while the next rows come, so the first of them are what it speaks of.
    assert told.novelty == pytest.approx(new[:4000].mean(), rel=0.15)
    assert told.turnover < 0.005, "nothing is replaced"


def test_eight_frequent_labels_leave_nothing_new() -> None:
    told = from_table.labels("features.plan", column(np.random.default_rng(2).integers(0, 8, 5000)))
    assert (told.novelty, told.turnover) == (0.0, 0.0)


@pytest.mark.parametrize("shuffled", [False, True])
def test_turnover_is_what_the_order_of_rows_shows(shuffled: bool) -> None:
    rng = np.random.default_rng(3)
    member = rng.integers(0, 500, 60_000)
    codes = member + 500 * (
        (np.arange(60_000) + 120 * member) // 60_000
    )  # each is replaced once, at its own time
    told = from_table.labels("features.customer", column(rng.permutation(codes) if shuffled else codes))
    assert told.turnover == pytest.approx(0.0 if shuffled else 0.125, abs=0.01)


def test_a_layout_keeps_both_and_its_identity_without_them_is_that_of_earlier_versions() -> None:
    layout = build.assemble(
        [], [from_table.labels("features.shop", column(np.random.default_rng(4).integers(0, 900, 2000)))]
    )
    again = build.decode(build.encode(layout))
    assert again.id == layout.id
    assert again.columns[0].novelty == layout.columns[0].novelty > 0
    known = from_table.labels("features.plan", pa.array(["a", "b"] * 50))
    raw = build._raw((known,), 0, (), ())
    assert b"novelty" not in raw
    assert b"turnover" not in raw


def test_no_rows_have_no_share() -> None:
    none = np.zeros(0, np.int64)
    assert new_labels.novelty(none) == new_labels.turnover(none, none) == 0.0
