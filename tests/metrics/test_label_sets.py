"""Sets of labels and several outputs beside scikit-learn, on dirty rows; and the laws of their counts."""

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    f1_score,
    label_ranking_loss,
    mean_absolute_error,
    mean_squared_error,
    r2_score,
)

from monitor.metrics import MetricSettings, Subject
from monitor.metrics.quality import classification, multi_label, multi_output
from monitor.predictions.log.item_lists import list_text
from monitor.records import Measurement, Stream, Window
from monitor.status.stream_notes import outputs_beyond
from monitor.windows import codec
from monitor.windows.baseline_from_table import Baseline, conform
from monitor.windows.kernel.count_rows import count
from monitor.windows.layout.from_table import BARE
from monitor.windows.outcome_counts import count_outcomes
from monitor.windows.profile import Profile, blank, merge
from tests.support.thorough import examples

STREAM, DAY = Stream("acme", "topics"), Window(0, 86400)
LABELS = ["a", "b\u202e", "'c'", "d"]


def profile(rows: pa.Table) -> Profile:
    (batch,) = conform(rows).combine_chunks().to_batches()
    return merge([count(batch, BARE), count_outcomes(batch, BARE)])


def measured(
    now: Profile, before: Profile | None = None, least: int = 1
) -> dict[tuple[str, ...], Measurement]:
    base = None if before is None else Baseline(STREAM, "baseline", 0.0, "table", BARE, before)
    subject = Subject(STREAM, DAY, now, base, MetricSettings(least, least))
    found = [*multi_label.measure(subject), *multi_output.measure(subject)]
    return {(one.metric, *(value for _, value in one.labels)): one for one in found}


def is_in(one: Measurement) -> bool:
    return one.low is None or one.high is None or one.low - 1e-12 <= (one.value or 0.0) <= one.high + 1e-12


