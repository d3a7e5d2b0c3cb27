"""Counts of labels that nobody announced: error types, new categories, pairs of truth and answer.

A tally keeps at most `MOST` labels: those with the smallest hash. Which labels those are depends only on the set
of labels seen, never on the order, so tallies merge to the same result in any order; and a label that is kept
was never dropped in any part, so its count is exact. Totals are kept elsewhere, so dropping loses no rows.
"""

import hashlib
from collections.abc import Iterable

Tally = dict[str, float]
MOST = 1024


def add(tallies: Iterable[Tally]) -> Tally:
    """The sum of tallies."""
    total: Tally = {}
    for tally in tallies:
        for label, count in tally.items():
            total[label] = total.get(label, 0.0) + count
    return bounded(total)


def bounded(tally: Tally) -> Tally:
    """At most `MOST` labels of a tally, those of smallest hash."""
    if len(tally) <= MOST:
        return tally
    kept = sorted(tally, key=_hash)[:MOST]
    return {label: tally[label] for label in sorted(kept)}


def _hash(label: str) -> bytes:
    return hashlib.blake2b(label.encode(), digest_size=8).digest()
