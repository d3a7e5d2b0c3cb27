"""Edges that do not come from data are the same on every processor."""

import os
import subprocess
import sys

import numpy as np
import pytest

from monitor.runtime.cpu_tuning import avx_512
from monitor.windows.layout import edges
from monitor.windows.layout.layout import Column

FIXED = [edges.duration("ms", 0.01, 1e7), edges.duration("s", 1e-3, 1e9), edges.odds_score("p")]
PRINT = """
import hashlib
from monitor.windows.layout.edges import duration, odds_score
parts = [duration("ms", 0.01, 1e7), duration("s", 1e-3, 1e9), odds_score("p")]
print(hashlib.sha256(b"".join(one.edges.tobytes() for one in parts)).hexdigest())
"""


@pytest.mark.parametrize("column", FIXED, ids=lambda column: column.name)
def test_fixed_edges_rise_and_are_numbers_that_no_rounding_changes(column: Column) -> None:
    inner = column.edges[:-1] if column.name == "p" else column.edges
    assert np.all(np.diff(column.edges) > 0)
    assert np.array_equal(inner, inner.astype(np.float32).astype(np.float64))


def test_processors_with_and_without_wide_instructions_make_the_same_edges() -> None:
    others = {name: value for name, value in os.environ.items() if not name.startswith("NPY_")}
    printed = {
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", PRINT],
            env=others | chosen,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for chosen in ({}, {"NPY_DISABLE_CPU_FEATURES": avx_512()})
    }
    assert len(printed) == 1
