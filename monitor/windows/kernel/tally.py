"""Counts of labels that are not known in advance: error types, new categories, pairs of truth and answer.

A tally keeps at most `MOST` labels: those with the smallest hash. They depend only on the set of labels, not on the
order, so tallies merge to the same result in any order. A label that is kept was never dropped in any part, so its
count is exact. Totals are counted elsewhere, so no rows are lost.
"""

import hashlib
from collections.abc import Iterable

Tally = dict[str, float]
MOST = 1024
OUTPUT, MOST_OUTPUTS = "output ", 100
"""How names of sums of one output begin, and of how many outputs sums are kept."""


def add(tallies: Iterable[Tally]) -> Tally:
    """The sum of tallies."""
    total: Tally = {}
    for tally in tallies:
        for label, count in tally.items():
            total[label] = total.get(label, 0.0) + count
    return bounded(total)


def bounded(tally: Tally) -> Tally:
    """The labels of a tally, limited to the `MOST` with the smallest hash."""
    if len(tally) <= MOST:
        return tally
    kept = sorted(tally, key=_hash)[:MOST]
    return {label: tally[label] for label in sorted(kept)}


def bounded_sums(sums: dict[str, int]) -> dict[str, int]:
    """Named sums, of which those of outputs (`output <what>:<output>`) are limited to the `MOST_OUTPUTS` outputs with
    the smallest hash. As with labels, what is kept is exact, whatever the order.
    """
    if len(sums) <= MOST_OUTPUTS:
        return sums
    outputs = {name.partition(":")[2] for name in sums if name.startswith(OUTPUT)}
    if len(outputs) <= MOST_OUTPUTS:
        return sums
    dropped = set(sorted(outputs, key=_hash)[MOST_OUTPUTS:])
    return {
        name: total
        for name, total in sums.items()
        if not (name.startswith(OUTPUT) and name.partition(":")[2] in dropped)
    }


def place(label: str) -> float:
    """Where a label stands in the order in which tallies keep labels: evenly spread over 0 to 1."""
    return int.from_bytes(_hash(label)) / 2.0**64


def _hash(label: str) -> bytes:
    return hashlib.blake2b(label.encode(), digest_size=8).digest()
