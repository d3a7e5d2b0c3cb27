"""Lists beside scikit-learn and the formulae of ranx, item by item, on dirty rows; and the laws of their counts."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.stats import chi2
from sklearn.metrics import ndcg_score

from monitor.metrics import MetricSettings, Subject
from monitor.metrics.recommendation import list_quality, shown_items
from monitor.metrics.recommendation.shown_items import exposure_of
from monitor.metrics.settings import Ranking
from monitor.predictions.log.item_lists import grades_of, grades_text, list_text
from monitor.predictions.outcomes.known_outcomes import KnownOutcomes
from monitor.records import Measurement, Stream, Window
from monitor.windows import codec
from monitor.windows.baseline_from_table import Baseline, conform
from monitor.windows.kernel import ranking_counts as counts
from monitor.windows.kernel.count_rows import count
from monitor.windows.kernel.tally import MOST
from monitor.windows.layout.from_table import BARE
from monitor.windows.outcome_counts import count_outcomes
from monitor.windows.profile import Profile, merge
from tests.support.thorough import THOROUGH, examples, thinned

STREAM, DAY = Stream("acme", "feed"), Window(0, 86400)
Grades = dict[str, float]


def table(lists: Sequence[list[str]], grades: Sequence[Grades | None] | None = None) -> pa.Table:
    columns: dict[str, Any] = {"ranking": pa.array(map(list_text, lists), pa.string())}
    if grades is not None:
        columns["outcome.relevant"] = pa.array(
            [None if one is None else grades_text(one) for one in grades], pa.string()
        )
    columns["segments.place"] = ["home" if n % 2 else "cart" for n in range(len(lists))]
    return pa.table(columns)


def profile(rows: pa.Table) -> Profile:
    (batch,) = conform(rows).combine_chunks().to_batches()
    return merge([count(batch, BARE), count_outcomes(batch, BARE)])


def measured(
    now: Profile, before: Profile | None = None, k: int = 10, catalogue: int | None = None, least: int = 1
) -> dict[tuple[str, ...], Measurement]:
    base = None if before is None else Baseline(STREAM, "baseline", 0.0, "table", BARE, before)
    options = MetricSettings(least, least, rankings={("acme", "feed"): Ranking(k, catalogue)})
    subject = Subject(STREAM, DAY, now, base, options)
    found = [*list_quality.measure(subject), *shown_items.measure(subject)]
    return {(one.metric, *(value for _, value in one.labels)): one for one in found}


def expected(lists: Sequence[list[str]], grades: Sequence[Grades], k: int) -> dict[str, float]:
    """The figures of ranx and trec_eval, list by list; lists without a relevant item have no recall, MAP and NDCG."""
    found: dict[str, list[float]] = {}
    for items, of_item in zip(lists, grades, strict=True):
        relevant = {item for item, grade in of_item.items() if grade > 0}
        seen: set[str] = set()
        gains: list[float] = []
        for item in items[:k]:
            gains.append(0.0 if item in seen else of_item.get(item, 0.0))
            seen.add(item)
        places = [place for place, gain in enumerate(gains, 1) if gain > 0]
        one = {
            "hit_rate_at_k": float(bool(places)),
            "precision_at_k": len(places) / k,
            "mrr_at_k": 1 / places[0] if places else 0.0,
        }
        if relevant:
            best = sorted(of_item.values(), reverse=True)[:k]
            one |= {
                "recall_at_k": len(places) / len(relevant),
                "map_at_k": sum(nth / place for nth, place in enumerate(places, 1)) / len(relevant),
                "ndcg_at_k": dcg(gains) / dcg(best),
            }
        for name, value in one.items():
            found.setdefault(name, []).append(value)
    return {name: math.fsum(values) / len(values) for name, values in found.items()}


def dcg(gains: Sequence[float]) -> float:
    return sum(gain / math.log2(place + 1) for place, gain in enumerate(gains, 1))


def width(one: Measurement) -> float:
    assert one.low is not None
    assert one.high is not None
    return one.high - one.low


def dirty(seed: int, amount: int = 400) -> tuple[list[list[str]], list[Grades]]:
    """Lists with repeats and without items; grades of 0, of items that were not shown, and none at all."""
    chance = np.random.default_rng(seed)
    lists = [
        [f"sku-{one}\u202e'" for one in chance.integers(0, 40, chance.integers(0, 25))] for _ in range(amount)
    ]
    grades = [
        {
            f"sku-{one}\u202e'": float(chance.integers(0, 4))
            for one in chance.integers(0, 50, chance.integers(0, 6))
        }
        for _ in range(amount)
    ]
    return lists, grades


@pytest.mark.parametrize("k", thinned(counts.CUTS, 3))
def test_figures_are_those_of_each_list_on_dirty_rows(k: int) -> None:
    lists, grades = dirty(k)
    found = measured(profile(table(lists, grades)), k=k)
    for metric, value in expected(lists, grades, k).items():
        one = found[metric,]
        assert one.value == pytest.approx(value, rel=1e-9, abs=1e-12), metric
        assert one.low is not None
        assert one.high is not None
        assert one.low <= value <= one.high
    odd = expected(lists[1::2], grades[1::2], k)
    assert found["ndcg_at_k", "place=home"].value == pytest.approx(odd["ndcg_at_k"], rel=1e-9)
    shown = [(items, item) for items, of in zip(lists, grades, strict=True) for item in of if of[item] > 0]
    outside = sum(item not in items for items, item in shown)
    assert found["relevant_elsewhere",].value == pytest.approx(outside / len(shown))


@pytest.mark.parametrize("k", [1, 5, 20])
def test_ndcg_is_that_of_scikit_learn(k: int) -> None:
    """Which has no missing items: each list is an order of the same ones."""
    chance = np.random.default_rng(k)
    truth = chance.integers(0, 4, (200, 20)) * (chance.random((200, 20)) < 0.2)
    truth = truth[truth.sum(axis=1) > 0].astype(float)
    scores = chance.permuted(np.tile(np.arange(20.0), (len(truth), 1)), axis=1)
    lists = [[str(item) for item in np.argsort(-row)] for row in scores]
    grades = [{str(item): grade for item, grade in enumerate(row)} for row in truth.tolist()]
    found = measured(profile(table(lists, grades)), k=k)
    assert found["ndcg_at_k",].value == pytest.approx(ndcg_score(truth, scores, k=k), rel=1e-12)


def test_without_lists_nothing_is_measured_and_of_few_the_reason_is_told() -> None:
    nothing = profile(pa.table({"prediction": ["a", "b"]}))
    assert measured(nothing) == {}
    lists, grades = dirty(1, 40)
    known: list[Grades | None] = [*grades[:12], *[None] * 28]
    found = measured(profile(table(lists, known)), least=30)
    assert found["hit_rate_at_k",].reason == "12 lists with outcomes of 30 needed"
    assert found["shown_items",].value is not None
    assert found["novelty",].reason == "there is no baseline"
    empty = measured(profile(table([[]] * 40, [{}] * 40)), least=30)
    assert empty["hit_rate_at_k",].value == 0
    assert empty["ndcg_at_k",].reason == "0 lists with a relevant item of 30 needed"
    assert empty["shown_items",].reason == "all lists are empty"
    assert empty["empty_list_share",].value == 1


def test_a_decline_holds_the_chance_of_the_baseline_too() -> None:
    lists, grades = dirty(3, 2000)
    whole = profile(table(lists, grades))
    few = measured(whole, profile(table(lists[:60], grades[:60])))["ranking_decline", "ndcg_at_k"]
    many = measured(whole, whole)["ranking_decline", "ndcg_at_k"]
    assert many.value == pytest.approx(0)
    assert width(few) > 3 * width(many)
    mute = measured(whole, profile(table([["a"]] * 50, [{"b": 1.0}] * 50)))
    assert mute["ranking_decline", "ndcg_at_k"].reason == "the baseline's figure is 0"


def test_intervals_of_a_decline_hold_none_in_most_pairs_of_windows() -> None:
    held, pairs = 0, 80 if THOROUGH else 12
    for seed in range(pairs):
        one, other = (profile(table(*dirty(1000 + 2 * seed + side, 150))) for side in (0, 1))
        found = measured(one, other, k=5)["ranking_decline", "ndcg_at_k"]
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 0 <= found.high
    assert held >= (0.85 if THOROUGH else 0.75) * pairs


def test_what_is_shown_is_that_of_each_item() -> None:
    now, _ = dirty(5)
    before, _ = dirty(6, 300)
    before = [[item for item in items if not item.startswith("sku-1")] for items in before]
    found = measured(profile(table(now)), profile(table(before)), catalogue=90)
    once = [set(items) for items in now]
    popular = {item: sum(item in items for items in before) / len(before) for item in set().union(*once)}
    places = [popular[item] for items in once for item in items]
    assert found["shown_items",].value == len(popular)
    assert found["catalogue_coverage",].value == len(popular) / 90
    assert found["average_popularity",].value == pytest.approx(np.mean(places))
    assert found["novelty",].value == pytest.approx(
        np.mean([-math.log2(p or 1 / len(before)) for p in places])
    )
    assert found["unseen_items",].value == pytest.approx(np.mean([p == 0 for p in places]))
    assert found["list_length",].value == pytest.approx(np.mean([len(items) for items in now]))
    repeated = sum(len(items) for items in now) - sum(map(len, once))
    assert found["repeated_item_share",].value == pytest.approx(repeated / sum(len(items) for items in now))
    amounts = np.array([sum(item in items for items in once) for item in popular], float)
    differences = np.abs(amounts[:, None] - amounts[None, :]).sum()
    assert found["exposure_gini",].value == pytest.approx(
        differences / (2 * len(amounts) ** 2 * amounts.mean())
    )


def test_many_items_are_estimated_within_their_interval() -> None:
    chance = np.random.default_rng(8)
    lists = [[f"i{one}" for one in chance.zipf(1.3, 10) % 50_000] for _ in range(6000)]
    before = [[f"i{one}" for one in chance.zipf(1.3, 10) % 50_000] for _ in range(6000)]
    now, base = profile(table(lists)), profile(table(before))
    assert len(exposure_of(now.overall).of_item) == MOST
    found = measured(now, base)
    true = len({item for items in lists for item in items})
    one = found["shown_items",]
    assert one.low is not None
    assert one.high is not None
    assert one.low < true < one.high
    assert one.value == pytest.approx(true, rel=0.1)
    assert found["novelty",].low is not None


def test_lists_like_those_of_the_baseline_have_no_drift_and_others_have() -> None:
    base, windows = profile(table(dirty(20, 2000)[0])), 60 if THOROUGH else 8
    alike = [measured(profile(table(dirty(seed)[0])), base)["list_drift",].value or 0.0 for seed in (61, 62)]
    assert max(alike) < 0.02
    p_values = [
        measured(profile(table(dirty(21 + n)[0])), base)["list_drift",].p_value or 0.0 for n in range(windows)
    ]
    assert sum(p < 0.05 for p in p_values) <= max(2, 0.2 * windows)
    other = [[f"other-{item}" for item in items] for items in dirty(99)[0]]
    found = measured(profile(table(other)), base)["list_drift",]
    assert found.value is not None
    assert found.value > 0.5
    assert found.p_value == pytest.approx(0, abs=float(chi2.sf(200, 40)))


_items = st.sampled_from(["a", "b", "c", "d", "\u2028'", "\u202e"])
_lists = st.lists(st.lists(_items, max_size=6), min_size=1, max_size=8)
_grades = st.dictionaries(_items | st.just("elsewhere"), st.sampled_from([0.0, 1.0, 2.5]), max_size=4)


@settings(max_examples=examples(12), deadline=None)
@given(_lists, st.data())
def test_windows_add_up_in_any_order_and_names_change_nothing(
    lists: list[list[str]], data: st.DataObject
) -> None:
    grades = [data.draw(_grades) for _ in lists]
    whole = profile(table(lists, grades))
    cut = data.draw(st.integers(0, len(lists)))
    order = data.draw(st.permutations(range(len(lists))))
    parts = [
        table([lists[n] for n in some], [grades[n] for n in some])
        for some in (order[:cut], order[cut:])
        if some
    ]
    total = merge([profile(part) for part in parts]).overall
    assert total.totals == whole.overall.totals
    assert total.tallies == whole.overall.tallies
    assert codec.decode(codec.encode(whole), BARE) == whole
    renamed = {
        item: f"{item} of another kind" for item in ("a", "b", "c", "d", "\u2028'", "\u202e", "elsewhere")
    }
    other = profile(
        table(
            [[renamed[item] for item in items] for items in lists],
            [{renamed[item]: grade for item, grade in one.items()} for one in grades],
        )
    )
    assert other.overall.totals == whole.overall.totals
    assert [one.value for one in measured(other).values()] == pytest.approx(
        [one.value for one in measured(whole).values()]
    )


@settings(max_examples=examples(20), deadline=None)
@given(_lists, st.data())
@example([["a", "b"], []], None)
def test_choices_that_come_one_by_one_are_counted_like_all_at_once(
    lists: list[list[str]], data: st.DataObject | None
) -> None:
    """In any order, several at a time, and some of them again."""
    number = st.integers(0, len(lists) - 1)
    sent = (
        [(0, {"b": 1.0}), (0, {"a": 1.0}), (0, {"b": 3.0}), (0, {"b": 1.0}), (1, {})]
        if data is None
        else data.draw(st.lists(st.tuples(number, _grades), max_size=10))
    )
    best: dict[int, Grades] = {}
    for row, one in sent:
        of_row = best.setdefault(row, {})
        of_row |= {item: max(grade, of_row.get(item, 0.0)) for item, grade in one.items()}
    batch = pa.RecordBatch.from_pydict({"ranking": [*map(list_text, lists)], "timestamp": [0] * len(lists)})
    known, totals, added = KnownOutcomes.of(None), {}, 0
    while sent:
        now, sent = sent[:3], sent[3:]
        outcomes = pa.RecordBatch.from_pydict(
            {"relevant": [grades_text(one) for _, one in now], "timestamp": [0] * len(now)}
        )
        new = known.new_outcomes(np.array([row for row, _ in now]), outcomes, batch)
        added += new.fields
        if not new.is_empty:
            for name, change in counts.count_relevant(new.join(batch)).items():
                totals[name] = totals.get(name, 0) + change
            known = KnownOutcomes.of(known.plus(new).encode())
    assert not [name for name in known.rows.schema.names if name.endswith("_before")]
    if not known.is_empty:
        texts = known.join_all(batch).column("outcome.relevant").to_pylist()
        assert [None if text is None else grades_of(text) for text in texts] == [
            best.get(row) for row in range(len(lists))
        ]
    once = {} if known.is_empty else counts.count_relevant(known.join(batch))
    assert {name: total for name, total in totals.items() if total} == once
