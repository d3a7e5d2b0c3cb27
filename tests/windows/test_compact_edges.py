"""Laws of edges that are kept in less memory: each bit comes back."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from monitor.metrics.drift import distance_plan
from monitor.metrics.drift.distance_plan import plan_of
from monitor.windows.layout import build, edges
from monitor.windows.layout.compact_edges import pack, plain
from monitor.windows.layout.layout import BELOW, LARGEST, MINUS_INFINITY, Column, Layout

UNITS = st.sampled_from([2.0**-1000, 2.0**-12, 1.0, 2.0**40, 2.0**1000])
ANY = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def columns(draw: st.DrawFn) -> tuple[np.ndarray, float]:
    """Ascending edges, of which some are multiples of half a unit, others any numbers: few or many, near or far."""
    unit, count = draw(UNITS), draw(st.integers(1, 200))
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    widths = rng.integers(0, draw(st.sampled_from([2, 1000, 70_000, 2**40])), count)
    with np.errstate(over="ignore"):
        made = np.cumsum(widths) * (unit / 2) + draw(st.sampled_from([0.0, -1000.5, 2.0**51])) * unit
    made = np.clip(made, -LARGEST, LARGEST)
    is_moved = rng.random(count) < draw(st.sampled_from([0.0, 0.1, 0.5]))
    made[is_moved] = np.nextafter(made[is_moved], LARGEST)
    others = draw(st.lists(ANY, max_size=3))
    return np.sort(np.append(made, [*others, *draw(st.sampled_from([[], [-0.0], [0.0]]))])), unit


@given(st.lists(columns(), max_size=5))
def test_law_all_bits_of_all_edges_come_back(asked: list[tuple[np.ndarray, float]]) -> None:
    for (expected, _), found in zip(asked, pack(asked), strict=True):
        assert found.cuts.tobytes() == plain(expected).cuts.tobytes()
        assert found.size == expected.size


def layout_of(numbers: list[np.ndarray]) -> Layout:
    made = [edges.numbers(f"features.{place}", values) for place, values in enumerate(numbers)]
    core = [edges.score("confidence"), edges.duration("latency_ms", 0.01, 1e7), edges.odds_score("entropy")]
    return build.assemble(core, [*made, edges.numbers("features.empty", np.empty(0))])


def some_layout() -> Layout:
    rng = np.random.default_rng(7)
    varied = [rng.normal(size=5000) * 1.03, rng.lognormal(size=3000), rng.integers(0, 9, 500).astype(float)]
    return layout_of([*varied, np.array([LARGEST, -LARGEST, 0.0]), np.array([5e-324, 0.0]), np.ones(3)])


def test_a_stored_layout_has_the_same_edges_and_identity_in_less_memory() -> None:
    made = some_layout()
    stored = build.decode(build.encode(made))
    assert stored.id == made.id
    assert build.encode(stored) == build.encode(made)
    for one, other in zip(stored.columns, made.columns, strict=True):
        assert one.cuts.tobytes() == other.cuts.tobytes(), one.name
    packed = stored.column("features.0").bounds.packed
    assert packed is not None
    assert packed is stored.column("features.1").bounds.packed
    arrays = (packed.steps, packed.jumps_at, packed.jumps, packed.at, packed.others)
    assert sum(array.nbytes for array in arrays) < 0.4 * sum(packed.sizes) * 8


def test_edges_that_do_not_depend_on_the_baseline_are_shared() -> None:
    one, other = (build.decode(build.encode(some_layout())) for _ in range(2))
    for name in ("confidence", "latency_ms"):
        assert one.column(name).bounds is other.column(name).bounds


def test_the_widths_of_places_are_those_of_each_column_alone() -> None:
    plan = plan_of(build.decode(build.encode(some_layout())))
    expected = np.concatenate([_widths(column) for column in plan.numbers])
    assert distance_plan._widths(plan).tobytes() == expected.tobytes()


def _widths(column: Column) -> np.ndarray:
    widths = np.zeros(column.size - MINUS_INFINITY)
    with np.errstate(over="ignore"):
        spans = np.minimum(np.minimum(np.diff(column.edges), LARGEST) / column.unit, LARGEST)
    inside = spans * (column.within / 255.0 if column.within.size else 0.5)
    first = BELOW - MINUS_INFINITY
    widths[first : first + spans.size] += inside
    widths[first + 1 : first + 1 + spans.size] += spans - inside
    return widths
