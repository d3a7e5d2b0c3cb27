"""whylogs: sketches of both sides, Kolmogorov-Smirnov and chi-square."""

import json
import os
import sys
import time

os.environ["WHYLOGS_NO_ANALYTICS"] = "1"

import pandas as pd
import whylogs
from whylogs.viz.drift.column_drift_algorithms import calculate_drift_scores

reference, current = sys.argv[1:3]
base, new = pd.read_parquet(reference), pd.read_parquet(current)
before = whylogs.log(base).profile().view()
began = time.process_time()
after = whylogs.log(new).profile().view()
found = calculate_drift_scores(target_view=after, reference_view=before, with_thresholds=True)
print(json.dumps({"seconds": time.process_time() - began, "figures": len(found)}))
