"""NannyML's figures for samples: JSON on stdin, JSON on stdout. Runs in an environment of its own."""

import json
import sys

import nannyml
import numpy
import pandas as pd
from nannyml.chunk import SizeBasedChunker
from nannyml.drift.univariate.methods import FeatureType, MethodFactory
from nannyml.thresholds import StandardDeviationThreshold

NUMBERS = ("jensen_shannon", "hellinger", "wasserstein", "kolmogorov_smirnov")
LABELS = ("jensen_shannon", "hellinger", "chi2", "l_infinity")


def figure(method: str, kind: FeatureType, reference: pd.Series, current: pd.Series) -> float:
    made = MethodFactory.create(
        key=method, feature_type=kind, chunker=SizeBasedChunker(500), threshold=StandardDeviationThreshold()
    )
    made.fit(reference_data=reference)
    return float(made.calculate(current))


def main() -> None:
    samples = json.load(sys.stdin)
    figures = {}
    for group, kind, methods in (
        ("numbers", FeatureType.CONTINUOUS, NUMBERS),
        ("labels", FeatureType.CATEGORICAL, LABELS),
    ):
        for name, pair in samples[group].items():
            reference, current = (pd.Series(side, name=name) for side in pair)
            for method in methods:
                figures[f"{name} {method}"] = figure(method, kind, reference, current)
    versions = {one.__name__: one.__version__ for one in (nannyml, numpy, pd)}
    json.dump({"versions": versions, "figures": figures}, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
