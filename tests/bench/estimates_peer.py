"""NannyML's estimates with their defaults: run by `tests.bench.estimates` in an environment of its own.

Usage: python estimates_peer.py REFERENCE CURRENT TRUTHS TRUTH ANSWER PROBABILITY CHUNK

The answer on standard output is one JSON object: by metric, the estimate and the limits of its interval of each chunk.
"""

import json
import os
import sys
import warnings

os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"
warnings.filterwarnings("ignore")


def read(path: str):
    import pandas as pd

    return pd.read_parquet(path) if path.endswith(".pq") else pd.read_csv(path)


def main() -> None:
    import nannyml

    reference, current = read(sys.argv[1]), read(sys.argv[2])
    truth, answer, probability, chunk = sys.argv[4], sys.argv[5], sys.argv[6], int(sys.argv[7])
    left_out = {truth, answer, probability, "id", "timestamp", "period"}
    if probability:
        estimator = nannyml.CBPE(
            metrics=["accuracy", "roc_auc"],
            y_pred=answer,
            y_pred_proba=probability,
            y_true=truth,
            problem_type="classification_binary",
            chunk_size=chunk,
        )
    else:
        features = [name for name in reference.columns if name not in left_out]
        estimator = nannyml.DLE(
            metrics=["mae"], y_true=truth, y_pred=answer, feature_column_names=features, chunk_size=chunk
        )
    found = estimator.fit(reference).estimate(current).filter(period="analysis").to_df()
    columns = ("value", "lower_confidence_boundary", "upper_confidence_boundary")
    metrics = ("accuracy", "roc_auc") if probability else ("mae",)
    print(json.dumps({f"estimated_{m}": found[m][list(columns)].to_numpy().tolist() for m in metrics}))


if __name__ == "__main__":
    main()
