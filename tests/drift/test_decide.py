"""The decision as a whole, on streams whose truth is known."""

import itertools
import re
from dataclasses import replace

import numpy as np
import pytest

from monitor import drift
from monitor.drift.columns import FIRST, starts
from monitor.drift.decision.budget import RESERVE
from monitor.drift.explain.column_changes import column_changes
from monitor.drift.model import kalman_filter
from monitor.records import Window
from tests.bench.streams import HOUR, REFERENCE, Drift, Spec, columns, moved_column, window_at, windows

A = drift.parse("1 per 30 days").limit(HOUR)
SPEC = Spec("all", 200, 20, seed=77, windows=120)


@pytest.fixture(scope="module")
def stream() -> list[drift.WindowCounts]:
    return list(windows(SPEC))


@pytest.fixture(scope="module")
def calibration(stream: list[drift.WindowCounts]) -> drift.Calibration:
    return drift.fit(columns(SPEC), stream[:REFERENCE])


def judged(
    calibration: drift.Calibration, held: list[drift.WindowCounts]
) -> tuple[drift.DecisionState, list[drift.Decision]]:
    state, found = drift.begin(calibration), []
    limits = drift.limits(calibration.columns, A)
    for window in held:
        state, decision = drift.advance(calibration, state, window, limits)
        found.append(decision)
    return state, found


def reordered(
    counts: drift.WindowCounts, held: tuple[drift.WatchedColumn, ...], order: list[int]
) -> drift.WindowCounts:
    bounds = np.concatenate([[0], np.cumsum([column.size for column in held])])
    return replace(counts, kept=np.concatenate([counts.counts[bounds[i] : bounds[i + 1]] for i in order]))


def test_permuting_columns_changes_nothing(stream: list[drift.WindowCounts]) -> None:
    held = columns(SPEC)
    order = [int(i) for i in np.random.default_rng(1).permutation(len(held))]
    moved = [reordered(window, held, order) for window in stream]
    one = judged(drift.fit(held, stream[:REFERENCE]), stream[REFERENCE:])[1]
    other = judged(drift.fit([held[i] for i in order], moved[:REFERENCE]), moved[REFERENCE:])[1]
    for before, after in zip(one, other, strict=True):
        assert np.allclose(before.ratio[:-1][order], after.ratio[:-1], rtol=1e-6, atol=1e-12)
        assert before.ratio[-1] == pytest.approx(after.ratio[-1], rel=1e-6, abs=1e-12)


def test_a_constant_column_never_fires() -> None:
    held = [
        drift.WatchedColumn("constant", drift.ColumnType.NUMBER, 1),
        drift.WatchedColumn("one label", drift.ColumnType.LABEL, 1),
        drift.WatchedColumn("there", drift.ColumnType.PRESENCE, 0),
        drift.WatchedColumn("empty", drift.ColumnType.NUMBER, 5),
    ]
    rng = np.random.default_rng(2)
    made = []
    for t in range(400):
        n = float(rng.integers(1, 2000))
        counts = np.array([0, 0, n, 0, 0, 0, n, 0, 0, n, n, 0, 0, 0, 0, 0, 0, 0])
        made.append(drift.WindowCounts(Window(t * HOUR, (t + 1) * HOUR), counts))
    calibration = drift.fit(held, made[:200])
    _, found = judged(calibration, made[200:])
    assert max(decision.ratio.max() for decision in found) < 0.05


@pytest.mark.parametrize("name", ["0.5 sd", "sd x1.3", "missing 2 -> 5 %", "new category 2 %"])
def test_a_real_drift_is_found_in_its_column_and_named_first(
    calibration: drift.Calibration, name: str
) -> None:
    spec = Spec(SPEC.kind, SPEC.n, SPEC.columns, SPEC.seed, SPEC.windows, Drift(name, REFERENCE + 20))
    state, found = judged(calibration, list(windows(spec, REFERENCE)))
    column = moved_column(spec)
    assert state.incident.member[column]
    assert int(np.argmax(found[-1].ratio[:-1])) == column
    assert abs(state.incident.since[column] - found[20].window.start) <= 12 * HOUR


