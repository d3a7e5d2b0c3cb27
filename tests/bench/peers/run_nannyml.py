"""NannyML: univariate drift by Jensen-Shannon, over ten chunks."""

import json
import os
import sys
import time

os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"

import nannyml
import pandas as pd

reference, current = sys.argv[1:3]
base, new = pd.read_parquet(reference), pd.read_parquet(current)
calculator = nannyml.UnivariateDriftCalculator(
    column_names=list(base.columns),
    continuous_methods=["jensen_shannon"],
    categorical_methods=["jensen_shannon"],
    chunk_number=10,
)
calculator.fit(base)
began = time.process_time()
found = calculator.calculate(new).to_df()
print(json.dumps({"seconds": time.process_time() - began, "figures": int(found.shape[1])}))
