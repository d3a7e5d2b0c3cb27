"""The floor: PSI and Jensen-Shannon of each column in bare numpy, and nothing else. No product can be below it.

Takes the same arguments as the peers' scripts, and runs in our environment.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

_BUCKETS = 1000


def number(reference: np.ndarray, current: np.ndarray, edges: np.ndarray | None) -> tuple[np.ndarray, ...]:
    """Counts of both sides between the reference's quantiles, missing ones apart."""
    ordered = np.sort(reference)
    ordered = ordered[: np.searchsorted(ordered, np.nan)]
    if edges is None:
        edges = ordered[np.arange(1, _BUCKETS) * ordered.size // _BUCKETS]
    return between(ordered, reference.size, edges), between(np.sort(current), current.size, edges), edges


def between(ordered: np.ndarray, rows: int, edges: np.ndarray) -> np.ndarray:
    """Counts between edges, and at the end of the missing values."""
    known = int(np.searchsorted(ordered, np.nan))
    return np.append(np.diff([0, *np.searchsorted(ordered, edges), known]), rows - known)


def distances(p: np.ndarray, q: np.ndarray) -> tuple[float, float]:
    """PSI and Jensen-Shannon distance of counts."""
    p, q = (p + 0.5) / (p + 0.5).sum(), (q + 0.5) / (q + 0.5).sum()
    middle = (p + q) / 2
    divergence = ((p * np.log2(p / middle)) + (q * np.log2(q / middle))).sum() / 2
    return float(((p - q) * np.log(p / q)).sum()), float(np.sqrt(max(divergence, 0.0)))


def main(mode: str, reference: Path, current: Path) -> None:
    began = time.process_time()
    labels = [name for name in pq.read_schema(reference).names if name.startswith("c") and name[1:].isdigit()]
    sides = [pq.read_table(path, read_dictionary=labels) for path in (reference, current)]
    best = float("inf")
    kept: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for repeat in range(6 if mode == "kept" else 1):
        counted = time.process_time()
        found = 0
        for name in sides[0].schema.names:
            base, new = (side.column(name).combine_chunks() for side in sides)
            if name in labels:
                size = max(len(base.dictionary), len(new.dictionary)) + 1
                before, after = (
                    np.bincount(np.asarray(side.indices.fill_null(size - 1)), minlength=size) for side in (base, new)
                )  # fmt: skip
            elif name in kept:
                before, edges = kept[name]
                values = np.sort(new.to_numpy(zero_copy_only=False))
                after = between(values, values.size, edges)
            else:
                before, after, edges = number(
                    *(side.to_numpy(zero_copy_only=False) for side in (base, new)), None
                )
                kept[name] = before, edges
            found += len(distances(before, after))
        seconds = time.process_time() - counted
        best = min(best, seconds) if repeat or mode != "kept" else best  # the first one learns the edges
    told = best if mode == "kept" else time.process_time() - began
    print(json.dumps({"seconds": told, "figures": found}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