def test_gaps_empty_windows_and_unequal_volumes_are_borne(calibration: drift.Calibration) -> None:
    rng = np.random.default_rng(5)
    state, limits = drift.begin(calibration), drift.limits(calibration.columns, A)
    for t, window in enumerate(windows(SPEC, REFERENCE)):
        if t % 7 == 3:
            continue
        counts = (
            window.counts * 0
            if t % 7 == 5
            else rng.binomial(window.counts.astype(int), rng.choice([0.02, 0.3, 1]))
        )
        state, decision = drift.advance(
            calibration, state, replace(window, kept=counts.astype(float)), limits
        )
        assert np.isfinite(decision.ratio).all()
    assert not state.incident.is_open


def test_a_window_that_was_judged_before_changes_nothing(
    calibration: drift.Calibration, stream: list[drift.WindowCounts]
) -> None:
    state, _ = judged(calibration, stream[REFERENCE : REFERENCE + 5])
    again, decision = drift.advance(
        calibration, state, stream[REFERENCE + 2], drift.limits(calibration.columns, A)
    )
    assert again is state
    assert decision.skipped == "the window was evaluated before"


def test_thin_windows_roll_into_the_next_and_lose_no_rows(
    calibration: drift.Calibration, stream: list[drift.WindowCounts]
) -> None:
    window = stream[REFERENCE]
    part = replace(window, kept=np.floor(window.counts * 0.02))
    state, limits = drift.begin(calibration), drift.limits(calibration.columns, A)
    seen = waiting = 0.0
    for t in range(40):
        moment = Window(window.window.start + t * HOUR, window.window.end + t * HOUR)
        state, decision = drift.advance(calibration, state, replace(part, window=moment), limits)
        assert decision.scored is not None
        seen += decision.scored.rows.sum()
        waiting = state.carried[1].sum()
    assert seen + waiting == pytest.approx(40 * calibration.scores.sums(part.counts)[1].sum())


def test_a_gross_break_pages_in_one_window(
    calibration: drift.Calibration, stream: list[drift.WindowCounts]
) -> None:
    window = stream[REFERENCE]
    size = calibration.columns[0].size
    dead = window.counts.copy()
    dead[0] = dead[:size].sum()
    dead[1:size] = 0
    state, limits = drift.begin(calibration), drift.limits(calibration.columns, A)
    state, decision = drift.advance(calibration, state, replace(window, kept=dead), limits)
    assert decision.opened
    assert list(np.flatnonzero(decision.joined)) == [0]
    assert column_changes(calibration, state, decision)[0].part == "values are missing (100%), none were"


def test_one_large_change_is_not_one_of_many_columns(
    calibration: drift.Calibration, stream: list[drift.WindowCounts]
) -> None:
    first = int(starts(calibration.columns)[SPEC.split[0]])  # a column of eight labels
    state, limits = drift.begin(calibration), drift.limits(calibration.columns, A)
    joined = np.zeros(SPEC.columns + 1, bool)
    for window in stream[REFERENCE : REFERENCE + 60]:
        only = window.counts.copy()
        only[first + FIRST], only[first + FIRST + 1 : first + FIRST + 8] = only[first : first + 11].sum(), 0
        state, decision = drift.advance(calibration, state, replace(window, kept=only), limits)
        joined |= decision.joined
        if decision.opened:
            words = column_changes(calibration, state, decision)[SPEC.split[0]].part
            assert re.fullmatch(r"'a' is more frequent \((100|9\d)% instead of 3\d%\)", words)
    assert list(np.flatnonzero(joined)) == [SPEC.split[0]]


def test_an_incident_closes_after_the_effect_was_small_for_a_while(calibration: drift.Calibration) -> None:
    state, limits = drift.begin(calibration), drift.limits(calibration.columns, A)
    spec = Spec(SPEC.kind, SPEC.n, SPEC.columns, SPEC.seed, SPEC.windows, Drift("0.5 sd", REFERENCE))
    opened = closed = 0
    for index, (normal, moved) in enumerate(
        zip(windows(SPEC, REFERENCE), windows(spec, REFERENCE), strict=True)
    ):
        state, decision = drift.advance(calibration, state, moved if index < 12 else normal, limits)
        opened += decision.opened
        closed += decision.closed
    assert (opened, closed) == (1, 1)
    assert not state.evidence.ratio[:, calibration.scores.column == 0].max() > 1e6


