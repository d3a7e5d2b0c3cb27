"""What is read and joined, and what is refused, with file and line."""

from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from monitor.errors import InputError
from monitor.gating import Outcome
from tests.gating.items import classified, compared, regressed

CANDIDATE, BASELINE, TRUTH = classified(200)
WITH_TRUTH = BASELINE.merge(TRUTH, on="id")


def written(folder: Path, suffix: str, frame: pd.DataFrame) -> Path:
    path = folder / f"predictions{suffix}"
    table = pa.Table.from_pandas(frame)
    if suffix == ".parquet":
        pq.write_table(table, path)
    elif suffix in (".arrow", ".feather"):
        pyarrow.feather.write_feather(table, path)
    elif suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_json(path, orient="records", lines=True)
    return path


def test_every_format_and_frame_is_the_same(tmp_path: Path) -> None:
    expected = compared(CANDIDATE, WITH_TRUTH)
    sides = [
        written(tmp_path, suffix, CANDIDATE)
        for suffix in (".parquet", ".arrow", ".feather", ".csv", ".jsonl")
    ]
    for side in (*sides, pl.from_pandas(CANDIDATE), pa.Table.from_pandas(CANDIDATE)):
        found = compared(side, WITH_TRUTH)
        assert [(m.metric, m.n) for m in found.metrics] == [(m.metric, m.n) for m in expected.metrics]
        for one, other in zip(found.metrics, expected.metrics, strict=True):
            assert (one.candidate, one.low) == pytest.approx((other.candidate, other.low)), side


def test_features_of_a_parquet_file_are_not_read(tmp_path: Path) -> None:
    """Not even those that no gate could read; and a message names only what was looked for."""
    wide = CANDIDATE.assign(**{f"x{n}": [{"a": [n]}] * 200 for n in range(3)})
    pq.write_table(pa.Table.from_pandas(wide), tmp_path / "wide.parquet")
    found = compared(tmp_path / "wide.parquet", WITH_TRUTH)
    assert [m.candidate for m in found.metrics] == [
        m.candidate for m in compared(CANDIDATE, WITH_TRUTH).metrics
    ]


def test_columns_may_have_other_names(tmp_path: Path) -> None:
    names = {"id": "order", "prediction": "answer", "probabilities.yes": "score"}
    candidate, baseline = CANDIDATE.rename(columns=names), BASELINE.rename(columns=names)
    truth = TRUTH.rename(columns={"id": "order", "truth": "label"})
    columns = {**names, "truth": "label"}
    found = compared(candidate, baseline, truth=written(tmp_path, ".csv", truth), columns=columns)
    plain = compared(CANDIDATE, BASELINE, truth=TRUTH)
    assert [m.candidate for m in found.metrics] == pytest.approx([m.candidate for m in plain.metrics])


def test_ids_that_look_like_numbers_are_names(tmp_path: Path) -> None:
    candidate, baseline = (
        side.assign(id=[f"{n:05d}" for n in range(200)]) for side in (CANDIDATE, WITH_TRUTH)
    )
    found = compared(written(tmp_path, ".csv", candidate), baseline)
    assert found.items == 200


def test_items_in_only_one_file_are_told() -> None:
    found = compared(CANDIDATE.iloc[:150], WITH_TRUTH.iloc[30:])
    assert found.items == 120
    assert found.notes == (
        "only in the candidate, and left out: 30 of 150 items",
        "only in the baseline, and left out: 50 of 170 items",
    )
    truths = compared(
        CANDIDATE, BASELINE, truth=pd.concat([TRUTH.iloc[:90], TRUTH.iloc[:2].assign(id=["x", "y"])])
    )
    assert truths.notes == (
        "without a known truth: 110 of 200 items",
        "of no item that both sides answered: 2 truths",
    )


BAD_ROWS = {
    "repeated": ({"id": "item-3"}, ":9: id 'item-3' also occurs in an earlier row"),
    "no answer": ({"prediction": None}, ":9: "),
    "confidence": ({"confidence": 1.7}, ":9: confidence"),
    "latency": ({"latency_ms": -4.0}, ":9: latency_ms"),
    "no id": ({"id": None}, ":9: the id is missing"),
}


@pytest.mark.parametrize("change", BAD_ROWS)
def test_a_bad_row_is_refused_with_its_line(tmp_path: Path, change: str) -> None:
    values, message = BAD_ROWS[change]
    bad = CANDIDATE.copy()
    for name, value in values.items():
        bad.loc[7, name] = value
    path = written(tmp_path, ".csv", bad)
    with pytest.raises(InputError) as refused:
        compared(path, WITH_TRUTH)
    assert str(refused.value).startswith(f"{path}{message}")


