"""The floor: PSI and Jensen-Shannon of each column in bare numpy, and nothing else. No product can be below it.

Takes the same arguments as the peers' scripts and tells the same, and runs in our environment.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

_BUCKETS = 1000


def between(ordered: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Counts of sorted values between edges, and at the end of the missing ones."""
    known = int(np.searchsorted(ordered, np.nan))
    return np.append(np.diff([0, *np.searchsorted(ordered, edges), known]), ordered.size - known)


def distances(p: np.ndarray, q: np.ndarray) -> tuple[float, float]:
    """PSI and Jensen-Shannon distance of counts."""
    p, q = (p + 0.5) / (p + 0.5).sum(), (q + 0.5) / (q + 0.5).sum()
    middle = (p + q) / 2
    divergence = ((p * np.log2(p / middle)) + (q * np.log2(q / middle))).sum() / 2
    return float(((p - q) * np.log(p / q)).sum()), float(np.sqrt(max(divergence, 0.0)))


def main(reference: Path, current: Path) -> None:
    labels = [name for name in pq.read_schema(reference).names if name.startswith("c") and name[1:].isdigit()]
    base, new = (pq.read_table(path, read_dictionary=labels) for path in (reference, current))
    kept: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for name in base.schema.names:
        column = base.column(name).combine_chunks()
        if name in labels:
            kept[name] = label_counts(column, len(column.dictionary) + 1), np.empty(0)
        else:
            ordered = np.sort(column.to_numpy(zero_copy_only=False))
            known = ordered[: np.searchsorted(ordered, np.nan)]
            edges = known[np.arange(1, _BUCKETS) * known.size // _BUCKETS]
            kept[name] = between(ordered, edges), edges
    began = time.process_time()
    found = 0
    for name, (before, edges) in kept.items():
        column = new.column(name).combine_chunks()
        if name in labels:
            after = label_counts(column, before.size)
        else:
            after = between(np.sort(column.to_numpy(zero_copy_only=False)), edges)
        found += len(distances(before, after[: before.size]))
    print(json.dumps({"seconds": time.process_time() - began, "figures": found}))


def label_counts(column: pa.DictionaryArray, size: int) -> np.ndarray:
    """Counts of each label of a column, and at the end of the missing ones."""
    return np.bincount(np.asarray(column.indices.fill_null(size - 1)), minlength=size)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reference", type=Path)
    parser.add_argument("current", type=Path)
    asked = parser.parse_args()
    main(asked.reference, asked.current)
