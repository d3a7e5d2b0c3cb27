"""Evidently: the drift preset with its defaults or with PSI, or the drift of each column alone."""

import json
import os
import sys
import time

os.environ["DO_NOT_TRACK"] = "1"

import pandas as pd
from evidently import Report
from evidently.metrics import ValueDrift
from evidently.presets import DataDriftPreset


def report(variant: str, columns: list[str]) -> Report:
    if variant == "drift-only":
        return Report([ValueDrift(column=name, method="psi") for name in columns])
    method = {"psi": {"num_method": "psi", "cat_method": "psi"}}.get(variant, {})
    return Report([DataDriftPreset(**method)])


reference, current, variant = sys.argv[1:4]
base, new = pd.read_parquet(reference), pd.read_parquet(current)
began = time.process_time()
snapshot = report(variant, list(base.columns)).run(new, base)
found = snapshot.dict()["metrics"]
print(json.dumps({"seconds": time.process_time() - began, "figures": len(found)}))
