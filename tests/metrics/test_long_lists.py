"""Long lists, and what became known of them: counted some at a time, with a limit, and stored once."""

import tracemalloc
from itertools import permutations
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from monitor.predictions.log import item_lists
from monitor.predictions.log.item_lists import (
    MOST_KNOWN,
    grades_of,
    grades_text,
    in_parts,
    labels_text,
    list_text,
    outputs_text,
    united,
)
from monitor.predictions.outcomes.known_outcomes import KnownOutcomes
from monitor.windows.kernel import label_set_counts, output_counts
from monitor.windows.kernel import ranking_counts as counts
from monitor.windows.kernel.tally import MOST_OUTPUTS
from monitor.windows.layout.from_table import BARE
from monitor.windows.outcome_counts import count_outcomes
from monitor.windows.profile import merge
from tests.metrics.test_recommendations import dirty, measured, profile, table
from tests.support.thorough import THOROUGH


def joined_columns(seed: int, amount: int = 120) -> pa.RecordBatch:
    """Lists, labels and outputs with what became known of them, some of it missing."""
    chance = np.random.default_rng(seed)
    lists, grades = dirty(seed, amount)
    labels = [[f"l{one}" for one in chance.integers(0, 9, chance.integers(0, 5))] for _ in range(2 * amount)]
    numbers = [
        {f"o{one}": float(chance.normal()) for one in chance.integers(0, 9, 4)} for _ in range(2 * amount)
    ]
    columns = {
        "ranking": [*map(list_text, lists)],
        "outcome.relevant": [*map(grades_text, grades)],
        "outcome.relevant_before": [
            grades_text(dict([*one.items()][:1])) if len(one) % 2 else None for one in grades
        ],
        "predicted_labels": [*map(labels_text, labels[:amount])],
        "outcome.true_labels": [*map(labels_text, labels[amount:])],
        "outputs": [*map(outputs_text, numbers[:amount])],
        "outcome.true_outputs": [*map(outputs_text, numbers[amount:])],
    }
    for texts in columns.values():
        texts[int(chance.integers(0, amount))] = None
    return pa.RecordBatch.from_pydict({name: pa.array(texts, pa.string()) for name, texts in columns.items()})