def life(drifted: Spec, last: int, after: int) -> tuple[list[int], list[int]]:
    """When incidents opened, in windows since the drift began, and when they closed, in windows since it ended."""
    spec = replace(drifted, drift=None)
    begun = drifted.drift.begin if drifted.drift else 0
    calibration = drift.fit(columns(spec), list(itertools.islice(windows(spec), REFERENCE)))
    limits, state = drift.limits(calibration.columns, A), drift.begin(calibration)
    opened, closed = [], []
    ended = begun + last
    held = [*windows(spec, REFERENCE)][: begun - REFERENCE], [*windows(drifted, begun)][:last]
    for index, window in enumerate([*held[0], *held[1], *itertools.islice(windows(spec, ended), after)]):
        state, decision = drift.advance(calibration, state, window, limits)
        opened += [REFERENCE + index - begun] * decision.opened
        closed += [REFERENCE + index - ended] * decision.closed
    return opened, closed


@pytest.mark.parametrize("name", ["0.5 sd", "sd x1.3"])
def test_with_few_rows_an_incident_lasts_as_long_as_its_change_and_little_longer(name: str) -> None:
    spec = Spec("iid", 100, 10, seed=1501, windows=220, drift=Drift(name, REFERENCE + 20))
    opened, closed = life(spec, last=80, after=60)
    assert len(opened) == 1
    assert 0 <= opened[0] < 20
    assert len(closed) == 1
    assert 5 <= closed[0] < 24


def test_a_shock_of_what_wanders_is_followed_at_once_where_tails_are_heavy_and_no_more_than_so_far() -> None:
    error = np.array([0.0, 1.0, 3.0, 6.0, 60.0])
    assert list(kalman_filter.shock_factor(error, np.zeros(5))) == [1.0] * 5
    heavy = kalman_filter.shock_factor(error, np.full(5, 0.3))
    assert list(heavy[:3]) == [1.0] * 3
    assert (np.diff(heavy) >= 0).all()
    assert heavy[-1] == kalman_filter.MOST


def test_the_windows_length_does_not_change_the_budget() -> None:
    budget = drift.parse("1 per 30 days")
    for seconds in (60, 900, 3600):
        assert budget.limit(seconds) * seconds == pytest.approx(30 * 86_400)


def test_importance_moves_evidence_between_columns_and_keeps_the_sum() -> None:
    held = columns(SPEC)
    plain, weighted = drift.limits(held, A), drift.limits(held, A, {"number 0": 5.0})
    assert weighted[0] == pytest.approx(plain[0] * (len(held) + 4) / len(held) / 5)
    assert (1 / weighted[:-1]).sum() == pytest.approx((1 / plain[:-1]).sum())


def test_all_shares_add_to_the_budget_less_its_reserve() -> None:
    held = (*columns(SPEC), drift.WatchedColumn("prediction", drift.ColumnType.LABEL, 2, drift.Role.OUTPUT))
    assert A * (1 / drift.limits(held, A)).sum() == pytest.approx(1 / RESERVE)


def test_many_small_shifts_at_once_are_found_together_before_any_of_them_alone() -> None:
    spec = Spec("iid", 100, 50, seed=78, windows=60)
    held = list(windows(spec, 0))[:REFERENCE]
    calibration = drift.fit(columns(spec), held)
    limits, state = drift.limits(calibration.columns, A), drift.begin(calibration)
    value = np.full(spec.columns, 0.12)
    for t in range(REFERENCE, REFERENCE + 60):
        state, decision = drift.advance(calibration, state, window_at(spec, value, t), limits)
        if decision.opened:
            break
    assert decision.joined[-1]
    assert not decision.joined[:-1].any()


@pytest.mark.parametrize("kind", ["daily", "all"])
def test_mondays_after_weekends_that_differ_are_no_drift(kind: str) -> None:
    spec = Spec(kind, 400, 20, seed=79, windows=14 * 24)
    calibration = drift.fit(columns(spec), list(windows(spec))[:REFERENCE])
    limits, state = drift.limits(calibration.columns, A), drift.begin(calibration)
    for window in windows(spec, REFERENCE):
        state, decision = drift.advance(calibration, state, window, limits)
        assert not decision.opened
