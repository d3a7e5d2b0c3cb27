"""The same answers and truths in every notation give the figures that scikit-learn gives for the cleaned values."""

import itertools
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from monitor.windows.baseline_from_table import from_table
from monitor.windows.layout.layout import ColumnKind
from tests.support.notations import BINARY, WHOLE, assert_is_as_sklearn_says, column, measured, two_classes
from tests.support.tables import STREAM
from tests.support.thorough import examples, pairwise, thinned

USUAL = [None, "int", "bool", "True", "float text"]


@pytest.mark.parametrize(("answer", "truth", "usual"), pairwise(list(BINARY), list(BINARY), USUAL))
def test_two_classes_in_any_notation(answer: str, truth: str, usual: str | None) -> None:
    y, p = two_classes(1)
    base = None
    if usual is not None:
        before = column(map(BINARY[usual], two_classes(2)[1].tolist()))
        base = from_table(STREAM, pa.table({"prediction": before, "truth": before}), 0.0)
    table = pa.table(
        {
            "prediction": column(map(BINARY[answer], p.tolist())),
            "truth": column(map(BINARY[truth], y.tolist())),
        }
    )
    found = measured(table, base, pieces=7)
    assert_is_as_sklearn_says(found, y, p)
    assert found["accuracy"].baseline == (None if base is None else 1.0)


@pytest.mark.parametrize("forms", list(itertools.product(["NFC", "NFD"], repeat=2)))
def test_accents_in_either_form_of_unicode_are_one_class(forms: tuple[Any, Any]) -> None:
    words = ("caf\u00e9", "th\u00e9")
    y, p = two_classes(1)
    sides = [
        column(unicodedata.normalize(form, words[value]) for value in values.tolist())
        for form, values in zip(forms, (p, y), strict=True)
    ]
    found = measured(pa.table(dict(zip(("prediction", "truth"), sides, strict=True))), pieces=7)
    assert_is_as_sklearn_says(found, y, p)


@pytest.mark.parametrize("classes", [3, 12, 60, 1000])
@pytest.mark.parametrize(("answer", "truth"), thinned(list(itertools.product(WHOLE, WHOLE)), 3))
def test_many_classes_are_exact_in_any_notation(classes: int, answer: str, truth: str) -> None:
    rng = np.random.default_rng(classes)
    y = rng.integers(0, classes, 4000)
    p = np.where(rng.random(y.size) < 0.7, y, rng.integers(0, classes, y.size))
    table = pa.table(
        {
            "prediction": column(map(WHOLE[answer], p.tolist())),
            "truth": column(map(WHOLE[truth], y.tolist())),
        }
    )
    assert_is_as_sklearn_says(measured(table, pieces=5, task="multiclass"), y, p)


def test_beyond_a_thousand_classes_only_accuracy_is_measured():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 1500, 20_000)
    p = np.where(rng.random(y.size) < 0.7, y, rng.integers(0, 1500, y.size))
    names = [f"sku{i:05d}" for i in range(1500)]
    found = measured(
        pa.table({"prediction": [names[i] for i in p], "truth": [names[i] for i in y]}), pieces=3
    )
    assert found["accuracy"].value == (p == y).mean()
    for name in ("balanced_accuracy", "precision", "recall", "f1"):
        assert found[name].value is None
        assert found[name].reason == "there are more than 1,000 classes"