def test_many_bad_rows_are_counted() -> None:
    with pytest.raises(InputError, match="and 197 more rows"):
        compared(CANDIDATE.assign(confidence=2.0), WITH_TRUTH)


REFUSED = {
    "no id": (CANDIDATE.drop(columns="id"), {}, "the candidate has no column 'id'"),
    "no rows": (CANDIDATE.head(0), {}, "the candidate has no row"),
    "no common item": (CANDIDATE.assign(id="other-" + CANDIDATE["id"]), {}, "no item is in both files"),
    "no such segment": (CANDIDATE, {"segments": ["country"]}, "there is no column 'country'"),
    "no such metric": (CANDIDATE, {"metrics": ["accurate"]}, "a gate does not compare 'accurate'"),
    "no such margin": (CANDIDATE, {"margins": {"accuracy": "much"}}, "the margin 'much' of accuracy"),
    "negative margin": (CANDIDATE, {"margins": {"accuracy": -0.1}}, "the margin '-0.1' of accuracy"),
    "no such task": (CANDIDATE, {"task": "ranking"}, "unknown task 'ranking'"),
    "alpha": (CANDIDATE, {"alpha": 0.0}, "alpha is 0.0"),
    "no table": ([1, 2], {}, "a list is not a table"),
    "no file": ("nowhere.csv", {}, "nowhere.csv does not exist"),
    "empty group": (
        CANDIDATE.assign(user=[None] + ["a"] * 199),
        {"group": "user"},
        "without a value in the group 'user': 1 of 200 items",
    ),
    "other truths": (CANDIDATE.assign(truth="perhaps"), {}, "item 'item-0' has two truths, 'perhaps' and "),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_compared_is_refused(case: str) -> None:
    candidate, options, message = REFUSED[case]
    with pytest.raises(InputError) as refused:
        compared(candidate, WITH_TRUTH, **options)
    assert message in str(refused.value)
    assert refused.value.hint or case in ("no rows", "no file")


@pytest.mark.parametrize("text", ["", "id,prediction\n", "[]", '{"id": 1'])
def test_empty_and_cut_files_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / ("predictions.jsonl" if text[:1] in "[{" and text else "predictions.csv")
    path.write_text(text)
    with pytest.raises(InputError):
        compared(path, WITH_TRUTH)


def test_one_class_constant_scores_and_no_truths() -> None:
    """Figures that are not defined are not measured, and say why; the others are."""
    constant = [
        side.assign(**{"probabilities.yes": 0.5, "confidence": 0.7}) for side in (CANDIDATE, BASELINE)
    ]
    found = compared(*constant, truth=TRUTH)
    area = found.metric("roc_auc")
    assert area is not None
    assert (area.candidate, area.difference, area.outcome) == (0.5, 0.0, Outcome.PASS)
    same = compared(
        CANDIDATE, BASELINE, truth=TRUTH.assign(truth="yes"), metrics=["roc_auc", "accuracy", "f1"]
    )
    assert same.metrics[0].reason == "not measured: all truths are of one class"
    assert same.metrics[1].is_measured
    assert same.outcome is not Outcome.PASS
    usual = compared(CANDIDATE, CANDIDATE, truth=TRUTH.assign(truth="yes"))
    assert "roc_auc is not compared: all truths are of one class" in usual.notes
    assert "roc_auc" not in {m.metric for m in usual.metrics}
    without = compared(CANDIDATE, BASELINE)
    assert [m.metric for m in without.metrics] == ["cost_per_prediction", "latency_p50", "latency_p95"]
    assert without.notes == ("no item has a known truth: quality cannot be compared",)


def test_numbers_that_are_none_are_refused_and_huge_ones_not_measured() -> None:
    candidate, baseline = regressed(60)
    for value in (np.nan, np.inf):
        bad = candidate.copy()
        bad.loc[5, "prediction"] = value
        with pytest.raises(InputError, match="row 5"):
            compared(bad, baseline)
    huge = candidate.copy()
    huge.loc[5, "prediction"] = 1e300
    assert compared(huge, baseline).notes[0].startswith("mae is not compared: errors are too large")
    found = compared(huge, baseline, metrics=["mae", "rmse"])
    assert {m.reason[:38] for m in found.metrics} == {"not measured: errors are too large to "}


def test_fewer_than_thirty_items_decide_nothing() -> None:
    found = compared(CANDIDATE.head(20), WITH_TRUTH)
    assert found.outcome is Outcome.INCONCLUSIVE
    assert {m.reason for m in found.metrics} == {"20 items, and at least 30 are needed"}
