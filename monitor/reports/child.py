"""Runs by itself, as `python -m monitor.reports.child REFERENCE CURRENT OUT`: the only file that loads Evidently."""

import os
import sys

os.environ["DO_NOT_TRACK"] = "1"  # before the import: Evidently reports its use otherwise

import pandas as pd
from evidently import Report
from evidently.presets import DataDriftPreset, DataSummaryPreset


def main(reference: str, current: str, out: str) -> None:
    """Read both files, and write the report."""
    base, new = pd.read_parquet(reference), pd.read_parquet(current)
    for frame in (base, new):
        for name in frame.columns[frame.isna().all()]:  # Evidently refuses columns without any value
            base.drop(columns=name, inplace=True, errors="ignore")
            new.drop(columns=name, inplace=True, errors="ignore")
    Report([DataDriftPreset(), DataSummaryPreset()]).run(new, base).save_html(out)


if __name__ == "__main__":
    main(*sys.argv[1:4])