def with_probabilities(
    seed: int, classes: int, rows: int, names: Sequence[object], keys: Sequence[str]
) -> tuple[pa.Table, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    logits = np.exp(rng.normal(0, 1.5, (rows, classes)))
    shares = logits / logits.sum(axis=1, keepdims=True)
    y = np.array([rng.choice(classes, p=one) for one in shares])
    columns = {
        "prediction": column([names[i] for i in shares.argmax(axis=1)]),
        "truth": column([names[i] for i in y]),
        "confidence": shares.max(axis=1),
    }
    columns |= {f"probabilities.{key}": shares[:, i] for i, key in enumerate(keys)}
    return pa.table(columns), shares, y


def assert_probabilities_are_as_sklearn_says(
    found, shares: np.ndarray, y: np.ndarray, *, ranked: bool
) -> None:
    classes = range(shares.shape[1])
    assert found["log_loss"].value == pytest.approx(
        oracle.log_loss(y, shares, labels=list(classes)), rel=1e-12
    )
    if ranked:
        areas = [oracle.roc_auc_score(y == i, shares[:, i]) for i in classes]
        assert found["roc_auc"].value == pytest.approx(np.mean(areas), abs=0.001)
    else:
        assert found["roc_auc"].value is None
        assert "classes" in found["roc_auc"].reason
    entropy = -(shares * np.log(shares)).sum(axis=1) / np.log(shares.shape[1])
    assert found["prediction_entropy"].value == pytest.approx(entropy.mean(), abs=1e-5)


@pytest.mark.parametrize("classes", [2, 3, 12, 20, 21, 60])
def test_probabilities_of_all_classes_give_the_log_loss(classes: int) -> None:
    names = [f"class_{i:02d}" for i in range(classes)]
    before, _, _ = with_probabilities(1, classes, 3000, names, names)
    table, shares, y = with_probabilities(2, classes, 3000, names, names)
    found = measured(table, from_table(STREAM, before, 0.0), pieces=4)
    assert_probabilities_are_as_sklearn_says(found, shares, y, ranked=classes <= 20)
    assert_is_as_sklearn_says(found, y, shares.argmax(axis=1))


KEYS = ["digit text", "float text", "true", "True"]


@pytest.mark.parametrize(("labels", "keys", "usual"), pairwise(list(BINARY), KEYS, ["digit text", "True"]))
def test_classes_of_probabilities_in_any_notation(labels: str, keys: str, usual: str) -> None:
    usual_names = [str(BINARY[usual](i)) for i in range(2)]
    before, _, _ = with_probabilities(1, 2, 2000, usual_names, usual_names)
    names, written = [BINARY[labels](i) for i in range(2)], [str(BINARY[keys](i)) for i in range(2)]
    table, shares, y = with_probabilities(2, 2, 2000, names, written)
    found = measured(table, from_table(STREAM, before, 0.0), pieces=3)
    assert_probabilities_are_as_sklearn_says(found, shares, y, ranked=True)
    assert_is_as_sklearn_says(found, y, shares.argmax(axis=1))
    p = shares.argmax(axis=1)
    brier = np.mean((shares.max(axis=1) - (p == y)) ** 2)
    assert found["brier_score"].value == pytest.approx(brier, abs=1e-4)


NUMBERS: dict[str, Callable[[float], object]] = {
    "float": float,
    "text": lambda v: f"{v:.2f}",
    "exponent": lambda v: f"{v:.6e}",
}


@pytest.mark.parametrize("stray", thinned(["n/a", "", "-", "nan", "NULL", "None"], 2))
@pytest.mark.parametrize(("answer", "truth"), list(itertools.product(NUMBERS, NUMBERS)))
@pytest.mark.parametrize("has_baseline", [True, False])
def test_a_regressor_with_texts_and_one_stray_value(
    answer: str, truth: str, stray: str, has_baseline: bool
) -> None:
    rng = np.random.default_rng(4)
    y = np.round(rng.normal(200, 30, 300), 2)
    p = np.round(y + rng.normal(0, 5, 300), 2)
    answers = [NUMBERS[answer](v) for v in p.tolist()]
    truths = [NUMBERS[truth](v) for v in y.tolist()]
    if isinstance(truths[0], float):
        truths = [str(v) for v in truths]
    truths[17] = stray
    base = from_table(STREAM, pa.table({"prediction": p, "truth": y}), 0.0) if has_baseline else None
    found = measured(pa.table({"prediction": column(answers), "truth": truths}), base, pieces=3)
    keep = np.arange(300) != 17
    assert found["mae"].n == 299
    assert found["mae"].value == pytest.approx(oracle.mean_absolute_error(y[keep], p[keep]))
    assert found["rmse"].value == pytest.approx(oracle.root_mean_squared_error(y[keep], p[keep]))
    assert found["r_squared"].value == pytest.approx(oracle.r2_score(y[keep], p[keep]))
    assert "accuracy" not in found


def test_a_stray_value_among_digits_and_truth_words_is_missing_and_among_words_a_class():
    y, p = two_classes(3)
    digits: list[object] = [str(v) for v in y.tolist()]
    digits[5] = "n/a"
    found = measured(pa.table({"prediction": p, "truth": digits}))
    keep = np.arange(y.size) != 5
    assert_is_as_sklearn_says(found, y[keep], p[keep])
    words = np.array(["none", "mild", "severe"])
    rng = np.random.default_rng(1)
    y, p = rng.choice(words, 300), rng.choice(words, 300)
    assert_is_as_sklearn_says(measured(pa.table({"prediction": p, "truth": y})), y, p)


@pytest.mark.parametrize(
    "labels",
    [
        ["1", "01"],
        ["01", "02", "1", "2"],
        ["0", "1", "2", "true"],
        ["yes", "no"],
        ["yes", "no", "maybe"],
        ["t", "f", "1", "0", "x"],
        ["A", "a"],
        ["true", "false", "1", "0", "2"],
    ],
)
def test_labels_that_mean_different_things_stay_apart(labels: list[str]) -> None:
    rng = np.random.default_rng(7)
    y, p = rng.choice(labels, 600), rng.choice(labels, 600)
    base = from_table(STREAM, pa.table({"prediction": y, "truth": y}), 0.0)
    for held_against in (None, base):
        assert_is_as_sklearn_says(measured(pa.table({"prediction": p, "truth": y}), held_against), y, p)


@pytest.mark.parametrize("words", [("no", "yes"), ("No", "Yes"), ("N", "Y"), ("f", "t"), ("F", "T")])
@pytest.mark.parametrize("other", ["int", "bool", "True"])
def test_yes_is_true_where_one_side_says_yes_and_the_other_true(words, other) -> None:
    y, p = two_classes(5)
    table = pa.table({"prediction": [words[i] for i in p], "truth": column(map(BINARY[other], y.tolist()))})
    assert_is_as_sklearn_says(measured(table), y, p)
    assert_is_as_sklearn_says(measured(table, from_table(STREAM, table, 0.0)), y, p)


def counts(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.poisson(4, 400).astype(float), rng.poisson(4, 400).astype(float)


def test_whole_numbers_are_counts_unless_something_says_that_they_are_classes():
    y, p = counts(1)
    table = pa.table({"prediction": p, "truth": y})
    base = from_table(STREAM, table, 0.0)
    for held_against in (None, base):
        found = measured(table, held_against, pieces=9)
        assert found["mae"].value == pytest.approx(oracle.mean_absolute_error(y, p))
        assert "accuracy" not in found
        assert_is_as_sklearn_says(measured(table, held_against, task="classification"), y, p)
    sure = table.append_column("confidence", pa.array(np.full(400, 0.9)))
    assert_is_as_sklearn_says(measured(sure, pieces=9), y, p)
    assert_is_as_sklearn_says(measured(sure, from_table(STREAM, sure, 0.0), pieces=9), y, p)
    told = measured(sure, task="regression")
    assert told["mae"].value == pytest.approx(oracle.mean_absolute_error(y, p))
    assert told["brier_score"].value is None


def test_a_task_that_contradicts_what_comes_in_is_told():
    rng = np.random.default_rng(2)
    y = rng.normal(size=200)
    found = measured(pa.table({"prediction": y + 1, "truth": y}), task="binary")
    assert found["accuracy"].value is None
    assert "task" in found["accuracy"].reason
    words = pa.table({"prediction": ["a", "b"] * 100, "truth": ["a", "a"] * 100})
    found = measured(words, task="regression")
    assert found["mae"].value is None
    assert "task" in found["mae"].reason


def test_classes_that_are_written_as_numbers_with_fractions_are_told_or_exact():
    labels = ["1.1", "1.10", "beta"]
    rng = np.random.default_rng(3)
    y, p = rng.choice(labels, 600), rng.choice(labels, 600)
    table = pa.table({"prediction": p, "truth": y})
    found = measured(table)
    assert found["accuracy"].value is None
    assert "because of fractions" in found["accuracy"].reason
    base = from_table(STREAM, table, 0.0, overrides={"prediction": ColumnKind.CATEGORY})
    assert_is_as_sklearn_says(measured(table, base), y, p)


def test_errors_that_overflow_and_infinite_answers_are_not_measured():
    y = np.linspace(-1e200, 1e200, 100)
    found = measured(pa.table({"prediction": y[::-1].copy(), "truth": y}))
    assert found["mae"].value == pytest.approx(oracle.mean_absolute_error(y, y[::-1]))
    assert found["rmse"].value is None
    assert "large" in found["rmse"].reason
    assert found["r_squared"].value is None
    assert "large" in found["r_squared"].reason
    y = np.full(100, 1.5e308)
    found = measured(pa.table({"prediction": -y, "truth": y}))
    assert found["mae"].value is None
    assert "large" in found["mae"].reason
    y, p = np.arange(100) + 0.5, np.arange(100) + 0.5
    p[3] = np.inf
    found = measured(pa.table({"prediction": p, "truth": y}))
    for name in ("mae", "rmse", "mape", "r_squared", "bias"):
        assert found[name].value is None
        assert found[name].reason == "1 answers or truths are infinite"


@settings(max_examples=examples(30), deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=30, max_size=80),
    st.lists(st.sampled_from(sorted(WHOLE)), min_size=2, max_size=2),
    st.integers(1, 9),
)
def test_writing_labels_in_another_way_or_cutting_the_window_changes_no_figure(rows, ways, pieces):
    p, y = (np.array(side) for side in zip(*rows, strict=True))
    plain = measured(pa.table({"prediction": p.astype(str), "truth": y.astype(str)}), task="multiclass")
    table = pa.table(
        {
            "prediction": column(map(WHOLE[ways[0]], p.tolist())),
            "truth": column(map(WHOLE[ways[1]], y.tolist())),
        }
    )
    other = measured(table, pieces=pieces, task="multiclass")
    for name in ("accuracy", "balanced_accuracy", "precision", "recall", "f1"):
        assert other[name].value == plain[name].value
        assert (other[name].low, other[name].high) == (plain[name].low, plain[name].high)
