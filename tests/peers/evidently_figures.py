"""Evidently's figures for samples: JSON on stdin, JSON on stdout. Runs in a process of its own."""

import json
import sys

import evidently
import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.metrics import ValueDrift

NUMBERS = ("psi", "kl_div", "jensenshannon", "hellinger", "wasserstein", "ks")
LABELS = ("psi", "kl_div", "jensenshannon", "hellinger", "chisquare")


def main() -> None:
    samples = json.load(sys.stdin)
    pairs = {**samples["numbers"], **samples["labels"]}
    definition = DataDefinition(
        numerical_columns=list(samples["numbers"]), categorical_columns=list(samples["labels"])
    )
    sides = [
        Dataset.from_pandas(
            pd.DataFrame({name: pair[side] for name, pair in pairs.items()}), data_definition=definition
        )
        for side in (0, 1)
    ]
    asked = [(name, method) for name in samples["numbers"] for method in NUMBERS]
    asked += [(name, method) for name in samples["labels"] for method in LABELS]
    report = Report([ValueDrift(column=name, method=method) for name, method in asked])
    found = report.run(sides[1], sides[0]).dict()["metrics"]
    figures = {
        f"{name} {method}": float(one["value"]) for (name, method), one in zip(asked, found, strict=True)
    }
    json.dump({"versions": {"evidently": evidently.__version__}, "figures": figures}, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
