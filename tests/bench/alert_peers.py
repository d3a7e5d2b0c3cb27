"""The peers with their defaults, on the same rows: run by `tests.bench.alerts` in an environment of their own.

Usage: python alert_peers.py evidently|nannyml|reconstruction FILE.npz

The file holds rows of a reference and of the windows to judge: each `every`th, and Evidently only those up to the first
alert of the column `until`, where one is named. The answer on standard output is one JSON object: `windows` judged,
`alerts` (windows with at least one drifted column), `pages` (alerts after a window without), `dataset` (windows in
which the peer says that the whole data set drifted, where it says so), and `columns`: in which windows each was in
alert.
"""

import json
import sys
import warnings

import numpy as np

warnings.filterwarnings("ignore")


def rising(alerts: list) -> int:
    """Alerts that begin."""
    return int(sum(now and not before for before, now in zip([False, *alerts[:-1]], alerts, strict=True)))


def is_drifted(metric: dict) -> bool:
    """Evidently's own decision on a column: a distance from the threshold on, or a p-value below it."""
    limit, value = metric["config"]["threshold"], float(metric["value"])
    return value < limit if "p_value" in metric["config"]["method"] else value >= limit


def frame(numbers: np.ndarray, labels: np.ndarray, absent: np.ndarray):
    import pandas as pd

    held = {f"number_{i}": numbers[i] for i in range(len(numbers))}
    names = np.array(list("abcdefghz"))
    held |= {f"category_{i}": names[labels[i]] for i in range(len(labels))}
    held |= {
        f"absent_{i}": np.where(absent[i], np.nan, 1.0 + (np.arange(absent.shape[1]) % 7))
        for i in range(len(absent))
    }
    return pd.DataFrame(held)


def evidently(data: dict) -> dict:
    from evidently import Dataset, Report
    from evidently.presets import DataDriftPreset

    # The reference is thinned to 10,000 rows: the tests that Evidently picks by its size stay the same.
    whole = frame(data["numbers"], data["labels"], data["absent"])
    sizes, reference_rows = data["sizes"], int(data["reference_rows"])
    reference = whole.iloc[:reference_rows].sample(min(10_000, reference_rows), random_state=1)
    alerts, dataset, at = [], [], reference_rows
    columns, until = {name: [] for name in whole.columns}, str(data["until"])
    for index, size in enumerate(sizes):
        current, at = whole.iloc[at : at + size], at + size
        if index % int(data["every"]):
            continue
        report = Report([DataDriftPreset()]).run(Dataset.from_pandas(current), Dataset.from_pandas(reference))
        found = report.dict()["metrics"]
        count = next(m["value"] for m in found if "DriftedColumnsCount" in str(m["metric_name"]))
        for one in found:
            if name := one["config"].get("column"):
                columns[name].append(is_drifted(one))
        alerts.append(bool(count["count"] > 0))
        dataset.append(bool(count["share"] >= 0.5))
        if until and columns[until][-1]:
            break
    return {
        "alerts": int(sum(alerts)),
        "pages": rising(alerts),
        "windows": len(alerts),
        "dataset": int(sum(dataset)),
        "columns": columns,
    }


def timed(data: dict):
    import pandas as pd

    whole = frame(data["numbers"], data["labels"], data["absent"])
    hours = np.repeat(np.arange(len(data["all_sizes"])), data["all_sizes"])
    return whole.assign(time=pd.Timestamp("2024-12-30") + pd.to_timedelta(hours, "h"))


def reconstruction(data: dict) -> dict:
    """NannyML's PCA reconstruction of all columns at once: is each window in alarm?"""
    import nannyml as nml

    whole = timed(data)
    calculator = nml.DataReconstructionDriftCalculator(
        list(whole.columns.drop("time")), timestamp_column_name="time", chunk_period="h"
    )
    first = int(data["reference_rows"])
    calculator.fit(whole.iloc[:first])
    found = calculator.calculate(whole.iloc[first:]).filter(period="analysis").to_df()
    alert = found.loc[:, [column for column in found.columns if column[-1] == "alert"]]
    return {"alarmed": [bool(one) for one in alert.to_numpy().astype(bool).any(axis=1)]}


def nannyml(data: dict) -> dict:
    import nannyml as nml

    whole = timed(data)
    names = list(whole.columns.drop("time"))
    first = int(data["reference_rows"])
    calculator = nml.UnivariateDriftCalculator(
        column_names=names, timestamp_column_name="time", chunk_period="h"
    )
    calculator.fit(whole.iloc[:first])
    found = calculator.calculate(whole.iloc[first:]).filter(period="analysis").to_df()
    alert = (
        found.loc[:, [column for column in found.columns if column[-1] == "alert"]].to_numpy().astype(bool)
    )
    any_alert = [bool(one) for one in alert.any(axis=1)]
    return {
        "alerts": int(sum(any_alert)),
        "pages": rising(any_alert),
        "windows": len(any_alert),
        "dataset": 0,
        "columns": {name: [bool(one) for one in found[name].iloc[:, -1]] for name in names},
    }


if __name__ == "__main__":
    with np.load(sys.argv[2]) as held:
        content = {name: held[name] for name in held.files}
    methods = (evidently, nannyml, reconstruction)
    print(json.dumps({method.__name__: method for method in methods}[sys.argv[1]](content)))