def sets(seed: int, rows: int = 300) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Predicted and true labels as indicators, some rows without any; scores with ties."""
    chance = np.random.default_rng(seed)
    true = chance.random((rows, 4)) < np.array([0.5, 0.3, 0.2, 0.02])
    scores = np.round(np.clip(true * 0.4 + 0.6 * chance.random((rows, 4)), 0, 1), 1)
    return scores > 0.5, true, scores


def table(predicted: np.ndarray, true: np.ndarray, scores: np.ndarray | None = None) -> pa.Table:
    def written(chosen: np.ndarray) -> list[list[str]]:
        return [[LABELS[n] for n in np.flatnonzero(row)[::-1]] * 2 for row in chosen]

    columns: dict[str, Any] = {
        "predicted_labels": written(predicted),
        "true_labels": [json.dumps(one) for one in written(true)],
        "segments.place": ["x" if n % 2 else "y" for n in range(len(true))],
    }
    if scores is not None:
        columns |= {f"probabilities.{label}": scores[:, n] for n, label in enumerate(LABELS)}
    return pa.table(columns)


def test_figures_of_sets_are_those_of_scikit_learn() -> None:
    predicted, true, scores = sets(1)
    found = measured(profile(table(predicted, true, scores)), profile(table(*sets(2))))
    assert found["subset_accuracy",].value == pytest.approx(accuracy_score(true, predicted))
    assert found["micro_f1",].value == pytest.approx(f1_score(true, predicted, average="micro"))
    assert found["macro_f1",].value == pytest.approx(f1_score(true, predicted, average="macro"))
    assert found["ranking_loss",].value == pytest.approx(label_ranking_loss(true, scores))
    for label, value in zip(LABELS, f1_score(true, predicted, average=None), strict=True):
        assert found["label_f1", label].value == pytest.approx(value)
    odd = measured(profile(table(predicted[1::2], true[1::2], scores[1::2])))
    for (metric, *where), one in found.items():
        assert is_in(one), metric
        if where[-1:] == ["place=x"]:
            assert one.value == pytest.approx(odd[(metric, *where[:-1])].value)
    usual = accuracy_score(sets(2)[1], sets(2)[0])
    assert found["subset_accuracy",].baseline == pytest.approx(usual)


def test_intervals_of_micro_f1_hold_that_of_many_rows() -> None:
    true_value = f1_score(*(one.astype(int) for one in sets(3, 200_000)[1::-1]), average="micro")
    held = 0
    for seed in range(30):
        one = measured(profile(table(*sets(100 + seed, 200)[:2])))["micro_f1",]
        assert one.low is not None
        assert one.high is not None
        held += one.low <= true_value <= one.high
    assert held >= 25


def test_what_cannot_be_measured_of_sets_has_a_reason() -> None:
    predicted, true, scores = sets(4, 60)
    assert measured(profile(pa.table({"prediction": ["a"]}))) == {}
    few = measured(profile(table(predicted[:12], true[:12])), least=30)
    assert few["subset_accuracy",].reason == "12 outcomes of 30 needed"
    unscored = table(predicted, true, scores)
    unscored = unscored.drop_columns([f"probabilities.{LABELS[0]}"])
    rare = measured(profile(unscored), least=10)
    with_first = int(true[:, 0].sum())
    assert rare["ranking_loss",].reason == f"a true label has no probability in {with_first} of 60 rows"
    assert "rows with the label" in rare["label_f1", LABELS[3]].reason
    none = np.zeros((40, 4), bool)
    nothing = measured(profile(table(none, none)))
    assert nothing["subset_accuracy",].value == 1
    assert nothing["micro_f1",].reason == "no row has a label, predicted or true"


def outputs(seed: int, rows: int = 300) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    chance = np.random.default_rng(seed)
    true = {"w": chance.normal(1e6, 5, rows), "h'": chance.gamma(2, 3, rows)}
    return {name: values + chance.normal(0.5, 2, rows) for name, values in true.items()}, true


def output_table(answers: dict[str, np.ndarray], true: dict[str, np.ndarray]) -> pa.Table:
    def written(columns: dict[str, np.ndarray]) -> list[str]:
        rows = zip(*(values.tolist() for values in columns.values()), strict=True)
        return [json.dumps(dict(zip(columns, row, strict=True))) for row in rows]

    return pa.table({"outputs": written(answers), "true_outputs": written(true)})


def test_figures_of_each_output_are_those_of_scikit_learn() -> None:
    answers, true = outputs(1)
    rows = output_table(answers, true)
    odd = ['{"w": 1, "only here": 1}', '{"w": 1e200, "h\'": 1e90}', "{}", None]
    rows = pa.concat_tables(
        [rows, pa.table({"outputs": odd, "true_outputs": ['{"h\'": 1}', '{"w": 1}', '{"w": 2}', '{"w": 2}']})]
    )
    found = measured(profile(rows))
    for name, values in true.items():
        errors = answers[name] - values
        assert found["output_mae", name].value == pytest.approx(mean_absolute_error(values, answers[name]))
        rmse = mean_squared_error(values, answers[name]) ** 0.5
        assert found["output_rmse", name].value == pytest.approx(rmse)
        spread = 1.959964 * (errors**2).std() / 300**0.5
        assert found["output_rmse", name].high == pytest.approx((rmse**2 + spread) ** 0.5, rel=1e-4)
        assert found["output_bias", name].value == pytest.approx(errors.mean())
        assert found["output_r_squared", name].value == pytest.approx(
            r2_score(values, answers[name]), abs=1e-3
        )
        assert found["output_mae", name].n == 300
    assert all(map(is_in, found.values()))
    assert {where[0] for _, *where in found} == set(true)
    equal = output_table({"w": np.arange(40.0)}, {"w": np.ones(40)})
    assert measured(profile(equal))["output_r_squared", "w"].reason == "all true values are equal"
    many = [json.dumps({f"o{n}-{m}": 1.0 for m in range(60)}) for n in range(2)]
    wide = measured(profile(pa.table({"outputs": many, "true_outputs": many})))
    assert wide["output_mae",].reason == "rows of one time have more than 100 outputs"


def test_outputs_beyond_a_hundred_are_told_also_after_sums_in_any_order() -> None:
    names = [[f"o{at + n}" for n in range(60)] for at in (0, 60, 120)]
    rows = [[json.dumps(dict.fromkeys(some, 1.0))] * 2 for some in names]
    one, two, three = (profile(pa.table({"outputs": part, "true_outputs": part})) for part in rows)
    assert not [key for key in measured(one) if len(key) == 1]
    for whole in (
        merge([one, two, three]),
        merge([three, merge([two, one])]),
        merge([merge([one, three]), two]),
    ):
        found = measured(whole)
        assert sum(key[0] == "output_mae" and len(key) == 2 for key in found) == 100
        beyond = found["output_mae",]
        assert (beyond.value, beyond.n) == (None, 2 * 80)
        assert beyond.reason == "more than 100 outputs: the others are not measured"
        assert outputs_beyond([beyond]) == [f"outputs of the last hour: {beyond.reason}"]
        assert outputs_beyond(one for key, one in found.items() if key != ("output_mae",)) == []


_sets = st.lists(st.sampled_from([*LABELS, "e"]), max_size=4)
_outputs = st.dictionaries(st.sampled_from(["w", "h"]), st.floats(-1e60, 1e60), max_size=2)


@settings(max_examples=examples(12), deadline=None)
@given(st.lists(st.tuples(_sets, _sets, _outputs, _outputs), min_size=1, max_size=8), st.data())
def test_windows_add_up_in_any_order(rows: list[tuple[Any, ...]], data: st.DataObject) -> None:
    names = ("predicted_labels", "true_labels", "outputs", "true_outputs")

    def counted(some: list[tuple[Any, ...]]) -> Profile:
        columns = zip(*some, strict=True)
        return profile(
            pa.table({n: [json.dumps(one) for one in c] for n, c in zip(names, columns, strict=True)})
        )

    whole = counted(rows)
    shuffled = data.draw(st.permutations(rows))
    cut = data.draw(st.integers(0, len(rows)))
    total = merge([counted(some) for some in (shuffled[:cut], shuffled[cut:]) if some]).overall
    assert total.totals == whole.overall.totals
    assert total.tallies == whole.overall.tallies
    assert codec.decode(codec.encode(whole), BARE) == whole


def test_an_empty_window_of_a_model_that_answers_with_sets_has_no_figures_of_classes() -> None:
    rows = pa.table({"predicted_labels": ['["a"]'] * 50, "true_labels": ['["a"]'] * 50})
    empty = blank(BARE)
    base = Baseline(STREAM, "baseline", 0.0, "table", BARE, profile(rows))
    settings = MetricSettings(1, 1)
    assert list(classification.measure(Subject(STREAM, DAY, empty, base, settings))) == []
    unanswered = profile(pa.table({"ranking": [list_text(["a", "b"])] * 50}))
    assert list(classification.measure(Subject(STREAM, DAY, unanswered, None, settings))) == []
    assert list(classification.measure(Subject(STREAM, DAY, empty, None, settings))) != []
