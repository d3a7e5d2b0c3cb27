"""Counts violations of expectations into a profile: rows checked and rows that violate, for each expectation.

A column whose values are unique is counted by hashes of its values: those with the smallest hashes are kept with their
exact counts, so windows add up exactly.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from monitor.expectations.expectation import OF_WINDOWS, Check, Expectation
from monitor.expectations.violations import find, occurrences
from monitor.windows.kernel.count_rows import with_features
from monitor.windows.kernel.probabilities import under_known_names
from monitor.windows.kernel.tally import Tally, bounded
from monitor.windows.layout.layout import Layout
from monitor.windows.profile import OVERALL, Profile, empty

ROWS, VIOLATIONS, FAILED, VALUE = "rows", "violations", "failed:", "value:"


def tally_of(one: Expectation) -> str:
    """The name of its tally in a profile."""
    return f"expect:{one.id}"


def count(rows: pa.RecordBatch, layout: Layout, some: Sequence[Expectation]) -> Profile | None:
    """Count predictions; None if nothing is expected of rows. An expectation that fails stops no other."""
    checked = [one for one in some if one.check not in OF_WINDOWS]
    if not checked or not rows.num_rows:
        return None
    known = under_known_names(rows, layout)
    kept = with_features(known)[0]
    tallies: dict[str, Tally] = {}
    for one in checked:
        try:
            reads_features = not one.column or any(name.startswith("features.") for name in one.columns)
            tally = _count(one, kept if reads_features else known)
        except Exception as error:  # whatever is wrong with one expectation must not stop the others
            tally = {f"{FAILED}{type(error).__name__}": float(rows.num_rows)}
        if tally:
            tallies[tally_of(one)] = bounded(tally)
    return Profile(layout, {OVERALL: replace(empty(layout), tallies=tallies)})


def _count(one: Expectation, rows: pa.RecordBatch) -> Tally:
    if one.check is Check.UNIQUE:
        return {
            f"{VALUE}{hashlib.blake2b(text.encode(), digest_size=8).hexdigest()}": n
            for text, n in occurrences(rows, one.columns).items()
        }
    checked_rows = find(one, rows)
    return {
        ROWS: float(np.count_nonzero(checked_rows.checked)),
        VIOLATIONS: float(np.count_nonzero(checked_rows.violating)),
    }
