"""Parquet files to compare: 80 % number and 20 % label columns, 2 % missing, a few of them moved in the second file."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

LEVELS = (2, 5, 8, 20, 50, 100, 300, 1000, 10, 4)
MISSING = 0.02
MOVED = 4


def table(rows: int, columns: int, seed: int, *, moved: bool) -> pa.Table:
    """`columns` features, prediction, confidence and latency; the first few are shifted when `moved`."""
    rng = np.random.default_rng(seed)
    numbers = columns * 4 // 5
    made: dict[str, pa.Array] = {}
    for index in range(numbers):
        values = rng.normal(index, 1 + index / 10, rows)
        if moved and index < MOVED:
            values = values * 1.1 + 0.25
        made[f"n{index}"] = pa.array(values, mask=rng.random(rows) < MISSING)
    for index in range(columns - numbers):
        levels = LEVELS[index % len(LEVELS)]
        names = np.array([f"v{level}" for level in range(levels)], object)
        made[f"c{index}"] = pa.array(names[rng.integers(0, levels, rows)], mask=rng.random(rows) < MISSING)
    made["prediction"] = pa.array(rng.normal(0, 1, rows))
    made["confidence"] = pa.array(rng.beta(8, 2, rows))
    made["latency_ms"] = pa.array(rng.lognormal(3, 0.5, rows))
    return pa.table(made)


def files(folder: Path, rows: int, columns: int) -> tuple[Path, Path]:
    """A reference and a current file, made once."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, seed in (("reference", 1), ("current", 2)):
        path = folder / f"{name}-{rows}x{columns}.parquet"
        if not path.exists():
            pq.write_table(table(rows, columns, seed, moved=name == "current"), path)
        paths.append(path)
    return paths[0], paths[1]