@pytest.mark.parametrize("at_once", [1, 300, 5000])
def test_what_is_counted_some_rows_at_a_time_is_what_is_counted_at_once(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = joined_columns(at_once)

    def all_counts() -> list[Any]:
        return [
            counts.count(rows, with_items=True),
            counts.count_relevant(rows),
            label_set_counts.count(rows),
            output_counts.count(rows),
        ]

    whole = all_counts()
    monkeypatch.setattr(item_lists, "_AT_ONCE", at_once)
    parts = [part.num_rows for part in in_parts(rows, rows.schema.names)]
    assert len(parts) > 1
    assert sum(parts) == rows.num_rows
    assert all_counts() == whole


def test_memory_does_not_grow_with_the_number_of_long_lists() -> None:
    def peak(amount: int) -> int:
        lists = [[f"item {row} {n}" for n in range(1000)] for row in range(amount)]
        chosen = [grades_text(dict.fromkeys(one, 1.0)) for one in lists]
        rows = pa.RecordBatch.from_pydict(
            {
                "ranking": [*map(list_text, lists)],
                "predicted_labels": [*map(labels_text, lists)],
                "outcome.relevant": chosen,
                "outcome.relevant_before": chosen,
                "outcome.true_labels": [*map(labels_text, lists)],
            }
        )
        del lists, chosen
        tracemalloc.start()
        try:
            counts.count(rows, with_items=True)
            counts.count_relevant(rows)
            label_set_counts.count(rows)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(100 if THOROUGH else 60) < 1.5 * peak(25)


def test_lists_with_more_chosen_items_than_are_kept_are_not_judged_and_the_reason_is_told() -> None:
    many = {f"item {n}": 1.0 for n in range(MOST_KNOWN + 5)}
    kept = united([grades_text(many)])
    assert len(grades_of(kept)) == MOST_KNOWN + 1
    lists, grades = dirty(7, 40)
    plain = measured(profile(table(lists, grades)))
    (one,) = table([["item 1"]], [grades_of(kept)]).to_batches()
    alone = measured(count_outcomes(one, BARE))
    with_one = measured(merge([profile(table(lists, grades)), count_outcomes(one, BARE)]))
    for metric in ("hit_rate_at_k", "recall_at_k", "ndcg_at_k", "relevant_elsewhere"):
        assert with_one[metric,].value == plain[metric,].value
    assert alone["hit_rate_at_k",].reason == (
        "0 lists with outcomes of 1 needed; 1 list with more than 1,000 chosen items left out"
    )
    assert "left out" in alone["relevant_elsewhere",].reason


def test_a_list_that_was_judged_is_taken_back_once_too_much_is_chosen() -> None:
    few = grades_text({"a": 1.0})
    many = grades_text({f"item {n}": 1.0 for n in range(MOST_KNOWN)})
    batch = pa.RecordBatch.from_pydict({"ranking": [list_text(["a", "b"])], "timestamp": [0]})
    known, totals = KnownOutcomes.of(None), dict[str, int]()
    for text in (few, many, grades_text({"c": 1.0})):
        new = known.new_outcomes(
            np.array([0]), pa.RecordBatch.from_pydict({"relevant": [text], "timestamp": [0]}), batch
        )
        if not new.is_empty:
            for name, change in counts.count_relevant(new.join(batch)).items():
                totals[name] = totals.get(name, 0) + change
            known = known.plus(new)
    assert {name: total for name, total in totals.items() if total} == counts.count_relevant(
        known.join(batch)
    )
    assert {name for name, total in totals.items() if total} == {counts.TOO_MANY}


def test_the_order_in_which_too_many_items_come_changes_nothing() -> None:
    parts = [grades_text({f"{part} {n}": float(part) for n in range(600)}) for part in range(3)]
    found = set()
    for one, other, last in permutations(parts):
        found.add(united([united([one, other]), last]))
        found.add(united([one, other, last]))
    assert len(found) == 1


def test_what_is_known_of_a_list_is_stored_once_however_often_it_grows() -> None:
    batch = pa.RecordBatch.from_pydict({"ranking": [list_text(["a"])] * 2, "timestamp": [0] * 2})
    known, sizes = KnownOutcomes.of(None), []
    for number in range(30):
        sent = {
            "relevant": [grades_text({f"{number} {n}": 1.0 for n in range(100)}), None],
            "feedback": [None, 1.0],
            "timestamp": [0, 0],
        }
        new = known.new_outcomes(np.array([0, 1]), pa.RecordBatch.from_pydict(sent), batch)
        known = known.plus(new) if not new.is_empty else known
        sizes.append(len(known.encode()))
    assert known.rows.num_rows == 2
    assert sizes[-1] < 1.1 * sizes[12]
    assert known.join_all(batch).column("outcome.feedback").to_pylist() == [None, 1.0]


def test_outputs_with_ever_new_names_are_limited_and_what_is_kept_is_exact_in_any_order() -> None:
    chance = np.random.default_rng(4)
    batches = []
    for _ in range(12):
        names = [f"out {one}" for one in chance.integers(0, 260, 40)]
        numbers = outputs_text({name: float(chance.normal()) for name in names})
        columns = {
            "outputs": [numbers] * 3,
            "outcome.true_outputs": [outputs_text(dict.fromkeys(names, 1.0))] * 3,
        }
        batches.append(count_outcomes(pa.RecordBatch.from_pydict(columns), BARE))
    every: dict[str, int] = {}
    for one in batches:
        for name, total in one.overall.totals.items():
            every[name] = every.get(name, 0) + total
    whole = merge(batches).overall
    kept = output_counts.outputs_of(whole)
    assert len(kept) == MOST_OUTPUTS
    assert all(every[name] == total for name, total in whole.totals.items())
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(12).tolist()
        at = 1 + seed * 2
        parts = [merge([batches[n] for n in some]) for some in (order[:at], order[at:])]
        assert merge(parts).overall.totals == whole.totals
